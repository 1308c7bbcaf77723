/* tests/sim/talk_answer.c -- whether an answer about a conversation is true.
 *
 * What was acknowledged stands in the caller's inbox; what was refused is judged by what the
 * caller's inbox said of the conversation when the store refused it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "sim/talk_oracle.h"
#include "sim/talk_row.h"

#define fail_answer(w, a, format, ...)                                                             \
    world_fail((w), (a)->who, "conversation %u, inbox %d, answer to number %" PRIu64 ": " format,  \
               (a)->talk, (a)->who, (a)->number, __VA_ARGS__)

/* The row of the caller's inbox that the answer is about. */
static bool find_row(const struct result *r, struct talk_row *row) {
    return r->seq >= 1 && r->seq <= r->history->n &&
           talk_row_read(r->history->rows[r->seq - 1], row);
}

/* What the caller was told last of the conversation, by then. */
static bool last_told(const struct ask *a, const struct result *r, struct talk_row *row) {
    for (uint64_t seq = history_head_at(r->history, r->step); seq > 0; seq--)
        if (r->history->rows[seq - 1]->type == ROW_CONVERSATION &&
            talk_row_read(r->history->rows[seq - 1], row) && row->talk == a->talk)
            return true;
    return false;
}

/* ---- done ---- */

static void check_posted(struct world *w, const struct ask *a, const struct result *r) {
    struct talk_row row;
    if (!find_row(r, &row) || row.kind != TALK_ROW_POST || row.talk != a->talk ||
        row.number != a->number || row.from != a->who || row.is_other != a->is_other ||
        row.created_at_ms != r->created_at_ms)
        fail_answer(w, a, "its row is not at %" PRIu64, r->seq);
}

static bool has_all(const struct ask *a, const struct talk_row *is) {
    for (int i = 0; i < INBOXES_MAX; i++)
        if (((a->add >> i & 1) && is->in[i] == 0) || ((a->remove >> i & 1) && is->in[i] != 0))
            return false;
    return a->title < 0 || is->title == a->title;
}

static void check_made(struct world *w, const struct ask *a, const struct result *r,
                       const struct talk_row *is) {
    bool right = is->creator == a->who && is->in[a->who] == a->inbox_id;
    for (int i = 0; r->rc == RC_OK && i < INBOXES_MAX; i++)
        right &= (is->in[i] != 0) == (i == a->who || (a->add >> i & 1));
    if (!right || (r->rc == RC_OK && (is->version != 1 || is->title != a->title)))
        fail_answer(w, a, "not what was to be made: %s", r->json);
}

static void check_conversation(struct world *w, const struct ask *a, const struct result *r) {
    struct talk_row is = {0}, row;
    if (!talk_row_read_data(str_of(r->json), &is) || is.talk != a->talk)
        fail_answer(w, a, "not a conversation: %s", r->json);
    else if (r->seq > 0 && (!find_row(r, &row) || row.kind != TALK_ROW_UPDATE ||
                            !str_eq(row.data, str_of(r->json))))
        fail_answer(w, a, "not what the row %" PRIu64 " says: %s", r->seq, r->json);
    else if (a->kind == ASK_MAKE)
        check_made(w, a, r, &is);
    else if (!has_all(a, &is) || is.version != a->version + (r->seq > 0))
        fail_answer(w, a, "not what was to become of it: %s", r->json);
}

/* ---- refused ---- */

static void check_refused(struct world *w, const struct errand *it, const struct result *r) {
    const struct ask *a = &it->ask;
    struct talk_row was;
    bool is_in =
        r->history->end_step > r->step && last_told(a, r, &was) && was.in[a->who] == a->inbox_id;
    bool just = true;
    if (r->rc == RC_NOT_FOUND)
        just = a->kind == ASK_MAKE ? r->history->end_step <= r->step : !is_in;
    else if (r->rc == RC_FORBIDDEN)
        just = a->kind == ASK_CHANGE && is_in && (a->remove & ~(1u << a->who)) != 0;
    else if (a->kind == ASK_POST)
        just = talkers_of(w, a->number)->is_disputed;
    else if (a->kind == ASK_CHANGE)
        just = !is_in || was.version != a->version;
    if (!just)
        fail_answer(w, a, "refused without a reason (%s)", rc_name(r->rc));
}

void talk_oracle_answer(struct world *w, const struct errand *it, const struct result *r) {
    const struct ask *a = &it->ask;
    if (r->rc == RC_UNAVAILABLE || r->rc == RC_UNKNOWN_OUTCOME)
        return;
    if (r->rc != RC_OK && r->rc != RC_REPEAT)
        check_refused(w, it, r);
    else if (a->kind == ASK_POST)
        check_posted(w, a, r);
    else
        check_conversation(w, a, r);
}
