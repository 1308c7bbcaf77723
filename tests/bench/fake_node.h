/* tests/bench/fake_node.h -- a node of one thread and one poll(), which can be told to be faulty.
 *
 * It registers, takes posts, and serves streams by the protocol, checks what is signed with wire/,
 * and commits its one fault at the fifth post.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef TESTS_FAKE_NODE_H
#define TESTS_FAKE_NODE_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/auth.h"
#include "wire/conversation.h"
#include "wire/message.h"
#include "wire/registration.h"
#include "wire/row.h"
#include "wire/sse.h"

enum fault {
    FAULT_NONE,
    FAULT_LOSE,      /* a row in the middle */
    FAULT_LOSE_LAST, /* the last row of the run, which no later one betrays */
    FAULT_REPEAT,
    FAULT_SWAP,
    FAULT_STRAY, /* a row goes to another handle's streams as well */
    FAULT_HANG_UP,
    FAULT_RESYNC,
    FAULT_REFUSE,      /* 503 for a post */
    FAULT_SAY_NOTHING, /* no answer to a post */
    FAULT_SAME_SEQ,    /* two answers with one seq */
    FAULT_REFUSE_STREAMS,
    FAULT_NEVER_READY,
    FAULT_REFUSE_HANDLES,
    FAULT_REFUSE_CONVERSATION,
    FAULT_OTHER_ORDER, /* of a conversation: one participant sees two posts change places */
};

enum { FAKE_CONNS = 64, FAKE_HANDLES = 16, FAKE_IN = 8192, FAKE_FAULT_AT = 5 };

struct fake_conn {
    int fd;
    int stream; /* handle number, or -1 */
    size_t n;
    char in[FAKE_IN];
};

struct fake_node {
    enum fault fault;
    bool is_chunked, drips; /* the form of its streams: chunks; a byte at a time */
    unsigned last_post;     /* for FAULT_LOSE_LAST */
    unsigned short port;
    int listener;
    atomic_bool stops;
    pthread_t thread;
    unsigned posts;
    size_t n_handles, n_conns;
    struct {
        struct registration reg;
        uint64_t head;
    } handles[FAKE_HANDLES];
    struct buf held;                /* FAULT_SWAP: the row that comes later */
    struct conversation_draft talk; /* the latest that was made */
    struct str late;                /* FAULT_OTHER_ORDER: the envelope that comes later */
    char late_text[FAKE_IN];
    struct fake_conn conns[FAKE_CONNS];
};

static inline void fake_write(int fd, struct str bytes) {
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes = str_from(bytes, (size_t)n);
    }
}

static inline void fake_answer(int fd, int status, struct str body) {
    char head[128];
    int n =
        snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", status, body.n);
    fake_write(fd, (struct str){head, (size_t)n});
    fake_write(fd, body);
}

/* Stream bytes, in the form that this node has. */
static inline void fake_push(struct fake_node *f, int fd, struct str bytes) {
    size_t step = f->drips ? 1 : bytes.n;
    for (; bytes.n > 0; bytes = str_from(bytes, step)) {
        char size[16];
        if (f->is_chunked)
            fake_write(fd,
                       (struct str){size, (size_t)snprintf(size, sizeof size, "%zx\r\n", step)});
        fake_write(fd, (struct str){bytes.p, step});
        if (f->is_chunked)
            fake_write(fd, STR("\r\n"));
    }
}

static inline int fake_find(const struct fake_node *f, struct str handle) {
    for (size_t i = 0; i < f->n_handles; i++)
        if (str_eq(handle_str(&f->handles[i].reg.handle), handle))
            return (int)i;
    return -1;
}

static inline void fake_register(struct fake_node *f, int fd, struct str body) {
    struct registration reg;
    const char *advice = "";
    if (f->fault == FAULT_REFUSE_HANDLES || f->n_handles == FAKE_HANDLES) {
        fake_answer(fd, 403, STR("{\"detail\":\"choose another handle\"}"));
        return;
    }
    if (registration_read(body, STR("localhost"), clock_wall_ms(clock_system()), &reg, &advice) !=
        RC_OK) {
        fake_answer(fd, 400, STR("{}"));
        return;
    }
    if (fake_find(f, handle_str(&reg.handle)) >= 0) {
        fake_answer(fd, 200, STR("{}"));
        return;
    }
    f->handles[f->n_handles++].reg = reg;
    fake_answer(fd, 201, STR("{}"));
}

