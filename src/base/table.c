/* base/table.c -- an intrusive hash table with chains.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/table.h"

#include <stdlib.h>

enum { LEAST_BUCKETS = 16 };

enum rc table_init(struct table *t, size_t expected) {
    size_t size = LEAST_BUCKETS;
    *t = (struct table){0};
    if (expected > SIZE_MAX / 2 / sizeof *t->buckets)
        return RC_NO_MEMORY;
    while (size < expected)
        size *= 2;
    *t = (struct table){.buckets = calloc(size, sizeof *t->buckets), .mask = size - 1};
    return t->buckets ? RC_OK : RC_NO_MEMORY;
}

void table_done(struct table *t) {
    free(t->buckets);
    *t = (struct table){0};
}

struct table_node *table_find(const struct table *t, uint64_t hash,
                              bool (*same)(const struct table_node *node, const void *key),
                              const void *key) {
    struct table_node *node = t->buckets[hash & t->mask];
    while (node && !(node->hash == hash && same(node, key)))
        node = node->next;
    return node;
}

static void grow(struct table *t) {
    size_t size = (t->mask + 1) * 2;
    struct table_node **buckets = calloc(size, sizeof *buckets);
    if (!buckets)
        return;
    for (size_t i = 0; i <= t->mask; i++)
        for (struct table_node *node = t->buckets[i], *next; node; node = next) {
            next = node->next;
            node->next = buckets[node->hash & (size - 1)];
            buckets[node->hash & (size - 1)] = node;
        }
    free(t->buckets);
    t->buckets = buckets;
    t->mask = size - 1;
}

void table_add(struct table *t, uint64_t hash, struct table_node *node) {
    if (t->n > t->mask)
        grow(t);
    node->hash = hash;
    node->next = t->buckets[hash & t->mask];
    t->buckets[hash & t->mask] = node;
    t->n++;
}

void table_remove(struct table *t, struct table_node *node) {
    struct table_node **at = &t->buckets[node->hash & t->mask];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    t->n--;
}
