/* tests/fuzz/fuzz_auth.c -- what auth_read() accepts prints as it was; all else is told apart.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include "wire/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct str in = {(const char *)data, n};
    struct auth a;
    struct buf b;
    enum rc rc = auth_read(in, &a);
    if (rc != RC_OK) {
        if (rc != (n ? RC_UNAUTHORIZED : RC_MISSING_AUTH))
            abort();
        return 0;
    }
    buf_init(&b, 1024);
    buf_put_i64(&b, a.at_s);
    if (!str_eq(buf_str(&b), a.at_text))
        abort();
    buf_put_byte(&b, ':');
    buf_put_hex(&b, a.sig, sizeof a.sig);
    if (!str_eq(buf_str(&b), in))
        abort();
    buf_done(&b);
    return 0;
}
