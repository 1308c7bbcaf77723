/* push/slots.c -- numbered places, each with room for one thing, whose numbers are never used
 * twice.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "push/slots.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Stands before each thing. */
struct place {
    _Alignas(uint64_t) uint32_t gen; /* odd while in use */
    uint32_t next;                   /* when free: place + 1 of the next free one */
};

enum { BLOCK_BYTES = 64 * 1024 };

/* A thing that is gone must not be looked at; AddressSanitizer sees that it is not. */
#if defined __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define FORBID(p, n) __asan_poison_memory_region(p, n)
#define ALLOW(p, n) __asan_unpoison_memory_region(p, n)
#else
#define FORBID(p, n) ((void)(p), (void)(n))
#define ALLOW(p, n) ((void)(p), (void)(n))
#endif

void slots_init(struct slots *s, size_t bytes) {
    size_t align = _Alignof(struct place);
    assert(bytes > 0 && bytes <= SLOTS_MAX_BYTES);
    *s = (struct slots){.stride = sizeof(struct place) + (bytes + align - 1) / align * align};
    s->per_block = (uint32_t)(BLOCK_BYTES / s->stride);
}

static size_t thing_bytes(const struct slots *s) { return s->stride - sizeof(struct place); }

static struct place *place_at(const struct slots *s, uint32_t at) {
    return (struct place *)(void *)(s->blocks[at / s->per_block] + at % s->per_block * s->stride);
}

static void *thing_of(struct place *p) { return p + 1; }

static bool is_used(const struct place *p) { return p->gen % 2 == 1; }

void slots_done(struct slots *s) {
    for (uint32_t at = 0; at < s->size; at++)
        ALLOW(thing_of(place_at(s, at)), thing_bytes(s));
    for (uint32_t at = 0; at < s->size; at += s->per_block)
        free(s->blocks[at / s->per_block]);
    free(s->blocks);
    *s = (struct slots){0};
}

static bool add_block(struct slots *s) {
    uint32_t n = s->size / s->per_block;
    if (n == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 4;
        unsigned char **blocks = realloc(s->blocks, cap * sizeof *blocks);
        if (!blocks)
            return false;
        s->blocks = blocks;
        s->cap = cap;
    }
    s->blocks[n] = malloc(s->per_block * s->stride);
    return s->blocks[n] != NULL;
}

/* The block's memory is touched place by place, as they are needed. */
static struct place *new_place(struct slots *s, uint32_t *at) {
    if (s->size % s->per_block == 0 && !add_block(s))
        return NULL;
    *at = s->size++;
    struct place *p = place_at(s, *at);
    *p = (struct place){0};
    return p;
}

void *slots_add(struct slots *s, uint64_t *id) {
    struct place *p;
    uint32_t at;
    if (s->free) {
        at = s->free - 1;
        p = place_at(s, at);
        s->free = p->next;
    } else {
        p = new_place(s, &at);
        if (!p)
            return NULL;
    }
    p->gen++;
    s->used++;
    *id = (uint64_t)p->gen << 32 | at;
    ALLOW(thing_of(p), thing_bytes(s));
    return memset(thing_of(p), 0, thing_bytes(s));
}

static struct place *find(const struct slots *s, uint64_t id) {
    uint32_t at = (uint32_t)id;
    struct place *p = at < s->size ? place_at(s, at) : NULL;
    return p && is_used(p) && p->gen == (uint32_t)(id >> 32) ? p : NULL;
}

void *slots_get(const struct slots *s, uint64_t id) {
    struct place *p = find(s, id);
    return p ? thing_of(p) : NULL;
}

void slots_remove(struct slots *s, uint64_t id) {
    struct place *p = find(s, id);
    if (!p)
        return;
    FORBID(thing_of(p), thing_bytes(s));
    p->gen++;
    p->next = s->free;
    s->free = (uint32_t)id + 1;
    s->used--;
}

void *slots_at(const struct slots *s, uint32_t place) {
    struct place *p = place < s->size ? place_at(s, place) : NULL;
    return p && is_used(p) ? thing_of(p) : NULL;
}
