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

/* port: of the node under test; other: a node that nothing fails in. False: why says what did not
 * go as it must. */
bool story_run(uint16_t port, struct node *other, struct story_tally *tally,
               char why[STORY_WHY_BYTES]);

#endif
