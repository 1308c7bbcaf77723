/* tests/support/complaints.h -- what PostgreSQL has to complain of when transactions get into each
 * other's way.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_COMPLAINTS_H
#define SUPPORT_COMPLAINTS_H

#include "support/postgres.h"

/* How often its log has these words. */
unsigned complaints_logged(struct postgres *pg, const char *words);
/* Fails the test when there was a deadlock, a wait that took too long, a transaction that could not
 * be serialized, or a key that was there already. */
void complaints_expect_none(struct postgres *pg, const char *database);

#endif
