/* tests/fuzz/fuzz_target.c -- what target_read() accepts has no way out of a folder, and reads the
 * same when every byte is percent-encoded. A parameter that is there once is found, one that is
 * there twice is refused, and a number is taken in the one way to write it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/sse.h"
#include "wire/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void encode(struct buf *b, const char *before, struct str s) {
    buf_put(b, str_of(before));
    for (size_t i = 0; i < s.n; i++)
        buf_putf(b, "%%%02x", (unsigned char)s.p[i]);
}

static void encode_all(struct buf *b, const struct target *t) {
    for (size_t i = 0; i < t->segment_count; i++) {
        struct str s = t->segments[i];
        if (str_eq(s, STR(".")) || str_eq(s, STR("..")) || memchr(s.p, '/', s.n))
            abort();
        encode(b, "/", s);
    }
    if (t->is_deep && t->segment_count != TARGET_MAX_SEGMENTS)
        abort();
    for (size_t i = 0; i < t->param_count; i++) {
        encode(b, i ? "&" : b->n ? "?" : "/?", t->params[i].name);
        encode(b, "=", t->params[i].value);
    }
    if (memmem(buf_cstr(b), b->n, "%00", 3))
        abort();
}

static void check_params(const struct target *t) {
    for (size_t i = 0; i < t->param_count; i++) {
        struct str name = t->params[i].name, value = {NULL, 0};
        size_t times = 0;
        for (size_t k = 0; k < t->param_count; k++)
            times += str_eq(t->params[k].name, name);
        enum rc rc = target_param(t, name, &value);
        if (rc != (times == 1 ? RC_OK : RC_MALFORMED))
            abort();
        if (rc == RC_OK && !str_eq(value, t->params[i].value))
            abort();
        uint64_t number = 0;
        char text[24];
        rc = target_param_u64(t, name, SEQ_MAX, &number);
        (void)snprintf(text, sizeof text, "%ju", (uintmax_t)number);
        if (rc == RC_OK && (times != 1 || number > SEQ_MAX || !str_eq(value, str_of(text))))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static struct target t, again;
    struct buf once, twice;
    buf_init(&once, 4 * TARGET_MAX_BYTES);
    buf_init(&twice, 4 * TARGET_MAX_BYTES);
    if (target_read((struct str){(const char *)data, n}, &t) == RC_OK) {
        check_params(&t);
        encode_all(&once, &t);
    }
    if (once.n && once.n <= TARGET_MAX_BYTES) {
        if (target_read(buf_str(&once), &again) != RC_OK)
            abort();
        encode_all(&twice, &again);
        if (!str_eq(buf_str(&once), buf_str(&twice)))
            abort();
    }
    buf_done(&once);
    buf_done(&twice);
    return 0;
}
