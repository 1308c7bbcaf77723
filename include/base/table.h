/* base/table.h -- an intrusive hash table: the caller's structs hold the links.
 *
 * Threads: one at a time; the owner locks.
 * Memory: only the array of buckets; nodes are the caller's.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rc.h"

struct table_node {
    struct table_node *next;
    uint64_t hash;
};

struct table {
    struct table_node **buckets;
    size_t n, mask;
};

/* The struct that holds `node` as its member `member`. */
#define container_of(node, type, member) ((type *)((uintptr_t)(node)-offsetof(type, member)))

/* RC_NO_MEMORY. `expected` nodes fit before the first growth. */
MUST_CHECK enum rc table_init(struct table *t, size_t expected);
void table_done(struct table *t);

/* The first node with this hash for which same(node, key); NULL when none. */
struct table_node *table_find(const struct table *t, uint64_t hash,
                              bool (*same)(const struct table_node *node, const void *key),
                              const void *key);
/* Sets node->hash. Never fails: when the buckets cannot grow, chains do. */
void table_add(struct table *t, uint64_t hash, struct table_node *node);
/* The node is in the table. */
void table_remove(struct table *t, struct table_node *node);

#endif
