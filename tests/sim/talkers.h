/* tests/sim/talkers.h -- those who make conversations, change them and post to them.
 *
 * An errand is one request with its repeats: a talker sends it to any node, loses patience, sends
 * it again to another, until it is answered. So a request may be under way twice, and be answered
 * twice.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_TALKERS_H
#define SIM_TALKERS_H

#include "sim/fake_talks.h"

struct errand {
    struct ask ask;
    bool is_over;
    unsigned tries;
    bool is_disputed; /* its id was sent with two envelopes */
};

struct talkers *talkers_new(struct world *w);
void talkers_free(struct talkers *all);
/* Valid until the next errand. */
struct errand *talkers_at(struct world *w, size_t errand);
/* The one that first had this number; NULL: nobody did. */
struct errand *talkers_of(struct world *w, uint64_t number);
size_t talkers_count(const struct world *w);

/* Somebody wants something of a conversation. */
void talkers_begin_some(struct world *w);
/* Who has this inbox leaves every conversation. */
void talkers_leave_all(struct world *w, int inbox);
/* A post to each conversation that is there. */
void talkers_post_everywhere(struct world *w);
/* An answer has come. The result is borrowed. */
void talkers_answered(struct world *w, size_t errand, const struct result *r);
/* All is quiet: everybody has an answer. */
void talkers_settled(struct world *w);

#endif
