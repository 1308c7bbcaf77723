/* tests/integration/faults/posters.c -- threads that post until each row is acknowledged.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "integration/faults/posters.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    PATIENCE_MS = 1500, /* then another node is asked; the first may yet store the row */
    GIVE_UP_MS = 90000, /* a row that is not acknowledged by then is a fault */
    RETRY_PAUSE_MS = 20,
    PAUSE_MS = 5,
    LARGE_PAUSE_MS = 50,
    LARGE_BYTES = 60000,  /* fits a conversation's envelope */
    STORED_BYTES = 70000, /* over what travels by NATS */
    STORED_EACH = 50,     /* one row of so many is that large */
    BODY_MAX = 1 << 20
};

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void pause_ms(unsigned ms) {
    struct timespec t = {.tv_nsec = (long)ms * 1000000};
    (void)nanosleep(&t, NULL);
}

/* Twins must send the same, whenever each of them looks. */
static size_t padding(const struct poster *p, unsigned n) {
    if (p->kind != POSTER_TWIN && atomic_load(p->pace) == CROWD_LARGE)
        return LARGE_BYTES;
    return p->kind != POSTER_SPEAKER && n % STORED_EACH == 0 ? STORED_BYTES : n % 64;
}

/* The same text each time: the node compares it with what it stored. */
static void put_body(const struct poster *p, unsigned inbox, unsigned n, struct buf *out) {
    if (p->kind == POSTER_SPEAKER)
        buf_putf(out, "{\"id\":\"p%u-%u\"", p->number, n);
    else
        buf_putf(out, "{\"to\":\"%s\",\"id\":\"p%u-%u\"", p->inboxes[inbox].handle.text, p->number,
                 n);
    buf_putf(out, ",\"envelope\":{\"n\":%u,\"pad\":\"", n);
    size_t room = padding(p, n);
    char *pad = buf_reserve(out, room);
    if (pad) {
        memset(pad, 'x', room);
        out->n += room;
    }
    buf_put(out, STR("\"}}"));
}

/* One attempt. True: acknowledged, *seq is what was told. */
static bool attempt(struct poster *p, struct http_client *c, struct str body, uint64_t *seq) {
    char target[96] = "/v1/messages";
    struct buf headers;
    struct http_reply r;
    buf_init(&headers, BODY_MAX);
    if (p->kind == POSTER_SPEAKER)
        (void)snprintf(target, sizeof target, "/v1/conversations/%s/messages", p->sid);
    if (p->signer)
        signer_put_request(p->signer, &headers, "POST", NODE_SERVER, str_of(target), body);
    bool is_answered = http_try(c, "POST", str_of(target), buf_str(&headers), body, &r);
    buf_done(&headers);
    if (!is_answered)
        return false;
    bool is_acked = r.status == 201 || r.status == 200;
    *seq = is_acked ? http_number(&r, "seq") : 0;
    if ((!is_acked && r.status != 503) || (is_acked && *seq == 0))
        ledger_blame(p->ledger, "p%u: answered with %d: %.*s", p->number, r.status,
                     STR_ARG(r.body));
    http_reply_done(&r);
    return is_acked;
}

/* Until it is acknowledged; false: it never was. *at: the node that is asked. */
static bool insist(struct poster *p, struct http_client *const clients[CROWD_NODES], unsigned *at,
                   struct str body, uint64_t *seq) {
    uint64_t until = now_ms() + GIVE_UP_MS;
    while (!attempt(p, clients[*at], body, seq)) {
        if (now_ms() >= until)
            return false;
        *at = (*at + 1) % CROWD_NODES;
        pause_ms(RETRY_PAUSE_MS);
    }
    return true;
}

static void note(struct poster *p, unsigned inbox, unsigned n, uint64_t seq) {
    if (p->kind != POSTER_SPEAKER) {
        ledger_acked(p->ledger, inbox, p->number, n, seq);
        return;
    }
    /* It was told the seq of its own inbox, the first. */
    for (unsigned i = 0; i < LEDGER_INBOXES; i++)
        ledger_acked(p->ledger, i, p->number, n, i == 0 ? seq : 0);
}

/* Twins send row n together. */
static void await_twin(struct poster *p) {
    while (p->twin && atomic_load(&p->twin->acked) < atomic_load(&p->acked) &&
           !atomic_load(p->stops))
        pause_ms(1);
}

static void *run(void *arg) {
    struct poster *p = arg;
    struct http_client *clients[CROWD_NODES];
    struct buf body;
    unsigned n[LEDGER_INBOXES] = {0}, at = p->first;
    buf_init(&body, BODY_MAX);
    for (unsigned i = 0; i < CROWD_NODES; i++) {
        clients[i] = http_client_new(p->ports[i]);
        http_client_set_patience(clients[i], PATIENCE_MS);
    }
    for (unsigned turn = 0; !atomic_load(p->stops); turn++) {
        unsigned inbox = p->kind == POSTER_SPEAKER ? 0 : turn % LEDGER_INBOXES;
        uint64_t seq;
        await_twin(p);
        buf_clear(&body);
        put_body(p, inbox, ++n[inbox], &body);
        if (!insist(p, clients, &at, buf_str(&body), &seq)) {
            ledger_blame(p->ledger, "p%u-%u is not answered in %d s", p->number, n[inbox],
                         GIVE_UP_MS / 1000);
            break;
        }
        note(p, inbox, n[inbox], seq);
        atomic_fetch_add(&p->acked, 1);
        int pace = atomic_load(p->pace);
        if (pace != CROWD_BURST)
            pause_ms(pace == CROWD_LARGE ? LARGE_PAUSE_MS : PAUSE_MS);
    }
    for (unsigned i = 0; i < CROWD_NODES; i++)
        http_client_free(clients[i]);
    buf_done(&body);
    return NULL;
}

void poster_start(struct poster *p) {
    if (pthread_create(&p->thread, NULL, run, p) != 0)
        fail_msg("no thread for a poster");
}

void poster_join(struct poster *p) { (void)pthread_join(p->thread, NULL); }
