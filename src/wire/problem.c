/* wire/problem.c -- the table from results to HTTP statuses and stable codes.
 *
 * The type is about:blank, so the title is the status phrase of RFC 9110 (RFC 9457, 4.2.1); what a
 * client branches on is `code`.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/problem.h"

#include "wire/json_span.h"

struct kind {
    int status;
    const char *title, *code;
};

static const struct kind bad_request = {400, "Bad Request", "bad_request"};
static const struct kind missing_auth = {400, "Bad Request", "missing_auth"};
static const struct kind unauthorized = {401, "Unauthorized", "unauthorized"};
static const struct kind forbidden = {403, "Forbidden", "forbidden"};
static const struct kind not_found = {404, "Not Found", "not_found"};
static const struct kind not_allowed = {405, "Method Not Allowed", "method_not_allowed"};
static const struct kind conflict = {409, "Conflict", "conflict"};
static const struct kind oversize = {413, "Content Too Large", "payload_too_large"};
static const struct kind rate_limited = {429, "Too Many Requests", "rate_limited"};
static const struct kind unavailable = {503, "Service Unavailable", "unavailable"};

static const struct kind *kind_of(enum rc rc) {
    switch (rc) {
    case RC_MALFORMED:
    case RC_TOO_SHORT:
    case RC_TOO_LARGE:
    case RC_BAD_FIRST:
        return &bad_request;
    case RC_MISSING_AUTH:
        return &missing_auth;
    case RC_STALE:
    case RC_UNAUTHORIZED:
        return &unauthorized;
    case RC_RESERVED:
    case RC_FORBIDDEN:
        return &forbidden;
    case RC_NOT_FOUND:
        return &not_found;
    case RC_NOT_ALLOWED:
        return &not_allowed;
    case RC_CONFLICT:
        return &conflict;
    case RC_OVERSIZE:
        return &oversize;
    case RC_RATE_LIMITED:
        return &rate_limited;
    case RC_OK:
    case RC_REPEAT:
    case RC_FULL:
    case RC_UNAVAILABLE:
    case RC_UNKNOWN_OUTCOME:
    case RC_TIMEOUT:
    case RC_CLOSED:
    case RC_NO_MEMORY:
    case RC_IO:
        break;
    }
    return &unavailable;
}

int problem_status(enum rc rc) {
    return rc == RC_OK || rc == RC_REPEAT ? 200 : kind_of(rc)->status;
}

void problem_put(struct buf *out, enum rc rc, struct str detail) {
    const struct kind *kind = kind_of(rc);
    buf_putf(out,
             "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":", kind->title,
             kind->status);
    json_put_string(out, detail);
    buf_putf(out, ",\"code\":\"%s\"}", kind->code);
}
