/* flow/caller.h -- who is asking, and whom is it about: users found and signatures checked.
 *
 * The order of answers of the protocol, section 2: malformed handle 400, not signed 400, malformed
 * or stale 401, unknown handle 404, wrong signature 401; what is another's (403) is the story's.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef FLOW_CALLER_H
#define FLOW_CALLER_H

#include "flow/exchange.h"

/* Goes on with `then` when ex->user is the user with this handle, else answers 404. */
enum step caller_find_user(struct flow *flow, struct exchange *ex, const struct handle *h,
                           step_fn *then);
enum step caller_find_primary(struct flow *flow, struct exchange *ex, const struct key *k,
                              step_fn *then);

/* Reads the handle of the path into *h; false: answered. */
bool caller_path_handle(struct exchange *ex, struct handle *h, enum step *answer);

/* One of the requests with a text of its own, signed by the owner of the path's handle.
 * `credential` is what X-KEZ-Auth or ?auth= held. put_text reads what it needs of the request and
 * appends the signed text; false: answered. Goes on with `then` when ex->caller is that owner and
 * the signature holds. */
typedef bool put_text_fn(struct exchange *ex, struct str handle, struct buf *out,
                         enum step *answer);
enum step caller_is_owner(struct flow *flow, struct exchange *ex, struct str credential,
                          put_text_fn *put_text, step_fn *then);

/* A request for the events of the primary whose text is given, signed by it. Every failure to name
 * oneself is 401 (protocol, section 7). A trusted client may leave out the signature. */
enum step caller_is_primary(struct flow *flow, struct exchange *ex, struct str primary,
                            struct str credential, step_fn *then);

/* A request signed with the general text (X-KEZ-Handle and X-KEZ-Auth). Goes on with `then` when
 * ex->caller signed it. */
enum step caller_is_signer(struct flow *flow, struct exchange *ex, step_fn *then);

/* Goes on with `then` when what ex->caller signed is no older than the account, to the second; else
 * 401. For what must not be done to an account that was made anew with the same handle and key: who
 * saw the request could send it again, as long as its time holds. */
enum step caller_signed_since_registration(struct flow *flow, struct exchange *ex, step_fn *then);

#endif
