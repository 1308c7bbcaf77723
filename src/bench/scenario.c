/* bench/scenario.c -- runs what the options ask for.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/scenario.h"

#include <inttypes.h>
#include <sys/resource.h>

#include "bench/footprint.h"
#include "bench/pgbench.h"
#include "bench/round.h"

/* Beside streams and connections: the poller's, the standard ones, a pipe, what libraries hold. */
enum { SPARE_DESCRIPTORS = 32 };

struct world {
    struct poller poller;
    struct progress progress;
    struct peer post_nodes[OPTIONS_LIST_MAX], stream_nodes[OPTIONS_LIST_MAX];
    struct setup setup;
};

static enum rc raise_descriptors(const struct options *o, struct buf *say) {
    struct rlimit limit;
    uint64_t streams = o->streams > o->fanout_streams ? o->streams : o->fanout_streams;
    uint64_t needed = streams + o->connections + SPARE_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return RC_IO;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= needed)
        return RC_OK;
    buf_putf(say,
             "%" PRIu64 " streams and %" PRIu64 " connections need %" PRIu64
             " descriptors, and the hard limit here is %" PRIu64 ": raise it (ulimit -Hn), or ask "
             "for fewer",
             streams, o->connections, needed, (uint64_t)limit.rlim_max);
    return RC_MALFORMED;
}

static enum rc find_nodes(const struct options_list *urls, struct peer *out, struct buf *say) {
    for (size_t i = 0; i < urls->n; i++) {
        const char *why;
        if (peer_read(str_of(urls->at[i]), &out[i], &why) != RC_OK) {
            buf_putf(say, "%s: %s", urls->at[i], why);
            return RC_MALFORMED;
        }
    }
    return RC_OK;
}

static enum rc check_pids(const struct options *o, struct buf *say) {
    uint64_t ignored;
    for (size_t i = 0; i < o->n_pids; i++) {
        enum rc rc = footprint_private(&o->pids[i], 1, &ignored);
        if (rc != RC_OK) {
            buf_putf(say, "--pid %" PRIu32 ": its memory cannot be read: %s", o->pids[i],
                     rc_text(rc));
            return RC_MALFORMED;
        }
    }
    return RC_OK;
}

static enum rc prepare(struct world *w, const struct options *o, struct buf *say) {
    enum rc rc = raise_descriptors(o, say);
    if (rc == RC_OK)
        rc = find_nodes(&o->post_nodes, w->post_nodes, say);
    if (rc == RC_OK)
        rc = find_nodes(&o->stream_nodes, w->stream_nodes, say);
    if (rc == RC_OK)
        rc = check_pids(o, say);
    if (rc != RC_OK)
        return rc;
    progress_init(&w->progress, !o->quiet);
    w->setup = (struct setup){.options = o,
                              .poller = &w->poller,
                              .progress = &w->progress,
                              .post_nodes = w->post_nodes,
                              .stream_nodes = w->stream_nodes};
    return poller_init(&w->poller);
}

/* The same loop before and after, because a machine that others use is not the same twice. */
static enum rc fan_out(const struct world *w, struct result *r) {
    bool compares = !w->setup.options->no_compare;
    enum rc rc = compares ? round_sendloop(&w->setup, r, &r->sendloop_before) : RC_OK;
    if (rc == RC_OK && !r->is_interrupted)
        rc = round_run(&w->setup, r);
    if (rc == RC_OK && compares && !r->is_interrupted)
        rc = round_sendloop(&w->setup, r, &r->sendloop_after);
    double bare = (r->sendloop_before + r->sendloop_after) / 2;
    if (r->sendloop_before > 0 && r->sendloop_after > 0)
        r->sendloop_ratio = r->deliveries_per_s / bare;
    return rc;
}