static inline void fake_send_to(struct fake_node *f, int handle, struct str frame) {
    for (size_t i = 0; i < FAKE_CONNS; i++)
        if (f->conns[i].fd >= 0 && f->conns[i].stream == handle)
            fake_push(f, f->conns[i].fd, frame);
}

static inline void fake_hang_up_on(struct fake_node *f, int handle) {
    for (size_t i = 0; i < FAKE_CONNS; i++) {
        if (f->conns[i].fd < 0 || f->conns[i].stream != handle)
            continue;
        close(f->conns[i].fd);
        f->conns[i].fd = -1;
        return;
    }
}

/* What the streams of a handle see of a row. */
static inline void fake_deliver(struct fake_node *f, int handle, struct str frame) {
    bool now = f->posts == FAKE_FAULT_AT;
    struct buf resync;
    if ((f->fault == FAULT_LOSE && now) ||
        (f->fault == FAULT_LOSE_LAST && f->posts == f->last_post))
        return;
    if (f->fault == FAULT_SWAP && now) {
        buf_put(&f->held, frame);
        return;
    }
    if (f->fault == FAULT_RESYNC && now) {
        buf_init(&resync, 4096);
        sse_put_resync(&resync, STR("trimmed"), f->handles[handle].head, 1, STR("e"));
        fake_send_to(f, handle, buf_str(&resync));
        buf_done(&resync);
        return;
    }
    fake_send_to(f, handle, frame);
    if (f->fault == FAULT_REPEAT && now)
        fake_send_to(f, handle, frame);
    if (f->fault == FAULT_STRAY && now)
        fake_send_to(f, (handle + 1) % (int)f->n_handles, frame);
    if (f->fault == FAULT_HANG_UP && now)
        fake_hang_up_on(f, handle);
    if (f->held.n > 0 && !now) {
        fake_send_to(f, handle, buf_str(&f->held));
        buf_clear(&f->held);
    }
}

/* The value of a header field; empty when it is not there. */
static inline struct str fake_field(const char *head, const char *label) {
    const char *at = strstr(head, label);
    if (!at)
        return STR("");
    at += strlen(label);
    return (struct str){at, strcspn(at, "\r")};
}

/* Who signed this request by the general text, or -1. */
static inline int fake_signer(const struct fake_node *f, const char *head, struct str target,
                              struct str body) {
    int who = fake_find(f, fake_field(head, "X-KEZ-Handle: "));
    struct auth auth;
    struct buf text;
    buf_init(&text, FAKE_IN);
    bool holds = who >= 0 && auth_read(fake_field(head, "X-KEZ-Auth: "), &auth) == RC_OK;
    if (holds)
        auth_put_request(&text, STR("POST"), STR("localhost"), target, body, auth.at_text);
    holds = holds && auth_verify(&f->handles[who].reg.primary, buf_str(&text), auth.sig) == RC_OK;
    buf_done(&text);
    return holds ? who : -1;
}

static inline void fake_make(struct fake_node *f, int fd, int caller, struct str body) {
    const char *advice;
    conversation_draft_done(&f->talk);
    bool is_made = caller >= 0 && f->fault != FAULT_REFUSE_CONVERSATION &&
                   conversation_read_made(body, &f->talk, &advice) == RC_OK;
    for (size_t i = 0; is_made && i < f->talk.add.n; i++)
        f->handles[fake_find(f, handle_str(&f->talk.add.at[i]))].head++; /* conversation.updated */
    fake_answer(fd, is_made ? 201 : 403, STR("{\"detail\":\"not now\"}"));
}

static inline void fake_tell(struct fake_node *f, int to, struct str envelope) {
    struct row row = {.seq = ++f->handles[to].head, .type = ROW_MESSAGE, .envelope = envelope};
    struct buf frame;
    buf_init(&frame, 1 << 20);
    buf_putf(&frame, "id: %d\ndata: ", (int)row.seq);
    row_put(&frame, &row);
    buf_put(&frame, STR("\n\n"));
    fake_send_to(f, to, buf_str(&frame));
    buf_done(&frame);
}

