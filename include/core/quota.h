/* core/quota.h -- token buckets by key: how often somebody may do something.
 *
 * Threads: any; one lock inside.
 * Memory: at most `max_keys` buckets of 24 bytes, fewer while fewer are in debt. When there are so
 * many, the one that is fullest of tokens (least in debt) among a few looked at makes room; a
 * bucket that is full again is forgotten.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CORE_QUOTA_H
#define CORE_QUOTA_H

#include <stddef.h>
#include <stdint.h>

#include "base/rc.h"

struct quota;

/* per_minute: tokens that come back in a minute, and the size of a bucket; 0: no limit at all.
 * max_keys: 0 counts as 1. NULL: no memory. */
struct quota *quota_new(uint32_t per_minute, size_t max_keys);
/* NULL-safe. */
void quota_free(struct quota *q);
/* Another rate from now on, for all keys; what each has taken stays taken.
 * RC_NO_MEMORY: a limit where none was needs buckets; the old rate holds. */
MUST_CHECK enum rc quota_set_rate(struct quota *q, uint32_t per_minute);

/* Takes one token of the bucket of `key` (a hash of whom it is about).
 * RC_RATE_LIMITED: there is none; *retry_s is the whole seconds (>= 1) until there is. */
MUST_CHECK enum rc quota_take(struct quota *q, uint64_t key, uint64_t now_ms, uint32_t *retry_s);
/* Tokens in a minute; 0: no limit. */
uint32_t quota_per_minute(const struct quota *q);
/* What is left of the bucket, without taking: whole tokens; UINT32_MAX when there is no limit. */
uint32_t quota_left(struct quota *q, uint64_t key, uint64_t now_ms);

#endif
