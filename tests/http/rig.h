/* tests/http/rig.h -- a started server with fake stories, a fake store and fake streams, and raw
 * clients that talk to it.
 *
 * It defines the functions of flow, store and push that the server calls (fakes by linking), so a
 * test program includes it once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_RIG_H
#define HTTP_RIG_H

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "http/raw.h"

#include "base/log.h"
#include "base/table.h"
#include "core/stats.h"
#include "flow/flow.h"
#include "http/local.h"
#include "http/server.h"
#include "support/proc.h"

enum { OPENS_MAX = 4096 };

/* ---- the store: jobs are done by threads of its own, at once, never accepted, or held ---- */

enum store_mood { STORE_LATER, STORE_AT_ONCE, STORE_FULL_NOW, STORE_HELD };

struct store {
    struct queue queue;
    pthread_t threads[2];
    atomic_int mood;
    atomic_uint jobs;
};

static inline void *rig_run_store(void *arg) {
    struct store *s = arg;
    for (;;) {
        struct queue_item *item;
        bool is_closed = queue_is_closed(&s->queue);
        queue_wait(&s->queue, 10);
        if (atomic_load(&s->mood) == STORE_HELD && !is_closed)
            continue;
        while ((item = queue_take(&s->queue, 1, SIZE_MAX))) {
            struct store_job *job = container_of(item, struct store_job, item);
            job->rc = RC_OK;
            job->done(job);
        }
        if (is_closed)
            return NULL;
    }
}

enum rc store_submit(struct store *s, struct store_job *job) {
    atomic_fetch_add(&s->jobs, 1);
    switch ((enum store_mood)atomic_load(&s->mood)) {
    case STORE_FULL_NOW:
        return RC_FULL;
    case STORE_AT_ONCE:
        job->rc = RC_OK;
        job->done(job);
        return RC_OK;
    case STORE_LATER:
    case STORE_HELD:
        break;
    }
    return queue_push(&s->queue, &job->item);
}

/* ---- the streams: what was reserved, given back and opened ---- */

struct push {
    pthread_mutex_t lock; /* guards all below */
    unsigned reserved, released, opened;
    bool is_full;
    int fds[OPENS_MAX]; /* as opened; -1 when a test has taken it */
    struct push_open opens[OPENS_MAX];
};

enum rc push_reserve(struct push *p, const struct user *user, uint64_t client) {
    (void)user, (void)client;
    pthread_mutex_lock(&p->lock);
    bool is_full = p->is_full;
    if (!is_full)
        p->reserved++;
    pthread_mutex_unlock(&p->lock);
    return is_full ? RC_FULL : RC_OK;
}

void push_release(struct push *p, const struct user *user, uint64_t client) {
    (void)user, (void)client;
    pthread_mutex_lock(&p->lock);
    p->released++;
    pthread_mutex_unlock(&p->lock);
}

void push_open(struct push *p, const struct push_open *open, int fd) {
    pthread_mutex_lock(&p->lock);
    assert(p->opened < OPENS_MAX);
    p->fds[p->opened] = fd;
    p->opens[p->opened++] = *open;
    pthread_mutex_unlock(&p->lock);
}

/* ---- the stories ---- */

static inline void rig_put_str(struct buf *out, const char *name, struct str s) {
    buf_putf(out, "%s=", name);
    if (str_is_absent(s))
        buf_put(out, STR("absent"));
    else
        buf_putf(out, "[%.*s]", STR_ARG(s));
    buf_put_byte(out, '\n');
}

/* Says what it was asked, one member a line. */
static inline enum step rig_echo(const char *name, struct exchange *ex) {
    uint64_t sum = 5381;
    for (size_t i = 0; i < ex->body.n; i++)
        sum = sum * 33 + (unsigned char)ex->body.p[i];
    buf_putf(&ex->out, "story=%s\nmethod=%d\n", name, (int)ex->method);
    rig_put_str(&ex->out, "arg", ex->arg);
    rig_put_str(&ex->out, "raw", ex->target->raw);
    rig_put_str(&ex->out, "auth", ex->auth);
    rig_put_str(&ex->out, "handle", ex->auth_handle);
    rig_put_str(&ex->out, "key", ex->public_key);
    rig_put_str(&ex->out, "last", ex->last_event_id);
    rig_put_str(&ex->out, "bearer", ex->authorization);
    buf_putf(&ex->out, "body=%zu:%llu\nclient=%llx exempt=%d trusted=%d\n", ex->body.n,
             (unsigned long long)sum, (unsigned long long)ex->client, ex->client_exempt,
             ex->client_trusted);
    return exchange_answer(ex, 200, "text/plain");
}

