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
    "font-src 'self'; media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; "           \
    "worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

#define CORS_HEADERS                                                                               \
    "X-KEZ-Auth, X-KEZ-Handle, X-Public-Key, Last-Event-ID, Content-Type, Authorization"
#define CORS_EXPOSED "Retry-After, Allow, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"

/* Of the protocol's own signatures; no browser asks for a password then. */
#define SIGNATURE_CHALLENGE "KEZ-Ed25519"

/* What every answer has, and what those of the API have that other origins may read. */
static const struct field {
    const char *name, *value;
} fields_of_all[] = {{"X-Content-Type-Options", "nosniff"}, {"Referrer-Policy", "no-referrer"}},
  fields_of_cors[] = {{"Access-Control-Allow-Origin", "*"},
                      {"Access-Control-Expose-Headers", CORS_EXPOSED}};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A row of header fields; one that finds no memory spoils the row. */
struct fields {
    struct MHD_Response *answer;
    bool is_sound;
};

static void put(struct fields *f, const char *name, const char *value) {
    if (f->is_sound)
        f->is_sound = MHD_add_response_header(f->answer, name, value) == MHD_YES;
}

static void put_number(struct fields *f, const char *name, uint32_t value) {
    char digits[16];
    (void)snprintf(digits, sizeof digits, "%u", (unsigned)value);
    put(f, name, digits);
}

/* draft-ietf-httpapi-ratelimit-headers, up to 06: the three fields that clients know. */
static void put_rate(struct fields *f, const struct rate *rate) {
    if (rate->per_minute == 0)
        return;
    put_number(f, "RateLimit-Limit", rate->per_minute);
    put_number(f, "RateLimit-Remaining", rate->left);
    put_number(f, "RateLimit-Reset", rate->reset_s);
}

static void put_common(struct fields *f, const struct request *r) {
    for (size_t i = 0; i < COUNT(fields_of_all); i++)
        put(f, fields_of_all[i].name, fields_of_all[i].value);
    put(f, "Content-Security-Policy", r->is_page ? PAGE_POLICY : API_POLICY);
    for (size_t i = 0; r->has_cors && i < COUNT(fields_of_cors); i++)
        put(f, fields_of_cors[i].name, fields_of_cors[i].value);
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
    if (r->ex.retry_after_s)
        put_number(f, "Retry-After", r->ex.retry_after_s);
    if (r->ex.status == 401) /* RFC 9110, 11.6.1: there must be a challenge */
        put(f, "WWW-Authenticate", r->ex.challenge ? r->ex.challenge : SIGNATURE_CHALLENGE);
    put_rate(f, &r->ex.rate);
    /* Without knowing where its body ends, what follows is not taken for another request. */
    if (r->head.is_unframed || atomic_load(&r->server->is_closing))
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
        put_rate(&f, &r->ex.rate);
        r->ex.status = 200;
        if (queue(r, &f, 200)) {
            r->stream_fd = fd;
            return true;
        }
    }
    if (fd >= 0)
        close(fd);
    push_release(r->server->flow->push, &r->ex.open.user, r->ex.open.client);
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

void reply_put_refusal(struct buf *out) {
    struct exchange ex;
    exchange_init(&ex);
    (void)exchange_fail(
        &ex, RC_FULL, "Too many connections from this address; close some, or try again shortly.");
    buf_putf(out, "HTTP/1.1 %d Service Unavailable\r\n", ex.status);
    for (size_t i = 0; i < COUNT(fields_of_all); i++)
        buf_putf(out, "%s: %s\r\n", fields_of_all[i].name, fields_of_all[i].value);
    for (size_t i = 0; i < COUNT(fields_of_cors); i++)
        buf_putf(out, "%s: %s\r\n", fields_of_cors[i].name, fields_of_cors[i].value);
    buf_putf(out,
             "Content-Security-Policy: " API_POLICY "\r\nContent-Type: %s\r\n"
             "Content-Length: %zu\r\nCache-Control: no-store\r\nRetry-After: %u\r\n"
             "Connection: close\r\n\r\n",
             ex.content_type, ex.out.n, (unsigned)ex.retry_after_s);
    buf_put(out, buf_str(&ex.out));
    exchange_done(&ex);
}
