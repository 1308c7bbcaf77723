/* tests/support/keeping.h -- what tests of retention in the store share; they meet in the hall.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_KEEPING_H
#define SUPPORT_KEEPING_H

#include "support/hall.h"

/* A hall of one store, which drops nothing by itself, on the database "keep". Fits cmocka's group
 * setup; hall_close() ends it. */
int keeping_open(void **state);
/* A pass walks all that is there: each test has it to itself. Fits cmocka's setup. */
int keeping_empty(void **state);
/* Waits until n passes more, of whatever store of this program, have ended. */
void keeping_await_passes(int64_t n);
/* Until more than so many have ended since the program began. */
void keeping_await_more_than(int64_t passes);
/* Whatever was dropped: rows are dense from `first` to `head`, and each has what it needs. */
void keeping_assert_dense(void);

#endif
