/* tests/support/tap.c -- a client of NATS that speaks its protocol by itself.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/tap.h"

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

#include "support/http_client.h"

enum { TAP_MAX_BYTES = 8 * 1024 * 1024, READ_BYTES = 64 * 1024 };

struct tap {
    int fd;
    struct buf in; /* what was read */
    size_t taken;  /* of it */
    unsigned next_sid;
};

static void say(struct tap *t, struct buf *text) {
    assert_int_equal(buf_rc(text), RC_OK);
    for (struct str s = buf_str(text); s.n > 0;) {
        ssize_t sent = send(t->fd, s.p, s.n, MSG_NOSIGNAL);
        assert_true(sent > 0);
        s = str_from(s, (size_t)sent);
    }
    buf_done(text);
}

static void read_more(struct tap *t) {
    char *room = buf_reserve(&t->in, READ_BYTES);
    assert_non_null(room);
    ssize_t got = recv(t->fd, room, READ_BYTES, 0);
    if (got <= 0)
        fail_msg("nats-server says nothing more");
    t->in.n += (size_t)got;
}

static struct str unread(const struct tap *t) { return str_from(buf_str(&t->in), t->taken); }

/* Without its CRLF. */
static struct str next_line(struct tap *t) {
    const char *end;
    while (!(end = memmem(unread(t).p, unread(t).n, "\r\n", 2)))
        read_more(t);
    struct str line = {unread(t).p, (size_t)(end - unread(t).p)};
    t->taken += line.n + 2;
    return line;
}

/* True: it is a message, and this many bytes follow. */
static bool is_message(struct str line, uint64_t *bytes) {
    if (!str_starts_with(line, STR("MSG ")))
        return false;
    const char *last = memrchr(line.p, ' ', line.n);
    struct str number = str_from(line, (size_t)(last - line.p) + 1);
    assert_int_equal(str_read_u64(number, TAP_MAX_BYTES, bytes), RC_OK);
    return true;
}

/* What is no message: answered, or a reason to stop. */
static void heed(struct tap *t, struct str line) {
    if (str_starts_with(line, STR("-ERR")))
        fail_msg("nats-server: %.*s", STR_ARG(line));
    if (str_eq(line, STR("PING"))) {
        struct buf text;
        buf_init(&text, READ_BYTES);
        buf_put(&text, STR("PONG\r\n"));
        say(t, &text);
    }
}

struct str tap_next(struct tap *t) {
    uint64_t bytes;
    for (struct str line = next_line(t); !is_message(line, &bytes); line = next_line(t))
        heed(t, line);
    while (unread(t).n < bytes + 2)
        read_more(t);
    struct str payload = {unread(t).p, (size_t)bytes};
    t->taken += (size_t)bytes + 2;
    return payload;
}

/* Says it, and waits until the server has read it. No message may be on its way. */
static void say_and_wait(struct tap *t, struct buf *text) {
    buf_put(text, STR("PING\r\n"));
    say(t, text);
    t->in.n -= t->taken;
    if (t->in.n > 0)
        memmove(t->in.p, t->in.p + t->taken, t->in.n);
    t->taken = 0;
    for (struct str line = next_line(t); !str_eq(line, STR("PONG")); line = next_line(t)) {
        uint64_t bytes;
        assert_false(is_message(line, &bytes));
        heed(t, line);
    }
}

struct tap *tap_open(const char *url) {
    struct tap *t = calloc(1, sizeof *t);
    assert_non_null(t);
    const char *user = strstr(url, "://") + 3, *at = strchr(user, '@');
    struct str name, password = STR("");
    (void)str_cut((struct str){user, at ? (size_t)(at - user) : 0}, ':', &name, &password);
    t->fd = http_connect((uint16_t)atoi(strrchr(url, ':') + 1), 0);
    assert_true(t->fd >= 0);
    buf_init(&t->in, TAP_MAX_BYTES);
    struct buf text;
    buf_init(&text, READ_BYTES);
    buf_put(&text, STR("CONNECT {\"verbose\":false,\"pedantic\":false"));
    if (at)
        buf_putf(&text, ",\"user\":\"%.*s\",\"pass\":\"%.*s\"", STR_ARG(name), STR_ARG(password));
    buf_put(&text, STR("}\r\n"));
    say_and_wait(t, &text);
    return t;
}

void tap_subscribe(struct tap *t, const char *subject) {
    struct buf text;
    buf_init(&text, READ_BYTES);
    buf_putf(&text, "SUB %s %u\r\n", subject, ++t->next_sid);
    say_and_wait(t, &text);
}

void tap_publish(struct tap *t, const char *subject, struct str payload) {
    struct buf text;
    buf_init(&text, TAP_MAX_BYTES);
    buf_putf(&text, "PUB %s %zu\r\n", subject, payload.n);
    buf_put(&text, payload);
    buf_put(&text, STR("\r\n"));
    say_and_wait(t, &text);
}

void tap_close(struct tap *t) {
    if (!t)
        return;
    (void)close(t->fd);
    buf_done(&t->in);
    free(t);
}
