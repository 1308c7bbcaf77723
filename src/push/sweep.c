/* push/sweep.c -- the sweep: heads of the store against the cursors of this node.
 *
 * It heals whatever the bus lost. A pass goes over all topics in chunks, those active of late
 * first; a budget of heads a second stretches it. Single topics are looked at soon after they
 * subscribed, because interest spreads through a cluster later than the flush.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include "core/stats.h"
#include "push/state.h"

enum { CHUNK_MAX = 512 };

static struct heads_job *heads_new(struct shard *sh, size_t n) {
    struct heads_job *job = calloc(1, sizeof *job);
    uint64_t *numbers = calloc(2 * n, sizeof *numbers);
    struct inbox_head *heads = calloc(n, sizeof *heads);
    struct topic_note *notes = calloc(n, sizeof *notes);
    if (!job || !numbers || !heads || !notes) {
        free(job);
        free(numbers);
        free(heads);
        free(notes);
        return NULL;
    }
    job->heads = (struct push_heads){.shard = sh->index, .inboxes = numbers, .heads = heads};
    job->topics = numbers + n;
    job->notes = notes;
    return job;
}

static void heads_free(struct heads_job *job) {
    free(job->heads.inboxes);
    free(job->heads.heads);
    free(job->notes);
    free(job);
}

static void heads_add(struct heads_job *job, const struct topic *t) {
    size_t i = job->heads.n++;
    job->heads.inboxes[i] = t->inbox;
    job->topics[i] = t->id;
    job->notes[i] = topic_note(t);
}

/* Asks, or frees the job. */
static bool heads_ask(struct shard *sh, struct heads_job *job) {
    if (sh->ops.heads(sh->ops.arg, &job->heads) == RC_OK)
        return true;
    heads_free(job);
    return false;
}

static uint32_t period_ms(const struct shard *sh) {
    return sh->bus_is_up ? sh->config.sweep_up_ms : sh->config.sweep_down_ms;
}

static void begin_pass(struct shard *sh) {
    sh->sweep.phase = SWEEP_ACTIVE;
    sh->sweep.place = 0;
    sh->sweep.started_ms = sh->sweep.next_ms = sh->now_ms;
    sh->sweep.again = false;
}

void sweep_start_now(struct shard *sh) {
    if (sh->sweep.phase == SWEEP_IDLE)
        begin_pass(sh);
    else
        sh->sweep.again = true;
}

/* Fills a chunk with the topics of this phase; moves to the next phase at the end. */
static void collect(struct shard *sh, struct heads_job *job) {
    struct sweep *sw = &sh->sweep;
    while (sw->phase != SWEEP_IDLE && job->heads.n < CHUNK_MAX) {
        if (sw->place >= sh->topics.size) {
            sw->phase++;
            sw->place = 0;
            continue;
        }
        struct topic *t = slots_at(&sh->topics, sw->place++);
        if (!t || t->ticket != 0)
            continue;
        bool active = t->active_ms + ACTIVE_MS >= sh->now_ms;
        if (active == (sw->phase == SWEEP_ACTIVE))
            heads_add(job, t);
    }
}

/* When the next chunk is due after one of n heads: as the budget allows, and after the last one not
 * before the period is over, unless the pass is to be made again. */
static void pace(struct shard *sh, size_t n) {
    struct sweep *sw = &sh->sweep;
    uint64_t budget = sh->config.sweep_heads_per_s ? sh->config.sweep_heads_per_s : 1;
    sw->next_ms = sh->now_ms + n * 1000 * sh->config.shards / budget;
    if (sw->phase == SWEEP_IDLE && !sw->again && sw->next_ms < sw->started_ms + period_ms(sh))
        sw->next_ms = sw->started_ms + period_ms(sh);
}

/* The store is down or busy: a new pass, a little later. */
static void give_up(struct shard *sh) {
    sh->sweep.phase = SWEEP_IDLE;
    sh->sweep.next_ms = sh->now_ms + READ_RETRY_MS;
}

static void sweep_chunk(struct shard *sh) {
    struct sweep *sw = &sh->sweep;
    if (sw->phase == SWEEP_IDLE)
        begin_pass(sh);
    struct heads_job *job = heads_new(sh, CHUNK_MAX);
    if (!job) {
        give_up(sh);
        return;
    }
    job->of_sweep = true;
    collect(sh, job);
    size_t n = job->heads.n;
    if (n == 0)
        heads_free(job);
    else if (heads_ask(sh, job))
        sw->is_out = true;
    else {
        give_up(sh);
        return;
    }
    pace(sh, n);
}

void sweep_look(struct shard *sh, struct topic *t) {
    if (t->look_wanted)
        return;
    if (sh->looks_n == sh->looks_cap) {
        size_t cap = sh->looks_cap ? sh->looks_cap * 2 : 64;
        uint64_t *looks = realloc(sh->looks, cap * sizeof *looks);
        if (!looks)
            return; /* the sweep comes by */
        sh->looks = looks;
        sh->looks_cap = cap;
    }
    sh->looks[sh->looks_n++] = t->id;
    t->look_wanted = true;
}

/* Takes looks from `*at` on into one question. False: the store does not take it. */
static bool look_at_some(struct shard *sh, size_t *at) {
    struct heads_job *job = heads_new(sh, CHUNK_MAX);
    for (; *at < sh->looks_n && (!job || job->heads.n < CHUNK_MAX); ++*at) {
        struct topic *t = slots_get(&sh->topics, sh->looks[*at]);
        if (t)
            t->look_wanted = false;
        if (t && job)
            heads_add(job, t);
    }
    if (job && job->heads.n == 0) {
        heads_free(job);
        return true;
    }
    return job && heads_ask(sh, job);
}

static void look(struct shard *sh) {
    bool taken = true;
    for (size_t at = 0; at < sh->looks_n;)
        taken &= look_at_some(sh, &at);
    sh->looks_n = sh->looks_cap = 0;
    free(sh->looks);
    sh->looks = NULL;
    if (!taken)
        sweep_start_now(sh); /* which goes on asking */
}

void sweep_turn(struct shard *sh) {
    if (sh->looks_n > 0)
        look(sh);
    if (!sh->sweep.is_out && sh->now_ms >= sh->sweep.next_ms && sh->topics.used > 0)
        sweep_chunk(sh);
}

uint64_t sweep_due_ms(const struct shard *sh) {
    return sh->sweep.is_out || sh->topics.used == 0 ? UINT64_MAX : sh->sweep.next_ms;
}

static void compare(struct shard *sh, struct heads_job *job, size_t i) {
    struct topic *t = slots_get(&sh->topics, job->topics[i]);
    if (!t || t->inbox != job->heads.inboxes[i])
        return;
    const struct inbox_head *at = &job->heads.heads[i];
    if (at->epoch.text[0] == '\0') {
        topic_gone(sh, t);
        return;
    }
    if (!topic_observe(sh, t, at, &job->notes[i]))
        return; /* whoever saw the new epoch looked later than this */
    if (t->live > 0 && cursor_is_behind(&t->cursor)) {
        stats_add(sweep_behind, 1);
        reads_want(sh, &t->want);
    }
}

void sweep_heads_done(struct shard *sh, struct heads_job *job) {
    if (job->of_sweep)
        sh->sweep.is_out = false;
    if (job->heads.rc == RC_OK) {
        stats_add(sweep_heads, (int64_t)job->heads.n);
        for (size_t i = 0; i < job->heads.n; i++)
            compare(sh, job, i);
    } else if (job->of_sweep) {
        give_up(sh);
    } else {
        sweep_start_now(sh);
    }
    heads_free(job);
}
