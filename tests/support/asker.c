/* tests/support/asker.c -- a store under test: started, asked and waited for, its events watched.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/asker.h"

#include <pthread.h>
#include <semaphore.h>
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

enum { UP_MS = 60000, ANSWER_S = 240, HANDLES_MAX = 512 };

struct watched {
    struct handle handle;
    uint64_t seq;
    char *json;
};

struct asker {
    struct store *store;
    pthread_mutex_t lock; /* guards the rest */
    bool told_up;
    unsigned rows, out_of_order;
    struct watched handles[HANDLES_MAX];
    size_t n;
};

/* ---- events ---- */

/* Holds a->lock. */
static struct watched *watch(struct asker *a, const struct handle *h) {
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->handles[i].handle.text, h->text) == 0)
            return &a->handles[i];
    if (a->n == HANDLES_MAX)
        abort();
    a->handles[a->n].handle = *h;
    return &a->handles[a->n++];
}

static void see_row(void *arg, const struct handle *to, struct frame *frame) {
    struct asker *a = arg;
    struct str json = frame_json(frame);
    pthread_mutex_lock(&a->lock);
    struct watched *w = watch(a, to);
    a->rows++;
    a->out_of_order += frame->seq <= w->seq;
    w->seq = frame->seq;
    free(w->json);
    w->json = strndup(json.p, json.n);
    pthread_mutex_unlock(&a->lock);
}

static void see_up(void *arg, bool up) {
    struct asker *a = arg;
    pthread_mutex_lock(&a->lock);
    a->told_up = up;
    pthread_mutex_unlock(&a->lock);
}

unsigned asker_rows_told(struct asker *a) {
    pthread_mutex_lock(&a->lock);
    unsigned n = a->rows;
    pthread_mutex_unlock(&a->lock);
    return n;
}

unsigned asker_rows_out_of_order(struct asker *a) {
    pthread_mutex_lock(&a->lock);
    unsigned n = a->out_of_order;
    pthread_mutex_unlock(&a->lock);
    return n;
}

char *asker_last_row(struct asker *a, const struct handle *h) {
    pthread_mutex_lock(&a->lock);
    const char *json = watch(a, h)->json;
    char *copy = json ? strdup(json) : NULL;
    pthread_mutex_unlock(&a->lock);
    return copy;
}

/* ---- start and stop ---- */

struct store_config asker_config(const char *url) {
    return (struct store_config){.url = url,
                                 .writers = 2,
                                 .readers = 1,
                                 .queue_items = 8192,
                                 .queue_bytes = 64 * 1024 * 1024,
                                 .batch_items = 128,
                                 .batch_bytes = 1024 * 1024,
                                 .timeout_ms = 60000,
                                 .connect_timeout_ms = 60000,
                                 .reconnect_max_ms = 300,
                                 .id_memory_hours = 24};
}

struct asker *asker_start_with(const struct store_config *config) {
    struct asker *a = calloc(1, sizeof *a);
    assert_non_null(a);
    pthread_mutex_init(&a->lock, NULL);
    struct store_events events = {.arg = a, .row = see_row, .up = see_up};
    assert_int_equal(store_start(config, &events, clock_system(), &a->store), RC_OK);
    return a;
}

struct asker *asker_start(const char *url) {
    struct store_config config = asker_config(url);
    struct asker *a = asker_start_with(&config);
    asker_wait_up(a, true, UP_MS);
    return a;
}

void asker_stop(struct asker *a) {
    if (!a)
        return;
    store_stop(a->store);
    for (size_t i = 0; i < a->n; i++)
        free(a->handles[i].json);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

struct store *asker_store(struct asker *a) {
    return a->store;
}

static bool is_up(void *arg) {
    struct asker *a = arg;
    pthread_mutex_lock(&a->lock);
    bool told = a->told_up;
    pthread_mutex_unlock(&a->lock);
    return told && store_is_up(a->store);
}

static bool is_down(void *arg) {
    struct asker *a = arg;
    pthread_mutex_lock(&a->lock);
    bool told = a->told_up;
    pthread_mutex_unlock(&a->lock);
    return !told && !store_is_up(a->store);
}

bool asker_gets_up(struct asker *a, unsigned timeout_ms) { return proc_poll(is_up, a, timeout_ms); }

void asker_wait_up(struct asker *a, bool up, unsigned timeout_ms) {
    if (!proc_poll(up ? is_up : is_down, a, timeout_ms))
        fail_msg("the store did not get %s within %u ms", up ? "up" : "down", timeout_ms);
}

/* ---- asking ---- */

static void wake(struct store_job *job) { sem_post(job->arg); }

enum rc asker_begin(struct asker *a, struct store_job *job) {
    sem_t *answered = calloc(1, sizeof *answered);
    assert_non_null(answered);
    sem_init(answered, 0, 0);
    job->arg = answered;
    job->done = wake;
    enum rc rc = store_submit(a->store, job);
    if (rc != RC_OK) {
        sem_destroy(answered);
        free(answered);
        job->arg = NULL;
    }
    return rc;
}

enum rc asker_wait(struct store_job *job) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ANSWER_S;
    if (sem_timedwait(job->arg, &until) != 0)
        fail_msg("a job was not answered within %d s", ANSWER_S);
    sem_destroy(job->arg);
    free(job->arg);
    return job->rc;
}

