/* push/slots.c -- numbered places whose numbers are never used twice.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "push/slots.h"

#include <stdlib.h>

void slots_init(struct slots *s) { *s = (struct slots){0}; }

void slots_done(struct slots *s) {
    free(s->at);
    slots_init(s);
}

static uint32_t new_place(struct slots *s) {
    if (s->size == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 64;
        struct slot *at = realloc(s->at, (size_t)cap * sizeof *at);
        if (!at)
            return UINT32_MAX;
        s->at = at;
        s->cap = cap;
    }
    s->at[s->size] = (struct slot){0};
    return s->size++;
}

uint64_t slots_add(struct slots *s, void *p) {
    uint32_t place;
    if (s->free) {
        place = s->free - 1;
        s->free = s->at[place].next;
    } else {
        place = new_place(s);
        if (place == UINT32_MAX)
            return 0;
    }
    s->at[place].p = p;
    s->at[place].gen++;
    s->used++;
    return (uint64_t)s->at[place].gen << 32 | place;
}

static struct slot *find(const struct slots *s, uint64_t id) {
    uint32_t place = (uint32_t)id;
    if (place >= s->size || s->at[place].gen != (uint32_t)(id >> 32) || !s->at[place].p)
        return NULL;
    return &s->at[place];
}

void *slots_get(const struct slots *s, uint64_t id) {
    struct slot *slot = find(s, id);
    return slot ? slot->p : NULL;
}

void slots_remove(struct slots *s, uint64_t id) {
    struct slot *slot = find(s, id);
    if (!slot)
        return;
    slot->p = NULL;
    slot->gen++;
    slot->next = s->free;
    s->free = (uint32_t)id + 1;
    s->used--;
}

void *slots_at(const struct slots *s, uint32_t place) {
    return place < s->size ? s->at[place].p : NULL;
}
