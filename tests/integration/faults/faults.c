/* tests/integration/faults/faults.c -- breaks a real fleet in every way while it is in use.
 *
 *   faults [--rounds N] [--seed S] [--long-every K]
 *
 * First the oracle is shown planted faults, and must find them. Then: three nodes, PostgreSQL and
 * nats-server, all real. In each round fresh users post and read all the while (crowd.h), and each
 * fault is done in turn, in an order and to nodes that the round's seed decides: rounds 1 to N have
 * the seeds S, S+1, … What a fault holds is held for a few seconds, and in each K-th round as long
 * as a real outage (NATS 30 s, PostgreSQL 20 s). How long the fleet takes to heal is printed: until
 * all nodes are ready and have NATS, every poster has had rows acknowledged, and every stream has
 * come to what was acknowledged by then.
 *
 * Exit status: 0 as promised, 1 a fault of ours, 2 wrong usage.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "integration/faults/crowd.h"
#include "support/proc.h"
#include "support/site.h"

enum {
    HEAL_MS = 60000, /* longer is a fault of its own */
    BURST_MS = 300,  /* so that what is killed has work in hand */
    DRAIN_END_MS = 30000,
    LOG_SHOWN_BYTES = 6000
};

struct options {
    uint64_t rounds, seed, long_every;
};

struct round {
    struct site *site;
    double fallbacks; /* of slow streams, when readers begin to stall */
    struct crowd *crowd;
    struct ledger *ledger;
    unsigned victim; /* node */
};

/* Short times, so that what waits for a ping, a sweep or a time-out waits less. */
static const char *const flags[] = {"--sweep-up",
                                    "1000",
                                    "--sweep-down",
                                    "200",
                                    "--drain-time",
                                    "2",
                                    "--drain-retry",
                                    "100",
                                    "--keep-alive",
                                    "400", /* CROWD_KEEP_ALIVE_MS */
                                    "--keep-alive-spread",
                                    "100",
                                    "--stall-time",
                                    "2000",
                                    "--nats-ping-interval",
                                    "300",
                                    "--store-timeout",
                                    "1500",
                                    "--store-connect-timeout",
                                    "1500",
                                    "--store-reconnect-max",
                                    "300",
                                    NULL};

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void hold_ms(unsigned ms) {
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL);
}

/* ---- the faults ---- */

static struct node *victim(const struct round *r) { return r->site->nodes[r->victim]; }

static void in_mid_batch(const struct round *r) {
    crowd_set_pace(r->crowd, CROWD_BURST);
    hold_ms(BURST_MS);
}

static void kill_node(struct round *r) {
    in_mid_batch(r);
    node_kill(victim(r));
}
static void restart_node(struct round *r) { node_restart(victim(r)); }

static void stop_node(struct round *r) {
    in_mid_batch(r);
    node_signal(victim(r), SIGSTOP);
}
static void continue_node(struct round *r) { node_signal(victim(r), SIGCONT); }

static void drain_node(struct round *r) {
    node_signal(victim(r), SIGTERM);
    int status = node_wait(victim(r), DRAIN_END_MS);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        ledger_blame(r->ledger, "a drained node ended with wait status %d", status);
}

static void kill_nats(struct round *r) { natsd_kill(r->site->nats); }
static void resume_nats(struct round *r) { natsd_resume(r->site->nats); }
static void freeze_nats(struct round *r) { natsd_freeze(r->site->nats); }
static void thaw_nats(struct round *r) { natsd_thaw(r->site->nats); }

static void halt_fast(struct round *r) {
    in_mid_batch(r);
    postgres_halt(r->site->pg, "fast");
}
static void halt_at_once(struct round *r) {
    in_mid_batch(r);
    postgres_halt(r->site->pg, "immediate");
}
static void resume_postgres(struct round *r) { postgres_resume(r->site->pg); }
static void freeze_postgres(struct round *r) {
    in_mid_batch(r);
    postgres_freeze(r->site->pg);
}
static void thaw_postgres(struct round *r) { postgres_thaw(r->site->pg); }

