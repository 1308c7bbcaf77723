#!/usr/bin/env bash
# tests/floors.sh -- includes go down the floors only, and third-party headers stay in their homes.
# The tables below are those of the design; one line is printed for each include that breaks them.
# Before the tree is checked, the check itself is: on a small tree that breaks every rule once.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -euo pipefail

# What a file of a floor may include. back and push do not see each other; kez is the public face
# of client.
declare -A sees=(
    [base]="base"
    [wire]="base wire"
    [core]="base wire core"
    [back]="base wire core back"
    [push]="base wire core push"
    [flow]="base wire core back push flow"
    [http]="base wire core back push flow http"
    [app]="base wire core back push flow http app"
    [bench]="base wire bench"
    [client]="base wire client kez"
    [kez]="kez"
)

# A third-party header, and the only source files that may include it.
third_party=(
    'microhttpd\.h    src/http/.*\.c'
    'libpq.*|pg_.*    src/back/(pool|store)[a-z_]*\.c'
    'nats(/.*|\.h)    src/back/(bus|callout)[a-z_]*\.c'
    'jansson.*        src/wire/.*\.c'
    'sodium.*         src/(wire|client)/.*\.c'
    'curl/.*          src/client/.*\.c'
)

# Prints what is wrong with one include: quoted ones are ours.
judge_own() {
    local file=$1 name=$2 floor=$3 target=${2%%/*}
    if [[ $name == *..* ]]; then
        echo "leaves its folder"
    elif [[ $name != */* ]]; then
        [[ -e $(dirname "$file")/$name ]] || echo "names no floor and is not beside the file"
    elif [[ " ${sees[$floor]:-} " != *" $target "* ]]; then
        echo "$floor does not see $target"
    fi
}

judge_third_party() {
    local file=$1 name=$2 header home
    for line in "${third_party[@]}"; do
        read -r header home <<<"$line"
        if [[ $name =~ ^($header)$ && ! $file =~ ^$home$ ]]; then
            echo "has its home in $home"
        fi
    done
}

# Checks the tree in the current directory; one line each on what is wrong, and a count at the end.
check() {
    local file number text floor why includes=0 wrong=0
    local form='#[[:space:]]*include[[:space:]]*([<"])([^>"]*)[>"]'
    while IFS=: read -r file number text; do
        [[ $text =~ $form ]] || continue
        local mark=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]}
        floor=${file#*/} floor=${floor%%/*}
        why=$(if [[ -z ${sees[$floor]:-} ]]; then
                  echo "$floor is no floor"
              elif [[ $mark == '"' ]]; then
                  judge_own "$file" "$name" "$floor"
              fi
              judge_third_party "$file" "$name")
        includes=$((includes + 1))
        if [[ -n $why ]]; then
            echo "$file:$number: $name: $why"
            wrong=$((wrong + 1))
        fi
    done < <(grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' src include)
    echo "floors: $includes includes, $wrong against the rules"
    [[ $includes -gt 0 && $wrong -eq 0 ]]
}

# Each line: a file, and an include in it that must be refused (or, with +, allowed).
examples='
- src/base/a.c "wire/key.h"
- src/wire/a.c "core/page.h"
- src/core/a.c "back/store.h"
- src/back/a.c "push/push.h"
- src/push/a.c "back/store.h"
- include/flow/a.h "http/server.h"
- src/http/a.c "app/node.h"
- src/app/a.c "bench/scan.h"
- src/bench/a.c "core/stats.h"
- src/client/a.c "core/stats.h"
- include/kez/a.h "base/str.h"
- src/wire/b.c "base/../back/store.h"
- src/wire/c.c "nowhere.h"
- src/extra/a.c "base/str.h"
- include/http/a.h <microhttpd.h>
- src/app/b.c <microhttpd.h>
- include/back/a.h <libpq-fe.h>
- src/back/bus.c <libpq-fe.h>
- src/back/store.c <nats/nats.h>
- src/flow/b.c <nats.h>
- src/core/b.c <jansson.h>
- src/core/c.c <sodium.h>
- src/back/d.c "sodium/crypto_sign.h"
- include/wire/a.h <sodium.h>
- src/bench/b.c <curl/curl.h>
+ src/app/c.c "http/server.h"
+ src/flow/c.c "push/push.h"
+ src/client/b.c <curl/curl.h>
+ src/back/store_sql.c <libpq-fe.h>
+ src/back/callout.c <nats/nats.h>
+ src/wire/d.c <stdint.h>
'

# The check refuses all of the examples that it must, and none of the others.
check_the_check() {
    local sign file include refused wanted
    while read -r sign file include; do
        [[ -n $sign ]] || continue
        mkdir -p "$(dirname "$file")"
        echo "#include $include" >"$file"
    done <<<"$examples"
    refused=$({ check || true; } | sed -n 's/:1: .*//p' | sort)
    wanted=$(sed -n 's/^- \([^ ]*\) .*/\1/p' <<<"$examples" | sort)
    diff <(echo "$wanted") <(echo "$refused") ||
        { echo "floors: the check itself is wrong (< not refused, > refused)" >&2; return 1; }
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/src" "$scratch/include"
(cd "$scratch" && check_the_check)

cd "$(dirname "$0")/.."
check
