/* tests/support/sse_reader.c -- reads an event stream as strictly as WHATWG HTML, 9.2.6 says.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/sse_reader.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/http_client.h"
#include "wire/json_span.h"

enum { READ_BYTES = 65536, STREAM_MAX_BYTES = 64 * 1024 * 1024 };

void sse_init(struct sse_reader *r) {
    *r = (struct sse_reader){.fd = -1};
    r->last = &r->first;
    buf_init(&r->in, STREAM_MAX_BYTES);
    buf_init(&r->head, STREAM_MAX_BYTES);
    buf_init(&r->data, STREAM_MAX_BYTES);
    buf_init(&r->type, STREAM_MAX_BYTES);
    buf_init(&r->id, STREAM_MAX_BYTES);
}

void sse_close(struct sse_reader *r) {
    if (r->fd >= 0)
        (void)close(r->fd);
    r->fd = -1;
}

void sse_event_free(struct sse_event *e) {
    if (!e)
        return;
    free(e->type);
    free(e->id);
    free(e->data);
    free(e);
}

void sse_done(struct sse_reader *r) {
    sse_close(r);
    for (struct sse_event *e = r->first, *next; e; e = next) {
        next = e->next;
        sse_event_free(e);
    }
    buf_done(&r->in);
    buf_done(&r->head);
    buf_done(&r->data);
    buf_done(&r->type);
    buf_done(&r->id);
}

/* ---- parsing ---- */

static char *copy_of(struct buf *b) {
    char *text = strndup(buf_cstr(b), b->n);
    if (!text)
        abort();
    return text;
}

static void dispatch(struct sse_reader *r) {
    if (!r->has_data) {
        if (r->type.n > 0)
            r->oddities++;
        buf_clear(&r->type);
        return;
    }
    struct sse_event *e = calloc(1, sizeof *e);
    if (!e)
        abort();
    if (r->type.n == 0)
        buf_put(&r->type, STR("message"));
    e->type = copy_of(&r->type);
    e->id = copy_of(&r->id);
    e->data = copy_of(&r->data);
    *r->last = e;
    r->last = &e->next;
    r->events++;
    r->has_data = false;
    buf_clear(&r->type);
    buf_clear(&r->data);
}

static void set(struct buf *b, struct str value) {
    buf_clear(b);
    buf_put(b, value);
}

static void take_field(struct sse_reader *r, struct str name, struct str value) {
    if (str_eq(name, STR("data"))) {
        if (r->has_data)
            buf_put_byte(&r->data, '\n');
        buf_put(&r->data, value);
        r->has_data = true;
    } else if (str_eq(name, STR("event"))) {
        set(&r->type, value);
    } else if (str_eq(name, STR("id")) && !memchr(value.p, '\0', value.n)) {
        set(&r->id, value);
    } else if (!str_eq(name, STR("retry")) ||
               str_read_u64(value, UINT32_MAX, &r->retry_ms) != RC_OK) {
        r->oddities++;
    }
}

static void take_line(struct sse_reader *r, struct str line) {
    struct str name, value;
    if (line.n && memchr(line.p, '\r', line.n))
        r->oddities++;
    if (line.n == 0) {
        dispatch(r);
    } else if (line.p[0] == ':') {
        r->comments++;
    } else {
        if (!str_cut(line, ':', &name, &value))
            value = STR("");
        if (value.n && value.p[0] == ' ')
            value = str_from(value, 1);
        take_field(r, name, value);
    }
}

static void parse(struct sse_reader *r) {
    struct str rest = buf_str(&r->in), line, tail;
    while (str_cut(rest, '\n', &line, &tail)) {
        take_line(r, line);
        rest = tail;
    }
    if (rest.n)
        memmove(r->in.p, rest.p, rest.n);
    r->in.n = rest.n;
}

/* ---- the socket ---- */

