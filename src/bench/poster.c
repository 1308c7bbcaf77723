/* bench/poster.c -- posts to the inboxes in turn.
 *
 * The rate is a schedule: post k is due at begin + k / rate, however late the last one was. Its
 * mark says when it was sent and not when it was due; late_max_ns tells the difference.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/poster.h"

#include "wire/json_span.h"
#include "wire/sse.h"

void poster_init(struct poster *p, const struct poster_config *config) {
    *p = (struct poster){.config = *config};
    histogram_init(&p->latency_ns);
}

static uint64_t scheduled_ns(const struct poster *p) {
    const struct poster_config *c = &p->config;
    return c->begin_ns + p->asked / c->rate * SECOND_NS + p->asked % c->rate * SECOND_NS / c->rate;
}

uint64_t poster_due_ns(const struct poster *p) {
    return p->config.rate > 0 ? scheduled_ns(p) : UINT64_MAX;
}

bool poster_is_done(const struct poster *p, uint64_t now_ns) {
    const struct poster_config *c = &p->config;
    return now_ns >= c->end_ns || (c->max_posts > 0 && p->asked >= c->max_posts) ||
           p->asked == UINT32_MAX;
}

static bool may_post(struct poster *p, uint64_t now_ns) {
    const struct poster_config *c = &p->config;
    if (poster_is_done(p, now_ns))
        return false;
    if (c->window_frames > 0 && p->frames_expected >= *c->frames_come + c->window_frames)
        return false;
    if (c->rate == 0)
        return true;
    uint64_t due = scheduled_ns(p);
    if (now_ns < due)
        return false;
    if (now_ns - due > p->late_max_ns)
        p->late_max_ns = now_ns - due;
    return true;
}

/* Where post `no` goes. */
static struct inbox *target_of(const struct poster_config *c, uint32_t no) {
    return c->gathering ? &c->gathering->posts : &c->inboxes[no % c->handles];
}

static bool next(void *arg, const struct peer *to, struct buf *out, uint32_t *tag) {
    struct poster *p = arg;
    const struct poster_config *c = &p->config;
    uint64_t now = poller_now_ns();
    if (!may_post(p, now))
        return false;
    uint32_t no = p->asked++, handle = no % c->handles;
    struct ask_post post = {.to = handle_str(&c->who[handle].handle),
                            .mark = {.sent_ns = now, .handle = handle, .post = no},
                            .has_id = c->has_ids,
                            .from = c->is_signed ? &c->who[(no + 1) % c->handles] : NULL};
    if (c->gathering) {
        post.into = &c->gathering->sid;
        post.mark.handle = 0;
        post.from = &c->who[handle];
    }
    enum rc rc = ask_post(c->ask, out, str_of(to->host), &post);
    if (rc != RC_OK) {
        p->refused++;
        troubles_add(c->troubles, "post not made: %s", rc_text(rc));
        return false;
    }
    p->frames_expected += target_of(c, no)->streams;
    *tag = no;
    return true;
}

/* The seq of a 201, noted in the inbox; another dialect has none. */
static void note_seq(struct poster *p, uint32_t no, struct str body) {
    const struct poster_config *c = &p->config;
    uint64_t before = c->gathering ? c->inboxes[no % c->handles].before : 0;
    struct json_member member = {.name = STR("seq")};
    uint64_t seq;
    if (c->ask->dialect != DIALECT_KEZ)
        return;
    if (json_split(body, (struct str){0}, &member, 1) == RC_OK &&
        json_u64(member.value, SEQ_MAX, &seq) == RC_OK && seq > before)
        ledger_answer(target_of(c, no), seq - before);
    else
        troubles_add(c->troubles, "a post was answered without a new seq");
}

static void failed(struct poster *p, const struct call *call) {
    const struct poster_config *c = &p->config;
    char why[TROUBLES_TEXT_MAX];
    call_explain(call, why, sizeof why);
    troubles_add(c->troubles, "post: %s", why);
    if (!call->answer) {
        p->unknown++;
        return;
    }
    p->refused++;
}

static void ended(void *arg, const struct call *call) {
    struct poster *p = arg;
    const struct poster_config *c = &p->config;
    unsigned status = call->answer ? call->answer->head.status : 0;
    bool is_stored = status == 201 || (status == 202 && c->ask->dialect == DIALECT_NCHAN);
    if (!is_stored) {
        /* Should it have been stored all the same, the window is a little wider. */
        p->frames_expected -= target_of(c, call->tag)->streams;
        failed(p, call);
        return;
    }
    p->answered++;
    note_seq(p, call->tag, call->answer->body);
    if (call->started_ns < c->measure_from_ns)
        return;
    p->measured++;
    p->last_ns = call->ended_ns;
    histogram_add(&p->latency_ns, call->ended_ns - call->started_ns);
}

struct callers_work poster_work(struct poster *p) {
    return (struct callers_work){.arg = p, .next = next, .ended = ended};
}
