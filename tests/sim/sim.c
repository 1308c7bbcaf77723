/* tests/sim/sim.c -- runs simulated fleets, one for each seed, and says whether the promise held.
 *
 * A fleet lives in a world of its own: real code of push/, core/ and wire/ in made-up nodes, with a
 * made-up store, bus, clients and clock. All that happens is an event on one agenda, and all chance
 * comes from the seed, so that a seed tells the same story every time. In reading order:
 *
 *   world.h          the world: how hostile it is (knobs), its nodes, its end; agenda.h, rng.h
 *   nodes.c          real shards in nodes that stop, die and start again; memory.h fails them
 *   fake_store.h     inboxes: rows, trims, epochs, restores; what was true at any time
 *   fake_bus.h       rows between nodes: lost, repeated, late; fake_sockets.h: bytes to clients
 *   clients.h        read their streams strictly (sse_reader.h), stall, leave, come back
 *   talkers.h        ask for conversations and posts to them; the way of a request from there is
 *   writers.h        a node's queue, transaction, settling, telling, and
 *   fake_talks.h     what the transaction does in the store
 *   faults.c         what befalls a world and how often: begins most of the above
 *
 * Who watches:
 *   oracle.h         each stream from the client's side: every row once, in order, or a resync
 *   talk_oracle.h    conversations: all in one see the same rows in the same order, nobody else
 *                    does (talk_row.h), and answers are true (talk_answer.c)
 *   lateness.h       what must come in time; inside.h: what must hold within a shard
 *   history.h        writes down what happened when a seed is run again after a fault
 *   plants.h         faults that are planted to see that all this finds them
 *
 *   sim --seeds N [--seed S]   seeds S to S + N - 1 (S: 1)
 *   sim --seed S               that one
 *   sim --plant NAME ...       with a fault planted; succeeds when it is found, and shows how
 *   sim --bites [--seeds N]    plants each fault in turn; succeeds when all are found
 *
 * Exit status: 0 as promised, 1 a fault (or a planted one not found), 2 wrong usage.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "sim/history.h"
#include "sim/world.h"

enum { LINES_SHOWN = 120 };

struct options {
    uint64_t seeds, seed;
    enum plant plant;
    bool bites;
};

static int usage(void) {
    (void)fprintf(stderr, "usage: sim [--seeds N] [--seed S] [--plant NAME | --bites]\nplants:\n");
    for (enum plant p = PLANT_NONE; p < PLANT_COUNT; p++)
        (void)fprintf(stderr, "  %-20s %s\n", plant_name(p), plant_text(p));
    return 2;
}

static bool read_options(int argc, char **argv, struct options *o) {
    bool one = false, many = false;
    *o = (struct options){.seeds = 500, .seed = 1};
    for (int i = 1; i < argc; i++) {
        struct str value = i + 1 < argc ? str_of(argv[i + 1]) : STR("");
        if (strcmp(argv[i], "--bites") == 0) {
            o->bites = true;
            continue;
        }
        if (strcmp(argv[i], "--seeds") == 0 && str_read_u64(value, 1u << 30, &o->seeds) == RC_OK)
            many = true;
        else if (strcmp(argv[i], "--seed") == 0 && str_read_u64(value, 1u << 30, &o->seed) == RC_OK)
            one = true;
        else if (strcmp(argv[i], "--plant") != 0 || i + 1 == argc ||
                 !plant_find(argv[i + 1], &o->plant))
            return false;
        i++;
    }
    if (one && !many)
        o->seeds = 1;
    return true;
}

/* Runs seeds until one shows a fault; its number, 0 when none does. */
static uint64_t first_fault(const struct options *o, struct totals *totals, char *fault, size_t n) {
    int inbox;
    for (uint64_t i = 0; i < o->seeds; i++)
        if (!world_run(o->seed + i, NULL, totals, fault, n, &inbox))
            return o->seed + i;
    return 0;
}

/* Runs the seed again and says what happened. */
static void explain(uint64_t seed) {
    struct history_log *log = history_new();
    struct totals totals = {0};
    char fault[512];
    int inbox = -1;
    if (!log)
        return;
    bool held = world_run(seed, log, &totals, fault, sizeof fault, &inbox);
    printf("seed %" PRIu64 ": %s\n", seed,
           held ? "not shown again: chance is not all seeded" : fault);
    history_print(log, inbox, LINES_SHOWN);
    if (plant_is(PLANT_NONE))
        printf("again: sim --seed %" PRIu64 "\n", seed);
    else
        printf("again: sim-planted --seed %" PRIu64 " --plant %s\n", seed, plant_name(plant_now));
    history_free(log);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run_seeds(const struct options *o) {
    struct totals t = {0};
    char fault[512];
    double begin = seconds();
    uint64_t seed = first_fault(o, &t, fault, sizeof fault);
    if (seed) {
        explain(seed);
        return 1;
    }
    printf("seeds %" PRIu64 " posts %" PRIu64 " conversation posts %" PRIu64 " changes %" PRIu64
           " streams %" PRIu64 " ready %" PRIu64 " rows compared %" PRIu64
           " lost 0 repeated 0 out of order 0\n",
           o->seeds, t.posts, t.talk_posts, t.talk_changes, t.streams, t.readies, t.rows);
    printf("resync trimmed %" PRIu64 " ahead %" PRIu64 " epoch %" PRIu64 " drains %" PRIu64
           " node ends %" PRIu64 " restores %" PRIu64 " turns %" PRIu64 " in %.1f s\n",
           t.resyncs[0], t.resyncs[1], t.resyncs[2], t.drains, t.crashes, t.restores, t.turns,
           seconds() - begin);
    return 0;
}

/* The seed that finds it; 0: none does. */
static uint64_t bite(const struct options *o, enum plant p) {
    struct totals t = {0};
    char fault[512];
    plant_now = p;
    uint64_t seed = first_fault(o, &t, fault, sizeof fault);
    if (seed)
        printf("%-20s found by seed %" PRIu64 ": %s\n", plant_name(p), seed, fault);
    else
        printf("%-20s NOT FOUND in %" PRIu64 " seeds\n", plant_name(p), o->seeds);
    return seed;
}

/* Only what this program can plant. */
static bool can_plant(enum plant p) {
#ifdef SIM_PLANTED
    (void)p;
    return true;
#else
    return !plant_needs_sources(p);
#endif
}

int main(int argc, char **argv) {
    struct options o;
    bool all = true;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!read_options(argc, argv, &o))
        return usage();
    if (!can_plant(o.plant)) {
        (void)fprintf(stderr, "sim: this fault is planted in sim-planted\n");
        return 2;
    }
    if (o.plant != PLANT_NONE) {
        uint64_t seed = bite(&o, o.plant);
        if (seed)
            explain(seed);
        return seed ? 0 : 1;
    }
    if (!o.bites)
        return run_seeds(&o);
    for (enum plant p = PLANT_NONE + 1; p < PLANT_COUNT; p++)
        all &= !can_plant(p) || bite(&o, p) != 0;
    return all ? 0 : 1;
}
