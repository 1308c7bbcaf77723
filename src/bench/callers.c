/* bench/callers.c -- keep-alive connections that make one request after the other.
 *
 * A connection is free (on the stack `free`), at work, or rests after a failure, so that a dead
 * node is not called in a tight loop.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/callers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/json_span.h"

enum { IN_MAX = 64 * 1024, OUT_MAX = 1024 * 1024 };
#define REST_NS (UINT64_C(100) * 1000000)

enum state { FREE, CONNECTING, SENDING, RECEIVING, RESTING };

struct caller {
    int fd; /* -1: not connected */
    enum state state;
    const struct peer *peer;
    struct buf out;
    size_t sent, received;
    uint32_t tag, watched; /* epoll events watched */
    uint64_t started_ns, due_ns;
    char in[IN_MAX];
};

struct callers {
    struct poller *poller;
    struct callers_work work;
    uint64_t timeout_ns;
    uint32_t n, n_free, n_busy;
    uint32_t *free;
    struct caller *at;
};

static void on_ready(void *arg, uint32_t index, uint32_t events);

enum rc callers_new(struct poller *p, const struct peer *peers, size_t n_peers, uint32_t n,
                    uint64_t timeout_ns, struct callers **out) {
    struct callers *c = calloc(1, sizeof *c);
    if (!c)
        return RC_NO_MEMORY;
    *c = (struct callers){.poller = p, .timeout_ns = timeout_ns, .n = n, .n_free = n};
    c->free = calloc(n, sizeof *c->free);
    c->at = calloc(n, sizeof *c->at);
    if (!c->free || !c->at) {
        c->n = 0;
        callers_free(c);
        return RC_NO_MEMORY;
    }
    for (uint32_t i = 0; i < n; i++) {
        c->at[i].fd = -1;
        c->at[i].peer = &peers[i % n_peers];
        buf_init(&c->at[i].out, OUT_MAX);
        c->free[i] = n - 1 - i; /* the first on top */
    }
    poller_serve(p, POLLER_CALLER, (struct poller_client){c, on_ready});
    *out = c;
    return RC_OK;
}

static void hang_up(struct caller *one) {
    if (one->fd >= 0)
        close(one->fd);
    one->fd = -1;
}

void callers_free(struct callers *c) {
    if (!c)
        return;
    for (uint32_t i = 0; i < c->n; i++) {
        hang_up(&c->at[i]);
        buf_done(&c->at[i].out);
    }
    free(c->free);
    free(c->at);
    free(c);
}

void callers_serve(struct callers *c, struct callers_work work) { c->work = work; }

uint32_t callers_busy(const struct callers *c) { return c->n_busy; }

bool callers_are_free(const struct callers *c) { return c->n_free > 0; }

static uint32_t index_of(const struct callers *c, const struct caller *one) {
    return (uint32_t)(one - c->at);
}

void call_explain(const struct call *call, char *out, size_t room) {
    struct json_member member = {.name = STR("detail")};
    struct buf detail;
    if (!call->answer) {
        snprintf(out, room, "%s", call->why);
        return;
    }
    buf_init(&detail, IN_MAX);
    if (json_split(call->answer->body, (struct str){0}, &member, 1) != RC_OK ||
        json_utf8(member.value, &detail) != RC_OK)
        buf_clear(&detail);
    snprintf(out, room, "answered %u%s%s", call->answer->head.status, detail.n ? ": " : "",
             buf_cstr(&detail));
    buf_done(&detail);
}

static void release(struct callers *c, struct caller *one) {
    one->state = FREE;
    c->free[c->n_free++] = index_of(c, one);
}

static void end_call(struct callers *c, struct caller *one, const struct answer *answer,
                     const char *why) {
    struct call call = {.tag = one->tag,
                        .started_ns = one->started_ns,
                        .ended_ns = poller_now_ns(),
                        .answer = answer,
                        .why = why};
    c->n_busy--;
    c->work.ended(c->work.arg, &call);
}

static void fail(struct callers *c, struct caller *one, const char *why) {
    hang_up(one);
    one->state = RESTING;
    one->due_ns = poller_now_ns() + REST_NS;
    end_call(c, one, NULL, why);
}

