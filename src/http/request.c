/* http/request.c -- one request on its way through libmicrohttpd: head, body, steps, answer.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/request.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/table.h"
#include "core/stats.h"
#include "core/tally.h"
#include "http/detach.h"
#include "http/pages.h"
#include "http/reply.h"

/* Whose move it is, see request.h. */
enum turn { TURN_RUNS, TURN_WOKEN, TURN_PARKED };

enum {
    ANSWER_TIMEOUT_S = 900,     /* a client must have read its answer within this */
    LINE_MAX_BYTES = 16 * 1024, /* a version further off is no part of the line */
    SMALL_BYTES = 4096,         /* an answer that is not counted */
    BYTES_PER_KIB = 1024,
};

static bool is_admin(const struct request *r) { return r->worker->listener == LISTENER_ADMIN; }

struct request *request_of(struct exchange *ex) {
    return container_of(ex, struct request, ex);
}

static void set_deadline(const struct request *r, uint32_t seconds) {
    if (r->on)
        guard_set_deadline(r->on, clock_mono_ms(r->server->clock) + (uint64_t)seconds * 1000);
}

static void wake(struct exchange *ex) {
    struct request *r = request_of(ex);
    struct MHD_Connection *connection = r->connection;
    struct http_server *s = r->server;
    atomic_fetch_add(&s->busy, 1);
    if (atomic_exchange(&r->turn, TURN_WOKEN) == TURN_PARKED)
        MHD_resume_connection(connection);
    atomic_fetch_sub(&s->busy, 1);
}

struct request *request_new(struct worker *w, struct MHD_Connection *c, const char *uri) {
    size_t n = uri ? strnlen(uri, TARGET_MAX_BYTES + 1) : 0;
    struct request *r = malloc(sizeof *r + n + 1);
    if (!r)
        return NULL;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    memset(r, 0, sizeof *r);
    exchange_init(&r->ex);
    r->ex.wake = wake;
    r->ex.target = &r->target;
    r->server = w->server;
    r->worker = w;
    r->on = info ? info->socket_context : NULL;
    r->connection = c;
    atomic_init(&r->turn, TURN_RUNS);
    r->file.fd = r->stream_fd = -1;
    r->raw_at = (uintptr_t)uri;
    r->raw_n = n;
    if (n)
        memcpy(r->raw, uri, n);
    r->raw[n] = '\0';
    return r;
}

static void close_file(struct request *r) {
    if (r->file.fd >= 0)
        close(r->file.fd);
    r->file = (struct site_file){.fd = -1};
}

static void refuse(struct request *r, enum rc rc, const char *advice) {
    (void)exchange_fail(&r->ex, rc, advice);
    r->is_refused = true;
}

/* Whether other origins' scripts may read the answer: all of the API, errors too. */
static bool is_for_all_origins(const struct request *r) {
    static const struct str first[] = {STR_INIT("v1"), STR_INIT(".well-known"),
                                       STR_INIT("openapi.yaml")};
    if (r->worker->listener != LISTENER_PUBLIC)
        return r->worker->listener == LISTENER_EVENTS;
    if (r->target.segment_count == 0)
        return false;
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (str_eq(r->target.segments[0], first[i]))
            return true;
    return false;
}

/* Whether the request line goes on after the target's NUL. libmicrohttpd 0.9.75 lets a NUL byte in
 * a target pass and ends the text there; where the version begins tells. (Elsewhere than close
 * behind the target it tells nothing.) */
static bool is_cut(const struct request *r, const char *version) {
    uintptr_t end = r->raw_at + r->raw_n + 1, next = (uintptr_t)version;
    return r->raw_n <= TARGET_MAX_BYTES && next > end && next - end < LINE_MAX_BYTES;
}

