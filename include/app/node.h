/* app/node.h -- one front node: everything wired together, from start to the end of its drain.
 *
 * Threads, and what each must never do:
 *   main            starts, waits for signals, stops; touches no socket
 *   http            libmicrohttpd's epoll pool: steps of the stories; never waits for anything
 *   http guard      shuts down connections that trickle
 *   shards          one epoll loop each: streams, cursors, positions; never waits but in epoll_wait
 *   store writers   one connection and one queue each: write transactions
 *   store readers   the same for reads
 *   bus helper      flushes NATS for barriers
 *   nats.c's own    reads the socket, delivers messages
 * Lock order: every lock is inside one module (queue, directory, quota, tally, store, bus), and
 * callbacks run with none held. Two modules take a lock of a part of theirs while they hold their
 * own: the bus (news, interests, letters) and the store (its pools); those parts take none.
 *
 * Start: directory and quotas, shards, bus, store, listeners; from below, so that whoever calls
 * finds somebody. Stop: streams drained, listeners, the shards' threads, store, bus, shards: a
 * request is answered before the store goes, a shard asks nothing of a store or bus that has gone,
 * and a read comes back before its shard goes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APP_NODE_H
#define APP_NODE_H

#include "app/config.h"

/* Runs a node until SIGTERM or SIGINT, drains it, and returns the exit status: 0 after an orderly
 * end, 1 when it could not start, was told a second time to end, or is too old for the database,
 * which drains it like SIGTERM. SIGHUP: see app/reload.h; argc and argv are what config_read() had.
 */
int node_run(const struct config *config, int argc, const char *const argv[]);

#endif
