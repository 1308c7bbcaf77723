/* push/slots.h -- numbered places whose numbers are never used twice.
 *
 * An id is a place and its generation: a late answer or a late epoll event for something that is
 * gone finds nothing, instead of its successor.
 *
 * Threads: one at a time.
 * Memory: 16 bytes a place; places are used again, ids are not.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PUSH_SLOTS_H
#define PUSH_SLOTS_H

#include <stdint.h>

struct slot {
    void *p;       /* NULL: free */
    uint32_t gen;  /* odd while in use */
    uint32_t next; /* free list: place + 1, 0 ends it */
};

struct slots {
    struct slot *at;
    uint32_t size, cap, free, used;
};

void slots_init(struct slots *s);
void slots_done(struct slots *s);
/* The new id, never 0. 0: no memory. `p` is not NULL. */
uint64_t slots_add(struct slots *s, void *p);
/* NULL when that one is gone. */
void *slots_get(const struct slots *s, uint64_t id);
void slots_remove(struct slots *s, uint64_t id);
/* For walking all: place 0 to size - 1; NULL for a free one. */
void *slots_at(const struct slots *s, uint32_t place);

#endif
