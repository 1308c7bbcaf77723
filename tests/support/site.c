/* tests/support/site.c -- PostgreSQL, NATS and nodes of one test program, all real.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/site.h"

static const char database[] = "chat";

static struct node_setup setup_of(struct site *s, const char *const *flags) {
    return (struct node_setup){.program = s->program,
                               .database_url = postgres_url(s->pg, database),
                               .nats_url = natsd_url(s->nats),
                               .flags = flags};
}

void site_start(struct site *s, const char *program, unsigned count, const char *const *flags) {
    *s = (struct site){.program = program, .pg = postgres_start(), .nats = natsd_start(1)};
    const struct node_setup setup = setup_of(s, flags);
    for (unsigned i = 0; i < count && i < SITE_NODES_MAX; i++)
        s->nodes[i] = node_launch(&setup);
    for (unsigned i = 0; i < count && i < SITE_NODES_MAX; i++)
        node_wait_ready(s->nodes[i]);
}

struct node *site_node(struct site *s, const char *const *flags) {
    const struct node_setup setup = setup_of(s, flags);
    return node_start(&setup);
}

void site_stop(struct site *s) {
    for (unsigned i = 0; i < SITE_NODES_MAX; i++)
        node_stop(s->nodes[i]);
    natsd_stop(s->nats);
    postgres_stop(s->pg);
}
