/* wire/message.h -- the bodies of POST /v1/messages and PUT /v1/profile/<handle>/proofs.
 *
 * Source: protocol, sections 3 and 4.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "wire/handle.h"

enum {
    MESSAGE_ID_MAX = 64,
    MESSAGE_ENVELOPE_MAX = 256 * 1024,
    MESSAGE_BODY_MAX = 512 * 1024,
    PROOFS_MAX = 64,
    PROOF_MAX_BYTES = 256,
    /* The array as JSON text: each byte may need an escape of six. */
    PROOFS_ARRAY_MAX = 2 + PROOFS_MAX * (6 * PROOF_MAX_BYTES + 3),
};

struct message {
    struct handle to;
    char id[MESSAGE_ID_MAX + 1]; /* "" when there was none */
    struct buf envelope;         /* compact text of a JSON object; message_done() frees it */
};

/* RC_MALFORMED: body, `to` absent or not a string, envelope absent or not an object, a bad `id`
 * (null, too: it is no string).
 * RC_TOO_SHORT, RC_TOO_LARGE, RC_BAD_FIRST with *advice about the handle: 400 all the same;
 * RC_OVERSIZE: the envelope is over MESSAGE_ENVELOPE_MAX bytes (413). RC_NO_MEMORY.
 * *advice is a static sentence for a person whenever the result is not RC_OK. *out holds nothing
 * then. */
MUST_CHECK enum rc message_read(struct str body, struct message *out, const char **advice);
void message_done(struct message *m);

/* The two members that every message has, raw as json_split() gives them; results as above.
 * An absent id is fine, and leaves `out`, which is zeroed, empty. The envelope's limit is that of
 * `out`. */
MUST_CHECK enum rc message_read_id(struct str value, char out[MESSAGE_ID_MAX + 1],
                                   const char **advice);
MUST_CHECK enum rc message_read_envelope(struct str value, struct buf *out, const char **advice);

/* {"proofs":[…]}: at most PROOFS_MAX strings of at most PROOF_MAX_BYTES bytes each. Appends the
 * array alone as JSON text of at most PROOFS_ARRAY_MAX bytes, strings re-encoded; what a failure
 * leaves there is no JSON. RC_MALFORMED, RC_NO_MEMORY, RC_TOO_LARGE (the limit of `array`), all
 * with *advice. */
MUST_CHECK enum rc proofs_read(struct str body, struct buf *array, const char **advice);

#endif