static enum rc watch(struct callers *c, struct caller *one, uint32_t events) {
    if (one->watched == events)
        return RC_OK;
    one->watched = events;
    return poller_change(c->poller, one->fd, POLLER_CALLER, index_of(c, one), events);
}

/* Sends what is left of the request. */
static void send_on(struct callers *c, struct caller *one) {
    one->state = SENDING;
    while (one->sent < one->out.n) {
        ssize_t n = send(one->fd, one->out.p + one->sent, one->out.n - one->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            if (watch(c, one, EPOLLIN | EPOLLOUT) != RC_OK)
                fail(c, one, "epoll failed");
            return;
        }
        if (n < 0) {
            fail(c, one, strerror(errno));
            return;
        }
        one->sent += (size_t)n;
    }
    one->state = RECEIVING;
    if (watch(c, one, EPOLLIN) != RC_OK)
        fail(c, one, "epoll failed");
}

static void dial(struct callers *c, struct caller *one) {
    int fd = peer_connect(one->peer);
    if (fd < 0) {
        fail(c, one, strerror(-fd));
        return;
    }
    one->fd = fd;
    one->state = CONNECTING;
    one->watched = EPOLLIN | EPOLLOUT;
    if (poller_add(c->poller, fd, POLLER_CALLER, index_of(c, one), one->watched) != RC_OK)
        fail(c, one, "epoll failed");
}

void callers_feed(struct callers *c) {
    while (c->n_free > 0) {
        struct caller *one = &c->at[c->free[c->n_free - 1]];
        buf_clear(&one->out);
        if (!c->work.next(c->work.arg, one->peer, &one->out, &one->tag))
            return;
        c->n_free--;
        c->n_busy++;
        one->sent = one->received = 0;
        one->started_ns = poller_now_ns();
        one->due_ns = one->started_ns + c->timeout_ns;
        if (one->fd >= 0)
            send_on(c, one);
        else
            dial(c, one);
    }
}

/* The answer is whole. */
static void finish(struct callers *c, struct caller *one, const struct answer *answer) {
    if (answer->head.closes || one->sent < one->out.n)
        hang_up(one);
    release(c, one);
    end_call(c, one, answer, NULL);
}

static void receive(struct callers *c, struct caller *one) {
    ssize_t n = recv(one->fd, one->in + one->received, IN_MAX - one->received, 0);
    struct answer answer;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        fail(c, one, n < 0 ? strerror(errno) : "connection closed before the answer");
        return;
    }
    one->received += (size_t)n;
    enum rc rc = answer_read(one->in, one->received, &answer);
    if (rc == RC_OK)
        finish(c, one, &answer);
    else if (rc == RC_MALFORMED)
        fail(c, one, "not an HTTP answer that can be read");
    else if (one->received == IN_MAX)
        fail(c, one, "an answer too large");
}

static void connected(struct callers *c, struct caller *one) {
    int error = 0;
    socklen_t bytes = sizeof error;
    (void)getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
    if (error)
        fail(c, one, strerror(error));
    else
        send_on(c, one);
}

static void on_ready(void *arg, uint32_t index, uint32_t events) {
    struct callers *c = arg;
    struct caller *one = &c->at[index];
    switch (one->state) {
    case CONNECTING:
        connected(c, one);
        break;
    case SENDING:
        if (events & EPOLLOUT)
            send_on(c, one);
        else
            receive(c, one); /* refused before it was read: 413, or the end */
        break;
    case RECEIVING:
        receive(c, one);
        break;
    case FREE: /* the node closed an idle connection, which it may */
        hang_up(one);
        break;
    case RESTING:
        break;
    }
    callers_feed(c);
}

void callers_tick(struct callers *c, uint64_t now_ns) {
    for (uint32_t i = 0; i < c->n; i++) {
        struct caller *one = &c->at[i];
        if (one->state == FREE || one->due_ns > now_ns)
            continue;
        if (one->state == RESTING)
            release(c, one);
        else
            fail(c, one, "no answer in time");
    }
    callers_feed(c);
}
