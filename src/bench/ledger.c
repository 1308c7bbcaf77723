/* bench/ledger.c -- what of each inbox came to each stream.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/ledger.h"

/* Moves the window to `seq`, the latest that has come. */
static void step_to(struct track *t, uint64_t seq, bool has_come) {
    uint64_t by = seq + 1 - t->next;
    t->seen = by >= LEDGER_WINDOW ? 0 : t->seen << by;
    t->seen |= has_come ? 1 : 0;
    t->next = seq + 1;
}

/* Nothing before the beginning is late: it counts as seen. */
static void begin(struct track *t, uint64_t seq) {
    *t = (struct track){.next = seq + 1, .seen = UINT64_MAX};
}

void ledger_ready(struct ledger *l, struct track *t, uint64_t seq) {
    if (t->next == 0)
        begin(t, seq);
    else if (seq >= t->next)
        ledger_resync(l, t, seq);
}

void ledger_row(struct ledger *l, struct track *t, uint64_t seq) {
    if (t->next == 0)
        begin(t, seq - 1);
    if (seq >= t->next) {
        l->delivered++;
        l->lost += seq - t->next;
        step_to(t, seq, true);
        return;
    }
    uint64_t back = t->next - 1 - seq;
    uint64_t bit = back < LEDGER_WINDOW ? UINT64_C(1) << back : 0;
    if (bit == 0 || (t->seen & bit)) {
        l->repeated++;
        return;
    }
    t->seen |= bit;
    l->out_of_order++;
    l->delivered++;
    l->lost--; /* it was counted when the later one came */
}

void ledger_resync(struct ledger *l, struct track *t, uint64_t seq) {
    if (t->next == 0 || seq < t->next) {
        begin(t, seq);
        return;
    }
    l->lost += seq + 1 - t->next;
    step_to(t, seq, false);
}

void ledger_end(struct ledger *l, const struct track *t, uint64_t head) {
    if (t->next > 0 && head >= t->next)
        l->lost += head + 1 - t->next;
}

bool ledger_is_at(const struct track *t, uint64_t head) { return t->next > head; }

/* The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): sums of it do not agree by chance. */
static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

void ledger_answer(struct inbox *in, uint64_t seq) {
    if (in->first == 0 || seq < in->first)
        in->first = seq;
    if (seq > in->last)
        in->last = seq;
    in->answers++;
    in->sum += mix(seq);
}

static uint64_t span(const struct inbox *in) {
    return in->first == 0 ? 0 : in->last - in->first + 1;
}

uint64_t ledger_unanswered(const struct inbox *in) {
    return span(in) > in->answers ? span(in) - in->answers : 0;
}

uint64_t ledger_doubled(const struct inbox *in) {
    if (in->answers != span(in))
        return in->answers > span(in) ? in->answers - span(in) : 0;
    uint64_t sum = 0;
    for (uint64_t seq = in->first; in->answers > 0 && seq <= in->last; seq++)
        sum += mix(seq);
    return sum != in->sum;
}
