/* core/tally.h -- how many of something each key holds at the moment, with a limit for each and
 * all.
 *
 * Threads: any; one lock inside.
 * Memory: 16 bytes for each key that holds any, in an open-addressed table.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CORE_TALLY_H
#define CORE_TALLY_H

#include <stdint.h>

#include "base/rc.h"

struct tally;

/* max_all: of all keys together; max_each: of one key. NULL: no memory. */
struct tally *tally_new(uint32_t max_all, uint32_t max_each);
/* NULL-safe. */
void tally_free(struct tally *t);

/* RC_FULL: one of the limits is reached, nothing was counted. RC_NO_MEMORY. */
MUST_CHECK enum rc tally_take(struct tally *t, uint64_t key);
/* One that tally_take() counted is gone. */
void tally_give(struct tally *t, uint64_t key);
/* The same of `n` at once, n > 0: all or none. */
MUST_CHECK enum rc tally_take_many(struct tally *t, uint64_t key, uint32_t n);
void tally_give_many(struct tally *t, uint64_t key, uint32_t n);
/* How many the key holds. */
uint32_t tally_of(struct tally *t, uint64_t key);
uint32_t tally_all(struct tally *t);

#endif
