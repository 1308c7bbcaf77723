/* tests/fuzz/fuzz_sse_last_id.c -- what sse_read_last_id() accepts is the one way to write that
 * number, and a seq.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include "wire/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct str in = {(const char *)data, n};
    struct buf b;
    uint64_t seq = 0;
    enum rc rc = sse_read_last_id(in, &seq);
    if (rc != RC_OK) {
        if ((rc != RC_MALFORMED && rc != RC_TOO_LARGE) || seq != 0)
            abort();
        return 0;
    }
    buf_init(&b, 32);
    buf_put_u64(&b, seq);
    if (seq > SEQ_MAX || !str_eq(buf_str(&b), in))
        abort();
    buf_done(&b);
    return 0;
}
