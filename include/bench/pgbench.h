/* bench/pgbench.h -- the yardstick of posts: pgbench with an INSERT of one row of the same width.
 *
 * Runs psql and pgbench from PATH; needs nothing else of PostgreSQL.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_PGBENCH_H
#define BENCH_PGBENCH_H

#include <stdint.h>

#include "base/buf.h"

struct pgbench {
    const char *database_url;
    uint64_t inboxes; /* that rows are spread over */
    uint64_t body_bytes;
    uint64_t seconds, connections;
};

/* Makes a scratch table, inserts for so long, drops the table. RC_IO: psql or pgbench did not do
 * it; their words go to standard error. RC_MALFORMED: no figure in what pgbench said. */
MUST_CHECK enum rc pgbench_run(const struct pgbench *p, double *rows_per_s);
/* Appends the script that pgbench runs. */
void pgbench_put_script(struct buf *out, const struct pgbench *p);
/* Finds `tps = <number>` in pgbench's words. RC_MALFORMED: it is not there. */
MUST_CHECK enum rc pgbench_read_tps(struct str text, double *tps);

#endif
