/* tests/sim/fake_bus.h -- a bus that drops, repeats, reorders and delays.
 *
 * A subscription is known to each other node at a time of its own, mostly before the barrier comes
 * back and sometimes after. A node whose link is down neither sends nor hears; it learns of it
 * later, and may keep what it publishes meanwhile for when the link is up again.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_FAKE_BUS_H
#define SIM_FAKE_BUS_H

#include "sim/world.h"

struct fake_bus *bus_new(struct world *w);
void bus_free(struct fake_bus *b);

enum rc bus_subscribe(struct seat *seat, const struct handle *h);
void bus_unsubscribe(struct seat *seat, const struct handle *h);
void bus_barrier(struct seat *seat, uint64_t ticket);

/* A row was committed by this node: to its own shard, and to the other nodes. */
void bus_publish(struct world *w, struct node *from, int inbox, struct frame *frame);

void bus_link(struct world *w, struct node *n, bool up);
/* For a short while what comes for this node is lost, and it is told afterwards. */
void bus_slow_consumer(struct world *w, struct node *n);
/* The node is gone, with its subscriptions and what it kept. */
void bus_forget(struct world *w, struct node *n);

#endif
