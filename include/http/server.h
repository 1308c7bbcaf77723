/* http/server.h -- the public and the admin listener.
 *
 * Threads: start and stop by main; libmicrohttpd's epoll pool inside.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "flow/flow.h"

struct http_config {
    const char *bind;               /* "host:port", "[v6]:port" or ":port"; port 0: any free one */
    const char *admin_bind;         /* "" or NULL: no admin listener */
    const char *web_dir;            /* NULL or "": the plain page at / */
    const char *events_socket;      /* path of a Unix socket for events; NULL or "": none */
    const char *events_trust_peers; /* "UID,…": who may name a caller there; NULL or "": nobody */
    unsigned threads;
    const char *trusted_proxies; /* "CIDR,…", believed about their clients; NULL or "": none */
    uint32_t max_connections;    /* of the public listener, streams not counted */
    uint32_t max_connections_address; /* of these, of one address; 0: no limit */
    uint32_t max_bytes;               /* bodies and answers in memory, in all; 0: no limit */
    uint32_t max_bytes_address;       /* of these, for one; 0: no limit */
    uint32_t idle_timeout_s;          /* a connection without traffic */
    uint32_t head_timeout_s;          /* a request head must be whole within this */
    uint32_t body_timeout_s;          /* and its body */
    uint32_t head_max_bytes;          /* memory of one connection: request line and headers */
    uint32_t static_max_bytes;        /* a file of web_dir over this is not served */
};

/* What the admin pages ask the node; called on http threads. */
struct http_admin {
    void *arg;
    bool (*is_ready)(void *arg, struct buf *why); /* why: JSON for /readyz, filled always */
    void (*put_metrics)(void *arg, struct buf *out);
};

struct http_server;

/* RC_IO, RC_CONFLICT: an address cannot be had; RC_MALFORMED: a member is wrong. *why is a
 * sentence, valid until the next call on this thread. `flow` and `admin` are borrowed until stop.
 */
MUST_CHECK enum rc http_start(const struct http_config *config, struct flow *flow,
                              const struct http_admin *admin, struct http_server **out,
                              const char **why);
/* The ports bound, for port 0. */
uint16_t http_port(const struct http_server *s);
uint16_t http_admin_port(const struct http_server *s);
/* Closes the public listener and the events socket to new connections; requests in flight go on,
 * answers carry `Connection: close`. */
void http_quiesce(struct http_server *s);
/* Requests whose answer has not been sent yet. */
uint32_t http_in_flight(const struct http_server *s);
/* Requests that wait for the store are waited for: it must have answered, or still do so; others
 * get 503, or their connection ends. Joins the threads. NULL-safe. */
void http_stop(struct http_server *s);

#endif
