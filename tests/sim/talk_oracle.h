/* tests/sim/talk_oracle.h -- what is promised of conversations, read from the inboxes alone.
 *
 * It does not ask the record who is in a conversation: the rows themselves say it. An update says
 * who is in it from then on, and what follows up to the next must be the same posts in the same
 * order for all of these, and for nobody else. That a stream shows just the rows of its inbox is
 * what oracle.h watches; so what is true of the inboxes is true of what clients see.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_TALK_ORACLE_H
#define SIM_TALK_ORACLE_H

#include "sim/talkers.h"

/* Compares all inboxes as they have been since the last restore: to be called before the next, and
 * at the end. */
void talk_oracle_compare(struct world *w);
/* An answer to an errand is true: what it acknowledges stands in the caller's own inbox, and was
 * what the caller asked for; what it refuses was to be refused. */
void talk_oracle_answer(struct world *w, const struct errand *it, const struct result *r);

#endif
