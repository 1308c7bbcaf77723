/* tests/integration/faults/readers.c -- threads that follow a stream wherever it goes on.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "integration/faults/readers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    LOOK_MS = 50,
    RETRY_PAUSE_MS = 20,
    NARROW_BYTES = 32768, /* what the kernel holds for a reader: it blocks soon when it stalls */
    TEXT_MAX = 4096
};

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void pause_ms(unsigned ms) {
    struct timespec t = {.tv_nsec = (long)ms * 1000000};
    (void)nanosleep(&t, NULL);
}

static void hang_up(struct reader *r) {
    if (r->stream.oddities > 0)
        ledger_blame(r->ledger, "inbox %u: %" PRIu64 " odd lines", r->inbox, r->stream.oddities);
    sse_done(&r->stream);
    r->is_open = false;
    r->at = (r->at + 1) % CROWD_NODES;
}

static void open_stream(struct reader *r) {
    char target[96];
    struct buf headers;
    buf_init(&headers, TEXT_MAX);
    sse_init(&r->stream);
    r->stream.receive_bytes = NARROW_BYTES;
    r->stream.head_ms = CROWD_SILENCE_MS;
    (void)snprintf(target, sizeof target, "/v1/inbox/%s/stream", r->user->handle.text);
    buf_putf(&headers, "Last-Event-ID: %" PRIu64 "\r\n", (uint64_t)r->last);
    signer_put_stream(r->user, &headers, r->user->handle.text);
    int status = 0;
    if (sse_send(&r->stream, r->ports[r->at], str_of(target), buf_str(&headers)))
        status = sse_await_head(&r->stream);
    buf_done(&headers);
    r->is_open = true;
    r->heard_ms = now_ms();
    r->heard_comments = r->stream.comments;
    if (status == 200)
        return;
    if (status != 0 && status != 503)
        ledger_blame(r->ledger, "inbox %u: a stream was answered with %d", r->inbox, status);
    hang_up(r);
    pause_ms(RETRY_PAUSE_MS);
}

/* The poster and its count, from the row's id. */
static bool read_id(const struct sse_event *e, unsigned *poster, unsigned *n) {
    struct str head, rest, id;
    uint64_t p, count;
    if (strcmp(sse_text(e, "type"), "conversation.updated") == 0) {
        *poster = LEDGER_UPDATES;
        *n = 1; /* it is made and never changed */
        return true;
    }
    id = str_of(sse_text(e, "id"));
    if (id.n == 0 || id.p[0] != 'p' || !str_cut(str_from(id, 1), '-', &head, &rest) ||
        str_read_u64(head, LEDGER_POSTERS - 1, &p) != RC_OK ||
        str_read_u64(rest, UINT32_MAX, &count) != RC_OK)
        return false;
    *poster = (unsigned)p;
    *n = (unsigned)count;
    return true;
}

static void take(struct reader *r, const struct sse_event *e) {
    uint64_t seq = sse_number(e, "seq"), id = 0;
    unsigned poster, n;
    if (strcmp(e->type, "drain") == 0)
        return;
    if (str_read_u64(str_of(e->id), UINT64_MAX, &id) != RC_OK || id != seq)
        ledger_blame(r->ledger, "inbox %u: id %s at seq %" PRIu64, r->inbox, e->id, seq);
    if (strcmp(e->type, "ready") == 0) {
        if (seq != r->last)
            ledger_blame(r->ledger, "inbox %u: ready at %" PRIu64 " after %" PRIu64, r->inbox, seq,
                         (uint64_t)r->last);
        atomic_store(&r->ready, seq);
    } else if (strcmp(e->type, "message") != 0 || !read_id(e, &poster, &n)) {
        ledger_blame(r->ledger, "inbox %u: %s: %.200s", r->inbox, e->type, e->data);
    } else {
        ledger_told(r->ledger, r->inbox, r->last, seq, poster, n);
        atomic_store(&r->last, seq);
    }
}

/* Reads for a moment. */
static void look(struct reader *r) {
    struct sse_event *e = sse_next(&r->stream, LOOK_MS);
    if (e || r->stream.comments != r->heard_comments)
        r->heard_ms = now_ms();
    r->heard_comments = r->stream.comments;
    if (e)
        take(r, e);
    else if (r->stream.fd < 0 || now_ms() - r->heard_ms > CROWD_SILENCE_MS)
        hang_up(r);
    sse_event_free(e);
}

static void *run(void *arg) {
    struct reader *r = arg;
    while (!atomic_load(r->stops)) {
        unsigned wanted = atomic_load(&r->hangups_wanted);
        if (r->is_open && r->hangups != wanted)
            hang_up(r);
        r->hangups = wanted;
        if (!r->is_open)
            open_stream(r);
        else if (atomic_load(&r->is_stalled))
            pause_ms(LOOK_MS);
        else
            look(r);
    }
    if (r->is_open)
        hang_up(r);
    return NULL;
}

void reader_start(struct reader *r) {
    atomic_store(&r->ready, UINT64_MAX);
    if (pthread_create(&r->thread, NULL, run, r) != 0)
        fail_msg("no thread for a reader");
}

void reader_join(struct reader *r) { (void)pthread_join(r->thread, NULL); }
