/* tests/support/rewind.c -- two nodes on a store that can go back.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/rewind.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { END_MS = 60000 };

struct rewind past;

int rewind_set_up(void **state) {
    (void)state;
    past = (struct rewind){.primary = postgres_start(), .nats = natsd_start(1), .database = "chat"};
    past.serves = past.primary;
    past.url = postgres_url(past.primary, past.database);
    past.flags[0] = "--store-reconnect-max";
    past.flags[1] = "300";
    return 0;
}

static void stop_nodes(void) {
    node_stop(past.a);
    node_stop(past.b);
    past.a = past.b = NULL;
}

int rewind_tear_down(void **state) {
    (void)state;
    stop_nodes();
    natsd_stop(past.nats);
    postgres_stop(past.standby);
    postgres_stop(past.primary);
    return 0;
}

void rewind_add_flag(const char *name, const char *value) {
    size_t n = 0;
    while (past.flags[n])
        n++;
    assert_true(n + 2 < REWIND_FLAGS_MAX);
    past.flags[n] = name;
    past.flags[n + 1] = value;
}

void rewind_start_nodes(const char *program) {
    const struct node_setup setup = {.program = program,
                                     .database_url = past.url,
                                     .nats_url = natsd_url(past.nats),
                                     .flags = past.flags};
    past.a = node_launch(&setup);
    past.b = node_launch(&setup);
    node_wait_ready(past.a);
    node_wait_ready(past.b);
}

void rewind_end_nodes(void) {
    struct node *const nodes[] = {past.a, past.b};
    for (size_t i = 0; i < 2; i++)
        node_signal(nodes[i], SIGTERM);
    for (size_t i = 0; i < 2; i++) {
        int status = node_wait(nodes[i], END_MS);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    stop_nodes();
}

bool rewind_is_true(const char *sql) { return postgres_says(past.serves, past.database, sql); }

void rewind_wait_for(const char *sql) { postgres_await(past.serves, past.database, sql); }

void rewind_start_standby(void) {
    past.standby = postgres_standby(past.primary, "standby");
    past.url = postgres_pair_url(past.primary, past.standby, past.database);
    rewind_wait_for("SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'");
}

void rewind_lose_primary(void) {
    postgres_crash(past.primary);
    assert_true(node_gets_ready(past.a, false));
    assert_true(node_gets_ready(past.b, false));
}

void rewind_promote_standby(void) {
    postgres_promote(past.standby);
    past.serves = past.standby;
    node_wait_ready(past.a);
    node_wait_ready(past.b);
}

struct signer rewind_fresh(const char *handle) {
    struct signer s;
    signer_init(&s, handle);
    node_register(past.a, &s);
    return s;
}

struct signer rewind_heir_of(const struct signer *s, const char *other) {
    struct signer heir;
    signer_init(&heir, other);
    heir.handle = s->handle;
    return heir;
}

struct inbox rewind_inbox_of(struct node *n, const struct signer *s) {
    struct http_reply r;
    struct inbox box;
    node_poll(n, s, "?limit=1", 0, &r);
    box.head = http_number(&r, "seq");
    (void)snprintf(box.epoch, sizeof box.epoch, "%s", http_text(&r, "epoch"));
    http_reply_done(&r);
    assert_true(box.epoch[0] != '\0');
    return box;
}

void rewind_post_rows(struct node *n, const struct signer *to, const char *name, unsigned rows) {
    uint64_t seq = rewind_inbox_of(n, to).head;
    for (unsigned i = 1; i <= rows; i++) {
        char id[48];
        (void)snprintf(id, sizeof id, "%s-%u", name, i);
        assert_int_equal(node_post(n, to->handle.text, id, "{\"a\":1}"), seq + i);
    }
}

/* ---- clients ---- */

void keeper_open(struct keeper *k, struct node *n, const struct signer *s) {
    *k = (struct keeper){.user = s};
    buf_init(&k->ids, REWIND_TEXT_MAX);
    node_open(n, s, "?since=0", &k->stream);
}

void keeper_done(struct keeper *k) {
    assert_int_equal(k->stream.oddities, 0);
    sse_done(&k->stream);
    buf_done(&k->ids);
}

