/* bench/progress.c -- a line on standard error, about each second.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define SECOND_NS UINT64_C(1000000000)

void progress_init(struct progress *p, bool is_on) {
    *p = (struct progress){.is_on = is_on, .is_tty = isatty(STDERR_FILENO)};
}

static double rate(uint64_t now, uint64_t before, uint64_t ns) {
    return ns > 0 && now > before ? (double)(now - before) * 1e9 / (double)ns : 0;
}

void progress_tell(struct progress *p, uint64_t now_ns, const struct progress_figures *f) {
    bool is_new = p->phase != f->phase;
    if (!p->is_on || (!is_new && now_ns < p->next_ns))
        return;
    uint64_t ns = is_new ? 0 : now_ns - p->last_ns;
    fprintf(stderr,
            "%s%-11s %" PRIu64 " handles, %" PRIu64 " streams, %" PRIu64 " posts (%.0f/s), %" PRIu64
            " deliveries (%.0f/s)%s",
            p->is_tty ? "\r" : "", f->phase, f->handles, f->streams, f->posts,
            rate(f->posts, p->last_posts, ns), f->rows, rate(f->rows, p->last_rows, ns),
            p->is_tty ? "\033[K" : "\n");
    *p = (struct progress){.is_on = true,
                           .is_tty = p->is_tty,
                           .phase = f->phase,
                           .next_ns = now_ns + SECOND_NS,
                           .last_ns = now_ns,
                           .last_posts = f->posts,
                           .last_rows = f->rows};
}

void progress_end(struct progress *p) {
    if (p->is_on && p->is_tty && p->phase)
        fputs("\n", stderr);
    p->phase = NULL;
}
