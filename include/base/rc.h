/* base/rc.h -- the one result type: what a function says about how it went.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BASE_RC_H
#define BASE_RC_H

#define MUST_CHECK __attribute__((warn_unused_result))

/* Every result, its name and what it means to a person. */
#define RC_LIST(X)                                                                                 \
    X(OK, "ok")                                                                                    \
    X(MALFORMED, "malformed")                                                                      \
    X(TOO_SHORT, "too short")                                                                      \
    X(TOO_LARGE, "too large")                                                                      \
    X(BAD_FIRST, "starts with a byte that is not allowed")                                         \
    X(RESERVED, "reserved")                                                                        \
    X(MISSING_AUTH, "not signed")                                                                  \
    X(STALE, "outside the clock window")                                                           \
    X(UNAUTHORIZED, "not authorized")                                                              \
    X(FORBIDDEN, "forbidden")                                                                      \
    X(NOT_FOUND, "not found")                                                                      \
    X(NOT_ALLOWED, "method not allowed")                                                           \
    X(CONFLICT, "conflict")                                                                        \
    X(REPEAT, "there already")                                                                     \
    X(RATE_LIMITED, "too many requests")                                                           \
    X(OVERSIZE, "payload too large")                                                               \
    X(FULL, "full")                                                                                \
    X(UNAVAILABLE, "unavailable")                                                                  \
    X(UNKNOWN_OUTCOME, "outcome unknown")                                                          \
    X(TIMEOUT, "timed out")                                                                        \
    X(CLOSED, "closed")                                                                            \
    X(NO_MEMORY, "out of memory")                                                                  \
    X(IO, "input or output failed")

enum rc {
#define X(name, text) RC_##name,
    RC_LIST(X)
#undef X
};

/* "RC_FULL" for RC_FULL; never NULL. */
const char *rc_name(enum rc rc);

/* "full" for RC_FULL; never NULL. */
const char *rc_text(enum rc rc);

#endif
