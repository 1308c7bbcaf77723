/* tests/support/http_client.h -- a small blocking HTTP/1.1 client on loopback, raw requests too.
 *
 * Source: RFC 9112: Content-Length, chunked and read-until-close bodies.
 * Threads: a client belongs to one thread; http_try() asserts nothing and may be used on any.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_HTTP_CLIENT_H
#define SUPPORT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { HTTP_WAIT_MS = 30000, HTTP_REPLY_MAX_BYTES = 32 * 1024 * 1024 };

struct http_client; /* one connection, kept as long as the server keeps it */

struct http_reply {
    int status;
    struct buf room; /* all bytes; what follows points into it */
    struct str head; /* status line and header lines */
    struct str body; /* decoded */
    bool is_last;    /* the server closes the connection */
};

struct http_client *http_client_new(uint16_t port);
/* Waits for answers no longer than this, from its next connection on; else HTTP_WAIT_MS. */
void http_client_set_patience(struct http_client *c, unsigned wait_ms);
/* NULL-safe. */
void http_client_free(struct http_client *c);
/* Closes the connection; the next request opens another. */
void http_client_close(struct http_client *c);

/* Sends a request and reads the answer. headers: lines with CRLF, or absent. The reply is the
 * caller's to http_reply_done(). False: no connection, or it broke, or no answer in time; nothing
 * has to be freed then. A kept connection that the server had closed is opened anew once. */
bool http_try(struct http_client *c, const char *method, struct str target, struct str headers,
              struct str body, struct http_reply *out);
/* The same, and fails the test when it fails. */
void http_ask(struct http_client *c, const char *method, struct str target, struct str headers,
              struct str body, struct http_reply *out);
/* Asks, and fails the test, naming `what`, unless the status is this one; from 400 on the body must
 * be a problem with this code (RFC 9457; protocol, section 1). out: NULL, or the reply to be done.
 */
struct http_case {
    const char *what, *method, *target, *headers, *body; /* headers and body: NULL is none */
    int status;
    const char *code;
};
void http_expect(struct http_client *c, const struct http_case *want, struct http_reply *out);
/* Bytes as they are, on a connection that is opened if need be; and what comes back. */
bool http_send_raw(struct http_client *c, struct str bytes);
bool http_receive(struct http_client *c, bool is_head, struct http_reply *out);
/* True when the server closes the connection within HTTP_WAIT_MS, whatever it says before. */
bool http_is_closed(struct http_client *c);

void http_reply_done(struct http_reply *r);
/* The value of a header field; absent when it is not there. */
struct str http_header(const struct http_reply *r, const char *name);
/* The raw value of a member of the body, a JSON object; absent when there is none. */
struct str http_member(const struct http_reply *r, const char *name);
/* The same decoded, as a number, or 0; as text, "" when it is none (valid until the next call). */
uint64_t http_number(const struct http_reply *r, const char *name);
const char *http_text(const struct http_reply *r, const char *name);

/* A blocking connection to 127.0.0.1 with time-outs; -1 when it is refused. receive_bytes: what the
 * kernel may hold for a reader that does not read; 0: as much as it likes. */
int http_connect(uint16_t port, int receive_bytes);

#endif
