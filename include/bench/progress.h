/* bench/progress.h -- a line on standard error, about each second, while the bench runs.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* On a terminal the line is written over itself. */
struct progress {
    bool is_on, is_tty;
    const char *phase; /* what the last line said is being done */
    uint64_t next_ns;
    uint64_t last_ns, last_posts, last_rows; /* at the last line */
};

struct progress_figures {
    const char *phase; /* a literal: what is being done */
    uint64_t handles, streams, posts, rows;
};

void progress_init(struct progress *p, bool is_on);
/* Prints when a second has passed or another phase has begun; else does nothing. */
void progress_tell(struct progress *p, uint64_t now_ns, const struct progress_figures *f);
/* Ends the line that a terminal shows. */
void progress_end(struct progress *p);

#endif
