/* bench/sendloop.c -- the yardstick.
 *
 * The sockets block: when the reader lags, the sender waits in send(), which is the least that
 * back-pressure can cost.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/sendloop.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "bench/ask.h"
#include "bench/poller.h"
#include "wire/row.h"
#include "wire/sse.h"

enum { BACKLOG = 1024, STALL_S = 10, FRAME_MAX = ASK_BODY_MAX + 4096, REQUEST_MAX = 4096 };

static int listen_on_loopback(unsigned short *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof in;
    if (fd < 0)
        return -1;
    if (bind(fd, (const struct sockaddr *)&in, sizeof in) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&in, &bytes) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(in.sin_port);
    return fd;
}

static enum rc send_all(int fd, struct str bytes) {
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0)
            return RC_IO;
        bytes = str_from(bytes, (size_t)n);
    }
    return RC_OK;
}

/* Reads a request to the end of its head. */
static enum rc read_request(int fd) {
    char request[REQUEST_MAX];
    size_t n = 0;
    while (n == 0 || !memmem(request, n, "\r\n\r\n", 4)) {
        ssize_t got = n < sizeof request ? recv(fd, request + n, sizeof request - n, 0) : -1;
        if (got <= 0)
            return RC_IO;
        n += (size_t)got;
    }
    return RC_OK;
}

static void put_welcome(struct buf *out) {
    buf_put(out, STR("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                     "Connection: close\r\n\r\n"));
    buf_put(out, sse_hello());
    sse_put_ready(out, STR("bench"), 0, 1, STR("bench"));
}

/* Takes one stream. */
static enum rc admit(int listener, struct str welcome, int *out) {
    struct timeval stall = {.tv_sec = STALL_S};
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return RC_IO;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
    *out = fd;
    enum rc rc = read_request(fd);
    return rc == RC_OK ? send_all(fd, welcome) : rc;
}

static void put_frame(struct buf *frame, struct buf *envelope, uint64_t seq, size_t body_bytes) {
    struct mark mark = {.sent_ns = poller_now_ns(), .handle = 0, .post = (uint32_t)seq};
    struct row row = {
        .seq = seq, .type = ROW_MESSAGE, .created_at_ms = clock_wall_ms(clock_system())};
    buf_clear(envelope);
    buf_clear(frame);
    ask_put_envelope(envelope, &mark, body_bytes);
    row.envelope = buf_str(envelope);
    buf_putf(frame, "id: %" PRIu64 "\ndata: ", seq);
    row_put(frame, &row);
    buf_put(frame, STR("\n\n"));
}

/* The loop that all is measured by. */
static enum rc send_rounds(const int *fds, uint32_t n, size_t body_bytes, uint32_t seconds,
                           uint64_t *rounds) {
    struct buf frame, envelope;
    buf_init(&frame, FRAME_MAX);
    buf_init(&envelope, FRAME_MAX);
    uint64_t end = poller_now_ns() + (uint64_t)seconds * 1000000000;
    enum rc rc = RC_OK;
    uint64_t round = 0;
    while (rc == RC_OK && poller_now_ns() < end) {
        put_frame(&frame, &envelope, ++round, body_bytes);
        rc = buf_rc(&frame);
        for (uint32_t i = 0; rc == RC_OK && i < n; i++)
            rc = send_all(fds[i], buf_str(&frame));
    }
    *rounds = round;
    buf_done(&frame);
    buf_done(&envelope);
    return rc;
}

/* The child's whole life; its end closes what it opened. */
static enum rc serve(int listener, int parent, uint32_t n, size_t body_bytes) {
    uint32_t seconds;
    uint64_t rounds;
    struct buf welcome;
    int *fds = calloc(n, sizeof *fds);
    if (!fds)
        return RC_NO_MEMORY;
    buf_init(&welcome, REQUEST_MAX);
    put_welcome(&welcome);
    enum rc rc = buf_rc(&welcome);
    for (uint32_t i = 0; rc == RC_OK && i < n; i++)
        rc = admit(listener, buf_str(&welcome), &fds[i]);
    buf_done(&welcome);
    if (rc == RC_OK && recv(parent, &seconds, sizeof seconds, MSG_WAITALL) != sizeof seconds)
        rc = RC_CLOSED;
    if (rc == RC_OK)
        rc = send_rounds(fds, n, body_bytes, seconds, &rounds);
    if (rc == RC_OK && send(parent, &rounds, sizeof rounds, MSG_NOSIGNAL) == sizeof rounds)
        pause(); /* the streams stay open until the reader has everything */
    free(fds);
    return rc;
}

enum rc sendloop_start(uint32_t streams, size_t body_bytes, struct sendloop *out) {
    struct sendloop s = {.pid = -1, .fd = -1};
    int pair[2] = {-1, -1};
    int listener = listen_on_loopback(&s.port);
    if (listener < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        goto out;
    pid_t parent = getpid();
    s.pid = fork();
    if (s.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        bool has_parent = getppid() == parent;
        _exit(has_parent && serve(listener, pair[1], streams, body_bytes) == RC_OK ? 0 : 1);
    }
    s.fd = pair[0];
out:
    if (pair[1] >= 0)
        close(pair[1]);
    if (listener >= 0)
        close(listener);
    if (s.pid < 0) {
        if (pair[0] >= 0)
            close(pair[0]);
        return RC_IO;
    }
    *out = s;
    return RC_OK;
}

enum rc sendloop_go(struct sendloop *s, uint32_t seconds) {
    return send(s->fd, &seconds, sizeof seconds, MSG_NOSIGNAL) == sizeof seconds ? RC_OK : RC_IO;
}

enum rc sendloop_rounds(struct sendloop *s, uint64_t *rounds) {
    uint64_t value;
    ssize_t n = recv(s->fd, &value, sizeof value, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return RC_UNAVAILABLE;
    if (n != sizeof value)
        return RC_IO;
    *rounds = value;
    return RC_OK;
}

void sendloop_stop(struct sendloop *s) {
    kill(s->pid, SIGKILL);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    close(s->fd);
}
