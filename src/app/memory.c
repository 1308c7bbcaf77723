/* app/memory.c -- the allocator, told what kind of program this is.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/memory.h"

#include <malloc.h>

/* glibc gives every thread an arena of its own, each with its own holes; with thousands of small
 * things that live long, and requests that do not, two arenas hold them in less memory. */
void memory_spare(void) {
#ifdef __GLIBC__
    (void)mallopt(M_ARENA_MAX, 2);
#endif
}

bool memory_give_back(uint64_t moved, uint64_t *seen) {
    if (moved - *seen < MEMORY_STREAMS)
        return false;
    *seen = moved;
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
    return true;
}
