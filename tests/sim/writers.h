/* tests/sim/writers.h -- what a node does with a request about a conversation: its way to the store
 * and back.
 *
 * As src/back/store_batch.c and store_post.c do it: one writer with a queue; posts that wait share
 * a transaction, other requests have one of their own; when the connection breaks, the outcome is
 * settled or the request is run again. After the commit each row goes to the streams and the bus,
 * then the answer to the client. The node may die at any of these points.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_WRITERS_H
#define SIM_WRITERS_H

#include "sim/fake_talks.h"

struct writers *writers_new(struct world *w);
void writers_free(struct writers *all);
/* The request is sent to this node, and may come there. */
void writers_send(struct world *w, struct node *n, size_t errand);
/* The node is gone, with what waited there. */
void writers_forget(struct world *w, struct node *n);

#endif
