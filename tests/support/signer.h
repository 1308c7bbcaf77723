/* tests/support/signer.h -- a user of a test: a seed, a handle, and the signatures of protocol 2.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_SIGNER_H
#define SUPPORT_SIGNER_H

#include <stdint.h>

#include "base/buf.h"
#include "wire/handle.h"
#include "wire/key.h"

struct signer {
    struct handle handle;
    uint8_t seed[32];
    struct key key;
    char primary[KEY_TEXT_LEN + 1];
    int64_t skew_s; /* added to the clock in what is signed */
};

/* The seed follows from the handle: the same user in every process. */
void signer_init(struct signer *s, const char *handle);

/* Header lines with CRLF, to go with a request. The handle in the path may be another's. */
void signer_put_poll(const struct signer *s, struct buf *out, const char *handle, uint64_t since);
void signer_put_stream(const struct signer *s, struct buf *out, const char *handle);
void signer_put_proofs(const struct signer *s, struct buf *out, const char *handle);
/* The general text; with X-KEZ-Handle. */
void signer_put_request(const struct signer *s, struct buf *out, const char *method,
                        const char *server, struct str target, struct str body);
/* `<ts>:<sig>` of a stream alone, for ?auth=. */
void signer_put_stream_value(const struct signer *s, struct buf *out, const char *handle);

/* `<ts>:<sig>` of the events of a primary, the signer's or another's, for X-KEZ-Auth or ?auth=. */
void signer_put_events_value(const struct signer *s, struct buf *out, const char *server,
                             const char *primary);

/* The body of POST /v1/register. */
void signer_put_registration(const struct signer *s, struct buf *out, const char *server);
/* The same around a payload of the test's own; canonical: its JCS form, which is signed. */
void signer_put_payload(const struct signer *s, struct buf *out, struct str payload,
                        struct str canonical);
/* The payload of it alone, members in JCS order. */
void signer_put_claim(const struct signer *s, struct buf *out, const char *server);

#endif
