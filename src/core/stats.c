/* core/stats.c -- the numbers behind /metrics, and their text.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/stats.h"

#include <stddef.h>

struct stats stats;

/* Upper ends of the buckets: in microseconds, and in seconds as `le` prints them. */
static const struct {
    uint64_t most_us;
    const char *le;
} bounds[] = {
    {50, "0.00005"},  {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},
    {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},
    {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"},
    {5000000, "5"},   {10000000, "10"},
};

enum { BOUNDS = sizeof bounds / sizeof *bounds };

static struct histogram {
    _Atomic uint64_t at_most[BOUNDS + 1]; /* the last: over all bounds */
    _Atomic uint64_t sum_us;
} histograms[STATS_HISTOGRAM_COUNT];

static const struct {
    _Atomic int64_t *value;
    const char *name, *type, *help;
} numbers[] = {
#define X(field, type, help) {&stats.field, #field, type, help},
    STATS_LIST(X)
#undef X
};

static const struct {
    const char *name, *help;
} histogram_texts[] = {
#define X(field, help) {#field, help},
    STATS_HISTOGRAMS(X)
#undef X
};

void stats_observe_us(enum stats_histogram which, uint64_t us) {
    struct histogram *h = &histograms[which];
    size_t i = 0;
    while (i < BOUNDS && us > bounds[i].most_us)
        i++;
    (void)atomic_fetch_add_explicit(&h->at_most[i], 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&h->sum_us, us, memory_order_relaxed);
}

static void put_number(struct buf *out, size_t i) {
    const char *name = numbers[i].name, *type = numbers[i].type;
    const char *suffix = type[0] == 'c' ? "_total" : "";
    buf_putf(out, "# HELP kez_%s%s %s\n", name, suffix, numbers[i].help);
    buf_putf(out, "# TYPE kez_%s%s %s\n", name, suffix, type);
    buf_putf(out, "kez_%s%s ", name, suffix);
    buf_put_i64(out, atomic_load_explicit(numbers[i].value, memory_order_relaxed));
    buf_put_byte(out, '\n');
}

/* The count is the sum of the buckets as read here, so that the text agrees with itself while
 * others observe. */
static void put_histogram(struct buf *out, size_t which) {
    struct histogram *h = &histograms[which];
    const char *name = histogram_texts[which].name;
    uint64_t count = 0, us = atomic_load_explicit(&h->sum_us, memory_order_relaxed);
    buf_putf(out, "# HELP kez_%s %s\n", name, histogram_texts[which].help);
    buf_putf(out, "# TYPE kez_%s histogram\n", name);
    for (size_t i = 0; i <= BOUNDS; i++) {
        count += atomic_load_explicit(&h->at_most[i], memory_order_relaxed);
        buf_putf(out, "kez_%s_bucket{le=\"%s\"} ", name, i < BOUNDS ? bounds[i].le : "+Inf");
        buf_put_u64(out, count);
        buf_put_byte(out, '\n');
    }
    buf_putf(out, "kez_%s_sum %llu.%06llu\n", name, (unsigned long long)(us / 1000000),
             (unsigned long long)(us % 1000000));
    buf_putf(out, "kez_%s_count %llu\n", name, (unsigned long long)count);
}

void stats_put(struct buf *out) {
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        put_number(out, i);
    for (size_t i = 0; i < STATS_HISTOGRAM_COUNT; i++)
        put_histogram(out, i);
}
