/* flow/limits.h -- how often: the token buckets that stories ask before they work.
 *
 * Loopback and Unix sockets are exempt from those by address (exchange.client_exempt). The tightest
 * limit that an exchange met, or the one that refused it, stands in exchange.rate.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef FLOW_LIMITS_H
#define FLOW_LIMITS_H

#include "flow/exchange.h"

struct quota;

/* By the client's address. False: answered with 429. */
bool limits_allow_client(struct quota *quota, struct flow *flow, struct exchange *ex,
                         enum step *answer);
/* By the caller's handle, wherever the request comes from. */
bool limits_allow_caller(struct quota *quota, struct flow *flow, struct exchange *ex,
                         enum step *answer);

/* Whether the client's address may still fail to prove who it is; asked before a signature or a
 * token is looked at. Takes nothing. */
bool limits_allow_proof(struct flow *flow, struct exchange *ex, enum step *answer);
/* It failed: every 401 counts. */
void limits_count_failure(struct flow *flow, const struct exchange *ex);

#endif
