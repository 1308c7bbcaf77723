/* http/bind.h -- from "host:port" to a listening socket.
 *
 * ":port" and "[::]:port" take both families where the machine has IPv6, and IPv4 alone where it
 * has not.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_BIND_H
#define HTTP_BIND_H

#include <stdint.h>

#include "base/str.h"

enum { BIND_HOST_MAX = 255 };

struct bind_address {
    char host[BIND_HOST_MAX + 1]; /* "": any address */
    uint16_t port;                /* 0: any free one */
};

/* "host:port", "[v6]:port" or ":port". RC_MALFORMED otherwise. */
MUST_CHECK enum rc bind_read(struct str text, struct bind_address *out);

/* Opens a non-blocking listening socket; *port is the one it got. RC_MALFORMED: bind_read(); RC_IO:
 * the address cannot be had. *why is a sentence then, valid until the next call on this thread. */
MUST_CHECK enum rc bind_listen(const char *text, int *fd, uint16_t *port, const char **why);

#endif
