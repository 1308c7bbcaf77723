/* base/buf.c -- a growing buffer that is born with its hard limit.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 128 };

void buf_init(struct buf *b, size_t max_bytes) {
    /* A quarter of the address space, so that no sum or doubling below can overflow. */
    if (max_bytes > SIZE_MAX / 4)
        max_bytes = SIZE_MAX / 4;
    *b = (struct buf){.max_bytes = max_bytes, .rc = RC_OK};
}

void buf_done(struct buf *b) {
    free(b->p);
    buf_init(b, b->max_bytes);
}

void buf_clear(struct buf *b) {
    b->n = 0;
    b->rc = RC_OK;
}

char *buf_reserve(struct buf *b, size_t more) {
    if (b->rc != RC_OK)
        return NULL;
    if (more > b->max_bytes - b->n) {
        b->rc = RC_TOO_LARGE;
        return NULL;
    }
    /* One byte more than asked, for the NUL of buf_cstr(). */
    size_t need = b->n + more + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : FIRST_BYTES;
        while (cap < need)
            cap *= 2;
        if (cap > b->max_bytes + 1)
            cap = b->max_bytes + 1;
        char *p = realloc(b->p, cap);
        if (!p) {
            b->rc = RC_NO_MEMORY;
            return NULL;
        }
        b->p = p;
        b->cap = cap;
    }
    return b->p + b->n;
}

void buf_put(struct buf *b, struct str bytes) {
    char *to = buf_reserve(b, bytes.n);
    if (to && bytes.n) {
        memcpy(to, bytes.p, bytes.n);
        b->n += bytes.n;
    }
}

void buf_put_byte(struct buf *b, char byte) {
    char *to = buf_reserve(b, 1);
    if (to) {
        *to = byte;
        b->n++;
    }
}

void buf_put_u64(struct buf *b, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_put(b, (struct str){digits + at, sizeof digits - at});
}

void buf_put_i64(struct buf *b, int64_t value) {
    if (value < 0)
        buf_put_byte(b, '-');
    buf_put_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_put_hex(struct buf *b, const void *bytes, size_t n) {
    char *to = buf_reserve(b, n > SIZE_MAX / 2 ? SIZE_MAX : 2 * n);
    if (to) {
        str_put_hex(bytes, n, to);
        b->n += 2 * n;
    }
}

void buf_putf(struct buf *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    /* n < 0: over INT_MAX bytes (or wide characters, which nobody prints here). */
    char *to = buf_reserve(b, n < 0 ? SIZE_MAX : (size_t)n);
    if (to) {
        (void)vsnprintf(to, (size_t)n + 1, format, again);
        b->n += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

enum rc buf_rc(const struct buf *b) { return b->rc; }

struct str buf_str(const struct buf *b) {
    return (struct str){b->p ? b->p : "", b->n};
}

const char *buf_cstr(struct buf *b) {
    if (!buf_reserve(b, 0))
        return "";
    b->p[b->n] = '\0';
    return b->p;
}

char *buf_take(struct buf *b, size_t *n) {
    char *p = b->p;
    if (n)
        *n = b->n;
    buf_init(b, b->max_bytes);
    return p;
}
