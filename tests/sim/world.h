/* tests/sim/world.h -- one simulated fleet: nodes with real shards, and all around them made up.
 *
 * Real: shard, topic, stream, reads, sweep, cursor, recent, outbox, frame and the texts of wire/.
 * Made up, and drawn from the seed: the clock, the store, the bus, sockets, clients, and what
 * befalls them. Who plays which part, and who watches, is told at the top of sim.c.
 *
 * A fault of the promise is noted once (world_fail) and ends the run.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "push/shard.h"
#include "sim/agenda.h"
#include "sim/plants.h"
#include "sim/rng.h"

enum { NODES_MAX = 3, SHARDS_MAX = 2, INBOXES_MAX = 4, CLIENTS_MAX = 10 };

/* How hostile a world is. Rates are per thousand; a gap is the mean time between two, 0: never. */
struct knobs {
    unsigned nodes, shards, inboxes, clients;
    uint64_t busy_ms, quiet_ms; /* faults end after the first; all must be healed after both */
    bool is_prompt;             /* the store and sockets are quick: lateness is a fault */
    bool is_hot;                /* and one inbox gets rows all the time */
    bool is_gentle;             /* and the bus loses only what it does not know to be wanted yet */

    uint64_t post_gap_ms, trim_gap_ms, talk_gap_ms;
    uint32_t burst, large, stored; /* rows that come in bursts, are long, travel without body */

    unsigned talks; /* conversations at most */
    uint32_t talk_bursts, talk_changes, answers_lost, dies_telling;

    uint32_t bus_drop, bus_repeat, bus_slow, bus_late, bus_keeps, subscribe_fails, local_full;
    uint64_t bus_slow_ms, bus_late_ms, outage_gap_ms, slow_consumer_gap_ms;

    uint32_t store_fails, store_refuses, store_slow;
    uint64_t store_ms, store_slow_ms, store_outage_gap_ms, restore_gap_ms, anew_gap_ms;

    uint32_t tagged, partial, add_fails, alloc_fails; /* alloc_fails: per 100,000 */
    uint64_t socket_bytes, client_pace_ms, client_bite, stall_gap_ms, leave_gap_ms, meeting_gap_ms;

    uint64_t crash_gap_ms, pause_gap_ms, drain_gap_ms;
};

/* Where one shard of one node sits; what push_ops, shard_io and events refer to. */
struct seat {
    struct world *w;
    struct node *node;
    unsigned index;
    struct shard *shard; /* NULL while the node is down */
    bool turn_due;
    uint64_t wake_ms; /* the next wake, the last one that was put on the agenda; UINT64_MAX: none */
    uint64_t wakes;
    uint64_t spin_ms; /* how often it woke by itself in this millisecond */
    uint32_t spins;
};

struct node {
    unsigned index;
    bool is_up, is_draining;
    uint32_t boot; /* rises with each start */
    bool link_is_up;
    uint64_t paused_until_ms, paused_at_ms;
    uint64_t alloc_failed_ms; /* when memory last failed it; 0: never */
    struct seat seats[SHARDS_MAX];
};

struct totals {
    uint64_t posts, rows, streams, readies, resyncs[3], drains, crashes, restores, turns;
    uint64_t talk_posts, talk_changes, talk_rows; /* of conversations; rows: in all inboxes */
};

struct world {
    uint64_t seed;
    struct rng rng;
    struct knobs knobs;
    struct push_config config;
    struct clock clock;
    struct agenda agenda;
    uint64_t now_ms;
    uint64_t step; /* events so far: what was before what within a millisecond */
    bool is_quiet; /* no more faults */

    struct node nodes[NODES_MAX];
    struct fake_store *store;
    struct fake_bus *bus;
    struct fake_sockets *sockets;
    struct clients *clients;
    struct lateness *lateness;
    struct fake_talks *talks;
    struct writers *writers;
    struct talkers *talkers;
    struct history_log *log; /* NULL: what happens is not written down */
    struct totals totals;

    bool has_failed;
    char fault[512];
    int fault_inbox; /* -1: of none */
};

/* Runs one world to its end. True: the promise held. `log` borrowed, may be NULL. */
bool world_run(uint64_t seed, struct history_log *log, struct totals *totals, char *fault,
               size_t fault_size, int *fault_inbox);

/* The first fault counts; `inbox` -1 when it is of none. */
void world_fail(struct world *w, int inbox, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Runs `run` for the world after delay_ms. */
void world_later(struct world *w, uint64_t delay_ms, struct event e);
/* A chance of p in a thousand that something goes wrong; none in quiet times. */
bool world_mishap(struct world *w, uint32_t permille);
/* A time around the mean, at least 1. */
uint64_t world_gap(struct world *w, uint64_t mean_ms);

/* faults.c: puts what befalls this world on the agenda. */
void faults_begin(struct world *w);
void faults_draw_knobs(struct world *w);
/* The node dies, and is started again later. */
void faults_crash(struct world *w, struct node *n);

/* nodes.c */
void nodes_begin(struct world *w);
void node_start(struct world *w, struct node *n);
/* The process is gone, with all it held. */
void node_crash(struct world *w, struct node *n);
/* One that is up (and not draining, if there is such); NULL when none is. */
struct node *node_any(struct world *w);
struct seat *node_seat(struct node *n, int inbox);
/* An event for the seat, which comes only if the node has not been restarted by then. */
void seat_later(struct world *w, struct seat *seat, uint64_t delay_ms, struct event e);
/* Whether the event can be run on its seat now. If not, it was put off (the node is stopped), or it
 * was dropped (the node is gone). */
bool seat_takes(struct world *w, struct event *e);
/* Before and after calls of a shard; seat_leave() sees to its next turn. */
void seat_enter(struct seat *seat);
void seat_leave(struct seat *seat);

#endif
