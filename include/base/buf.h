/* base/buf.h -- a growing buffer that is born with its hard limit.
 *
 * The first write that would pass the limit, or finds no memory, marks the buffer as failed; later
 * writes do nothing. So a writer writes on, and asks once at the end with buf_rc().
 *
 * Threads: one at a time.
 * Memory: owns its bytes; buf_done() frees them, buf_take() hands them over.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/str.h"

struct buf {
    char *p;
    size_t n, cap, max_bytes;
    enum rc rc;
};

/* Allocates nothing yet. */
void buf_init(struct buf *b, size_t max_bytes);
/* NULL-safe on its bytes; the buffer may be used again with the same limit. */
void buf_done(struct buf *b);
/* Forgets the bytes and the failure, keeps the memory. */
void buf_clear(struct buf *b);

void buf_put(struct buf *b, struct str bytes);
void buf_put_byte(struct buf *b, char byte);
void buf_put_u64(struct buf *b, uint64_t value);
void buf_put_i64(struct buf *b, int64_t value);
void buf_put_hex(struct buf *b, const void *bytes, size_t n);
void buf_putf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for `more` bytes at p + n and returns where; NULL when failed. The caller adds what it
 * wrote to n. */
char *buf_reserve(struct buf *b, size_t more);

/* RC_OK, RC_TOO_LARGE (the limit) or RC_NO_MEMORY: how all writes since init or clear went. */
MUST_CHECK enum rc buf_rc(const struct buf *b);
/* Valid until the next write. */
struct str buf_str(const struct buf *b);
/* Adds a NUL that is not counted in n and returns the bytes, valid until the next write; "" when
 * failed. */
const char *buf_cstr(struct buf *b);
/* Moves the bytes to the caller, who frees them; the buffer is empty then. NULL when there was
 * never a write. */
char *buf_take(struct buf *b, size_t *n);

#endif
