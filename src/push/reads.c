/* push/reads.c -- reads of the store: who wants one waits in line, a few are under way.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include "core/stats.h"
#include "push/state.h"

static struct topic *topic_of(struct want *w) { return container_of(w, struct topic, want); }

static struct stream *stream_of(struct want *w) { return container_of(w, struct stream, want); }

void reads_want(struct shard *sh, struct want *w) {
    if (w->state != WANT_NONE)
        return;
    w->state = WANT_QUEUED;
    list_add(w->of_topic ? &sh->holes : &sh->wants, &w->link);
    if (!w->of_topic)
        stream_of(w)->topic->reading++;
}

static void set_none(struct want *w) {
    if (w->state != WANT_NONE && !w->of_topic)
        stream_of(w)->topic->reading--;
    w->state = WANT_NONE;
}

void reads_forget(struct shard *sh, struct want *w) {
    (void)sh;
    if (w->state == WANT_QUEUED)
        list_remove(&w->link);
    set_none(w);
    if (!w->of_topic && stream_of(w)->topic->reading == 0)
        recent_clear(&stream_of(w)->topic->recent);
}

static struct read_job *job_for(struct shard *sh, struct want *w) {
    struct read_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    struct topic *t = w->of_topic ? topic_of(w) : stream_of(w)->topic;
    job->of_topic = w->of_topic;
    job->owner = w->of_topic ? t->id : stream_of(w)->id;
    job->topic = t->id;
    job->note = topic_note(t);
    job->read = (struct push_read){
        .shard = sh->index,
        .inbox = t->inbox,
        .after = w->of_topic ? t->cursor.at : stream_of(w)->position,
        .limit = sh->config.page_rows,
        .max_bytes = sh->config.page_bytes,
    };
    if (!w->of_topic && stream_of(w)->from_now)
        job->read.after = UINT64_MAX;
    return job;
}

static void pause_reads(struct shard *sh) {
    sh->reads_paused_until_ms = sh->now_ms + READ_RETRY_MS;
}

/* The one whose turn it is; NULL when there is none. */
static struct want *first_want(const struct shard *sh) {
    const struct list *line = list_is_empty(&sh->holes) ? &sh->wants : &sh->holes;
    return list_is_empty(line) ? NULL : container_of(line->next, struct want, link);
}

uint64_t reads_due_ms(const struct shard *sh) {
    return sh->reads_out >= READS_OUT_MAX || !first_want(sh) ? UINT64_MAX
                                                             : sh->reads_paused_until_ms;
}

void reads_pump(struct shard *sh) {
    struct want *w;
    while (sh->reads_out < READS_OUT_MAX && sh->now_ms >= sh->reads_paused_until_ms &&
           (w = first_want(sh))) {
        struct read_job *job = job_for(sh, w);
        if (!job || sh->ops.read(sh->ops.arg, &job->read) != RC_OK) {
            free(job);
            pause_reads(sh);
            return;
        }
        list_remove(&w->link);
        w->state = WANT_READING;
        sh->reads_out++;
        if (w->of_topic)
            stats_add(holes_read, 1);
    }
}

/* The store could not answer: the same read again, a little later. */
static void try_again(struct shard *sh, struct want *w) {
    pause_reads(sh);
    set_none(w);
    reads_want(sh, w);
}

void shard_read_done(struct shard *sh, struct push_read *read) {
    struct read_job *job = container_of(read, struct read_job, read);
    struct topic *t = job->of_topic ? slots_get(&sh->topics, job->owner) : NULL;
    struct stream *s = job->of_topic ? NULL : slots_get(&sh->streams, job->owner);
    struct want *w = t ? &t->want : s ? &s->want : NULL;

    sh->reads_out--;
    if (w && w->state == WANT_READING) {
        if (read->rc != RC_OK && read->rc != RC_NOT_FOUND) {
            try_again(sh, w);
        } else {
            set_none(w);
            if (s)
                stream_page(sh, s, job);
            else if (read->rc == RC_OK)
                topic_page(sh, t, job);
            else
                topic_gone(sh, t);
        }
    }
    t = slots_get(&sh->topics, job->topic);
    if (t && t->reading == 0)
        recent_clear(&t->recent);
    page_done(&read->page);
    free(job);
}
