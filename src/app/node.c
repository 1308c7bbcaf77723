/* app/node.c -- one front node: everything wired together.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/node.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/descriptors.h"
#include "app/links.h"
#include "app/memory.h"
#include "app/privileges.h"
#include "app/reload.h"
#include "app/token_file.h"
#include "base/log.h"
#include "core/stats.h"

enum {
    POLL_MS = 20,           /* how often the drain looks whether it is done */
    LAST_REQUESTS_MS = 3000 /* requests in flight are finished within the store's time and this */
};
/* What the node tells itself when it is too old for the database. */
enum { OUTDATED_SIGNAL = SIGUSR1 };

struct node {
    struct links links; /* shards, bus and store, tied */
    struct flow flow;
    char token[BEARER_TOKEN_MAX + 1]; /* of registration */
    struct http_admin admin;
    struct http_server *http;
    atomic_bool draining;
};

static bool node_is_ready(void *arg, struct buf *why) {
    struct node *n = arg;
    bool store_up = store_is_up(n->links.store), draining = atomic_load(&n->draining);
    const char *bus = !n->links.bus ? "none" : bus_is_up(n->links.bus) ? "up" : "down";
    buf_putf(why, "{\"ready\":%s,\"store\":\"%s\",\"nats\":\"%s\",\"draining\":%s}",
             store_up && !draining ? "true" : "false", store_up ? "up" : "down", bus,
             draining ? "true" : "false");
    return store_up && !draining;
}

static void node_put_metrics(void *arg, struct buf *out) {
    (void)arg;
    stats_put(out);
}

static bool make_caches(struct node *n, const struct config *c) {
    struct flow *f = &n->flow;
    f->directory = directory_new(c->directory_entries, c->directory_age_ms);
    f->register_quota = quota_new(c->register_per_minute, c->quota_keys);
    f->unsigned_quota = quota_new(c->posts_unsigned_per_minute, c->quota_keys);
    f->signed_quota = quota_new(c->posts_signed_per_minute, c->quota_keys);
    f->stream_quota = quota_new(c->stream_opens_per_minute, c->quota_keys);
    f->opens_quota = quota_new(c->stream_opens_address_per_minute, c->quota_keys);
    f->failures_quota = quota_new(c->failures_per_minute, c->quota_keys);
    return f->directory && f->register_quota && f->unsigned_quota && f->signed_quota &&
           f->stream_quota && f->opens_quota && f->failures_quota;
}

static void free_caches(struct node *n) {
    directory_free(n->flow.directory);
    quota_free(n->flow.register_quota);
    quota_free(n->flow.unsigned_quota);
    quota_free(n->flow.signed_quota);
    quota_free(n->flow.stream_quota);
    quota_free(n->flow.opens_quota);
    quota_free(n->flow.failures_quota);
}

/* What the stories are told by the settings. RC_IO, RC_MALFORMED: the file of the token. */
static enum rc set_stories(struct node *n, const struct config *c, const char **why) {
    n->flow.server = str_of(c->server);
    n->flow.sig_server = str_of(c->sig_server);
    atomic_store(&n->flow.require_signed_posts, c->require_signed_posts);
    n->flow.clock = clock_system();
    n->flow.registration = c->registration;
    if (c->registration != REGISTRATION_TOKEN)
        return RC_OK;
    enum rc rc = token_file_read(c->registration_token_file, n->token, why);
    n->flow.registration_token = str_of(n->token);
    return rc;
}

/* On a thread of the store. */
static void tell_outdated(void) { (void)kill(getpid(), OUTDATED_SIGNAL); }

static bool node_start(struct node *n, const struct config *c, const struct push_config *push) {
    const char *why = "";
    if (set_stories(n, c, &why) != RC_OK) {
        log_error("node cannot start: %s", why);
        return false;
    }
    n->admin = (struct http_admin){n, node_is_ready, node_put_metrics};
    if (!make_caches(n, c)) {
        log_error("node has no memory for its caches; lower --directory-entries or --quota-keys");
        return false;
    }
    n->links.outdated = tell_outdated;
    if (links_start(&n->links, c, push, clock_system(), &why) != RC_OK) {
        log_error("node cannot start: %s", why);
        return false;
    }
    n->flow.store = n->links.store;
    n->flow.push = n->links.push;
    if (http_start(&c->http, &n->flow, &n->admin, &n->http, &why) != RC_OK) {
        log_error("node cannot listen: %s", why);
        return false;
    }
    log_info("node started version=" KEZ_VERSION " server=%s port=%u admin_port=%u max_streams=%u",
             c->server, http_port(n->http), http_admin_port(n->http), push->max_streams);
    return true;
}

