# deploy/signing.sh -- keys and signatures of kez-chat with nothing but openssl; to be sourced.
#
# Plain Ed25519 (RFC 8032), in hex. OpenSSL 3 is needed.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash

hex() { od -An -v -tx1 | tr -d ' \n'; }

# Makes a key in FILE, unless it is there.
kez_key() { # FILE
    [ -s "$1" ] || (umask 077 && openssl genpkey -algorithm ed25519 -out "$1")
}

# The name of a key on the wire: ed25519: and 64 hex digits. The last 32 bytes of the public key's
# DER form are the key itself (RFC 8410, 4).
kez_primary() { # FILE
    printf 'ed25519:%s' "$(openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | hex)"
}

# The signature over TEXT, 128 hex digits. (openssl wants the text in a file.)
kez_sign() { # FILE TEXT
    local text
    text=$(mktemp)
    printf '%s' "$2" >"$text"
    openssl pkeyutl -sign -inkey "$1" -rawin -in "$text" | hex
    rm -f "$text"
}

# The value of X-KEZ-Auth, or of ?auth=: LINES are signed, joined by LF, with the time as the last.
kez_auth() { # FILE LINE ...
    local file=$1 now text=
    shift
    now=$(date +%s)
    for line; do
        text+=$line$'\n'
    done
    printf '%s:%s' "$now" "$(kez_sign "$file" "$text$now")"
}

# The body of POST /v1/register. The payload's members are sorted and plain, and so it is in the
# canonical form (RFC 8785) that is signed.
kez_registration() { # FILE HANDLE SERVER
    local primary payload
    primary=$(kez_primary "$1")
    payload=$(printf '{"created_at":"%s","handle":"%s","primary":"%s","server":"%s",%s}' \
        "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$2" "$primary" "$3" \
        '"type":"kez.chat.handle_registration","version":1')
    printf '{"kez":"handle_registration","payload":%s,"signature":%s}' "$payload" \
        "$(printf '{"alg":"ed25519-sha512-jcs","key":"%s","sig":"%s"}' "$primary" \
            "$(kez_sign "$1" "$payload")")"
}

# The value of X-KEZ-Auth for the general text: METHOD, SERVER, TARGET from /v1/ on, and BODY.
kez_auth_request() { # FILE METHOD SERVER TARGET BODY
    kez_auth "$1" "$2" "$3" "$4" "$(printf '%s' "$5" | sha256sum | cut -d ' ' -f 1)"
}
