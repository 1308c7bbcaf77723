/* bench/report.c -- what a scenario found, in words and in JSON.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "wire/json_span.h"

bool result_is_good(const struct result *r) {
    const struct ledger *rows = &r->rows;
    return rows->lost == 0 && rows->repeated == 0 && rows->out_of_order == 0 && r->stray == 0 &&
           r->disagreed == 0 && r->resyncs == 0 && r->drains == 0 && r->seqs_doubled == 0 &&
           r->seqs_unanswered == 0 && r->posts_refused == 0 && r->posts_unknown == 0 &&
           r->streams_ready == r->streams && r->streams_ended == 0 && r->troubles.all == 0 &&
           !r->is_interrupted;
}

/* 1234567 as 1,234,567 */
static void put_count(struct buf *out, uint64_t n) {
    if (n >= 1000) {
        put_count(out, n / 1000);
        buf_putf(out, ",%03" PRIu64, n % 1000);
    } else {
        buf_putf(out, "%" PRIu64, n);
    }
}

static void put_label(struct buf *out, const char *label) { buf_putf(out, "  %-22s", label); }

static void put_rate(struct buf *out, const char *label, double per_s) {
    put_label(out, label);
    put_count(out, (uint64_t)(per_s + 0.5));
    buf_put(out, STR("/s\n"));
}

static void put_spread(struct buf *out, const char *label, const struct spread *s) {
    if (s->n == 0)
        return;
    put_label(out, label);
    buf_putf(out, "p50 %.2f ms, p95 %.2f ms, p99 %.2f ms, max %.2f ms\n", s->p50_us / 1000,
             s->p95_us / 1000, s->p99_us / 1000, s->max_us / 1000);
}

static void put_streams(struct buf *out, const struct result *r) {
    put_label(out, "streams");
    put_count(out, r->streams_ready);
    buf_put(out, STR(" ready of "));
    put_count(out, r->streams);
    if (r->handles > 0) {
        buf_put(out, STR(" on "));
        put_count(out, r->handles);
        buf_putf(out, " handles, in %.2f s", r->open_s);
    }
    buf_put(out, STR("\n"));
    if (r->streams_ended > 0) {
        put_label(out, "streams ended");
        put_count(out, r->streams_ended);
        buf_put(out, STR("\n"));
    }
}

static void put_posts(struct buf *out, const struct result *r) {
    put_label(out, "posts");
    put_count(out, r->posts);
    buf_putf(out, " stored, %" PRIu64 " refused, %" PRIu64 " without an answer\n", r->posts_refused,
             r->posts_unknown);
    if (r->seqs_doubled + r->seqs_unanswered > 0) {
        put_label(out, "seqs");
        buf_putf(out, "%" PRIu64 " answered twice, %" PRIu64 " never\n", r->seqs_doubled,
                 r->seqs_unanswered);
    }
    put_rate(out, "posts/s", r->posts_per_s);
    put_spread(out, "post to answer", &r->post);
    if (r->late_max_us > 0) {
        put_label(out, "behind the rate");
        buf_putf(out, "%.2f ms at most\n", r->late_max_us / 1000);
    }
}

static void put_deliveries(struct buf *out, const struct result *r) {
    put_label(out, "delivered");
    put_count(out, r->rows.delivered);
    buf_putf(out, " rows of %.0f bytes\n", r->bytes_per_frame);
    put_label(out, "lost");
    buf_putf(out, "%" PRIu64 ", repeated %" PRIu64 ", out of order %" PRIu64, r->rows.lost,
             r->rows.repeated, r->rows.out_of_order);
    if (r->stray + r->disagreed + r->resyncs + r->drains > 0)
        buf_putf(out,
                 ", stray %" PRIu64 ", in another order %" PRIu64 ", resyncs %" PRIu64
                 ", drains %" PRIu64,
                 r->stray, r->disagreed, r->resyncs, r->drains);
    buf_put(out, STR("\n"));
    put_rate(out, "deliveries/s", r->deliveries_per_s);
    put_spread(out, "post to stream", &r->delivery);
}

static void put_memory(struct buf *out, const struct result *r) {
    put_label(out, "private memory");
    buf_putf(out, "%.2f MiB at the start, %.2f registered, %.2f with idle streams\n",
             (double)r->memory_start / 1048576, (double)r->memory_registered / 1048576,
             (double)r->memory_idle / 1048576);
    put_label(out, "per stream");
    buf_putf(out, "%.0f bytes (%.0f beyond the start)\n", r->memory_per_stream,
             r->memory_per_stream_start);
}

static void put_beside(struct buf *out, const char *what, const struct beside *b) {
    char label[48];
    (void)snprintf(label, sizeof label, "%s, before", what);
    if (b->before > 0)
        put_rate(out, label, b->before);
    (void)snprintf(label, sizeof label, "%s, after", what);
    if (b->after > 0)
        put_rate(out, label, b->after);
    if (b->ratio > 0) {
        put_label(out, "  ratio to it");
        buf_putf(out, "%.2f\n", b->ratio);
    }
}

static void put_comparisons(struct buf *out, const struct result *r) {
    if (r->sendloop_before > 0)
        put_rate(out, "send() loop, before", r->sendloop_before);
    if (r->sendloop_after > 0)
        put_rate(out, "send() loop, after", r->sendloop_after);
    if (r->sendloop_ratio > 0) {
        put_label(out, "of the send() loop");
        buf_putf(out, "%.2f\n", r->sendloop_ratio);
    }
    put_beside(out, "fan-out", &r->fanout);
    put_beside(out, "one handle", &r->fanout_few);
    if (r->pgbench_per_s > 0) {
        put_rate(out, "pgbench", r->pgbench_per_s);
        put_label(out, "of pgbench");
        buf_putf(out, "%.2f\n", r->pgbench_ratio);
    }
}

