/* tests/integration/faults/crowd.c -- posters that insist and readers that resume, on threads.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "integration/faults/crowd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "integration/faults/posters.h"
#include "integration/faults/readers.h"
#include "support/proc.h"

enum { SIGNED_POSTERS = 2, END_MS = 60000, BODY_MAX = 4096 };

struct crowd {
    struct ledger *ledger;
    struct signer inboxes[LEDGER_INBOXES];
    struct signer senders[SIGNED_POSTERS];
    char sid[27];
    struct poster posters[CROWD_POSTERS];
    struct reader readers[CROWD_READERS], last_readers[LEDGER_INBOXES];
    atomic_int pace;
    atomic_bool posters_stop, readers_stop;
};

/* ---- beginning ---- */

static void register_all(struct crowd *c, struct node *n, uint64_t seed) {
    char name[32];
    for (unsigned i = 0; i < LEDGER_INBOXES + SIGNED_POSTERS; i++) {
        bool is_sender = i >= LEDGER_INBOXES;
        struct signer *s = is_sender ? &c->senders[i - LEDGER_INBOXES] : &c->inboxes[i];
        (void)snprintf(name, sizeof name, "f%" PRIu64 "%c%u", seed, is_sender ? 's' : 'i', i);
        signer_init(s, name);
        node_register(n, s);
    }
}

/* The first user makes it; all are in it. */
static void make_conversation(struct crowd *c, struct node *n, uint64_t seed) {
    struct buf body, headers;
    struct http_client *client = http_client_new(node_port(n));
    buf_init(&body, BODY_MAX);
    buf_init(&headers, BODY_MAX);
    (void)snprintf(c->sid, sizeof c->sid, "01ARZ3NDEKTSV4RR%010" PRIu64, seed % 10000000000);
    buf_putf(&body, "{\"sid\":\"%s\",\"title\":\"all\",\"participants\":[", c->sid);
    for (unsigned i = 0; i < LEDGER_INBOXES; i++)
        buf_putf(&body, "%s\"%s\"", i ? "," : "", c->inboxes[i].handle.text);
    buf_put(&body, STR("]}"));
    signer_put_request(&c->inboxes[0], &headers, "POST", NODE_SERVER, STR("/v1/conversations"),
                       buf_str(&body));
    http_expect(client,
                &(struct http_case){"a conversation", "POST", "/v1/conversations",
                                    buf_cstr(&headers), buf_cstr(&body), 201, NULL},
                NULL);
    for (unsigned i = 0; i < LEDGER_INBOXES; i++)
        ledger_acked(c->ledger, i, LEDGER_UPDATES, 1, 1);
    http_client_free(client);
    buf_done(&body);
    buf_done(&headers);
}

static void start_posters(struct crowd *c, struct node *const nodes[CROWD_NODES]) {
    static const struct {
        enum poster_kind kind;
        unsigned number;
    } kinds[CROWD_POSTERS] = {
        {POSTER_UNSIGNED, 0}, {POSTER_UNSIGNED, 1}, {POSTER_UNSIGNED, 2},
        {POSTER_UNSIGNED, 3}, {POSTER_SIGNED, 4},   {POSTER_SIGNED, 5},
        {POSTER_TWIN, 6},     {POSTER_TWIN, 6},     {POSTER_SPEAKER, CROWD_SPEAKER},
    };
    for (unsigned i = 0; i < CROWD_POSTERS; i++) {
        struct poster *p = &c->posters[i];
        p->kind = kinds[i].kind;
        p->number = kinds[i].number;
        p->first = i % CROWD_NODES;
        p->ledger = c->ledger;
        p->inboxes = c->inboxes;
        p->sid = c->sid;
        p->pace = &c->pace;
        p->stops = &c->posters_stop;
        for (unsigned n = 0; n < CROWD_NODES; n++)
            p->ports[n] = node_port(nodes[n]);
        if (p->kind == POSTER_SIGNED)
            p->signer = &c->senders[p->number - 4];
        else if (p->kind == POSTER_SPEAKER)
            p->signer = &c->inboxes[0];
    }
    c->posters[6].twin = &c->posters[7];
    c->posters[7].twin = &c->posters[6];
    for (unsigned i = 0; i < CROWD_POSTERS; i++)
        poster_start(&c->posters[i]);
}

static void start_reader(struct crowd *c, struct reader *r, unsigned inbox, unsigned at,
                         const uint16_t ports[CROWD_NODES]) {
    r->inbox = inbox;
    r->at = at;
    r->ledger = c->ledger;
    r->user = &c->inboxes[inbox];
    r->stops = &c->readers_stop;
    for (unsigned n = 0; n < CROWD_NODES; n++)
        r->ports[n] = ports[n];
    reader_start(r);
}

