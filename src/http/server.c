/* http/server.c -- the listeners, public, admin and events: start, the callbacks of libmicrohttpd,
 * stop.
 *
 * Threads: the door, which accepts, sweeps and reads leftovers; one daemon of libmicrohttpd for
 * each of `threads`, and one each for the admin listener and the events socket; each has an epoll
 * thread inside.
 * Start: listening sockets, daemons, door. Stop: door, daemons, the rest.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/server.h"

#include <microhttpd.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/stats.h"
#include "core/tally.h"
#include "http/bind.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/state.h"

enum {
    ADMIN_MAX_CONNECTIONS = 64,
    EVENTS_MAX_CONNECTIONS = 64, /* which are not a stream yet */
    LIMIT_SLACK = 1024, /* the door keeps the limit; a daemon counts a connection a while longer */
    REPLY_ROOM_BYTES = 8 * 1024, /* of a connection's memory, for the head of the answer */
    REFUSAL_MAX_BYTES = 4096,
    BYTES_PER_KIB = 1024,
};

/* ---- what libmicrohttpd calls ---- */

static struct guarded *connection_started(struct worker *w, struct MHD_Connection *c) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_server *s = w->server;
    struct guarded *on = malloc(sizeof *on);
    atomic_fetch_sub(&w->waiting, 1);
    if (w->listener == LISTENER_PUBLIC)
        stats_add(connections, 1);
    if (!on) {
        (void)shutdown(info->connect_fd, SHUT_RDWR); /* never without a deadline */
        return NULL;
    }
    uint64_t now_ms = clock_mono_ms(s->clock);
    guard_add(&s->guard, on, info->connect_fd, now_ms + (uint64_t)s->head_timeout_s * 1000);
    if (w->listener == LISTENER_PUBLIC)
        guard_waits(on, now_ms, false);
    return on;
}

/* Gives back what the door took for its address. */
static void give_back(struct worker *w, struct MHD_Connection *c) {
    const struct gate *g = &w->server->door.gates[w->listener];
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    uint64_t key = gate_key(g, info ? info->client_addr : NULL);
    if (key)
        tally_give(g->by_address, key);
}

static void connection_closed(struct worker *w, struct MHD_Connection *c, struct guarded *on) {
    give_back(w, c);
    if (on)
        guard_remove(&w->server->guard, on);
    free(on);
    if (w->listener == LISTENER_PUBLIC)
        stats_add(connections, -1);
    atomic_fetch_sub_explicit(&w->open, 1, memory_order_relaxed);
}

/* The closing is told before the descriptor is closed. */
static void on_connection(void *arg, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = connection_started(arg, c);
    } else {
        connection_closed(arg, c, *context);
        *context = NULL;
    }
}

/* The one moment at which the target is there as it was received. */
static void *on_target(void *arg, const char *uri, struct MHD_Connection *c) {
    return request_new(arg, c, uri);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *n, void **context) {
    struct request *r = *context;
    (void)arg, (void)c, (void)url;
    return r && request_handle(r, method, version, bytes, n) ? MHD_YES : MHD_NO;
}

static void on_completed(void *arg, struct MHD_Connection *c, void **context,
                         enum MHD_RequestTerminationCode code) {
    struct request *r = *context;
    (void)arg, (void)c;
    *context = NULL;
    if (r)
        request_done(r, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

/* ---- start and stop ---- */

/* How strict it is by itself. 1.0 would understand folds, tabs and lone LFs, and answer a space in
 * a target by a redirection of its own. 0.9 is no stricter for being told (http/head.h is), but
 * would answer a missing Host by a page of its own. */
#if MHD_VERSION >= 0x01000000
enum { STRICTNESS = 1 };
#else
enum { STRICTNESS = 0 };
#endif

static enum rc start_worker(struct worker *w, const struct http_config *config, uint32_t max_open) {
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_NO_LISTEN_SOCKET;
    /* clang-format off */
    w->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, w,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)max_open + LIMIT_SLACK,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)config->idle_timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)config->head_max_bytes + REPLY_ROOM_BYTES,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, w,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, w,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, w,
        MHD_OPTION_STRICT_FOR_CLIENT, STRICTNESS,
        MHD_OPTION_END);
    /* clang-format on */
    return w->daemon ? RC_OK : RC_IO;
}

