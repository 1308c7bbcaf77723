/* bench/gathering.c -- the conversation that a round posts into.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/gathering.h"

#include <stdlib.h>

/* The latest place that stood here, and its post. */
struct gathering_place {
    uint32_t place, post;
};

enum rc gathering_init(struct gathering *g, struct ask *ask, struct troubles *troubles,
                       const struct identity *who, uint32_t n) {
    *g = (struct gathering){.ask = ask, .troubles = troubles, .who = who, .n = n};
    g->places = calloc(GATHERING_PLACES, sizeof *g->places);
    ask_make_sid(ask, &g->sid);
    return g->places ? RC_OK : RC_NO_MEMORY;
}

void gathering_done(struct gathering *g) {
    free(g->places);
    g->places = NULL;
}

static bool next(void *arg, const struct peer *to, struct buf *out, uint32_t *tag) {
    struct gathering *g = arg;
    if (g->is_asked)
        return false;
    g->is_asked = true;
    *tag = 0;
    enum rc rc = ask_conversation(g->ask, out, str_of(to->host), &g->sid, g->who, g->n);
    if (rc == RC_OK)
        return true;
    g->has_failed = true;
    troubles_add(g->troubles, "conversation not made: %s", rc_text(rc));
    return false;
}

static void ended(void *arg, const struct call *call) {
    struct gathering *g = arg;
    char why[TROUBLES_TEXT_MAX];
    g->is_made = call->answer && call->answer->head.status == 201;
    g->has_failed = !g->is_made;
    if (g->is_made)
        return;
    call_explain(call, why, sizeof why);
    troubles_add(g->troubles, "conversation: %s", why);
}

struct callers_work gathering_work(struct gathering *g) {
    return (struct callers_work){.arg = g, .next = next, .ended = ended};
}

bool gathering_is_done(const struct gathering *g) { return g->is_made || g->has_failed; }

bool gathering_agrees(struct gathering *g, uint64_t place, uint32_t post) {
    struct gathering_place *at = &g->places[place % GATHERING_PLACES];
    if (at->place == (uint32_t)place)
        return at->post == post;
    if (at->place < place)
        *at = (struct gathering_place){(uint32_t)place, post};
    return true; /* the first there, or too late to be compared */
}