static bool read_target(struct request *r, const char *version) {
    struct str raw = {r->raw, r->raw_n};
    enum rc rc = is_cut(r, version) ? RC_MALFORMED : target_read(raw, &r->target);
    if (rc == RC_OK && r->ex.method != METHOD_OPTIONS && str_eq(raw, STR("*")))
        rc = RC_MALFORMED;                               /* RFC 9112, 3.2.4 */
    bool is_too_deep = rc == RC_OK && r->target.is_deep; /* for all but what is at every path */
    if (rc == RC_OK && (!is_too_deep || r->worker->listener == LISTENER_EVENTS)) {
        r->has_cors = is_for_all_origins(r);
        return true;
    }
    r->target.path = (struct str){"-", 1}; /* for the log */
    r->has_cors = !is_admin(r);
    if (is_too_deep)
        refuse(r, RC_NOT_FOUND, "There is nothing at this path.");
    else if (rc == RC_TOO_LARGE)
        refuse(r, RC_TOO_LARGE, "The request target is too long or has too many parameters.");
    else
        refuse(r, RC_MALFORMED,
               "The request target is malformed: see RFC 3986; %2F, %00, . and .. are refused.");
    return false;
}

/* The web client, where the API has nothing. */
static methods find_page(struct request *r) {
    const struct target *t = &r->target;
    if (r->worker->listener != LISTENER_PUBLIC || r->has_cors)
        return 0;
    enum rc rc = site_find(&r->server->site, t, &r->file);
    r->is_page = true;
    if (rc == RC_OK) {
        r->first = page_file;
        return routes_file_methods;
    }
    if (r->server->site.root_fd < 0 && str_eq(t->path, STR("/"))) {
        r->first = page_plain;
        return routes_file_methods;
    }
    r->is_page = false;
    if (rc == RC_FULL)
        refuse(r, rc, "The server is short of descriptors; try again shortly.");
    return 0;
}

/* Sets the first step and the limit of the body, or refuses. */
static void find_step(struct request *r) {
    methods has = 0;
    const struct route *route =
        routes_find(r->worker->listener, &r->target, r->ex.method, &has, &r->ex.arg);
    if (route) {
        r->first = route->step;
        r->body_max = route->body_max;
        return;
    }
    if (!has)
        has = find_page(r);
    if (!has) {
        if (!r->is_refused)
            refuse(r, RC_NOT_FOUND, "There is nothing at this path.");
        return;
    }
    if (has & 1U << r->ex.method)
        return; /* a page */
    close_file(r);
    r->is_page = false;
    routes_print(has, r->allow);
    r->ex.allow = r->allow;
    r->first = page_options;
    /* Protocol, section 1: with the header fields for other origins, whatever the path. The admin
     * listener lets no other origin in. */
    if (r->ex.method == METHOD_OPTIONS)
        r->has_cors = !is_admin(r);
    else
        refuse(r, RC_NOT_ALLOWED, "Use one of the methods that Allow names.");
}

/* Whether there is an answer that cannot or should not wait for the body. */
static bool answers_at_once(const struct request *r) {
    if (!r->is_refused)
        return false;
    if (r->head.is_unframed || r->head.length > REQUEST_DISCARD_MAX)
        return true;
    return r->head.expects_continue && (r->head.is_chunked || r->head.length > 0);
}

/* Whose turn it is: a connection for which the server waits may have to give way to others. */
static void client_is_due(const struct request *r) {
    if (r->on && r->worker->listener == LISTENER_PUBLIC)
        guard_waits(r->on, clock_mono_ms(r->server->clock), true);
}

static void server_is_due(const struct request *r) {
    if (r->on)
        guard_works(r->on);
}

/* ---- what clients keep in memory ---- */

/* Counts bytes for the client's address until the request is done. False: it has too many, or all
 * together have. */
static bool hold(struct request *r, uint64_t bytes) {
    struct tally *t = r->server->bytes_by_address;
    uint32_t kib = (uint32_t)((bytes + BYTES_PER_KIB - 1) / BYTES_PER_KIB);
    if (!t || kib == 0 || is_admin(r) || r->ex.client_exempt)
        return true;
    if (tally_take_many(t, r->ex.client, kib) != RC_OK)
        return false;
    r->held_kib += kib;
    return true;
}