struct crowd *crowd_start(struct node *const nodes[CROWD_NODES], struct ledger *l, uint64_t seed) {
    struct crowd *c = calloc(1, sizeof *c);
    uint16_t ports[CROWD_NODES];
    if (!c)
        abort();
    c->ledger = l;
    register_all(c, nodes[0], seed);
    make_conversation(c, nodes[0], seed);
    for (unsigned n = 0; n < CROWD_NODES; n++)
        ports[n] = node_port(nodes[n]);
    for (unsigned i = 0; i < CROWD_READERS; i++)
        start_reader(c, &c->readers[i], i / 3, i % CROWD_NODES, ports);
    start_posters(c, nodes);
    return c;
}

/* ---- meanwhile ---- */

void crowd_set_pace(struct crowd *c, enum crowd_pace pace) { atomic_store(&c->pace, (int)pace); }

void crowd_stall(struct crowd *c, bool stalled) {
    for (unsigned i = 0; i < LEDGER_INBOXES; i++)
        atomic_store(&c->readers[3 * i + i % 3].is_stalled, stalled);
}

void crowd_reconnect(struct crowd *c) {
    for (unsigned i = 0; i < CROWD_READERS; i++)
        atomic_fetch_add(&c->readers[i].hangups_wanted, 1);
}

/* ---- healing ---- */

struct wait {
    struct crowd *crowd;
    struct crowd_mark *mark;
    const struct reader *readers;
    unsigned n;
};

static bool posters_go_on(void *arg) {
    const struct wait *w = arg;
    for (unsigned i = 0; i < CROWD_POSTERS; i++)
        if (atomic_load(&w->crowd->posters[i].acked) < w->mark->acked[i] + 2)
            return false;
    return true;
}

static bool readers_are_there(void *arg) {
    const struct wait *w = arg;
    for (unsigned i = 0; i < w->n; i++)
        if (atomic_load(&w->readers[i].last) < w->mark->heads[w->readers[i].inbox])
            return false;
    return true;
}

static void mark_heads(struct crowd *c, struct crowd_mark *m) {
    for (unsigned i = 0; i < LEDGER_INBOXES; i++)
        m->heads[i] = ledger_head(c->ledger, i);
}

void crowd_mark(struct crowd *c, struct crowd_mark *m) {
    for (unsigned i = 0; i < CROWD_POSTERS; i++)
        m->acked[i] = atomic_load(&c->posters[i].acked);
}

bool crowd_has_healed(struct crowd *c, struct crowd_mark *m, unsigned timeout_ms) {
    struct wait w = {c, m, c->readers, CROWD_READERS};
    if (!proc_poll(posters_go_on, &w, timeout_ms))
        return false;
    mark_heads(c, m);
    return proc_poll(readers_are_there, &w, timeout_ms);
}

/* ---- the end ---- */

static void tell_who_lags(const struct crowd *c, const struct wait *w) {
    for (unsigned i = 0; i < w->n; i++)
        if (atomic_load(&w->readers[i].last) < w->mark->heads[w->readers[i].inbox])
            ledger_blame(c->ledger, "inbox %u: a reader stands at %" PRIu64 " of %" PRIu64,
                         w->readers[i].inbox, (uint64_t)w->readers[i].last,
                         w->mark->heads[w->readers[i].inbox]);
}

/* `ready` says that there is no more, so what nobody posted is seen, too. */
static bool last_readers_are_ready(void *arg) {
    const struct wait *w = arg;
    for (unsigned i = 0; i < w->n; i++)
        if (atomic_load(&w->readers[i].ready) == UINT64_MAX)
            return false;
    return readers_are_there(arg);
}

bool crowd_finish(struct crowd *c) {
    struct crowd_mark m;
    crowd_set_pace(c, CROWD_NORMAL);
    crowd_stall(c, false);
    atomic_store(&c->posters_stop, true);
    for (unsigned i = 0; i < CROWD_POSTERS; i++)
        poster_join(&c->posters[i]);
    mark_heads(c, &m);
    struct wait all = {c, &m, c->readers, CROWD_READERS};
    struct wait last = {c, &m, c->last_readers, LEDGER_INBOXES};
    for (unsigned i = 0; i < LEDGER_INBOXES; i++)
        start_reader(c, &c->last_readers[i], i, i % CROWD_NODES, c->readers[0].ports);
    bool are_there = proc_poll(last_readers_are_ready, &last, END_MS);
    for (unsigned i = 0; i < LEDGER_INBOXES && are_there; i++)
        m.heads[i] = atomic_load(&c->last_readers[i].last);
    are_there = proc_poll(readers_are_there, &all, END_MS) && are_there;
    tell_who_lags(c, &all);
    tell_who_lags(c, &last);
    atomic_store(&c->readers_stop, true);
    for (unsigned i = 0; i < CROWD_READERS; i++)
        reader_join(&c->readers[i]);
    for (unsigned i = 0; i < LEDGER_INBOXES; i++)
        reader_join(&c->last_readers[i]);
    free(c);
    return are_there;
}
