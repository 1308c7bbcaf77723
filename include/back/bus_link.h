/* back/bus_link.h -- one connection to NATS that comes back by itself; the home of nats.c's client.
 *
 * nats.c reconnects for ever, sends the subscriptions again, and reports what happens on threads of
 * its own. It gives up only when a server refuses it twice with the same answer; then the link is
 * CLOSED, and its owner connects anew.
 *
 * What may block: while nats.c tries to connect, it holds the connection's lock for up to
 * LINK_CONNECT_MS; a write to a server that does not read waits up to the flush time and then
 * breaks the connection. So everything here but the two asking functions is for a thread that may
 * wait.
 *
 * Threads: one owner thread; events come on threads of nats.c, with no lock of ours held.
 * Memory: bus_link_close() returns when nats.c has made its last call; what it was handed may be
 * freed then.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_BUS_LINK_H
#define BACK_BUS_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "back/bus.h"
#include "base/str.h"

enum { LINK_CONNECT_MS = 2000 };

struct bus_link;
struct bus_link_sub; /* a subscription of nats.c */

enum bus_link_state {
    BUS_LINK_UP,     /* connected again; all subscriptions have been sent again */
    BUS_LINK_DOWN,   /* lost; nats.c tries again */
    BUS_LINK_CLOSED, /* given up: bus_link_close() and bus_link_connect() are wanted */
};

struct bus_link_events {
    void *arg;
    void (*state)(void *arg, enum bus_link_state state);
    /* Messages of some subscription were dropped for want of room. */
    void (*slow)(void *arg);
    /* What nats.c complains about, as one static word or sentence: for the log. */
    void (*trouble)(void *arg, const char *reason);
    /* epoch_tag: of the history that the row stands in (core/page.h); 0: not said. */
    void (*message)(void *arg, const char *subject, struct str payload, uint64_t epoch_tag);
};

/* Reads the configuration and the files that it names; the network is not touched.
 * RC_MALFORMED with *why: a static sentence. RC_NO_MEMORY. */
MUST_CHECK enum rc bus_link_new(const struct bus_config *config,
                                const struct bus_link_events *events, struct bus_link **out,
                                const char **why);
/* The link is closed. NULL-safe. */
void bus_link_free(struct bus_link *l);

/* Tries each server once; the link was closed. True: connected (events.state is not called for it).
 * False: it is still closed, and events.trouble was told why. */
MUST_CHECK bool bus_link_connect(struct bus_link *l);
/* Ends the connection and all its subscriptions, which bus_link_unsubscribe() still has to free. */
void bus_link_close(struct bus_link *l);

/* Queues a SUB. RC_NO_MEMORY. RC_CLOSED: the link is. */
MUST_CHECK enum rc bus_link_subscribe(struct bus_link *l, const char *subject,
                                      struct bus_link_sub **out);
/* Queues an UNSUB. NULL-safe. */
void bus_link_unsubscribe(struct bus_link_sub *sub);

/* Queues a PUB. RC_TOO_LARGE: the server takes no payload of this size. RC_UNAVAILABLE: not
 * connected, or the connection has just broken. RC_NO_MEMORY. */
MUST_CHECK enum rc bus_link_publish(struct bus_link *l, const char *subject, struct str payload,
                                    uint64_t epoch_tag);
/* Sends what is queued, and waits until the server has read all of it (PING, PONG).
 * RC_TIMEOUT: it did not answer in time; RC_UNAVAILABLE: the connection broke. */
MUST_CHECK enum rc bus_link_flush(struct bus_link *l, uint32_t timeout_ms);

#endif
