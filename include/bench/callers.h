/* bench/callers.h -- keep-alive connections that make one request after the other.
 *
 * Each connection has at most one request under way. What to ask and what became of it is the
 * business of callers_work.
 *
 * Threads: one.
 * Memory: owns its connections and their buffers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_CALLERS_H
#define BENCH_CALLERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "bench/answer.h"
#include "bench/peer.h"
#include "bench/poller.h"

/* One request's end. */
struct call {
    uint32_t tag;
    uint64_t started_ns, ended_ns;
    const struct answer *answer; /* NULL: none came */
    const char *why;             /* then: what happened; static, or until the next call */
};

/* `answered 404: no such handle`, or why none came. Cut to `room`. */
void call_explain(const struct call *call, char *out, size_t room);

struct callers_work {
    void *arg;
    /* Appends the next request, for this peer, to `out`. False: none now. */
    bool (*next)(void *arg, const struct peer *to, struct buf *out, uint32_t *tag);
    void (*ended)(void *arg, const struct call *call);
};

struct callers;

/* `n` connections, spread over the peers in turn; none is opened before it is needed. Peers and
 * poller are borrowed. RC_NO_MEMORY. */
MUST_CHECK enum rc callers_new(struct poller *p, const struct peer *peers, size_t n_peers,
                               uint32_t n, uint64_t timeout_ns, struct callers **out);
/* NULL-safe; requests under way are dropped without a word. */
void callers_free(struct callers *c);
void callers_serve(struct callers *c, struct callers_work work);
/* Gives free connections work as long as there is some. */
void callers_feed(struct callers *c);
/* Ends requests that take too long, and frees connections that rested after a failure. */
void callers_tick(struct callers *c, uint64_t now_ns);
/* Requests under way. */
uint32_t callers_busy(const struct callers *c);
/* One more could go out now. */
bool callers_are_free(const struct callers *c);

#endif