void report_put_table(struct buf *out, const struct result *r) {
    buf_putf(out, "%s\n", options_scenario(r->scenario));
    if (r->streams > 0)
        put_streams(out, r);
    if (r->posts + r->posts_refused + r->posts_unknown > 0)
        put_posts(out, r);
    if (r->rows.delivered + r->rows.lost > 0)
        put_deliveries(out, r);
    if (r->has_memory)
        put_memory(out, r);
    put_comparisons(out, r);
    put_label(out, "the bench itself");
    buf_putf(out, "%.1f s of processor in %.1f s\n", r->cpu_s, r->wall_s);
    for (unsigned i = 0; i < r->troubles.kinds; i++)
        buf_putf(out, "  trouble, %" PRIu64 " times: %s\n", r->troubles.at[i].times,
                 r->troubles.at[i].text);
    if (r->is_interrupted)
        buf_put(out, STR("  interrupted\n"));
    buf_put(out, result_is_good(r) ? STR("  good\n") : STR("  not good\n"));
}

static void put_key(struct buf *out, const char *key) {
    if (out->n > 0 && out->p[out->n - 1] != '{')
        buf_put(out, STR(","));
    buf_putf(out, "\"%s\":", key);
}

static void put_u64(struct buf *out, const char *key, uint64_t value) {
    put_key(out, key);
    buf_put_u64(out, value);
}

static void put_double(struct buf *out, const char *key, double value) {
    put_key(out, key);
    buf_putf(out, "%.3f", value);
}

static void put_bool(struct buf *out, const char *key, bool value) {
    put_key(out, key);
    buf_put(out, value ? STR("true") : STR("false"));
}

static void put_spread_json(struct buf *out, const char *name, const struct spread *s) {
    static const char *const parts[] = {"p50", "p95", "p99", "max"};
    const double values[] = {s->p50_us, s->p95_us, s->p99_us, s->max_us};
    for (unsigned i = 0; i < 4; i++) {
        char key[48];
        snprintf(key, sizeof key, "%s_%s_us", name, parts[i]);
        put_double(out, key, values[i]);
    }
}

static void put_counts_json(struct buf *out, const struct result *r) {
    put_u64(out, "handles", r->handles);
    put_u64(out, "handles_made", r->handles_made);
    put_u64(out, "streams", r->streams);
    put_u64(out, "streams_ready", r->streams_ready);
    put_u64(out, "streams_ended", r->streams_ended);
    put_double(out, "open_s", r->open_s);
    put_u64(out, "posts", r->posts);
    put_u64(out, "posts_refused", r->posts_refused);
    put_u64(out, "posts_unknown", r->posts_unknown);
    put_u64(out, "seqs_unanswered", r->seqs_unanswered);
    put_u64(out, "seqs_doubled", r->seqs_doubled);
    put_u64(out, "delivered", r->rows.delivered);
    put_u64(out, "lost", r->rows.lost);
    put_u64(out, "repeated", r->rows.repeated);
    put_u64(out, "out_of_order", r->rows.out_of_order);
    put_u64(out, "stray", r->stray);
    put_u64(out, "disagreed", r->disagreed);
    put_u64(out, "resyncs", r->resyncs);
    put_u64(out, "drains", r->drains);
}

static void put_rates_json(struct buf *out, const struct result *r) {
    put_double(out, "posts_per_s", r->posts_per_s);
    put_double(out, "deliveries_per_s", r->deliveries_per_s);
    put_double(out, "bytes_per_frame", r->bytes_per_frame);
    put_spread_json(out, "post", &r->post);
    put_spread_json(out, "latency", &r->delivery);
    put_double(out, "late_max_us", r->late_max_us);
    if (r->has_memory) {
        put_u64(out, "memory_start", r->memory_start);
        put_u64(out, "memory_registered", r->memory_registered);
        put_u64(out, "memory_idle", r->memory_idle);
        put_double(out, "memory_per_stream", r->memory_per_stream);
        put_double(out, "memory_per_stream_start", r->memory_per_stream_start);
    }
    put_double(out, "sendloop_before", r->sendloop_before);
    put_double(out, "sendloop_after", r->sendloop_after);
    put_double(out, "sendloop_ratio", r->sendloop_ratio);
    put_double(out, "fanout_before", r->fanout.before);
    put_double(out, "fanout_after", r->fanout.after);
    put_double(out, "fanout_ratio", r->fanout.ratio);
    put_double(out, "fanout_few_before", r->fanout_few.before);
    put_double(out, "fanout_few_after", r->fanout_few.after);
    put_double(out, "fanout_few_ratio", r->fanout_few.ratio);
    put_double(out, "pgbench_per_s", r->pgbench_per_s);
    put_double(out, "pgbench_ratio", r->pgbench_ratio);
    put_double(out, "cpu_s", r->cpu_s);
    put_double(out, "wall_s", r->wall_s);
}

void report_put_json(struct buf *out, const struct result *r) {
    buf_put(out, STR("{"));
    put_key(out, "scenario");
    json_put_string(out, str_of(options_scenario(r->scenario)));
    put_bool(out, "good", result_is_good(r));
    put_bool(out, "interrupted", r->is_interrupted);
    put_counts_json(out, r);
    put_rates_json(out, r);
    put_u64(out, "troubles_all", r->troubles.all);
    put_key(out, "troubles");
    buf_put(out, STR("["));
    for (unsigned i = 0; i < r->troubles.kinds; i++) {
        buf_put(out, i > 0 ? STR(",") : STR(""));
        json_put_string(out, str_of(r->troubles.at[i].text));
    }
    buf_put(out, STR("]}\n"));
}