static void keeper_take(struct keeper *k, const struct sse_event *e) {
    uint64_t seq = sse_number(e, "seq");
    if (strcmp(e->type, "message") == 0) {
        if (seq != k->last + 1)
            fail_msg("%s: %ju after %ju", k->user->handle.text, (uintmax_t)seq, (uintmax_t)k->last);
        buf_putf(&k->ids, "%s,", sse_text(e, "id"));
        k->last = seq;
        return;
    }
    (void)snprintf(k->epoch, sizeof k->epoch, "%s", sse_text(e, "epoch"));
    if (strcmp(e->type, "ready") == 0) {
        assert_int_equal(seq, k->last);
        return;
    }
    assert_string_equal(e->type, "resync");
    assert_string_equal(sse_text(e, "reason"), "epoch");
    assert_int_equal(seq, 0); /* nothing was trimmed: all of it comes again */
    k->resyncs++;
    k->last = seq;
    buf_clear(&k->ids);
}

void keeper_await(struct keeper *k, struct node *n) {
    struct inbox at = rewind_inbox_of(n, k->user);
    char sql[200];
    while (k->last != at.head || strcmp(k->epoch, at.epoch) != 0) {
        struct sse_event *e = sse_next(&k->stream, REWIND_WAIT_MS);
        if (!e)
            fail_msg("%s: stands at %ju of %s, and %ju of %s is wanted", k->user->handle.text,
                     (uintmax_t)k->last, k->epoch, (uintmax_t)at.head, at.epoch);
        keeper_take(k, e);
        sse_event_free(e);
    }
    (void)snprintf(sql, sizeof sql,
                   "SELECT string_agg(r.id || ',', '' ORDER BY r.seq) FROM kez.inbox_row AS r"
                   " JOIN kez.account AS a USING (inbox) WHERE a.handle = '%s'",
                   k->user->handle.text);
    char *stored = postgres_value(past.serves, past.database, sql);
    assert_string_equal(buf_cstr(&k->ids), stored);
    free(stored);
}

void rewind_expect_resync(struct sse_reader *r, const char *reason, const char *epoch) {
    struct sse_event *e = sse_next(r, REWIND_WAIT_MS);
    if (!e || strcmp(e->type, "resync") != 0)
        fail_msg("no resync but %s: %s", e ? e->type : "nothing", e ? e->data : "");
    assert_string_equal(sse_text(e, "reason"), reason);
    assert_string_equal(sse_text(e, "epoch"), epoch);
    assert_int_equal(sse_number(e, "seq"), 0);
    sse_event_free(e);
}

void rewind_expect_all(struct sse_reader *r, const struct inbox *at) {
    for (uint64_t seq = 1; seq <= at->head; seq++)
        node_expect_row(r, seq);
    struct sse_event *e = sse_next(r, REWIND_WAIT_MS);
    assert_true(e && strcmp(e->type, "ready") == 0);
    assert_int_equal(sse_number(e, "seq"), at->head);
    assert_string_equal(sse_text(e, "epoch"), at->epoch);
    sse_event_free(e);
}

void rewind_expect_new_epoch(struct node *n, const struct signer *s, const struct inbox *held) {
    char query[128];
    struct sse_reader r;
    struct http_reply poll;
    struct inbox at = rewind_inbox_of(n, s);
    assert_string_not_equal(at.epoch, held->epoch);
    (void)snprintf(query, sizeof query, "?since=%ju&epoch=%s", (uintmax_t)held->head, held->epoch);
    node_open(n, s, query, &r);
    rewind_expect_resync(&r, "epoch", at.epoch);
    rewind_expect_all(&r, &at);
    sse_done(&r);
    node_poll(n, s, query, held->head, &poll);
    assert_true(str_eq(http_member(&poll, "reset"), STR("true")));
    http_reply_done(&poll);
}

void rewind_expect_silent_end(struct sse_reader *r, const char *whose) {
    struct sse_event *e = sse_next(r, REWIND_WAIT_MS);
    if (e)
        fail_msg("%s is told: %s: %s", whose, e->type, e->data);
    if (r->fd >= 0)
        fail_msg("the stream of %s goes on", whose);
    sse_done(r);
}
