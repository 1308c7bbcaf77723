/* tests/sim/memory.h -- memory that fails: allocations of a shard, now and then.
 *
 * The linker puts them in the place of malloc(), calloc() and realloc().
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include "sim/world.h"

/* From here on allocations may fail, on behalf of this node; NULL: no more. */
void memory_fails_for(struct world *w, struct node *n);

#endif
