/* tests/support/site.h -- PostgreSQL, NATS and nodes of one test program, all real.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_SITE_H
#define SUPPORT_SITE_H

#include "support/natsd.h"
#include "support/node.h"
#include "support/postgres.h"

enum { SITE_NODES_MAX = 4 };

struct site {
    const char *program;
    struct postgres *pg;
    struct natsd *nats;
    struct node *nodes[SITE_NODES_MAX];
};

/* Starts `count` nodes, all with the same flags (NULL: none). program: BUILD_DIR
 * "/kez-chat-server". */
void site_start(struct site *s, const char *program, unsigned count, const char *const *flags);
/* One more node with flags of its own; the caller stops it. */
struct node *site_node(struct site *s, const char *const *flags);
void site_stop(struct site *s);

#endif
