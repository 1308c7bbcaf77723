/* tests/support/http_client.c -- a small blocking HTTP/1.1 client on loopback.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "wire/json_span.h"

enum { CHUNK_BYTES = 16384 };

struct http_client {
    int fd; /* -1: closed */
    uint16_t port;
    unsigned wait_ms; /* 0: HTTP_WAIT_MS */
    struct buf left;  /* came after the last answer */
};

/* ---- the connection ---- */

/* A program that was stopped and goes on may find its waiting broken off (signal(7)), and the
 * connection made all the same. */
static bool connects(int fd, const struct sockaddr_in *to) {
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int error = 0, ready;
    socklen_t n = sizeof error;
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) == 0)
        return true;
    if (errno != EINTR)
        return false;
    do
        ready = poll(&p, 1, HTTP_WAIT_MS);
    while (ready < 0 && errno == EINTR);
    return ready == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0;
}

int http_connect(uint16_t port, int receive_bytes) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval patience = {.tv_sec = HTTP_WAIT_MS / 1000};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (receive_bytes > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    if (connects(fd, &to))
        return fd;
    (void)close(fd);
    return -1;
}

struct http_client *http_client_new(uint16_t port) {
    struct http_client *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->fd = -1;
    c->port = port;
    buf_init(&c->left, HTTP_REPLY_MAX_BYTES);
    return c;
}

void http_client_close(struct http_client *c) {
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    buf_clear(&c->left);
}

void http_client_free(struct http_client *c) {
    if (!c)
        return;
    http_client_close(c);
    buf_done(&c->left);
    free(c);
}

void http_client_set_patience(struct http_client *c, unsigned wait_ms) { c->wait_ms = wait_ms; }

static int connect_client(const struct http_client *c) {
    int fd = http_connect(c->port, 0);
    struct timeval patience = {.tv_sec = c->wait_ms / 1000,
                               .tv_usec = (suseconds_t)(c->wait_ms % 1000) * 1000};
    if (fd >= 0 && c->wait_ms > 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
    return fd;
}

bool http_send_raw(struct http_client *c, struct str bytes) {
    if (c->fd < 0)
        c->fd = connect_client(c);
    while (c->fd >= 0 && bytes.n > 0) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = str_from(bytes, (size_t)n);
    }
    return c->fd >= 0;
}

/* Appends what comes. False: the end, an error, or nothing in time. */
static bool read_more(struct http_client *c, struct buf *to) {
    char *at = buf_reserve(to, CHUNK_BYTES);
    if (!at)
        return false;
    ssize_t n;
    do
        n = recv(c->fd, at, CHUNK_BYTES, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    to->n += (size_t)n;
    return true;
}

bool http_is_closed(struct http_client *c) {
    char dropped[CHUNK_BYTES];
    if (c->fd < 0)
        return true;
    for (;;) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (poll(&p, 1, HTTP_WAIT_MS) <= 0)
            return false;
        ssize_t n = recv(c->fd, dropped, sizeof dropped, 0);
        if (n == 0 || (n < 0 && errno != EINTR))
            return true;
    }
}

/* ---- reading an answer ---- */

static struct str find_header(struct str head, const char *name) {
    struct str line, rest = head;
    while (!str_is_absent(rest)) {
        (void)str_cut(rest, '\n', &line, &rest);
        struct str key, value;
        if (!str_cut(line, ':', &key, &value) || !str_eq_nocase(key, str_of(name)))
            continue;
        while (value.n && (value.p[0] == ' ' || value.p[0] == '\t'))
            value = str_from(value, 1);
        while (value.n && strchr(" \t\r", value.p[value.n - 1]))
            value.n--;
        return value;
    }
    return (struct str){NULL, 0};
}

/* Where `what` ends in b, from `from` on, reading on until it is there; 0 when it never comes. */
static size_t read_past(struct http_client *c, struct buf *b, size_t from, struct str what) {
    for (;;) {
        const char *at = b->n > from ? memmem(b->p + from, b->n - from, what.p, what.n) : NULL;
        if (at)
            return (size_t)(at - b->p) + what.n;
        if (!read_more(c, b))
            return 0;
    }
}

static bool read_until(struct http_client *c, struct buf *b, size_t n) {
    while (b->n < n)
        if (!read_more(c, b))
            return false;
    return true;
}

/* Removes the chunk lines from b, beginning at `at` (RFC 9112, 7.1). *end: after the last chunk. */
static bool read_chunked(struct http_client *c, struct buf *b, size_t at, size_t *body_end,
                         size_t *end) {
    size_t to = at;
    for (;;) {
        size_t line_end = read_past(c, b, at, STR("\r\n"));
        if (line_end == 0)
            return false;
        size_t size = strtoul(b->p + at, NULL, 16);
        if (!read_until(c, b, line_end + size + 2))
            return false;
        memmove(b->p + to, b->p + line_end, size);
        to += size;
        at = line_end + size + 2;
        if (size == 0) {
            *body_end = to;
            *end = at;
            return true;
        }
    }
}

/* Reads the body that the head announces. */
static bool read_body(struct http_client *c, struct buf *b, struct http_reply *r, size_t at,
                      bool has_none, size_t *body_end, size_t *end) {
    struct str length = find_header(r->head, "Content-Length");
    *body_end = *end = at;
    if (has_none)
        return true;
    if (str_eq_nocase(find_header(r->head, "Transfer-Encoding"), STR("chunked")))
        return read_chunked(c, b, at, body_end, end);
    if (str_is_absent(length)) {
        while (read_more(c, b))
            continue;
        r->is_last = true;
        *body_end = *end = b->n;
        return true;
    }
    uint64_t n;
    if (str_read_u64(length, HTTP_REPLY_MAX_BYTES, &n) != RC_OK || !read_until(c, b, at + n))
        return false;
    *body_end = *end = at + (size_t)n;
    return true;
}

