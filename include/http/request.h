/* http/request.h -- one request on its way through libmicrohttpd: head, body, steps, answer.
 *
 * The life of a request, all on the one thread of its connection:
 *   request_new()    the request line is there; the target is copied, for libmicrohttpd decodes it
 *                    in place and cuts it at %00
 *   request_handle() first call: the head is there; a refusal is decided here
 *                    further calls: pieces of the body
 *                    last call: the body is there; steps run until one waits or answers
 *                    again after each wait
 *   request_done()   the answer has been sent, or the connection ended before; a stream's socket
 *                    goes to the shards here
 *
 * Waiting: a step that says STEP_WAIT suspends the connection, exchange_wake() from any thread
 * resumes it. The wake may come before the connection is suspended, even before the step returns.
 * `turn` settles who resumes: who comes second. The waker touches the request no more once it has
 * exchanged `turn`, but to resume it if it was parked.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "flow/exchange.h"
#include "http/head.h"
#include "http/routes.h"
#include "http/state.h"

enum { REQUEST_DISCARD_MAX = 64 * 1024 }; /* bytes of a refused body that are worth reading */

enum phase { PHASE_HEAD, PHASE_BODY, PHASE_STEPS, PHASE_ANSWERED };

struct request {
    struct exchange ex;
    struct http_server *server;
    struct worker *worker;
    struct guarded *on; /* NULL: the connection found no memory and is being shut down */
    struct MHD_Connection *connection;
    enum phase phase;
    _Atomic int turn;

    struct target target;
    struct head head;
    step_fn *first;
    bool is_refused; /* ex holds the answer; the body is thrown away */
    bool is_page;    /* for people to look at: another content security policy */
    bool has_cors;
    char allow[ROUTES_ALLOW_MAX];

    uint32_t held_kib; /* counted in bytes_by_address */
    uint32_t body_max;
    uint64_t body_seen;
    struct buf body;

    struct site_file file; /* fd -1: none */
    int stream_fd;         /* -1: none; the duplicate that a shard will own */
    bool reads_on;         /* answered before the body was read */
    uint64_t started_us;

    uintptr_t raw_at; /* where libmicrohttpd had it */
    size_t raw_n;
    char raw[]; /* the target as received, at most TARGET_MAX_BYTES + 1 bytes of it */
};

/* NULL: no memory. `uri` may be NULL. */
struct request *request_new(struct worker *w, struct MHD_Connection *c, const char *uri);
/* False: end the connection. */
bool request_handle(struct request *r, const char *method, const char *version, const char *bytes,
                    size_t *n);
/* is_sent: the whole answer went out. Frees the request. */
void request_done(struct request *r, bool is_sent);

struct request *request_of(struct exchange *ex);

#endif
