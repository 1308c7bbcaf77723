/* core/stats.h -- the counters, gauges and histograms behind /metrics.
 *
 * Source: Prometheus text exposition format 0.0.4. All names begin kez_.
 * Threads: any; relaxed atomics.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CORE_STATS_H
#define CORE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

/* X(field, "type", "help"): exported as kez_<field>, counters with _total. */
#define STATS_LIST(X)                                                                              \
    X(streams, "gauge", "Live event streams.")                                                     \
    X(streams_opened, "counter", "Event streams opened.")                                          \
    X(streams_refused, "counter", "Event streams refused for want of room.")                       \
    X(streams_closed_hangup, "counter", "Streams ended by the client.")                            \
    X(streams_closed_stalled, "counter", "Streams closed because the client took no byte.")        \
    X(streams_closed_drained, "counter", "Streams ended by a drain.")                              \
    X(streams_closed_error, "counter", "Streams ended by an error of the socket or of memory.")    \
    X(frames_delivered, "counter", "Row frames handed to stream sockets.")                         \
    X(stream_fallbacks, "counter", "Times a slow stream left the live path for the store.")        \
    X(stream_resyncs, "counter", "resync events sent.")                                            \
    X(sweep_heads, "counter", "Heads compared by the sweep.")                                      \
    X(sweep_behind, "counter", "Handles that the sweep found behind.")                             \
    X(holes_read, "counter", "Holes in a cursor that were read from the store.")                   \
    X(shard_queue_full, "counter", "Rows not queued to a shard because its queue was full.")       \
    X(handles_subscribed, "gauge", "Handles with at least one stream here.")                       \
    X(requests, "counter", "HTTP requests answered.")                                              \
    X(requests_failed, "counter", "HTTP requests answered with 500 or above.")                     \
    X(rate_limited, "counter", "Requests answered with 429.")                                      \
    X(connections, "gauge", "Open connections of the public listener, without streams.")           \
    X(connections_refused, "counter", "Connections refused because of many from their address.")   \
    X(connections_yielded, "counter", "Waiting connections ended to make room for others.")        \
    X(rows_committed, "counter", "Rows committed in the store by this node.")                      \
    X(posts_repeated, "counter", "Posts that the store knew already by their id.")                 \
    X(store_batches, "counter", "Write transactions committed.")                                   \
    X(store_errors, "counter", "Statements or connections of the store that failed.")              \
    X(store_queue_full, "counter", "Jobs refused because a store queue was full.")                 \
    X(retention_keeper, "gauge", "1 while this node is the one that makes retention passes.")      \
    X(retention_passes, "counter", "Retention passes over all inboxes that were finished.")        \
    X(retention_rows_dropped, "counter", "Rows dropped by retention.")                             \
    X(retention_letters_dropped, "counter", "Bodies of conversation rows dropped after them.")     \
    X(retention_ids_forgotten, "counter", "Ids of dropped rows that were old enough.")             \
    X(store_up, "gauge", "1 while the store answers.")                                             \
    X(bus_up, "gauge", "1 while NATS is connected.")                                               \
    X(bus_published, "counter", "Rows published to NATS.")                                         \
    X(bus_publish_failed, "counter", "Rows that could not be published.")                          \
    X(bus_received, "counter", "Rows received from NATS.")                                         \
    X(bus_junk, "counter", "NATS payloads that were not rows.")                                    \
    X(bus_slow, "counter", "Times NATS reported a slow consumer.")                                 \
    X(bus_reconnects, "counter", "Times NATS was connected again.")

struct stats {
#define X(field, type, help) _Atomic int64_t field;
    STATS_LIST(X)
#undef X
};
extern struct stats stats;

#define stats_add(field, by)                                                                       \
    (void)atomic_fetch_add_explicit(&stats.field, (by), memory_order_relaxed)
#define stats_set(field, value) atomic_store_explicit(&stats.field, (value), memory_order_relaxed)

/* X(field, "help"): histograms of seconds, observed in microseconds. */
#define STATS_HISTOGRAMS(X)                                                                        \
    X(store_round_trip_seconds, "Time of a store job from queue to answer.")                       \
    X(bus_flush_seconds, "Time of a NATS flush round trip.")                                       \
    X(commit_to_delivery_seconds, "Time from a row's created_at to its delivery to a stream.")     \
    X(request_seconds, "Time of an HTTP request from head to answer.")

enum stats_histogram {
#define X(field, help) STATS_##field,
    STATS_HISTOGRAMS(X)
#undef X
        STATS_HISTOGRAM_COUNT
};

/* Buckets from 50 us to 10 s. */
void stats_observe_us(enum stats_histogram which, uint64_t us);

/* Appends all of it in the text format. */
void stats_put(struct buf *out);

#endif
