/* flow/limits.c -- how often: the token buckets that stories ask before they work.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "flow/limits.h"

#include "base/hash.h"
#include "core/stats.h"
#include "flow/flow.h"

static bool allow(struct quota *quota, uint64_t key, struct flow *flow, struct exchange *ex,
                  enum step *answer) {
    uint32_t retry_s = 0;
    if (quota_take(quota, key, clock_mono_ms(flow->clock), &retry_s) == RC_OK)
        return true;
    stats_add(rate_limited, 1);
    ex->retry_after_s = retry_s;
    *answer = exchange_failf(ex, RC_RATE_LIMITED, "Too many of these; try again in %u s.", retry_s);
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
