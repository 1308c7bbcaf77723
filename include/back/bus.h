/* back/bus.h -- the doorbell: rows published to and received from NATS.
 *
 * Source: protocol, section 8: subject kez.chat.inbox.<handle>, payload = the row's JSON.
 * Threads: the functions may be called from any thread and never wait for the network; events come
 * on threads of nats.c or of the bus, with no lock of the bus held.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_BUS_H
#define BACK_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "core/frame.h"
#include "wire/handle.h"

struct bus;

struct bus_config {
    const char *urls;       /* nats:// or tls://, several comma separated; may hold user:password */
    const char *name;       /* how this node shows itself to NATS */
    const char *creds_file; /* NULL: none; a .creds file (JWT and seed) */
    const char *nkey_seed_file; /* NULL: none */
    const char *ca_file;        /* NULL: the system's; for tls:// */
    uint32_t reconnect_wait_ms, reconnect_jitter_ms;
    uint32_t ping_interval_ms; /* two unanswered pings are a lost connection */
    uint32_t flush_timeout_ms; /* a barrier gives up after this */
    uint32_t pending_messages; /* received and not yet handed over, per subscription */
    uint32_t pending_bytes;
    uint32_t reconnect_bytes; /* published while disconnected and kept; more is dropped */
};

enum bus_state {
    BUS_UP,   /* connected, or connected again: interest has been sent again */
    BUS_DOWN, /* not connected; nats.c keeps trying for ever */
    BUS_SLOW, /* messages were dropped for want of room: all handles may be behind */
};

struct bus_events {
    void *arg;
    /* A row came in. frame: borrowed; NULL when the row travels without its body ("stored"):
     * then only its seq is known. */
    void (*row)(void *arg, const struct handle *to, uint64_t seq, struct frame *frame);
    void (*state)(void *arg, enum bus_state state);
    /* The flush for this ticket (and all smaller ones of this shard) came back (ok), or failed. */
    void (*barrier)(void *arg, unsigned shard, uint64_t ticket, bool ok);
};

enum { BUS_SHARDS_MAX = 64 };

/* Connects in the background and keeps trying. RC_MALFORMED: a URL or a credentials file is wrong;
 * *why says which, in words; valid until the next call on this thread. */
MUST_CHECK enum rc bus_start(const struct bus_config *config, const struct bus_events *events,
                             const struct clock *clock, struct bus **out, const char **why);
/* Ends subscriptions and threads; no event comes after it returns. What was published is rung out
 * first, within flush_timeout_ms; an attempt to connect that is under way is waited for. NULL-safe.
 */
void bus_stop(struct bus *b);
bool bus_is_up(const struct bus *b);

/* Queues a SUB. Subscribing twice is the caller's bug. RC_NO_MEMORY, RC_IO. */
MUST_CHECK enum rc bus_subscribe(struct bus *b, const struct handle *h);
void bus_unsubscribe(struct bus *b, const struct handle *h);

/* Asks for events.barrier once the server knows every subscription queued before this call. Several
 * waiting tickets share one flush; a shard's tickets rise. */
void bus_barrier(struct bus *b, unsigned shard, uint64_t ticket);

/* Publishes the row (without its body when it is long, see back/bus_letters.h). Failures are
 * counted: the sweep of the other nodes heals them. */
void bus_publish(struct bus *b, const struct handle *to, const struct frame *frame);
/* What was published goes out now at the latest: once for all rows that come together. */
void bus_wake(struct bus *b);

#endif
