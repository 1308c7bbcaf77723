/* tests/integration/inject/story.h -- posts, a stream and its deliveries, by clients that insist.
 *
 * A story has users of its own. It posts to a fresh inbox in every way, by the node under test and
 * by another one, and reads them all on one stream, once and in order; whatever fails on the way is
 * tried again, as clients do. Then nothing of it may be left in the node.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef INJECT_STORY_H
#define INJECT_STORY_H

#include "support/node.h"

enum { STORY_WHY_BYTES = 512 };

struct story_tally {
    unsigned errors; /* answers of 500 and 503 */
    unsigned cuts;   /* connections that ended without an answer, streams that ended */
};

/* Posts, and a stream that gets them live, from the store, and again after what was dropped; a
 * reader that does not read until its node minds; and a stream that is open while its node ends. */
enum story_kind { STORY_POSTS, STORY_SLOW, STORY_DRAIN, STORY_KINDS };

/* Who tells it to whom. */
struct story_place {
    uint16_t port;          /* of the node under test */
    struct node *other;     /* nothing fails in it */
    void (*end)(void *arg); /* STORY_DRAIN: tells the node under test to end */
    void *arg;
    struct story_tally tally;
};

/* False: why says what did not go as it must. */
bool story_run(enum story_kind kind, struct story_place *at, char why[STORY_WHY_BYTES]);

#endif