/* To the last participant the fifth post comes after the sixth. */
static inline void fake_tell_all(struct fake_node *f, struct str envelope) {
    size_t n = f->talk.add.n;
    bool holds_back = f->fault == FAULT_OTHER_ORDER && f->posts == FAKE_FAULT_AT;
    for (size_t i = 0; i < n; i++) {
        int to = fake_find(f, handle_str(&f->talk.add.at[i]));
        if (i + 1 < n || !holds_back)
            fake_tell(f, to, envelope);
        else
            f->late = (struct str){memcpy(f->late_text, envelope.p, envelope.n), envelope.n};
        if (i + 1 == n && f->late.n > 0 && !holds_back) {
            fake_tell(f, to, f->late);
            f->late = STR("");
        }
    }
}

static inline void fake_post_to_all(struct fake_node *f, int fd, int sender, struct str body) {
    struct message m;
    const char *advice;
    char answer[64];
    if (sender < 0 || conversation_read_post(body, &m, &advice) != RC_OK) {
        fake_answer(fd, 401, STR("{}"));
        return;
    }
    f->posts++;
    uint64_t seq = f->handles[sender].head + 1;
    fake_tell_all(f, buf_str(&m.envelope));
    message_done(&m);
    int n = snprintf(answer, sizeof answer, "{\"seq\":%d}", (int)seq);
    fake_answer(fd, 201, (struct str){answer, (size_t)n});
}

static inline void fake_post(struct fake_node *f, int fd, struct str body) {
    struct message m;
    const char *advice;
    char answer[64];
    if (message_read(body, &m, &advice) != RC_OK) {
        fake_answer(fd, 400, STR("{}"));
        return;
    }
    int to = fake_find(f, handle_str(&m.to));
    bool now = ++f->posts == FAKE_FAULT_AT;
    if (to < 0 || (f->fault == FAULT_REFUSE && now)) {
        fake_answer(fd, to < 0 ? 404 : 503, STR("{\"detail\":\"the store is away\"}"));
        message_done(&m);
        return;
    }
    uint64_t seq = ++f->handles[to].head;
    struct row row = {.seq = seq, .type = ROW_MESSAGE, .envelope = buf_str(&m.envelope)};
    struct buf frame;
    buf_init(&frame, 1 << 20);
    buf_putf(&frame, "id: %d\ndata: ", (int)seq);
    row_put(&frame, &row);
    buf_put(&frame, STR("\n\n"));
    fake_deliver(f, to, buf_str(&frame));
    buf_done(&frame);
    message_done(&m);
    if (f->fault == FAULT_SAME_SEQ && now && seq > 1)
        seq--;
    int n = snprintf(answer, sizeof answer, "{\"to\":\"x\",\"seq\":%d}", (int)seq);
    if (f->fault != FAULT_SAY_NOTHING || !now)
        fake_answer(fd, 201, (struct str){answer, (size_t)n});
}

static inline void fake_stream(struct fake_node *f, struct fake_conn *c, struct str handle) {
    struct auth auth;
    struct buf text;
    int found = fake_find(f, handle);
    buf_init(&text, 4096);
    bool holds = found >= 0 && auth_read(fake_field(c->in, "X-KEZ-Auth: "), &auth) == RC_OK;
    if (holds)
        auth_put_stream(&text, handle, auth.at_text);
    holds = holds && f->fault != FAULT_REFUSE_STREAMS &&
            auth_verify(&f->handles[found].reg.primary, buf_str(&text), auth.sig) == RC_OK;
    buf_clear(&text);
    if (!holds) {
        fake_answer(c->fd, 401, STR("{}"));
    } else {
        fake_write(c->fd, STR("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"));
        fake_write(c->fd, f->is_chunked ? STR("Transfer-Encoding: chunked\r\n\r\n") : STR("\r\n"));
        buf_put(&text, sse_hello());
        if (f->fault != FAULT_NEVER_READY)
            sse_put_ready(&text, handle, f->handles[found].head, 1, STR("e"));
        fake_push(f, c->fd, buf_str(&text));
        c->stream = found;
    }
    buf_done(&text);
}