static void let_go(struct request *r) {
    if (r->held_kib)
        tally_give_many(r->server->bytes_by_address, r->ex.client, r->held_kib);
}

static const char holds_too_much[] =
    "There is too much under way, from this address or in all; read the answers, or try again "
    "shortly.";

/* A client that does not read its answers has them kept here. What was done is told all the same:
 * only what asks can be asked again. */
static void hold_answer(struct request *r) {
    bool only_asks = r->ex.method == METHOD_GET || r->ex.method == METHOD_HEAD;
    if (!only_asks || r->ex.out.n <= SMALL_BYTES || hold(r, r->ex.out.n))
        return;
    buf_done(&r->ex.out);
    (void)exchange_fail(&r->ex, RC_FULL, holds_too_much);
}

static bool answer(struct request *r) {
    hold_answer(r);
    r->phase = PHASE_ANSWERED;
    client_is_due(r); /* to read it */
    set_deadline(r, ANSWER_TIMEOUT_S);
    return reply(r);
}

/* Who asks by the events socket is a router on this machine, which minds the limits of its own
 * clients. */
static void read_peer(struct request *r) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    r->ex.client_trusted = info && local_peer_is(info->connect_fd, &r->server->trusted_peers);
}

static bool read_head(struct request *r, const char *method, const char *version) {
    const char *advice = "";
    r->phase = PHASE_BODY;
    r->body_max = REQUEST_DISCARD_MAX;
    r->started_us = clock_mono_us(r->server->clock);
    r->ex.now_ms = clock_wall_ms(r->server->clock);
    r->ex.method = routes_method(str_of(method));
    if (!is_admin(r))
        atomic_fetch_add(&r->server->in_flight, 1);

    enum rc rc = head_read(r->connection, method, version, &r->server->trusted_proxies, &r->ex,
                           &r->head, &advice);
    if (r->worker->listener == LISTENER_EVENTS)
        read_peer(r);
    if (read_target(r, version))
        find_step(r);
    if (rc != RC_OK && (!r->is_refused || r->head.is_unframed))
        refuse(r, rc, advice);
    bool is_over = !r->head.is_unframed && r->head.length > r->body_max;
    if (is_over && !r->is_refused)
        refuse(r, RC_OVERSIZE, "The body is too large.");
    if (!r->is_refused && !hold(r, r->head.is_chunked ? r->body_max : r->head.length))
        refuse(r, RC_FULL, holds_too_much);
    buf_init(&r->body, r->body_max);
    if (answers_at_once(r) || is_over) {
        r->reads_on = true;
        return answer(r);
    }
    if (r->head.is_chunked || r->head.length > 0) {
        client_is_due(r);
        set_deadline(r, r->server->body_timeout_s);
    } else if (r->on) {
        server_is_due(r);
        guard_set_deadline(r->on, 0);
    }
    return true;
}

/* No answer can be queued between two pieces of a body; so what is too much is thrown away, and the
 * answer comes at its end, or never. */
static bool read_body(struct request *r, struct str piece) {
    uint64_t patience = 2 * (uint64_t)r->body_max;
    r->body_seen += piece.n;
    if (r->body_seen > (patience > REQUEST_DISCARD_MAX ? patience : REQUEST_DISCARD_MAX))
        return false;
    if (r->is_refused)
        return true;
    buf_put(&r->body, piece);
    enum rc rc = buf_rc(&r->body);
    if (rc == RC_OK)
        return true;
    buf_done(&r->body);
    if (rc == RC_TOO_LARGE)
        refuse(r, RC_OVERSIZE, "The body is too large.");
    else
        refuse(r, rc, "The body found no memory; try again shortly.");
    return true;
}

