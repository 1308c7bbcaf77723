/* app/links.h -- store, bus and shards tied to each other; none of them knows the others.
 *
 * A committed row goes to this node's own shard and to the bus; a row from the bus to the shard; a
 * shard's wish for rows or heads to the store, and back.
 *
 * Threads: start and stop by main; the ties run on the threads of whoever calls.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APP_LINKS_H
#define APP_LINKS_H

#include "app/config.h"

struct links {
    struct push *push;
    struct bus *bus; /* NULL: a single node */
    struct store *store;
    /* Set before the start, or NULL: the database was made for a newer version of this program.
     * Told again and again, on the store's threads. */
    void (*outdated)(void);
};

/* *links must not move. What did start when it fails is stopped by links_stop(). *why is
 * a sentence. */
MUST_CHECK enum rc links_start(struct links *links, const struct config *config,
                               const struct push_config *push, const struct clock *clock,
                               const char **why);
/* Also after a start that failed half way. */
void links_stop(struct links *links);

#endif