/* Answers what has come whole; true when a request was taken off. */
static inline bool fake_request(struct fake_node *f, struct fake_conn *c) {
    c->in[c->n] = '\0';
    const char *end = strstr(c->in, "\r\n\r\n");
    if (!end)
        return false;
    uint64_t length = 0;
    struct str digits = fake_field(c->in, "Content-Length: ");
    if (digits.n > 0 && str_read_u64(digits, FAKE_IN, &length) != RC_OK)
        return false;
    size_t head = (size_t)(end - c->in) + 4;
    if (c->n < head + length)
        return false;
    struct str body = {c->in + head, (size_t)length}, path, rest;
    (void)str_cut(str_of(c->in), ' ', &rest, &path);
    (void)str_cut(path, ' ', &path, &rest);
    if (str_eq(path, STR("/v1/register"))) {
        fake_register(f, c->fd, body);
    } else if (str_eq(path, STR("/v1/conversations"))) {
        fake_make(f, c->fd, fake_signer(f, c->in, path, body), body);
    } else if (str_starts_with(path, STR("/v1/conversations/"))) {
        fake_post_to_all(f, c->fd, fake_signer(f, c->in, path, body), body);
    } else if (str_eq(path, STR("/v1/messages"))) {
        fake_post(f, c->fd, body);
    } else {
        (void)str_cut(str_from(path, STR("/v1/inbox/").n), '/', &path, &rest);
        fake_stream(f, c, path);
    }
    memmove(c->in, c->in + head + length, c->n - head - (size_t)length);
    c->n -= head + (size_t)length;
    return true;
}

static inline void fake_accept(struct fake_node *f) {
    int one = 1, fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (size_t i = 0; fd >= 0 && i < FAKE_CONNS; i++) {
        if (f->conns[i].fd >= 0)
            continue;
        f->conns[i] = (struct fake_conn){.fd = fd, .stream = -1};
        return;
    }
    if (fd >= 0)
        close(fd);
}

static inline void fake_read(struct fake_node *f, struct fake_conn *c) {
    ssize_t n = recv(c->fd, c->in + c->n, FAKE_IN - 1 - c->n, MSG_DONTWAIT);
    if (n <= 0) {
        close(c->fd);
        c->fd = -1;
        return;
    }
    c->n += (size_t)n;
    while (c->fd >= 0 && fake_request(f, c))
        continue;
}

static inline void *fake_run(void *arg) {
    struct fake_node *f = arg;
    while (!f->stops) {
        struct pollfd p[FAKE_CONNS + 1];
        for (size_t i = 0; i < FAKE_CONNS; i++)
            p[i] = (struct pollfd){.fd = f->conns[i].fd, .events = POLLIN};
        p[FAKE_CONNS] = (struct pollfd){.fd = f->listener, .events = POLLIN};
        if (poll(p, FAKE_CONNS + 1, 20) <= 0)
            continue;
        for (size_t i = 0; i < FAKE_CONNS; i++)
            if (p[i].revents && f->conns[i].fd == p[i].fd)
                fake_read(f, &f->conns[i]);
        if (p[FAKE_CONNS].revents)
            fake_accept(f);
    }
    return NULL;
}

/* The caller has set fault and form; the rest is zero. */
static inline void fake_start(struct fake_node *f) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof in;
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f->listener < 0 || bind(f->listener, (const struct sockaddr *)&in, sizeof in) != 0 ||
        listen(f->listener, 128) != 0 ||
        getsockname(f->listener, (struct sockaddr *)&in, &bytes) != 0)
        abort();
    f->port = ntohs(in.sin_port);
    buf_init(&f->held, 1 << 20);
    for (size_t i = 0; i < FAKE_CONNS; i++)
        f->conns[i].fd = -1;
    if (pthread_create(&f->thread, NULL, fake_run, f) != 0)
        abort();
}

static inline void fake_stop(struct fake_node *f) {
    f->stops = true;
    pthread_join(f->thread, NULL);
    for (size_t i = 0; i < FAKE_CONNS; i++)
        if (f->conns[i].fd >= 0)
            close(f->conns[i].fd);
    close(f->listener);
    buf_done(&f->held);
    conversation_draft_done(&f->talk);
}

#endif
