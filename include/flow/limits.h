/* flow/limits.h -- how often: the token buckets that stories ask before they work.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef FLOW_LIMITS_H
#define FLOW_LIMITS_H

#include "flow/exchange.h"

struct quota;

/* By the client's address; loopback is exempt. False: answered with 429. */
bool limits_allow_client(struct quota *quota, struct flow *flow, struct exchange *ex,
                         enum step *answer);
/* By the caller's handle, wherever it calls from. */
bool limits_allow_caller(struct quota *quota, struct flow *flow, struct exchange *ex,
                         enum step *answer);

#endif