static bool read_answer(struct http_client *c, struct buf *b, bool is_head, struct http_reply *r) {
    size_t at = 0, body_end, end;
    do {
        at = read_past(c, b, at, STR("\r\n\r\n"));
        if (at == 0 || b->n < 12 || memcmp(b->p, "HTTP/1.", 7) != 0)
            return false;
        r->status = atoi(b->p + 9);
    } while (r->status == 100 && (memmove(b->p, b->p + at, b->n - at), b->n -= at, at = 0, true));
    r->head = (struct str){b->p, at};
    r->is_last = str_eq_nocase(find_header(r->head, "Connection"), STR("close"));
    bool has_none = is_head || r->status == 204 || r->status == 304;
    if (!read_body(c, b, r, at, has_none, &body_end, &end))
        return false;
    buf_clear(&c->left);
    buf_put(&c->left, str_from(buf_str(b), end));
    b->n = body_end;
    (void)buf_cstr(b);
    r->head = (struct str){b->p, at};
    r->body = (struct str){b->p + at, body_end - at};
    return true;
}

bool http_receive(struct http_client *c, bool is_head, struct http_reply *out) {
    struct http_reply r = {0};
    buf_init(&r.room, HTTP_REPLY_MAX_BYTES);
    buf_put(&r.room, buf_str(&c->left));
    bool ok = c->fd >= 0 && read_answer(c, &r.room, is_head, &r);
    if (!ok || r.is_last)
        http_client_close(c);
    if (ok)
        *out = r;
    else
        buf_done(&r.room);
    return ok;
}

/* ---- asking ---- */

static void put_request(struct buf *out, const struct http_client *c, const char *method,
                        struct str target, struct str headers, struct str body) {
    buf_putf(out, "%s ", method);
    buf_put(out, target);
    buf_putf(out, " HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n", (unsigned)c->port);
    buf_put(out, headers);
    if (body.n > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0)
        buf_putf(out, "Content-Length: %zu\r\n", body.n);
    buf_put(out, STR("\r\n"));
    buf_put(out, body);
}

bool http_try(struct http_client *c, const char *method, struct str target, struct str headers,
              struct str body, struct http_reply *out) {
    struct buf request;
    buf_init(&request, HTTP_REPLY_MAX_BYTES);
    put_request(&request, c, method, target, headers, body);
    if (buf_rc(&request) != RC_OK)
        abort();
    bool is_kept = c->fd >= 0, is_head = strcmp(method, "HEAD") == 0;
    bool ok = http_send_raw(c, buf_str(&request)) && http_receive(c, is_head, out);
    if (!ok && is_kept) {
        http_client_close(c);
        ok = http_send_raw(c, buf_str(&request)) && http_receive(c, is_head, out);
    }
    if (!ok)
        http_client_close(c);
    buf_done(&request);
    return ok;
}

void http_ask(struct http_client *c, const char *method, struct str target, struct str headers,
              struct str body, struct http_reply *out) {
    if (!http_try(c, method, target, headers, body, out))
        fail_msg("%s %.*s on port %u: no answer", method, STR_ARG(target), (unsigned)c->port);
}

/* ---- looking at an answer ---- */

void http_reply_done(struct http_reply *r) {
    buf_done(&r->room);
    *r = (struct http_reply){0};
}

struct str http_header(const struct http_reply *r, const char *name) {
    return find_header(r->head, name);
}

struct str http_member(const struct http_reply *r, const char *name) {
    struct json_member m = {.name = str_of(name)};
    if (json_split(r->body, STR("envelope"), &m, 1) != RC_OK)
        return (struct str){NULL, 0};
    return m.value;
}

uint64_t http_number(const struct http_reply *r, const char *name) {
    uint64_t number = 0;
    if (json_u64(http_member(r, name), UINT64_MAX, &number) != RC_OK)
        return 0;
    return number;
}

const char *http_text(const struct http_reply *r, const char *name) {
    static _Thread_local char text[512];
    struct buf b;
    buf_init(&b, sizeof text - 1);
    text[0] = '\0';
    if (json_utf8(http_member(r, name), &b) == RC_OK)
        (void)strcpy(text, buf_cstr(&b));
    buf_done(&b);
    return text;
}

/* ---- expecting an answer ---- */

static void check_problem(const struct http_case *want, const struct http_reply *r) {
    static const char *const members[] = {"type", "title", "detail"};
    if (strcmp(http_text(r, "code"), want->code) != 0)
        fail_msg("%s: code is not %s: %.*s", want->what, want->code, STR_ARG(r->body));
    if (http_number(r, "status") != (uint64_t)want->status)
        fail_msg("%s: the body's status is another: %.*s", want->what, STR_ARG(r->body));
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (http_text(r, members[i])[0] == '\0')
            fail_msg("%s: no %s: %.*s", want->what, members[i], STR_ARG(r->body));
    if (!str_eq(http_header(r, "Content-Type"), STR("application/problem+json")))
        fail_msg("%s: the content type is another: %.*s", want->what, STR_ARG(r->head));
}

void http_expect(struct http_client *c, const struct http_case *want, struct http_reply *out) {
    struct http_reply r;
    http_ask(c, want->method, str_of(want->target), str_of(want->headers), str_of(want->body), &r);
    if (r.status != want->status)
        fail_msg("%s: %d and not %d: %.*s", want->what, r.status, want->status, STR_ARG(r.body));
    if (want->code && strcmp(want->method, "HEAD") != 0)
        check_problem(want, &r);
    if (out)
        *out = r;
    else
        http_reply_done(&r);
}
