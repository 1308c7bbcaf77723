/* tests/support/sse_reader.h -- reads an event stream as strictly as WHATWG HTML, 9.2.6 says.
 *
 * Oddities that a lenient reader would swallow, and that our server never sends, are counted: CR, a
 * field that is not id, event, data or retry, an event without data.
 * Threads: one at a time.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_SSE_READER_H
#define SUPPORT_SSE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { SSE_WAIT_MS = 60000 };

struct sse_event {
    struct sse_event *next;
    char *type; /* "message" when the stream named none */
    char *id;   /* the last id so far, "" when none */
    char *data;
};

struct sse_reader {
    int receive_bytes; /* set before sse_send(): see http_connect() */
    unsigned head_ms;  /* the head is waited for this long; 0: SSE_WAIT_MS */
    int fd;            /* -1: not open, or ended */
    int status;        /* of the answer; 0: not read yet */
    struct buf in;     /* bytes not parsed yet */
    struct buf head;   /* of the answer */
    struct buf data, type, id;
    bool has_data;
    struct sse_event *first, **last; /* not taken yet */
    uint64_t events, comments, oddities;
    uint64_t retry_ms; /* the last one sent; 0: none */
    bool has_ended;    /* the server closed the stream in order, with nothing half sent */
};

void sse_init(struct sse_reader *r);
void sse_done(struct sse_reader *r);

/* Connects and sends GET target; headers: lines with CRLF. Does not wait for the answer. False: no
 * connection. */
bool sse_send(struct sse_reader *r, uint16_t port, struct str target, struct str headers);
/* Waits for the head; the status, or 0 when none came. Whatever is no 200 stream has its body in
 * r->in when it ended. */
int sse_await_head(struct sse_reader *r);
/* Both, on an initialised reader; fails the test unless it is 200. */
void sse_open(struct sse_reader *r, uint16_t port, struct str target, struct str headers);
void sse_close(struct sse_reader *r);

/* Reads what is there now, without waiting. False: the stream is at its end. */
bool sse_pump(struct sse_reader *r);
/* Takes the next event, waiting up to timeout_ms; NULL when none came. sse_event_free() it. */
struct sse_event *sse_next(struct sse_reader *r, unsigned timeout_ms);
void sse_event_free(struct sse_event *e);
/* Waits until the server has ended the stream; false when it does not in SSE_WAIT_MS. */
bool sse_await_end(struct sse_reader *r);

/* A member of an event's data: a number or 0; a text or "" (valid until the next call). */
uint64_t sse_number(const struct sse_event *e, const char *name);
const char *sse_text(const struct sse_event *e, const char *name);

#endif
