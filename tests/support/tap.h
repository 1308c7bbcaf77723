/* tests/support/tap.h -- a client of NATS that speaks its protocol by itself: what travels is seen
 * and said byte by byte, as by a stranger who has the right to.
 *
 * Source: the NATS client protocol: CONNECT, SUB, PUB, PING, MSG.
 * Threads: one at a time.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_TAP_H
#define SUPPORT_TAP_H

#include "base/buf.h"

struct tap;

/* url: nats://[user:password@]127.0.0.1:port. Like all here, it fails the test when it cannot. */
struct tap *tap_open(const char *url);
/* The server knows of it when this returns. */
void tap_subscribe(struct tap *t, const char *subject);
/* The server has it when this returns. */
void tap_publish(struct tap *t, const char *subject, struct str payload);
/* The payload of the next message to a subscription, valid until the next call. */
struct str tap_next(struct tap *t);
/* NULL-safe. */
void tap_close(struct tap *t);

#endif
