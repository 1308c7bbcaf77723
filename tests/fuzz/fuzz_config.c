/* tests/fuzz/fuzz_config.c -- any text of a configuration file is read or refused in one line; what
 * is read, printed and read again prints the same.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "app/manual.h"
#include "app/sources.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Reads and prints; false when it was refused. */
static bool print_again(struct str text, struct buf *out) {
    struct config c;
    struct buf why;
    buf_init(&why, 4096);
    enum rc rc = config_read_text(text, &c, &why);
    bool is_line = why.n > 0 && buf_rc(&why) == RC_OK && !memchr(why.p, '\n', why.n);
    if (rc != RC_OK && !is_line)
        abort();
    buf_done(&why);
    if (rc != RC_OK)
        return false;
    manual_put_config(&c, out);
    config_done(&c);
    if (buf_rc(out) != RC_OK)
        abort();
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n > SOURCES_FILE_MAX_BYTES)
        return 0;
    struct buf first, second, third;
    buf_init(&first, 4 * MANUAL_MAX_BYTES);
    buf_init(&second, 4 * MANUAL_MAX_BYTES);
    buf_init(&third, 4 * MANUAL_MAX_BYTES);
    if (print_again((struct str){(const char *)data, n}, &first)) {
        /* The first print has sections of its own; from the second on all is "by file". */
        if (!print_again(buf_str(&first), &second) || !print_again(buf_str(&second), &third) ||
            !str_eq(buf_str(&second), buf_str(&third)))
            abort();
    }
    buf_done(&first);
    buf_done(&second);
    buf_done(&third);
    return 0;
}
