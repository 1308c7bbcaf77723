/* tests/integration/inject/story.c -- posts, a stream and its deliveries, by clients that insist.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "integration/inject/story.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/stats.h"

enum {
    INSIST_MS = 30000, /* a failure of one call is overcome by then, or the node does not go on */
    RETRY_MS = 5,
    LARGE_BYTES = 70000, /* over what travels by NATS */
    SLOW_BYTES =
        200000, /* of a row for who does not read; so many rows are more than sockets take */
    SLOW_ROWS_MAX = 60,
    NARROW_BYTES = 4096, /* what its kernel holds */
    FAR_AHEAD = 999,
    BODY_MAX = 1 << 20
};

struct story {
    uint16_t port;
    struct signer reader, sender;
    char sid[27];
    struct sse_reader stream;
    bool is_open, is_ready, is_narrow;
    const char *query;  /* with which it is opened */
    const char *reason; /* why it is to be told a resync; NULL: none may come */
    unsigned resyncs;
    uint64_t last;
    struct story_tally *tally;
    char *why;
};

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void pause_before_retry(void) {
    struct timespec t = {.tv_nsec = RETRY_MS * 1000000L};
    (void)nanosleep(&t, NULL);
}

static bool complain(struct story *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool complain(struct story *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(s->why, STORY_WHY_BYTES, format, args);
    va_end(args);
    return false;
}

/* ---- requests ---- */

/* Until it is answered as wanted. Other answers than 500 and 503 are wrong. */
static bool insist(struct story *s, const char *method, const char *target, struct str headers,
                   struct str body, int or_status, uint64_t *seq) {
    struct http_client *c = http_client_new(s->port);
    uint64_t until = now_ms() + INSIST_MS;
    bool is_done = false, is_wrong = false;
    while (!is_done && !is_wrong && now_ms() < until) {
        struct http_reply r;
        if (!http_try(c, method, str_of(target), headers, body, &r)) {
            s->tally->cuts++;
            continue;
        }
        is_done = r.status == 200 || r.status == or_status;
        is_wrong = !is_done && r.status != 500 && r.status != 503;
        if (is_wrong)
            (void)complain(s, "%s %s was answered with %d: %.*s", method, target, r.status,
                           (int)(r.body.n < 200 ? r.body.n : 200), r.body.p);
        if (is_done && seq)
            *seq = http_number(&r, "seq");
        s->tally->errors += !is_done;
        http_reply_done(&r);
        if (!is_done)
            pause_before_retry();
    }
    http_client_free(c);
    return is_done || (!is_wrong && complain(s, "%s %s is never answered", method, target));
}

/* signer NULL: unsigned. The answer must name this seq. */
static bool post(struct story *s, const char *target, const struct signer *signer, struct str body,
                 uint64_t want) {
    struct buf headers;
    uint64_t seq = 0;
    buf_init(&headers, BODY_MAX);
    if (signer)
        signer_put_request(signer, &headers, "POST", NODE_SERVER, str_of(target), body);
    bool ok = insist(s, "POST", target, buf_str(&headers), body, 201, &seq);
    buf_done(&headers);
    return ok && (seq == want || complain(s, "seq %" PRIu64 " and not %" PRIu64, seq, want));
}

static bool post_message(struct story *s, const struct signer *signer, const char *id,
                         size_t padding, uint64_t want) {
    struct buf body;
    buf_init(&body, BODY_MAX);
    buf_putf(&body, "{\"to\":\"%s\",\"id\":\"%s\",\"envelope\":{\"pad\":\"", s->reader.handle.text,
             id);
    for (size_t i = 0; i < padding; i++)
        buf_put_byte(&body, 'x');
    buf_put(&body, STR("\"}}"));
    bool ok = post(s, "/v1/messages", signer, buf_str(&body), want);
    buf_done(&body);
    return ok;
}

/* The reader's own conversation with the sender, and a word in it. */
static bool converse(struct story *s, uint64_t want) {
    char body[256], target[96];
    (void)snprintf(body, sizeof body, "{\"sid\":\"%s\",\"participants\":[\"%s\"]}", s->sid,
                   s->sender.handle.text);
    struct buf headers;
    buf_init(&headers, BODY_MAX);
    signer_put_request(&s->reader, &headers, "POST", NODE_SERVER, STR("/v1/conversations"),
                       str_of(body));
    bool ok = insist(s, "POST", "/v1/conversations", buf_str(&headers), str_of(body), 201, NULL);
    buf_done(&headers);
    (void)snprintf(target, sizeof target, "/v1/conversations/%s/messages", s->sid);
    return ok && post(s, target, &s->reader, STR("{\"id\":\"word\",\"envelope\":{}}"), want);
}

static bool poll_inbox(struct story *s) {
    char target[96];
    uint64_t seq = 0;
    struct buf headers;
    buf_init(&headers, BODY_MAX);
    signer_put_poll(&s->reader, &headers, s->reader.handle.text, 0);
    (void)snprintf(target, sizeof target, "/v1/inbox/%s", s->reader.handle.text);
    bool ok = insist(s, "GET", target, buf_str(&headers), STR(""), 200, &seq);
    buf_done(&headers);
    return ok && (seq == s->last || complain(s, "the head is %" PRIu64, seq));
}

/* ---- the stream ---- */

static bool open_stream(struct story *s) {
    uint64_t until = now_ms() + INSIST_MS;
    char target[96];
    (void)snprintf(target, sizeof target, "/v1/inbox/%s/stream%s", s->reader.handle.text, s->query);
    while (now_ms() < until) {
        struct buf headers;
        buf_init(&headers, BODY_MAX);
        buf_putf(&headers, "Last-Event-ID: %" PRIu64 "\r\n", s->last);
        signer_put_stream(&s->reader, &headers, s->reader.handle.text);
        sse_init(&s->stream);
        s->stream.receive_bytes = s->is_narrow ? NARROW_BYTES : 0;
        s->is_ready = false;
        int status = 0;
        if (sse_send(&s->stream, s->port, str_of(target), buf_str(&headers)))
            status = sse_await_head(&s->stream);
        buf_done(&headers);
        s->is_open = status == 200;
        if (s->is_open)
            return true;
        sse_done(&s->stream);
        if (status != 0 && status != 500 && status != 503)
            return complain(s, "a stream was answered with %d", status);
        s->tally->errors += status != 0;
        s->tally->cuts += status == 0;
        pause_before_retry();
    }
    return complain(s, "a stream cannot be opened");
}

static bool take(struct story *s, const struct sse_event *e) {
    uint64_t seq = sse_number(e, "seq");
    if (strcmp(e->type, "ready") == 0 && seq == s->last)
        s->is_ready = true;
    else if (strcmp(e->type, "message") == 0 && seq == s->last + 1)
        s->last = seq;
    else if (strcmp(e->type, "resync") == 0 && s->reason &&
             strcmp(sse_text(e, "reason"), s->reason) == 0) {
        s->last = seq;
        s->resyncs++;
    } else
        return complain(s, "after %" PRIu64 " came %s: %.200s", s->last, e->type, e->data);
    return true;
}

/* Until the stream is live and has come to `seq`; it is opened again when it ended. */
static bool await(struct story *s, uint64_t seq) {
    uint64_t until = now_ms() + INSIST_MS;
    while (s->last < seq || !s->is_ready) {
        if (!s->is_open && !open_stream(s))
            return false;
        struct sse_event *e = sse_next(&s->stream, 100);
        bool ok = !e || take(s, e);
        sse_event_free(e);
        if (!ok)
            return false;
        if (!e && s->stream.fd < 0) {
            sse_done(&s->stream);
            s->is_open = false;
            s->tally->cuts++;
        } else if (!e && now_ms() >= until) {
            return complain(s, "the stream stands at %" PRIu64 " of %" PRIu64 "%s", s->last, seq,
                            s->is_ready ? "" : " and is not live");
        }
    }
    return true;
}

/* DELETE of the rows up to this one. */
static bool trim(struct story *s, uint64_t upto) {
    char target[96];
    struct buf headers;
    buf_init(&headers, BODY_MAX);
    (void)snprintf(target, sizeof target, "/v1/inbox/%s?upto=%" PRIu64, s->reader.handle.text,
                   upto);
    signer_put_request(&s->reader, &headers, "DELETE", NODE_SERVER, str_of(target), STR(""));
    bool ok = insist(s, "DELETE", target, buf_str(&headers), STR(""), 204, NULL);
    buf_done(&headers);
    return ok;
}

/* Leaves, and resumes with a cursor that does not hold: it is told why, and then gets what is kept
 * up to `head`. */
static bool come_back(struct story *s, uint64_t last, const char *query, const char *reason,
                      uint64_t head) {
    sse_done(&s->stream);
    s->is_open = s->is_ready = false;
    s->last = last;
    s->query = query;
    s->reason = reason;
    s->resyncs = 0;
    bool ok = await(s, head);
    s->query = "";
    s->reason = NULL;
    return ok && (s->resyncs > 0 || complain(s, "it is not told of %s", reason));
}

static bool tell(struct story *s, struct node *other) {
    bool ok = post_message(s, NULL, "before", 10, 1) && await(s, 1) &&
              post_message(s, NULL, "live", 10, 2) && await(s, 2) &&
              post_message(s, &s->sender, "large", LARGE_BYTES, 3) && await(s, 3);
    if (!ok)
        return false;
    for (uint64_t seq = 4; seq <= 5; seq++)
        if (node_post(other, s->reader.handle.text, NULL, "{\"by\":\"the other node\"}") != seq)
            return complain(s, "the other node gave another seq");
    return await(s, 5) && converse(s, 7) && await(s, 7) && poll_inbox(s) && trim(s, 3) &&
           come_back(s, 1, "", "trimmed", 7) && come_back(s, FAR_AHEAD, "", "ahead", 7) &&
           come_back(s, 7, "?epoch=other", "epoch", 7);
}

/* A reader that reads nothing until it was too slow for its node, and then all. */
static bool tell_slow(struct story *s) {
    int64_t before = atomic_load(&stats.stream_fallbacks);
    uint64_t seq = 0;
    s->is_narrow = true;
    bool ok = await(s, 0);
    while (ok && seq < SLOW_ROWS_MAX && atomic_load(&stats.stream_fallbacks) == before) {
        char id[16];
        (void)snprintf(id, sizeof id, "slow-%" PRIu64, ++seq);
        ok = post_message(s, NULL, id, SLOW_BYTES, seq);
    }
    return ok && await(s, seq);
}

/* A stream that is open when its node ends: it is told, or its connection is cut at worst. */
static bool tell_drain(struct story *s, const struct story_place *at) {
    if (!await(s, 0))
        return false;
    at->end(at->arg);
    uint64_t until = now_ms() + INSIST_MS;
    while (s->stream.fd >= 0) {
        struct sse_event *e = sse_next(&s->stream, 100);
        bool ok = !e || strcmp(e->type, "drain") == 0 ||
                  complain(s, "the end is told by %s: %.200s", e->type, e->data);
        sse_event_free(e);
        if (!ok)
            return false;
        if (now_ms() >= until)
            return complain(s, "the stream does not end with its node");
    }
    return true;
}

bool story_run(enum story_kind kind, struct story_place *at, char why[STORY_WHY_BYTES]) {
    static unsigned count;
    struct story s = {.port = at->port, .tally = &at->tally, .why = why, .query = ""};
    char name[16];
    count++;
    (void)snprintf(name, sizeof name, "reader%u", count);
    signer_init(&s.reader, name);
    (void)snprintf(name, sizeof name, "sender%u", count);
    signer_init(&s.sender, name);
    (void)snprintf(s.sid, sizeof s.sid, "01ARZ3NDEKTSV4RR%010u", count);
    node_register(at->other, &s.reader);
    node_register(at->other, &s.sender);
    why[0] = '\0';
    bool ok = kind == STORY_POSTS  ? tell(&s, at->other)
              : kind == STORY_SLOW ? tell_slow(&s)
                                   : tell_drain(&s, at);
    if (s.is_open)
        sse_done(&s.stream);
    return ok;
}