static enum rc start_workers(struct http_server *s, const struct http_config *config) {
    unsigned n = config->threads ? config->threads : 1;
    s->workers = calloc(n, sizeof *s->workers);
    if (!s->workers)
        return RC_NO_MEMORY;
    s->worker_count = n;
    enum rc rc = RC_OK;
    for (unsigned i = 0; i < n && rc == RC_OK; i++) {
        s->workers[i].server = s;
        rc = start_worker(&s->workers[i], config, config->max_connections);
    }
    s->admin_worker.server = s->events_worker.server = s;
    s->admin_worker.listener = LISTENER_ADMIN;
    s->events_worker.listener = LISTENER_EVENTS;
    if (rc == RC_OK && s->door.gates[LISTENER_ADMIN].fd >= 0)
        rc = start_worker(&s->admin_worker, config, ADMIN_MAX_CONNECTIONS);
    if (rc == RC_OK && s->door.gates[LISTENER_EVENTS].fd >= 0)
        rc = start_worker(&s->events_worker, config, EVENTS_MAX_CONNECTIONS);
    return rc;
}

static bool is_given(const char *text) { return text && *text; }

static enum rc open_gates(struct http_server *s, const struct http_config *config,
                          const char **why) {
    struct gate *gates = s->door.gates, *events = &gates[LISTENER_EVENTS];
    enum rc rc = bind_listen(config->bind, &gates[LISTENER_PUBLIC].fd, &s->port, why);
    if (rc == RC_OK && is_given(config->admin_bind))
        rc = bind_listen(config->admin_bind, &gates[LISTENER_ADMIN].fd, &s->admin_port, why);
    if (rc == RC_OK && is_given(config->events_socket))
        rc = local_listen(config->events_socket, &events->file, &events->fd, why);
    return rc;
}

static enum rc read_trust(struct http_server *s, const struct http_config *config,
                          const char **why) {
    *why = "trusted proxies must be networks: CIDR,CIDR";
    if (is_given(config->trusted_proxies) &&
        networks_read(str_of(config->trusted_proxies), &s->trusted_proxies) != RC_OK)
        return RC_MALFORMED;
    if (!is_given(config->events_trust_peers))
        return RC_OK;
    *why = "trusted peers of the events socket must be user ids: UID,UID";
    enum rc rc = local_read_peers(str_of(config->events_trust_peers), &s->trusted_peers);
    if (rc == RC_OK && !is_given(config->events_socket)) {
        *why = "there are trusted peers and no events socket; give it a path, or trust nobody";
        return RC_MALFORMED;
    }
    return rc;
}

static void stop_worker(struct worker *w) {
    if (w->daemon)
        MHD_stop_daemon(w->daemon);
}

/* libmicrohttpd aborts when it is stopped with a suspended connection, or resumed while it stops. A
 * request counts itself before it asks whether the server stops, so none slips in between. */
static void await_steps(struct http_server *s) {
    atomic_store(&s->is_stopping, true);
    while (atomic_load(&s->busy))
        (void)poll(NULL, 0, 1);
}

/* Fine for a server that has started in part. */
static void stop(struct http_server *s) {
    door_stop(&s->door);
    await_steps(s);
    for (unsigned i = 0; i < s->worker_count; i++)
        stop_worker(&s->workers[i]);
    stop_worker(&s->admin_worker);
    stop_worker(&s->events_worker);
    door_done(&s->door);
    leftover_done(&s->leftovers);
    guard_done(&s->guard);
    tally_free(s->by_address);
    tally_free(s->bytes_by_address);
    buf_done(&s->refusal);
    site_close(&s->site);
    free(s->workers);
    free(s);
}