/* Runs steps until one answers, or waits and has not been woken yet. */
static bool run_steps(struct request *r) {
    for (;;) {
        atomic_store(&r->turn, TURN_RUNS);
        if (r->ex.next(r->server->flow, &r->ex) == STEP_ANSWERED) {
            atomic_fetch_sub(&r->server->busy, 1);
            return answer(r);
        }
        if (atomic_load(&r->turn) == TURN_WOKEN)
            continue;
        /* Suspended first and parked then: so nobody resumes what is not suspended. */
        MHD_suspend_connection(r->connection);
        int expected = TURN_RUNS;
        if (!atomic_compare_exchange_strong(&r->turn, &expected, TURN_PARKED))
            MHD_resume_connection(r->connection);
        return true;
    }
}

static bool begin_steps(struct request *r) {
    server_is_due(r);
    if (r->on)
        guard_set_deadline(r->on, 0);
    atomic_fetch_add(&r->server->busy, 1);
    if (atomic_load(&r->server->is_stopping)) {
        atomic_fetch_sub(&r->server->busy, 1);
        refuse(r, RC_UNAVAILABLE, "The server is stopping; try again shortly.");
        return answer(r);
    }
    r->phase = PHASE_STEPS;
    r->ex.body = buf_str(&r->body);
    r->ex.next = r->first;
    return run_steps(r);
}

bool request_handle(struct request *r, const char *method, const char *version, const char *bytes,
                    size_t *n) {
    switch (r->phase) {
    case PHASE_HEAD:
        return read_head(r, method, version);
    case PHASE_BODY:
        if (*n) {
            struct str piece = {bytes, *n};
            *n = 0;
            return read_body(r, piece);
        }
        return r->is_refused ? answer(r) : begin_steps(r);
    case PHASE_STEPS:
        assert(atomic_load(&r->turn) == TURN_WOKEN);
        return run_steps(r);
    case PHASE_ANSWERED:
        break;
    }
    return false;
}

static void tell(const struct request *r) {
    uint64_t us = clock_mono_us(r->server->clock) - r->started_us;
    bool is_answered = r->phase == PHASE_ANSWERED;
    if (is_answered && !is_admin(r)) {
        stats_add(requests, 1);
        if (r->ex.status >= 500)
            stats_add(requests_failed, 1);
        stats_observe_us(STATS_request_seconds, us);
    }
    log_debug("http request method=%s path=\"%.*s\" status=%d ms=%llu",
              routes_method_name(r->ex.method), STR_ARG(r->target.path),
              is_answered ? r->ex.status : 0, (unsigned long long)(us / 1000));
}

/* Takes a duplicate; libmicrohttpd closes its own. */
static void leave_leftover(struct request *r) {
    int fd = detach_reserve(r->connection);
    if (fd < 0)
        return;
    leftover_take(&r->server->leftovers, fd, clock_mono_ms(r->server->clock));
    door_wake(&r->server->door);
}

void request_done(struct request *r, bool is_sent) {
    if (r->phase != PHASE_HEAD)
        tell(r);
    if (r->stream_fd >= 0)
        detach_finish(r->stream_fd, is_sent, &r->server->guard, r->on, r->server->flow->push,
                      &r->ex.open);
    else if (is_sent && r->reads_on)
        leave_leftover(r);
    if (r->on)
        set_deadline(r, r->server->idle_timeout_s + r->server->head_timeout_s);
    if (r->stream_fd < 0)
        client_is_due(r);
    /* The client left while it waited; it was woken since, so its job is done. */
    if (r->phase == PHASE_STEPS)
        atomic_fetch_sub(&r->server->busy, 1);
    if (r->phase != PHASE_HEAD && !is_admin(r))
        atomic_fetch_sub(&r->server->in_flight, 1);
    let_go(r);
    close_file(r);
    buf_done(&r->body);
    exchange_done(&r->ex);
    free(r);
}
