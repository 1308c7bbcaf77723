/* tests/support/complaints.c -- what PostgreSQL has to complain of.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/complaints.h"

#include <stdlib.h>
#include <string.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

unsigned complaints_logged(struct postgres *pg, const char *words) {
    char *log = postgres_log(pg);
    unsigned n = 0;
    for (const char *at = log; (at = strstr(at, words)); at += strlen(words))
        n++;
    free(log);
    return n;
}

void complaints_expect_none(struct postgres *pg, const char *database) {
    static const char *const troubles[] = {"deadlock detected", "could not serialize",
                                           "due to lock timeout", "due to statement timeout",
                                           "duplicate key"};
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++)
        if (complaints_logged(pg, troubles[i]) > 0)
            fail_msg("PostgreSQL's log says: %s", troubles[i]);
    postgres_expect(pg, database, "SELECT sum(deadlocks) FROM pg_stat_database", "0");
}