static uint32_t limit_kib(uint32_t bytes) {
    return bytes ? (bytes - 1) / BYTES_PER_KIB + 1 : UINT32_MAX;
}

/* Everything that needs no thread. NULL: no memory, or no descriptor. */
static struct http_server *make(const struct http_config *config, struct flow *flow,
                                const struct http_admin *admin) {
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->flow = flow;
    s->admin = admin;
    s->clock = flow->clock;
    s->idle_timeout_s = config->idle_timeout_s;
    s->head_timeout_s = config->head_timeout_s;
    s->body_timeout_s = config->body_timeout_s;
    s->site.root_fd = -1;
    if (door_init(&s->door, &s->guard, &s->leftovers, s->clock) != RC_OK) {
        free(s);
        return NULL;
    }
    guard_init(&s->guard);
    leftover_init(&s->leftovers);
    buf_init(&s->refusal, REFUSAL_MAX_BYTES);
    reply_put_refusal(&s->refusal);
    if (config->max_connections_address)
        s->by_address = tally_new(UINT32_MAX, config->max_connections_address);
    bool counts_bytes = config->max_bytes || config->max_bytes_address;
    if (counts_bytes)
        s->bytes_by_address =
            tally_new(limit_kib(config->max_bytes), limit_kib(config->max_bytes_address));
    if (buf_rc(&s->refusal) == RC_OK && (s->by_address || !config->max_connections_address) &&
        (s->bytes_by_address || !counts_bytes))
        return s;
    stop(s);
    return NULL;
}

static void set_gate(struct gate *g, struct worker *workers, unsigned n, uint32_t max_open) {
    g->workers = workers;
    g->worker_count = n;
    g->max_open = max_open;
}

static enum rc start(struct http_server *s, const struct http_config *config, const char **why) {
    enum rc rc = site_open(&s->site, config->web_dir, config->static_max_bytes, why);
    if (rc == RC_OK)
        rc = read_trust(s, config, why);
    if (rc == RC_OK)
        rc = open_gates(s, config, why);
    if (rc != RC_OK)
        return rc;
    *why = "cannot start the http threads";
    rc = start_workers(s, config);
    if (rc != RC_OK)
        return rc;
    struct gate *public = &s->door.gates[LISTENER_PUBLIC];
    set_gate(public, s->workers, s->worker_count, config->max_connections);
    public->by_address = s->by_address;
    public->trusted = &s->trusted_proxies;
    public->refusal = buf_str(&s->refusal);
    set_gate(&s->door.gates[LISTENER_ADMIN], &s->admin_worker, 1, ADMIN_MAX_CONNECTIONS);
    set_gate(&s->door.gates[LISTENER_EVENTS], &s->events_worker, 1, EVENTS_MAX_CONNECTIONS);
    return door_start(&s->door);
}

enum rc http_start(const struct http_config *config, struct flow *flow,
                   const struct http_admin *admin, struct http_server **out, const char **why) {
    struct http_server *s = make(config, flow, admin);
    *why = "out of memory or of descriptors";
    if (!s)
        return RC_NO_MEMORY;
    enum rc rc = start(s, config, why);
    if (rc == RC_OK)
        *out = s;
    else
        stop(s);
    return rc;
}

uint16_t http_port(const struct http_server *s) { return s->port; }

uint16_t http_admin_port(const struct http_server *s) { return s->admin_port; }

void http_quiesce(struct http_server *s) {
    atomic_store(&s->is_closing, true);
    door_close_public(&s->door);
}

uint32_t http_in_flight(const struct http_server *s) { return atomic_load(&s->in_flight); }

void http_stop(struct http_server *s) {
    if (s)
        stop(s);
}
