/* tests/support/crowd.c -- clients of a fleet: posters that insist, and followers that count.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/proc.h"

enum { BODY_MAX = 512, RETRY_PAUSE_MS = 20, WAIT_MS = 60000, LOOK_MS = 100 };

/* ---- posters ---- */

/* One attempt; true when the row is stored. */
static bool attempt(struct poster *p, struct http_client *c, struct str body) {
    struct http_reply r;
    if (!http_try(c, "POST", STR("/v1/messages"), STR(""), body, &r))
        return false;
    bool is_stored = r.status == 200 || r.status == 201;
    if (!is_stored && r.status != 503)
        atomic_fetch_add(&p->refused, 1);
    http_reply_done(&r);
    return is_stored;
}

static void pause_before_retry(void) {
    struct timespec t = {.tv_nsec = RETRY_PAUSE_MS * 1000000L};
    (void)nanosleep(&t, NULL);
}

static void *run_poster(void *arg) {
    struct poster *p = arg;
    struct http_client *clients[2] = {http_client_new(p->ports[0]), http_client_new(p->ports[1])};
    unsigned at = 0, handle = 0;
    for (unsigned i = 1; !atomic_load(&p->stops) && (p->rows == 0 || i <= p->rows); i++) {
        char body[BODY_MAX];
        if (!p->handles[handle])
            handle = 0;
        (void)snprintf(body, sizeof body,
                       "{\"to\":\"%s\",\"id\":\"%s-%u\",\"envelope\":{\"by\":\"%s\",\"n\":%u}}",
                       p->handles[handle++], p->name, i, p->name, i);
        bool is_stored = attempt(p, clients[at], str_of(body));
        while (!is_stored && !atomic_load(&p->stops)) {
            atomic_fetch_add(&p->retries, 1);
            at = !at;
            pause_before_retry();
            is_stored = attempt(p, clients[at], str_of(body));
        }
        atomic_fetch_add(&p->acked, is_stored);
    }
    http_client_free(clients[0]);
    http_client_free(clients[1]);
    return NULL;
}

void poster_start(struct poster *p) {
    if (pthread_create(&p->thread, NULL, run_poster, p) != 0)
        fail_msg("no thread for a poster");
}

void poster_join(struct poster *p) {
    pthread_join(p->thread, NULL);
    if (atomic_load(&p->refused) > 0)
        fail_msg("%s had %u wrong answers", p->name, atomic_load(&p->refused));
}

void poster_stop(struct poster *p) {
    atomic_store(&p->stops, true);
    poster_join(p);
}

struct acked {
    struct poster *poster;
    unsigned rows;
};

static bool has_acked(void *arg) {
    const struct acked *a = arg;
    return atomic_load(&a->poster->acked) >= a->rows;
}

void poster_await(struct poster *p, unsigned rows) {
    if (!proc_poll(has_acked, &(struct acked){p, rows}, WAIT_MS))
        fail_msg("%s has only %u of %u rows stored", p->name, atomic_load(&p->acked), rows);
}

static bool has_retried(void *arg) {
    const struct acked *a = arg;
    return atomic_load(&a->poster->retries) >= a->rows;
}

void poster_await_retries(struct poster *p, unsigned retries) {
    if (!proc_poll(has_retried, &(struct acked){p, retries}, WAIT_MS))
        fail_msg("%s has been refused only %u times", p->name, atomic_load(&p->retries));
}

/* ---- followers ---- */

static void take(struct follower *f, struct sse_event *e) {
    uint64_t seq = sse_number(e, "seq");
    if (strcmp(e->type, "ready") == 0) {
        if (f->is_ready || (f->has_start && seq != f->last))
            fail_msg("%s: ready at %ju after %ju", f->user->handle.text, (uintmax_t)seq,
                     (uintmax_t)f->last);
        f->is_ready = true;
    } else if (strcmp(e->type, "message") == 0) {
        if (f->has_start && seq != f->last + 1)
            fail_msg("%s: row %ju after %ju", f->user->handle.text, (uintmax_t)seq,
                     (uintmax_t)f->last);
    } else if (strcmp(e->type, "drain") == 0) {
        f->drains++;
        seq = f->last;
    } else {
        fail_msg("%s: %s: %s", f->user->handle.text, e->type, e->data);
    }
    f->last = seq;
    f->has_start = true;
    sse_event_free(e);
}

void follower_open(struct follower *f, struct node *n, const struct signer *user) {
    *f = (struct follower){.user = user};
    node_open(n, user, "", &f->stream);
}

void follower_resume(struct follower *f, struct node *n) {
    sse_done(&f->stream);
    f->is_ready = false;
    f->has_start = true;
    node_resume(n, f->user, f->last, &f->stream);
}

bool follower_pump(struct follower *f) {
    bool is_open = sse_pump(&f->stream);
    for (struct sse_event *e; f->stream.first && (e = sse_next(&f->stream, 0)) != NULL;)
        take(f, e);
    return is_open;
}

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void follower_await(struct follower *f, uint64_t seq) {
    uint64_t until = now_ms() + WAIT_MS;
    while (f->last < seq || !f->is_ready) {
        struct sse_event *e = sse_next(&f->stream, LOOK_MS);
        if (e)
            take(f, e);
        else if (f->stream.fd < 0 || now_ms() > until)
            fail_msg("%s: %s at %ju, and %ju is wanted", f->user->handle.text,
                     f->stream.fd < 0 ? "ended" : "stands", (uintmax_t)f->last, (uintmax_t)seq);
    }
    if (f->last != seq)
        fail_msg("%s: %ju came, and %ju was the last", f->user->handle.text, (uintmax_t)f->last,
                 (uintmax_t)seq);
}

void follower_close(struct follower *f) {
    if (f->stream.oddities > 0)
        fail_msg("%s: %ju odd lines", f->user->handle.text, (uintmax_t)f->stream.oddities);
    sse_done(&f->stream);
}