bool sse_send(struct sse_reader *r, uint16_t port, struct str target, struct str headers) {
    struct buf request;
    buf_init(&request, 1 << 16);
    buf_put(&request, STR("GET "));
    buf_put(&request, target);
    buf_putf(&request, " HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: text/event-stream\r\n",
             (unsigned)port);
    buf_put(&request, headers);
    buf_put(&request, STR("\r\n"));
    if (buf_rc(&request) != RC_OK)
        abort();
    r->fd = http_connect(port, r->receive_bytes);
    bool ok = r->fd >= 0 && send(r->fd, request.p, request.n, MSG_NOSIGNAL) == (ssize_t)request.n;
    buf_done(&request);
    if (!ok)
        sse_close(r);
    return ok;
}

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Waits for bytes until the deadline and appends them. False: none came. */
static bool read_some(struct sse_reader *r, int timeout_ms) {
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    if (r->fd < 0 || poll(&p, 1, timeout_ms) <= 0)
        return false;
    char *at = buf_reserve(&r->in, READ_BYTES);
    if (!at)
        abort();
    ssize_t n = recv(r->fd, at, READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0) {
        r->has_ended = n == 0;
        sse_close(r);
        return false;
    }
    r->in.n += (size_t)n;
    return true;
}

static const char *head_end(const struct sse_reader *r) {
    return r->in.n ? memmem(r->in.p, r->in.n, "\r\n\r\n", 4) : NULL;
}

int sse_await_head(struct sse_reader *r) {
    unsigned wait_ms = r->head_ms ? r->head_ms : SSE_WAIT_MS;
    uint64_t until = now_ms() + wait_ms;
    const char *end;
    while ((end = head_end(r)) == NULL)
        if (now_ms() >= until || !read_some(r, (int)wait_ms))
            return 0;
    size_t n = (size_t)(end - r->in.p) + 4;
    buf_put(&r->head, (struct str){r->in.p, n});
    memmove(r->in.p, r->in.p + n, r->in.n - n);
    r->in.n -= n;
    r->status = r->head.n > 12 ? atoi(buf_cstr(&r->head) + 9) : 0;
    if (r->status == 200)
        parse(r);
    return r->status;
}

void sse_open(struct sse_reader *r, uint16_t port, struct str target, struct str headers) {
    if (!sse_send(r, port, target, headers))
        fail_msg("no connection to port %u", (unsigned)port);
    if (sse_await_head(r) != 200)
        fail_msg("GET %.*s: status %d", STR_ARG(target), r->status);
}

bool sse_pump(struct sse_reader *r) {
    if (r->fd >= 0)
        (void)read_some(r, 0);
    if (r->status == 200)
        parse(r);
    return r->fd >= 0;
}

struct sse_event *sse_next(struct sse_reader *r, unsigned timeout_ms) {
    uint64_t until = now_ms() + timeout_ms;
    while (!r->first) {
        uint64_t now = now_ms();
        bool more = read_some(r, now < until ? (int)(until - now) : 0);
        parse(r);
        if (!more && !r->first)
            return NULL;
    }
    struct sse_event *e = r->first;
    r->first = e->next;
    if (!r->first)
        r->last = &r->first;
    e->next = NULL;
    return e;
}

bool sse_await_end(struct sse_reader *r) {
    uint64_t until = now_ms() + SSE_WAIT_MS;
    while (r->fd >= 0 && now_ms() < until) {
        (void)read_some(r, SSE_WAIT_MS);
        parse(r);
    }
    return r->fd < 0;
}

/* ---- looking at an event ---- */

static struct str member(const struct sse_event *e, const char *name) {
    struct json_member m = {.name = str_of(name)};
    if (json_split(str_of(e->data), STR("envelope"), &m, 1) != RC_OK)
        return (struct str){NULL, 0};
    return m.value;
}

uint64_t sse_number(const struct sse_event *e, const char *name) {
    uint64_t number = 0;
    if (json_u64(member(e, name), UINT64_MAX, &number) != RC_OK)
        return 0;
    return number;
}

const char *sse_text(const struct sse_event *e, const char *name) {
    static _Thread_local char text[512];
    struct buf b;
    buf_init(&b, sizeof text - 1);
    text[0] = '\0';
    if (json_utf8(member(e, name), &b) == RC_OK)
        (void)strcpy(text, buf_cstr(&b));
    buf_done(&b);
    return text;
}