static double sum_of(const struct round *r, const char *metric) {
    double sum = 0;
    for (unsigned i = 0; i < CROWD_NODES; i++)
        sum += node_metric(r->site->nodes[i], metric);
    return sum;
}

static void stall_readers(struct round *r) {
    r->fallbacks = sum_of(r, "kez_stream_fallbacks_total");
    crowd_set_pace(r->crowd, CROWD_LARGE);
    crowd_stall(r->crowd, true);
}

static bool has_fallen_back(void *arg) {
    const struct round *r = arg;
    return sum_of(r, "kez_stream_fallbacks_total") > r->fallbacks;
}

/* Not before at least one of them was too slow for its node. */
static void wake_readers(struct round *r) {
    if (!proc_poll(has_fallen_back, r, HEAL_MS))
        ledger_blame(r->ledger, "readers stall, and no node minds");
    crowd_stall(r->crowd, false);
}

static void reconnect_readers(struct round *r) { crowd_reconnect(r->crowd); }
static void nothing(struct round *r) { (void)r; }

/* Both at once: the node comes back while there is no NATS to be had. */
static void kill_node_and_nats(struct round *r) {
    kill_nats(r);
    kill_node(r);
    restart_node(r);
}

static const struct fault {
    const char *name;
    void (*begin)(struct round *r);
    void (*end)(struct round *r);
    unsigned short_ms, long_ms; /* held in between */
} faults[] = {
    {"a node is killed", kill_node, restart_node, 500, 5000},
    {"a node is stopped", stop_node, continue_node, 3000, 20000},
    {"a node is drained and replaced", drain_node, restart_node, 0, 0},
    {"NATS is killed", kill_nats, resume_nats, 2000, 30000},
    {"NATS is stopped", freeze_nats, thaw_nats, 3000, 30000},
    {"NATS is restarted empty", kill_nats, resume_nats, 0, 0},
    {"PostgreSQL is restarted, fast", halt_fast, resume_postgres, 0, 0},
    {"PostgreSQL is restarted, immediate", halt_at_once, resume_postgres, 0, 0},
    {"PostgreSQL is stopped", freeze_postgres, thaw_postgres, 3000, 20000},
    {"readers stall", stall_readers, wake_readers, 3000, 10000},
    {"all readers reconnect at once", reconnect_readers, nothing, 0, 0},
    {"a node dies while NATS is away", kill_node_and_nats, resume_nats, 0, 5000},
};
enum { FAULTS = sizeof faults / sizeof *faults };

/* ---- a round ---- */