#define RIG_STORY(name)                                                                            \
    enum step name(struct flow *flow, struct exchange *ex) {                                       \
        (void)flow;                                                                                \
        return rig_echo(#name, ex);                                                                \
    }
RIG_STORY(flow_register)
RIG_STORY(flow_by_primary)
RIG_STORY(flow_proofs)
RIG_STORY(flow_webfinger)
RIG_STORY(flow_send)
RIG_STORY(flow_inbox_trim)
RIG_STORY(flow_conversation_make)
RIG_STORY(flow_conversation_list)
RIG_STORY(flow_conversation_show)
RIG_STORY(flow_conversation_change)
RIG_STORY(flow_conversation_post)
RIG_STORY(flow_account_export)
RIG_STORY(flow_account_delete)
RIG_STORY(flow_admin_show)
RIG_STORY(flow_admin_delete)
RIG_STORY(flow_admin_block)

/* The handle says what goes wrong. */
enum step flow_user(struct flow *flow, struct exchange *ex) {
    (void)flow;
    if (str_eq(ex->arg, STR("busy")))
        return exchange_fail(ex, RC_UNAVAILABLE, "busy");
    if (str_eq(ex->arg, STR("secret"))) {
        ex->challenge = "Bearer realm=\"x\"";
        return exchange_fail(ex, RC_UNAUTHORIZED, "no token");
    }
    if (str_eq(ex->arg, STR("unsigned")))
        return exchange_fail(ex, RC_UNAUTHORIZED, "no signature");
    if (str_eq(ex->arg, STR("limited"))) {
        ex->retry_after_s = 17;
        ex->rate = (struct rate){60, 0, 17};
        return exchange_failf(ex, RC_RATE_LIMITED, "limited for %d s", 17);
    }
    if (str_eq(ex->arg, STR("huge"))) {
        char *p = buf_reserve(&ex->out, 8U << 20);
        assert(p);
        memset(p, 'h', 8U << 20);
        ex->out.n = 8U << 20;
        return exchange_answer(ex, 200, "text/plain");
    }
    return rig_echo("flow_user", ex);
}

/* Goes to the store ex->since times; ?since= says how often. */
static inline enum step rig_hop(struct flow *flow, struct exchange *ex) {
    assert(ex->job.job.rc == RC_OK);
    if (ex->since-- == 0)
        return rig_echo("flow_inbox", ex);
    return exchange_submit(flow, ex, STORE_HEADS, rig_hop);
}

enum step flow_inbox(struct flow *flow, struct exchange *ex) {
    ex->since = 1;
    if (target_param_u64(ex->target, STR("since"), 1000, &ex->since) != RC_OK)
        return exchange_fail(ex, RC_MALFORMED, "since");
    return rig_hop(flow, ex);
}

static inline enum step rig_stream(struct flow *flow, struct exchange *ex) {
    enum rc rc = push_reserve(flow->push, &ex->open.user, 0);
    if (rc != RC_OK)
        return exchange_fail(ex, rc, "no room");
    ex->is_stream = true;
    ex->open.after = 7;
    return exchange_answer(ex, 200, "text/event-stream");
}

enum step flow_inbox_stream(struct flow *flow, struct exchange *ex) { return rig_stream(flow, ex); }

/* ?echo: no stream. */
enum step flow_events(struct flow *flow, struct exchange *ex) {
    struct str value;
    if (target_param(ex->target, STR("echo"), &value) == RC_OK)
        return rig_echo("flow_events", ex);
    return rig_stream(flow, ex);
}

/* ---- the server ---- */

struct rig {
    struct store store;
    struct push push;
    struct flow flow;
    struct http_config config;
    struct http_admin admin;
    atomic_bool is_ready;
    struct http_server *server;
    uint16_t port, admin_port;
};

static inline bool rig_is_ready(void *arg, struct buf *why) {
    struct rig *rig = arg;
    buf_put(why, STR("{\"store\":\"up\"}"));
    return atomic_load(&rig->is_ready);
}

static inline void rig_put_metrics(void *arg, struct buf *out) {
    (void)arg;
    stats_put(out);
}

/* A rig with settings that a test may change before rig_start(). */
static inline struct rig *rig_new(void) {
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    pthread_mutex_init(&rig->push.lock, NULL);
    rig->flow.server = STR("kez.example");
    rig->flow.store = &rig->store;
    rig->flow.push = &rig->push;
    rig->flow.clock = clock_system();
    rig->is_ready = true;
    rig->admin = (struct http_admin){rig, rig_is_ready, rig_put_metrics};
    rig->config = (struct http_config){
        .bind = "127.0.0.1:0",
        .admin_bind = "127.0.0.1:0",
        .threads = 2,
        .max_connections = 500,
        .idle_timeout_s = 30,
        .head_timeout_s = 30,
        .body_timeout_s = 30,
        .head_max_bytes = 16 * 1024,
        .static_max_bytes = 64 * 1024,
    };
    return rig;
}

static inline void rig_start(struct rig *rig) {
    const char *why = "";
    assert_int_equal(queue_init(&rig->store.queue, 1000000, SIZE_MAX), RC_OK);
    for (size_t i = 0; i < COUNT(rig->store.threads); i++)
        assert_int_equal(pthread_create(&rig->store.threads[i], NULL, rig_run_store, &rig->store),
                         0);
    if (http_start(&rig->config, &rig->flow, &rig->admin, &rig->server, &why) != RC_OK)
        fail_msg("http_start: %s", why);
    rig->port = http_port(rig->server);
    rig->admin_port = http_admin_port(rig->server);
    assert_int_not_equal(rig->port, 0);
}

static inline void rig_stop(struct rig *rig) {
    queue_close(&rig->store.queue);
    for (size_t i = 0; i < COUNT(rig->store.threads); i++)
        pthread_join(rig->store.threads[i], NULL);
    http_stop(rig->server);
    queue_done(&rig->store.queue);
    for (unsigned i = 0; i < rig->push.opened; i++)
        if (rig->push.fds[i] >= 0)
            close(rig->push.fds[i]);
    pthread_mutex_destroy(&rig->push.lock);
    free(rig);
}

static inline int rig_setup(void **state) {
    struct rig *rig = rig_new();
    rig_start(rig);
    *state = rig;
    return 0;
}

static inline int rig_teardown(void **state) {
    rig_stop(*state);
    return 0;
}

/* With rig_start() and rig_stop() around it. */
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

/* ---- what to wait for ---- */

static inline bool has_no_connections(void *arg) {
    (void)arg;
    return atomic_load(&stats.connections) == 0;
}

struct in_flight {
    struct rig *rig;
    uint32_t n;
};

static inline bool is_in_flight(void *arg) {
    const struct in_flight *wanted = arg;
    return http_in_flight(wanted->rig->server) == wanted->n;
}

#endif
