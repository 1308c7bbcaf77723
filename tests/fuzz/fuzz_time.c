/* tests/fuzz/fuzz_time.c -- a time that was read prints as a time that reads the same; a time that
 * is in the form of time_put() prints as it was.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include "wire/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct str in = {(const char *)data, n};
    struct buf b;
    int64_t ms, again;
    if (time_read(in, &ms) != RC_OK)
        return 0;
    buf_init(&b, 64);
    time_put(&b, ms);
    if (b.n != 24 || time_read(buf_str(&b), &again) != RC_OK)
        abort();
    /* Offsets and leap seconds reach a day beyond the four digits that can be printed. */
    int64_t beyond = again > ms ? again - ms : ms - again;
    if (beyond != 0 && !str_starts_with(in, STR("0000-")) && !str_starts_with(in, STR("9999-")))
        abort();
    bool is_ours = n == 24 && in.p[10] == 'T' && in.p[23] == 'Z' &&
                   !str_starts_with(str_from(in, 17), STR("60"));
    if (is_ours && !str_eq(buf_str(&b), in))
        abort();
    buf_done(&b);
    return 0;
}
