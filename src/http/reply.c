/* http/reply.c -- from an answered exchange to an answer of libmicrohttpd.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/reply.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/detach.h"

/* API answers load nothing and are framed by nobody. The web client has its scripts and styles in
 * files of its own, and talks to this and other home servers. */
#define API_POLICY "default-src 'none'; frame-ancestors 'none'"
#define PAGE_POLICY                                                                                \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "        \
    "font-src 'self'; media-src 'self' blob:; connect-src 'self' https:; manifest-src 'self'; "    \
    "worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

#define CORS_HEADERS "X-KEZ-Auth, X-KEZ-Handle, X-Public-Key, Last-Event-ID, Content-Type"

/* A row of header fields; one that finds no memory spoils the row. */
struct fields {
    struct MHD_Response *answer;
    bool is_sound;
};

static void put(struct fields *f, const char *name, const char *value) {
    if (f->is_sound)
        f->is_sound = MHD_add_response_header(f->answer, name, value) == MHD_YES;
}

static void put_common(struct fields *f, const struct request *r) {
    put(f, "X-Content-Type-Options", "nosniff");
    put(f, "Referrer-Policy", "no-referrer");
    put(f, "Content-Security-Policy", r->is_page ? PAGE_POLICY : API_POLICY);
    if (r->has_cors) {
        put(f, "Access-Control-Allow-Origin", "*");
        put(f, "Access-Control-Expose-Headers", "Retry-After, Allow");
    }
}

static void put_methods(struct fields *f, const struct request *r) {
    if (!r->ex.allow)
        return;
    put(f, "Allow", r->ex.allow);
    if (r->ex.method != METHOD_OPTIONS || !r->has_cors)
        return;
    put(f, "Access-Control-Allow-Methods", r->ex.allow);
    put(f, "Access-Control-Allow-Headers", CORS_HEADERS);
    put(f, "Access-Control-Max-Age", "7200");
}

static void put_rest(struct fields *f, struct request *r) {
    if (r->ex.content_type)
        put(f, "Content-Type", r->ex.content_type);
    if (r->file.etag[0] && (r->ex.status == 200 || r->ex.status == 304))
        put(f, "ETag", r->file.etag);
    put(f, "Cache-Control", r->is_page ? "no-cache" : "no-store");
    put_methods(f, r);
    if (r->ex.retry_after_s) {
        char seconds[16];
        (void)snprintf(seconds, sizeof seconds, "%u", (unsigned)r->ex.retry_after_s);
        put(f, "Retry-After", seconds);
    }
    if (atomic_load(&r->server->is_closing))
        put(f, "Connection", "close");
}

/* Queues and lets go of the answer; NULL-safe. */
static bool queue(struct request *r, struct fields *f, int status) {
    bool is_queued = f->answer && f->is_sound &&
                     MHD_queue_response(r->connection, (unsigned)status, f->answer) == MHD_YES;
    if (f->answer)
        MHD_destroy_response(f->answer);
    return is_queued;
}

/* libmicrohttpd closes the file with the answer. */
static struct MHD_Response *answer_of_file(struct request *r) {
    struct MHD_Response *answer = MHD_create_response_from_fd64(r->file.size, r->file.fd);
    if (answer)
        r->file.fd = -1;
    return answer;
}

static struct MHD_Response *answer_of_bytes(struct buf *out) {
    static char nothing[1];
    if (out->n == 0)
        return MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
    size_t n;
    char *p = buf_take(out, &n);
    struct MHD_Response *answer = MHD_create_response_from_buffer(n, p, MHD_RESPMEM_MUST_FREE);
    if (!answer)
        free(p);
    return answer;
}

/* False: the reservation has been given back, and the exchange has failed. */
static bool reply_stream(struct request *r) {
    assert(r->ex.method == METHOD_GET);
    struct fields f = {NULL, true};
    int fd = detach_reserve(r->connection);
    if (fd >= 0)
        f.answer = detach_answer();
    if (f.answer) {
        put_common(&f, r);
        put(&f, "Content-Type", "text/event-stream");
        put(&f, "Cache-Control", "no-store");
        put(&f, "X-Accel-Buffering", "no");
        r->ex.status = 200;
        if (queue(r, &f, 200)) {
            r->stream_fd = fd;
            return true;
        }
    }
    if (fd >= 0)
        close(fd);
    push_release(r->server->flow->push, &r->ex.open.user);
    (void)exchange_fail(&r->ex, RC_FULL, "There is no room for another stream; try again shortly.");
    return false;
}

bool reply(struct request *r) {
    if (r->ex.is_stream && reply_stream(r))
        return true;
    struct fields f = {NULL, true};
    if (r->file.fd >= 0 && r->ex.status == 200)
        f.answer = answer_of_file(r);
    else
        f.answer = answer_of_bytes(&r->ex.out);
    if (f.answer) {
        put_common(&f, r);
        put_rest(&f, r);
    }
    return queue(r, &f, r->ex.status);
}
