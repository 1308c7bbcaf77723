#!/usr/bin/env bash
# tests/fuzz/run.sh TARGET CORPUS SCRATCH -- runs a libFuzzer target over its corpus, then lets it
# search for some seconds. What it finds goes to SCRATCH; the corpus stays as it is.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -euo pipefail

target=$1 corpus=$2 scratch=$3
if [ -z "$(ls "$corpus")" ]; then
    echo "$corpus is empty" >&2
    exit 1
fi
rm -rf "$scratch"
mkdir -p "$scratch/new"
# libFuzzer writes new inputs to the first directory only, and runs all directories first.
exec "$target" -max_total_time="${KEZ_FUZZ_SECONDS:-5}" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$scratch/" "$scratch/new" "$corpus"
