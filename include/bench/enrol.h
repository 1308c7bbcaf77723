/* bench/enrol.h -- registers the bench's users; one that is there already is as good.
 *
 * Threads: one.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_ENROL_H
#define BENCH_ENROL_H

#include "bench/ask.h"
#include "bench/callers.h"
#include "bench/troubles.h"

struct enrol {
    struct ask *ask;
    struct troubles *troubles;
    const struct identity *who;
    uint32_t n, asked, made, there, failed;
};

/* To callers_serve(); `e` is filled up to `n`, the rest is zero. */
struct callers_work enrol_work(struct enrol *e);
bool enrol_is_done(const struct enrol *e);

#endif