/* splitmix64, by Sebastiano Vigna (public domain). */
static uint64_t draw(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static bool nodes_are_well(const struct round *r) {
    for (unsigned i = 0; i < CROWD_NODES; i++)
        if (!node_gets_ready(r->site->nodes[i], true) ||
            !node_metric_becomes(r->site->nodes[i], "kez_bus_up", 1))
            return false;
    return true;
}

static bool heals(const struct round *r, const char *name, double since) {
    struct crowd_mark mark;
    crowd_set_pace(r->crowd, CROWD_NORMAL);
    crowd_mark(r->crowd, &mark);
    bool has_healed = nodes_are_well(r) && crowd_has_healed(r->crowd, &mark, HEAL_MS);
    if (has_healed)
        printf("  %-36s healed in %.2f s\n", name, now_s() - since);
    else
        ledger_blame(r->ledger, "%s: not healed after %.0f s", name, now_s() - since);
    return has_healed;
}

/* False: it did not heal, and there is no use in going on. */
static bool suffer(struct round *r, const struct fault *f, bool is_long, uint64_t *chance) {
    r->victim = (unsigned)(draw(chance) % CROWD_NODES);
    f->begin(r);
    hold_ms(is_long ? f->long_ms : f->short_ms);
    double since = now_s();
    f->end(r);
    return heals(r, f->name, since);
}

static void shuffle(unsigned order[FAULTS], uint64_t *chance) {
    for (unsigned i = 0; i < FAULTS; i++) {
        unsigned j = (unsigned)(draw(chance) % (i + 1));
        order[i] = order[j];
        order[j] = i;
    }
}

static struct verdict run_round(struct site *site, uint64_t seed, bool is_long) {
    struct round r = {.site = site, .ledger = ledger_new()};
    uint64_t chance = seed;
    unsigned order[FAULTS];
    bool goes_on = true;
    double began = now_s();
    shuffle(order, &chance);
    r.crowd = crowd_start(site->nodes, r.ledger, seed);
    if (heals(&r, "all begin", now_s()))
        for (unsigned i = 0; i < FAULTS && goes_on; i++)
            goes_on = suffer(&r, &faults[order[i]], is_long, &chance);
    if (!crowd_finish(r.crowd))
        ledger_blame(r.ledger, "readers did not come to the end");
    struct verdict v = ledger_close(r.ledger);
    ledger_free(r.ledger);
    printf("  posts %" PRIu64 " rows compared %" PRIu64 " in %.0f s\n", v.posts, v.rows,
           now_s() - began);
    return v;
}

static void print_log(const char *name, char *log) {
    size_t n = strlen(log);
    printf("---- the end of the log of %s ----\n%s\n", name,
           n > LOG_SHOWN_BYTES ? log + n - LOG_SHOWN_BYTES : log);
    free(log);
}

static void print_logs(struct site *site) {
    for (unsigned i = 0; i < CROWD_NODES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "node %u", i);
        print_log(name, node_log(site->nodes[i]));
    }
    print_log("PostgreSQL", postgres_log(site->pg));
}

/* ---- all rounds ---- */

static void add(struct verdict *all, const struct verdict *v) {
    all->posts += v->posts;
    all->rows += v->rows;
    all->lost += v->lost;
    all->repeated += v->repeated;
    all->disordered += v->disordered;
    all->others += v->others;
}

static bool run(const struct options *o) {
    struct site site;
    struct verdict all = {0};
    uint64_t rounds = 0;
    site_start(&site, BUILD_DIR "/kez-chat-server", CROWD_NODES, flags);
    while (rounds < o->rounds && verdict_is_clean(&all)) {
        uint64_t seed = o->seed + rounds++;
        printf("round %" PRIu64 " seed %" PRIu64 "\n", rounds, seed);
        struct verdict v = run_round(&site, seed, o->long_every > 0 && rounds % o->long_every == 0);
        add(&all, &v);
        if (!verdict_is_clean(&v)) {
            print_logs(&site);
            printf("again: faults --seed %" PRIu64 "\n", seed);
        }
    }
    site_stop(&site);
    printf("seeds %" PRIu64 " rounds %" PRIu64 " posts %" PRIu64 " rows compared %" PRIu64
           " lost %" PRIu64 " repeated %" PRIu64 " out of order %" PRIu64,
           rounds, rounds, all.posts, all.rows, all.lost, all.repeated, all.disordered);
    if (all.others > 0)
        printf(" otherwise wrong %" PRIu64, all.others);
    (void)putchar('\n');
    return verdict_is_clean(&all) && rounds == o->rounds && all.posts > 0 && all.rows > all.posts;
}

static bool read_options(int argc, char **argv, struct options *o) {
    *o = (struct options){.rounds = 1, .seed = 1};
    for (int i = 1; i < argc; i += 2) {
        uint64_t *to = strcmp(argv[i], "--rounds") == 0       ? &o->rounds
                       : strcmp(argv[i], "--seed") == 0       ? &o->seed
                       : strcmp(argv[i], "--long-every") == 0 ? &o->long_every
                                                              : NULL;
        if (!to || i + 1 == argc || str_read_u64(str_of(argv[i + 1]), 1u << 30, to) != RC_OK)
            return false;
    }
    return true;
}

int main(int argc, char **argv) {
    struct options o;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (!read_options(argc, argv, &o)) {
        (void)fprintf(stderr, "usage: faults [--rounds N] [--seed S] [--long-every K]\n");
        return 2;
    }
    return ledger_finds_faults() && run(&o) ? 0 : 1;
}
