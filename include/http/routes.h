/* http/routes.h -- which step answers which method and path, one line each.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_ROUTES_H
#define HTTP_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "flow/flow.h"

/* By which socket a request came. */
enum listener {
    LISTENER_PUBLIC,
    LISTENER_ADMIN,
    LISTENER_EVENTS, /* a Unix socket: events at every path */
    LISTENER_COUNT
};

enum {
    ROUTE_STREAM = 1, /* answers with a stream: no HEAD */
};

struct route {
    enum method method;  /* METHOD_GET serves HEAD, too, but for streams */
    const char *pattern; /* "*" stands for one segment, which becomes ex->arg */
    step_fn *step;
    uint32_t body_max; /* bytes */
    unsigned flags;
};

/* The methods that a path has, as bits 1 << METHOD_. */
typedef unsigned methods;

/* The route of a method and a path; NULL when there is none. *has: the methods of the path, 0 for
 * an unknown one; of all paths for "*" (RFC 9110, 9.3.7). *arg is set with the route, absent when
 * the pattern has no "*". */
const struct route *routes_find(enum listener by, const struct target *t, enum method method,
                                methods *has, struct str *arg);

/* GET and HEAD: what a file has. */
extern const methods routes_file_methods;

enum { ROUTES_ALLOW_MAX = 64 };
/* "GET, HEAD, OPTIONS": OPTIONS is always there. */
void routes_print(methods has, char out[ROUTES_ALLOW_MAX]);

enum method routes_method(struct str text);
/* "OTHER" for METHOD_OTHER. */
const char *routes_method_name(enum method method);

#endif
