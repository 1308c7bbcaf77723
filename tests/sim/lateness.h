/* tests/sim/lateness.h -- what must not only come, but come in time.
 *
 * In prompt worlds (a quick store, quick sockets): what a node has heard of is on its ready streams
 * shortly after. In gentle ones (the bus loses only what it does not know to be wanted yet): every
 * row is, within the 0.25 s of the first look and a little more. In all: silent streams are kept
 * awake, and those that take nothing are closed in time.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_LATENESS_H
#define SIM_LATENESS_H

#include "sim/world.h"

struct lateness *lateness_new(struct world *w);
void lateness_free(struct lateness *l);
/* The node was handed this row of the inbox. */
void lateness_heard(struct world *w, const struct node *n, int inbox, const struct frame *frame);

#endif
