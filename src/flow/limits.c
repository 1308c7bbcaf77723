/* flow/limits.c -- how often: the token buckets that stories ask before they work.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "flow/limits.h"

#include "base/hash.h"
#include "core/stats.h"
#include "flow/flow.h"

enum { S_PER_MINUTE = 60 };

/* In seconds, at least one. */
static uint32_t time_of_a_token(uint32_t per_minute) {
    return per_minute ? (S_PER_MINUTE - 1) / per_minute + 1 : 1;
}

/* Of two limits the tighter one is told. */
static void note_rate(struct exchange *ex, struct quota *quota, uint32_t left) {
    uint32_t per_minute = quota_per_minute(quota);
    if (per_minute == 0 || (ex->rate.per_minute && ex->rate.left <= left))
        return;
    ex->rate = (struct rate){per_minute, left, time_of_a_token(per_minute)};
}

static enum step refuse(struct exchange *ex, struct quota *quota, uint32_t retry_s,
                        const char *what) {
    stats_add(rate_limited, 1);
    ex->retry_after_s = retry_s;
    ex->rate = (struct rate){quota_per_minute(quota), 0, retry_s};
    return exchange_failf(ex, RC_RATE_LIMITED, "%s; try again in %u s.", what, retry_s);
}

static bool allow(struct quota *quota, uint64_t key, struct flow *flow, struct exchange *ex,
                  enum step *answer) {
    uint32_t retry_s = 0;
    uint64_t now_ms = clock_mono_ms(flow->clock);
    if (quota_take(quota, key, now_ms, &retry_s) == RC_OK) {
        note_rate(ex, quota, quota_left(quota, key, now_ms));
        return true;
    }
    *answer = refuse(ex, quota, retry_s, "Too many of these");
    return false;
}

bool limits_allow_client(struct quota *quota, struct flow *flow, struct exchange *ex,
                         enum step *answer) {
    return ex->client_exempt || allow(quota, ex->client, flow, ex, answer);
}

bool limits_allow_caller(struct quota *quota, struct flow *flow, struct exchange *ex,
                         enum step *answer) {
    return allow(quota, hash_str(handle_str(&ex->caller.handle)), flow, ex, answer);
}

bool limits_allow_proof(struct flow *flow, struct exchange *ex, enum step *answer) {
    struct quota *quota = flow->failures_quota;
    if (ex->client_exempt || quota_left(quota, ex->client, clock_mono_ms(flow->clock)) > 0)
        return true;
    *answer = refuse(ex, quota, time_of_a_token(quota_per_minute(quota)),
                     "Too many failed signatures from this address");
    return false;
}

void limits_count_failure(struct flow *flow, const struct exchange *ex) {
    uint32_t retry_s;
    if (!ex->client_exempt)
        (void)!quota_take(flow->failures_quota, ex->client, clock_mono_ms(flow->clock), &retry_s);
}