enum rc asker_ask(struct asker *a, struct store_job *job) {
    enum rc rc = asker_begin(a, job);
    return rc == RC_OK ? asker_wait(job) : rc;
}

struct question {
    struct asker *asker;
    struct store_job *job;
    enum rc rc;
};

static bool is_answered(void *arg) {
    struct question *q = arg;
    q->rc = asker_ask(q->asker, q->job);
    return q->rc != RC_UNAVAILABLE;
}

enum rc asker_insist(struct asker *a, struct store_job *job) {
    struct question q = {.asker = a, .job = job};
    (void)proc_poll(is_answered, &q, UP_MS);
    return q.rc;
}

/* ---- short forms ---- */

struct handle asker_handle(const char *text) {
    struct handle h;
    assert_int_equal(handle_read(str_of(text), &h), RC_OK);
    return h;
}

struct key asker_key(unsigned number) {
    struct key k = {{0}};
    memcpy(k.bytes, &number, sizeof number);
    return k;
}

enum rc asker_register(struct asker *a, const char *handle, unsigned key, struct user *out) {
    struct store_register r = {
        .job.kind = STORE_REGISTER, .handle = asker_handle(handle), .primary = asker_key(key)};
    enum rc rc = asker_ask(a, &r.job);
    if (out)
        *out = r.user;
    return rc;
}

struct user asker_user(struct asker *a, unsigned number) {
    char name[HANDLE_MAX + 1];
    (void)snprintf(name, sizeof name, "name%u", number);
    struct store_register r = {
        .job.kind = STORE_REGISTER, .handle = asker_handle(name), .primary = asker_key(number)};
    enum rc rc = asker_insist(a, &r.job);
    if (rc != RC_OK && rc != RC_REPEAT)
        fail_msg("%s cannot be registered: %s", name, rc_name(rc));
    return r.user;
}

struct store_post *asker_post_new(const struct user *to, const char *sender, const char *id,
                                  const char *envelope) {
    struct store_post *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->job.kind = STORE_POST;
    p->to = *to;
    p->is_signed = sender != NULL;
    if (sender)
        p->from = asker_handle(sender);
    (void)snprintf(p->id, sizeof p->id, "%s", id);
    buf_init(&p->envelope, MESSAGE_ENVELOPE_MAX);
    buf_put(&p->envelope, str_of(envelope));
    return p;
}

void asker_post_free(struct store_post *p) {
    buf_done(&p->envelope);
    free(p);
}

enum rc asker_post(struct asker *a, const struct user *to, const char *sender, const char *id,
                   const char *envelope, uint64_t *seq) {
    struct store_post *p = asker_post_new(to, sender, id, envelope);
    enum rc rc = asker_ask(a, &p->job);
    if (seq)
        *seq = p->seq;
    asker_post_free(p);
    return rc;
}

enum rc asker_read(struct asker *a, uint64_t inbox, uint64_t after, uint32_t limit,
                   struct page *out) {
    struct store_read r = {.job.kind = STORE_READ,
                           .inbox = inbox,
                           .after = after,
                           .limit = limit,
                           .max_bytes = PAGE_MAX_BYTES};
    enum rc rc = asker_ask(a, &r.job);
    *out = r.page;
    return rc;
}

struct inbox_head asker_head(struct asker *a, uint64_t inbox) {
    struct inbox_head head;
    struct store_heads h = {.job.kind = STORE_HEADS, .n = 1, .inboxes = &inbox, .heads = &head};
    assert_int_equal(asker_insist(a, &h.job), RC_OK);
    return head;
}

enum rc asker_trim(struct asker *a, uint64_t inbox, uint64_t upto) {
    struct store_trim t = {.job.kind = STORE_TRIM, .inbox = inbox, .upto = upto};
    return asker_ask(a, &t.job);
}
