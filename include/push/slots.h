/* push/slots.h -- numbered places, each with room for one thing, whose numbers are never used
 * twice.
 *
 * An id is a place and its generation: a late answer or a late epoll event for something that is
 * gone finds nothing, instead of its successor.
 *
 * Threads: one at a time.
 * Memory: blocks of many things, apart from what else comes and goes in the heap, so that it leaves
 * no holes between them. A thing does not move while it is there. Places are used again, and blocks
 * kept; ids are not used again.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PUSH_SLOTS_H
#define PUSH_SLOTS_H

#include <stddef.h>
#include <stdint.h>

struct slots {
    unsigned char **blocks;
    size_t stride; /* bytes of a place */
    uint32_t per_block, cap;
    uint32_t size, used; /* places made, and in use */
    uint32_t free;       /* free list: place + 1, 0 ends it */
};

/* For things of `bytes` each, at most SLOTS_MAX_BYTES. */
enum { SLOTS_MAX_BYTES = 1024 };
void slots_init(struct slots *s, size_t bytes);
/* What is still there goes, too. */
void slots_done(struct slots *s);
/* A new thing of zeros, and its id, which is never 0. NULL: no memory. */
void *slots_add(struct slots *s, uint64_t *id);
/* NULL when that one is gone. */
void *slots_get(const struct slots *s, uint64_t id);
void slots_remove(struct slots *s, uint64_t id);
/* For walking all: place 0 to size - 1; NULL for a free one. */
void *slots_at(const struct slots *s, uint32_t place);

#endif
