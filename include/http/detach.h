/* http/detach.h -- takes a stream's socket out of libmicrohttpd.
 *
 * libmicrohttpd documents no such thing; this is what makes it work, in 0.9.75 and in 1.0.1:
 *  - the daemon runs with MHD_USE_TURBO, so that closing a connection does not shut the socket
 * down, and never with MHD_USE_TLS;
 *  - the request is a GET (0.9.75 asserts on HEAD with a body from a callback);
 *  - the answer has a short body of unknown end and no chunks, so that libmicrohttpd writes the
 * head and that body, and then reports the request as completed and closes;
 *  - the descriptor is duplicated before the 200 is promised, so that a lack of descriptors is a
 * 503 and not an empty stream;
 *  - only a request that ended with MHD_REQUEST_TERMINATED_COMPLETED_OK is handed over, and it
 *    leaves the guard's list before.
 * libmicrohttpd closes its own copy a moment later than the shard gets this one; what the shard
 * must heed for that stands in push/push.h.
 *
 * Threads: the http thread of the connection.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_DETACH_H
#define HTTP_DETACH_H

#include <stdbool.h>

#include "push/push.h"

struct MHD_Connection;
struct MHD_Response;
struct guard;
struct guarded;

/* A duplicate of the connection's socket; -1: no descriptor is left. */
int detach_reserve(struct MHD_Connection *c);

/* The answer of a stream, to be completed with header fields and queued as 200; its body is
 * sse_hello(). NULL: no memory. */
struct MHD_Response *detach_answer(void);

/* In the completion callback. is_sent: the request ended with COMPLETED_OK. Gives `fd` to the
 * shards and with it the reservation, or closes it and gives the reservation back. `on` may be
 * NULL. */
void detach_finish(int fd, bool is_sent, struct guard *guard, struct guarded *on, struct push *push,
                   const struct push_open *open);

#endif
