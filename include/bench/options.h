/* bench/options.h -- what kez-bench was asked to do: scenario and flags, checked, with defaults.
 *
 * Memory: borrows argv.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "bench/ask.h"

/* X(NAME, "name", "what it measures") */
#define SCENARIO_LIST(X)                                                                           \
    X(IDLE, "idle", "memory of the nodes for each idle stream")                                    \
    X(FANOUT, "fanout", "deliveries/s to many streams, beside a bare send() loop")                 \
    X(POSTS, "posts", "durable posts/s to many inboxes, beside pgbench")                           \
    X(LATENCY, "latency", "from a post on one node to the byte on the other's stream")             \
    X(CONVERSATION, "conversation", "deliveries/s of one conversation, beside a fan-out")          \
    X(SENDLOOP, "sendloop", "the bare send() loop alone; needs no node")                           \
    X(RUN, "run", "streams and posts as the flags say")

enum scenario {
#define X(name, text, help) SCENARIO_##name,
    SCENARIO_LIST(X)
#undef X
        SCENARIO_COUNT
};

enum { OPTIONS_LIST_MAX = 16 };

struct options_list {
    size_t n;
    const char *at[OPTIONS_LIST_MAX];
};

struct options {
    enum scenario scenario;
    /* Nodes that streams hang on and that posts go to; post_nodes and stream_nodes end up filled
     * from nodes where they were not given. */
    struct options_list nodes, post_nodes, stream_nodes;
    const char *server, *seed, *prefix, *database_url; /* database_url: NULL when none */
    enum dialect dialect;
    uint64_t streams, handles, connections;
    uint64_t posts, rate, seconds; /* 0: no such end; as fast as answered; no such end */
    uint64_t warmup_s, hold_s, timeout_s;
    uint64_t body_bytes;
    uint64_t window;  /* frames that may be under way for each stream; 0: any number */
    uint64_t opening; /* streams that may be opening at once */
    /* Of the fan-outs beside a conversation: streams of the larger one, 0: none; and its window. */
    uint64_t fanout_streams, fanout_window;
    size_t n_pids;
    uint32_t pids[OPTIONS_LIST_MAX];
    bool signed_posts, ids, no_register, no_compare, json, quiet;
};

/* The name of a scenario; never NULL. */
const char *options_scenario(enum scenario scenario);

/* RC_OK; RC_CLOSED: only a text was asked for (--help, --version), which is in `say`;
 * RC_MALFORMED: `say` has one line on what is wrong and what is allowed. */
MUST_CHECK enum rc options_read(int argc, char *const argv[], struct options *out, struct buf *say);

#endif
