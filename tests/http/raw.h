/* tests/http/raw.h -- raw clients: bytes onto a connection, and what comes back.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_RAW_H
#define HTTP_RAW_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define HOST "Host: x\r\n"
#define END "Host: x\r\nConnection: close\r\n\r\n"

enum { WAIT_MS = 60000 };

static inline int dial(uint16_t port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = WAIT_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A program that was stopped and goes on may find its waiting broken off (signal(7)). */
static inline ssize_t take(int fd, void *to, size_t n) {
    ssize_t got;
    do
        got = recv(fd, to, n, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

/* False: the server took no more. */
static inline bool say_bytes(int fd, const char *p, size_t n) {
    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

static inline bool say(int fd, const char *text) { return say_bytes(fd, text, strlen(text)); }

struct answer {
    int status;
    char head[8192]; /* with the blank line, NUL-terminated */
    char *body;      /* NUL-terminated */
    size_t body_n;
};

/* The value of a header field in a buffer of this thread, NULL when there is none; fails when it is
 * there twice. */
static inline const char *header(const struct answer *a, const char *name) {
    static _Thread_local char value[1024];
    const char *found = NULL;
    size_t n = strlen(name);
    for (const char *line = strstr(a->head, "\r\n"); line && line[2] != '\r';
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, n) != 0 || line[2 + n] != ':')
            continue;
        assert_null(found);
        found = line + 2 + n + 1;
        while (*found == ' ')
            found++;
        size_t length = strcspn(found, "\r");
        assert_true(length < sizeof value);
        memcpy(value, found, length);
        value[length] = '\0';
    }
    return found ? value : NULL;
}

/* Reads one answer, of a stream the head alone; the caller frees with forget(). False: the
 * connection ended before its head was whole. */
static inline bool hear(int fd, bool is_head, struct answer *a) {
    size_t n = 0;
    *a = (struct answer){.status = 0};
    while (n < 4 || memcmp(a->head + n - 4, "\r\n\r\n", 4) != 0) {
        assert_true(n + 1 < sizeof a->head);
        if (take(fd, a->head + n, 1) != 1)
            return false;
        n++;
    }
    a->head[n] = '\0';
    assert_int_equal(sscanf(a->head, "HTTP/1.1 %d ", &a->status), 1);
    const char *length = header(a, "Content-Length");
    size_t want = length ? strtoul(length, NULL, 10) : SIZE_MAX;
    bool is_stream = strstr(a->head, "text/event-stream") != NULL;
    if (is_head || is_stream || a->status == 204 || a->status == 304 || a->status < 200)
        want = 0;
    size_t room = want == SIZE_MAX ? 1U << 20 : want + 1;
    a->body = malloc(room + 1);
    assert_non_null(a->body);
    while (a->body_n < want && a->body_n < room) {
        size_t more = want == SIZE_MAX ? room - a->body_n : want - a->body_n;
        ssize_t got = take(fd, a->body + a->body_n, more);
        if (got <= 0)
            break;
        a->body_n += (size_t)got;
    }
    a->body[a->body_n] = '\0';
    return true;
}

static inline void forget(struct answer *a) {
    free(a->body);
    a->body = NULL;
}

/* Whether the server ends the connection, by an end or a reset, within the patience; what it still
 * sends is passed over. */
static inline bool is_over(int fd) {
    char rest[4096];
    ssize_t got;
    while ((got = take(fd, rest, sizeof rest)) > 0)
        ;
    return got == 0 || errno != EAGAIN;
}

/* One request on a connection of its own. */
static inline struct answer ask(uint16_t port, const char *text) {
    struct answer a;
    int fd = dial(port);
    assert_true(fd >= 0);
    (void)say(fd, text);
    if (!hear(fd, strncmp(text, "HEAD ", 5) == 0, &a))
        fail_msg("no answer to: %.80s", text);
    close(fd);
    return a;
}

/* want: "Name: value", or "Name:" for one that must not be there. */
static inline void hold_header(const struct answer *a, const char *want, const char *request) {
    char name[64];
    size_t n = strcspn(want, ":");
    assert_true(n < sizeof name);
    memcpy(name, want, n);
    name[n] = '\0';
    const char *value = header(a, name);
    const char *wanted = want[n + 1] ? want + n + 2 : NULL;
    if ((value == NULL) != (wanted == NULL) || (value && strcmp(value, wanted) != 0))
        fail_msg("%s: wanted %s, found %s", request, want, value ? value : "nothing");
}

#endif
