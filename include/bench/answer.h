/* bench/answer.h -- reads HTTP/1.1 answers: the head, and a body of known length or in chunks.
 *
 * Source: RFC 9112, sections 4, 5, 6 and 7.1.
 * Memory: none.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define ANSWER_NO_LENGTH UINT64_MAX

struct answer_head {
    unsigned status;
    bool is_chunked;
    bool closes;     /* the connection ends with this answer */
    uint64_t length; /* ANSWER_NO_LENGTH: not told */
    size_t bytes;    /* of the head, with its empty line */
};

/* RC_TOO_SHORT: the head has not ended yet. RC_MALFORMED. */
MUST_CHECK enum rc answer_read_head(struct str bytes, struct answer_head *out);

/* Where a chunked body stands. All zero at its start. */
struct chunk {
    uint32_t left; /* bytes of this chunk, or its size so far */
    uint8_t state;
    uint8_t digits;
};

/* Takes the next run of the body off *in. *body is empty when *in is used up, or at the end.
 * RC_OK, RC_CLOSED (the last chunk and its trailers are over), RC_MALFORMED. */
MUST_CHECK enum rc chunk_next(struct chunk *c, struct str *in, struct str *body);

struct answer {
    struct answer_head head;
    struct str body;
};

/* Reads a whole answer in bytes[0..n); a chunked body is put together in place.
 * RC_TOO_SHORT: more is to come. RC_MALFORMED: also one that only the connection's end would end.
 */
MUST_CHECK enum rc answer_read(char *bytes, size_t n, struct answer *out);

#endif
