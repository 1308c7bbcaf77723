/* app/memory.h -- the allocator, told what kind of program this is.
 *
 * With the GNU C library; with another one both do nothing.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APP_MEMORY_H
#define APP_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Call memory_give_back() so often. It does something when so many streams came or went since. */
enum { MEMORY_LOOK_MS = 5000, MEMORY_STREAMS = 256 };

/* Before there are threads. */
void memory_spare(void);

/* Whole pages between what lives long go back to the system: opening a stream takes a request's
 * memory, which lies between those of other streams when it is free again. The walk over the holes
 * holds the allocator's locks, so it is made only after streams came or went: `moved` of them since
 * the start. *seen is the caller's, 0 at first. True: it was made. */
bool memory_give_back(uint64_t moved, uint64_t *seen);

#endif