static void pause_ms(unsigned ms) {
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL);
}

/* A signal of the set that is pending now; 0: none. */
static int pending(const sigset_t *set) {
    struct timespec none = {0};
    int sig = sigtimedwait(set, NULL, &none);
    return sig > 0 ? sig : 0;
}

/* Waits until is_done() or the deadline. False: told a second time to end. */
static bool wait_until(struct node *n, bool (*is_done)(struct node *n), uint64_t within_ms,
                       const sigset_t *set) {
    uint64_t deadline = clock_mono_ms(clock_system()) + within_ms;
    while (!is_done(n) && clock_mono_ms(clock_system()) < deadline) {
        int sig = pending(set);
        if (sig == SIGTERM || sig == SIGINT)
            return false;
        pause_ms(POLL_MS);
    }
    return true;
}

static bool streams_are_gone(struct node *n) { return push_streams(n->links.push) == 0; }

static bool requests_are_done(struct node *n) { return http_in_flight(n->http) == 0; }

/* False: told a second time to end. */
static bool node_drain(struct node *n, const struct config *c, uint32_t within_s,
                       const sigset_t *set) {
    atomic_store(&n->draining, true);
    log_info("node drains streams=%u within_s=%u", push_streams(n->links.push), within_s);
    push_drain(n->links.push, within_s * 1000);
    if (!wait_until(n, streams_are_gone, (uint64_t)within_s * 1000, set))
        return false;
    http_quiesce(n->http);
    return wait_until(n, requests_are_done, c->store.timeout_ms + LAST_REQUESTS_MS, set);
}

static void node_stop(struct node *n) {
    http_stop(n->http);
    links_stop(&n->links);
    free_caches(n);
}

/* Threads that are made later inherit the mask, so only main gets these signals. */
static void block_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, OUTDATED_SIGNAL);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Streams that came and that went since the start. */
static uint64_t streams_moved(void) {
    int64_t opened = atomic_load(&stats.streams_opened), there = atomic_load(&stats.streams);
    return (uint64_t)(2 * opened - there);
}

/* The next signal of the set, and meanwhile some housekeeping. 0: signals cannot be waited for. */
static int next_signal(const sigset_t *set) {
    static const struct timespec look = {MEMORY_LOOK_MS / 1000, MEMORY_LOOK_MS % 1000 * 1000000L};
    uint64_t seen = 0;
    for (;;) {
        int sig = sigtimedwait(set, NULL, &look);
        if (sig > 0)
            return sig;
        if (errno != EAGAIN && errno != EINTR)
            return 0;
        (void)memory_give_back(streams_moved(), &seen);
    }
}

/* Reads the settings again as often as it is told; returns when it is told to end. False: because
 * it is too old for the database, which must not be touched by it any more. */
static bool wait_for_end(struct node *n, const struct reload *reload, uint32_t *drain_time_s,
                         const sigset_t *set) {
    struct store_retention retention = reload->started->store.retention;
    int sig;
    while ((sig = next_signal(set)) == SIGHUP) {
        reload_settings(reload, &n->flow, drain_time_s, &retention);
        store_set_retention(n->links.store, &retention);
    }
    if (sig == OUTDATED_SIGNAL)
        log_error("node ends: the database was made for a newer version of this program");
    return sig != OUTDATED_SIGNAL;
}

int node_run(const struct config *config, int argc, const char *const argv[]) {
    sigset_t signals;
    struct node node = {0};
    struct push_config push = config->push;
    const struct reload reload = {.argc = argc, .argv = argv, .started = config};
    uint32_t drain_time_s = config->drain_time_s;
    log_set_level(config->log_level);
    memory_spare();
    block_signals(&signals);
    if (!descriptors_allot(config, &push))
        return EXIT_FAILURE;
    if (privileges_drop() != RC_OK)
        log_warn("node keeps the privileges that it was started with");
    bool started = node_start(&node, config, &push);
    bool suits = true;
    if (started) {
        suits = wait_for_end(&node, &reload, &drain_time_s, &signals);
        if (!node_drain(&node, config, drain_time_s, &signals)) {
            log_warn("node ends at once: told a second time");
            http_quiesce(node.http); /* the events socket's file would stay */
            _Exit(EXIT_FAILURE);     /* requests may be in flight, so nothing can be freed */
        }
    }
    node_stop(&node);
    if (started)
        log_info("node ended");
    return started && suits ? EXIT_SUCCESS : EXIT_FAILURE;
}