/* A fan-out round within another scenario: as it is there, but for streams and handles. */
static enum rc fan_out_beside(const struct world *w, uint64_t streams, uint64_t handles,
                              struct result *r, double *per_s) {
    struct options o = *w->setup.options;
    struct setup setup = w->setup;
    struct result beside = {.scenario = SCENARIO_FANOUT};
    if (streams == 0 || r->is_interrupted)
        return RC_OK;
    o.scenario = SCENARIO_FANOUT;
    o.streams = streams;
    o.handles = handles;
    o.window = o.fanout_window;
    setup.options = &o;
    enum rc rc = round_run(&setup, &beside);
    r->is_interrupted |= beside.is_interrupted;
    if (rc != RC_OK || r->is_interrupted)
        return rc;
    *per_s = beside.deliveries_per_s;
    if (beside.troubles.kinds > 0)
        troubles_add(&r->troubles, "the fan-out beside it: %s", beside.troubles.at[0].text);
    else if (!result_is_good(&beside))
        troubles_add(&r->troubles, "the fan-out beside it was not good");
    return RC_OK;
}

static double ratio_of(const struct result *r, const struct beside *b) {
    return b->before > 0 && b->after > 0 ? r->deliveries_per_s / ((b->before + b->after) / 2) : 0;
}

/* In between two rounds of each fan-out, like the fan-out between two of the bare loop. */
static enum rc converse(const struct world *w, struct result *r) {
    const struct options *o = w->setup.options;
    uint64_t many = o->fanout_streams, few = o->no_compare ? 0 : o->streams;
    uint64_t handles = many / o->handles > 0 ? many / o->handles : 1;
    enum rc rc = fan_out_beside(w, many, handles, r, &r->fanout.before);
    if (rc == RC_OK)
        rc = fan_out_beside(w, few, 1, r, &r->fanout_few.before);
    if (rc == RC_OK && !r->is_interrupted)
        rc = round_run(&w->setup, r);
    if (rc == RC_OK)
        rc = fan_out_beside(w, few, 1, r, &r->fanout_few.after);
    if (rc == RC_OK)
        rc = fan_out_beside(w, many, handles, r, &r->fanout.after);
    r->fanout.ratio = ratio_of(r, &r->fanout);
    r->fanout_few.ratio = ratio_of(r, &r->fanout_few);
    return rc;
}

static enum rc compare_with_pgbench(struct world *w, struct result *r) {
    const struct options *o = w->setup.options;
    const struct progress_figures f = {
        .phase = "pgbench", .handles = o->handles, .posts = r->posts};
    progress_tell(&w->progress, poller_now_ns(), &f);
    progress_end(&w->progress);
    struct pgbench p = {.database_url = o->database_url,
                        .inboxes = o->handles,
                        .body_bytes = o->body_bytes,
                        .seconds = o->seconds > 0 ? o->seconds : 10,
                        .connections = o->connections};
    enum rc rc = pgbench_run(&p, &r->pgbench_per_s);
    poller_turn(&w->poller, 0); /* Ctrl-C reached pgbench, too */
    r->is_interrupted = w->poller.is_interrupted;
    if (rc != RC_OK) {
        troubles_add(&r->troubles, "pgbench: %s", rc_text(rc));
        return RC_OK;
    }
    r->pgbench_ratio = r->pgbench_per_s > 0 ? r->posts_per_s / r->pgbench_per_s : 0;
    return RC_OK;
}

static enum rc run(struct world *w, struct result *r) {
    const struct options *o = w->setup.options;
    if (o->scenario == SCENARIO_SENDLOOP) {
        r->streams = r->streams_ready = o->streams;
        return round_sendloop(&w->setup, r, &r->sendloop_before);
    }
    if (o->scenario == SCENARIO_FANOUT)
        return fan_out(w, r);
    if (o->scenario == SCENARIO_CONVERSATION)
        return converse(w, r);
    enum rc rc = round_run(&w->setup, r);
    if (rc == RC_OK && o->scenario == SCENARIO_POSTS && o->database_url && !r->is_interrupted)
        rc = compare_with_pgbench(w, r);
    return rc;
}

static double cpu_seconds(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

enum rc scenario_run(const struct options *o, struct result *out, struct buf *say) {
    struct world w;
    *out = (struct result){.scenario = o->scenario};
    enum rc rc = prepare(&w, o, say);
    if (rc == RC_OK) {
        uint64_t began = poller_now_ns();
        double cpu = cpu_seconds();
        rc = run(&w, out);
        out->wall_s = (double)(poller_now_ns() - began) / 1e9;
        out->cpu_s = cpu_seconds() - cpu;
        poller_done(&w.poller);
    }
    if (rc != RC_OK && buf_str(say).n == 0)
        buf_putf(say, "%s", rc_text(rc));
    return rc;
}
