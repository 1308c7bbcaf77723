/* base/list.h -- an intrusive doubly linked ring: the caller's structs hold the links.
 *
 * Threads: one at a time; the owner locks.
 * Memory: allocates nothing.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* A head, or a link in a node. A link that is in no list points to itself. */
struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l) { l->prev = l->next = l; }

static inline bool list_is_empty(const struct list *l) { return l->next == l; }

/* Appends to the end; the link must be in no list. */
static inline void list_add(struct list *head, struct list *link) {
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Fine for a link that is in no list. */
static inline void list_remove(struct list *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* The first link, out of the list; NULL when empty. */
static inline struct list *list_pop(struct list *head) {
    struct list *first = head->next;
    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}

#endif
