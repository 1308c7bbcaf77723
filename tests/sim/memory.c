/* tests/sim/memory.c -- allocations that fail.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/memory.h"

#include <stddef.h>

static struct world *world;
static struct node *node;

void memory_fails_for(struct world *w, struct node *n) {
    world = w;
    node = n;
}

static bool fails(void) {
    if (!node || world->is_quiet || world->knobs.alloc_fails == 0 ||
        rng_below(&world->rng, 100000) >= world->knobs.alloc_fails)
        return false;
    node->alloc_failed_ms = world->now_ms;
    return true;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }

void *__wrap_calloc(size_t n, size_t size) { return fails() ? NULL : __real_calloc(n, size); }

void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }
