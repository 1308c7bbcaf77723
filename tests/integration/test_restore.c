/* tests/integration/test_restore.c -- a store that went back: promoted standbys, backups, dumps,
 * and handles that were made anew.
 *
 * Source: protocol, sections 1, 5 and 9.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "support/crowd.h"
#include "support/natsd.h"
#include "support/postgres.h"
#include "support/proc.h"

enum { TEXT_MAX = 1 << 20, WAIT_MS = 60000, END_MS = 60000, FLAGS_MAX = 16 };

/* ---- what a test runs on ---- */

/* One for each test: it takes servers away. */
static struct world {
    struct postgres *primary, *standby, *serves; /* serves: the one that can be written to */
    const char *database;
    const char *url;
    struct natsd *nats;
    struct node *a, *b;
    const char *flags[FLAGS_MAX];
} w;

static int set_up(void **state) {
    (void)state;
    w = (struct world){.primary = postgres_start(), .nats = natsd_start(1), .database = "chat"};
    w.serves = w.primary;
    w.url = postgres_url(w.primary, w.database);
    w.flags[0] = "--store-reconnect-max";
    w.flags[1] = "300";
    return 0;
}

static void stop_nodes(void) {
    node_stop(w.a);
    node_stop(w.b);
    w.a = w.b = NULL;
}

static int tear_down(void **state) {
    (void)state;
    stop_nodes();
    natsd_stop(w.nats);
    postgres_stop(w.standby);
    postgres_stop(w.primary);
    return 0;
}

static void add_flag(const char *name, const char *value) {
    size_t n = 0;
    while (w.flags[n])
        n++;
    assert_true(n + 2 < FLAGS_MAX);
    w.flags[n] = name;
    w.flags[n + 1] = value;
}

static void start_nodes(void) {
    const struct node_setup setup = {.program = BUILD_DIR "/kez-chat-server",
                                     .database_url = w.url,
                                     .nats_url = natsd_url(w.nats),
                                     .flags = w.flags};
    w.a = node_launch(&setup);
    w.b = node_launch(&setup);
    node_wait_ready(w.a);
    node_wait_ready(w.b);
}

/* Ends them as an operator does. */
static void end_nodes(void) {
    struct node *const nodes[] = {w.a, w.b};
    for (size_t i = 0; i < 2; i++)
        node_signal(nodes[i], SIGTERM);
    for (size_t i = 0; i < 2; i++) {
        int status = node_wait(nodes[i], END_MS);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    stop_nodes();
}

static bool is_true(void *sql) {
    char *got = postgres_value(w.serves, w.database, sql);
    bool yes = strcmp(got, "t") == 0;
    free(got);
    return yes;
}

static void wait_for(const char *sql) {
    char text[256];
    (void)snprintf(text, sizeof text, "%s", sql);
    if (!proc_poll(is_true, text, WAIT_MS))
        fail_msg("never true: %s", sql);
}

static void start_standby(void) {
    w.standby = postgres_standby(w.primary, "standby");
    w.url = postgres_pair_url(w.primary, w.standby, w.database);
    wait_for("SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'");
}

/* The primary dies, and both nodes have seen it. */
static void lose_primary(void) {
    postgres_crash(w.primary);
    assert_true(node_gets_ready(w.a, false));
    assert_true(node_gets_ready(w.b, false));
}

static void promote_standby(void) {
    postgres_promote(w.standby);
    w.serves = w.standby;
    node_wait_ready(w.a);
    node_wait_ready(w.b);
}

static struct signer fresh(const char *handle) {
    struct signer s;
    signer_init(&s, handle);
    node_register(w.a, &s);
    return s;
}

/* The same handle, and the key of another. */
static struct signer heir_of(const struct signer *s, const char *other) {
    struct signer heir;
    signer_init(&heir, other);
    heir.handle = s->handle;
    return heir;
}

/* The inbox as a node tells of it. */
struct inbox {
    uint64_t head;
    char epoch[64];
};

static struct inbox inbox_of(struct node *n, const struct signer *s) {
    struct http_reply r;
    struct inbox box;
    node_poll(n, s, "?limit=1", 0, &r);
    box.head = http_number(&r, "seq");
    (void)snprintf(box.epoch, sizeof box.epoch, "%s", http_text(&r, "epoch"));
    http_reply_done(&r);
    assert_true(box.epoch[0] != '\0');
    return box;
}

/* So many rows with ids of their own, which follow each other. */
static void post_rows(struct node *n, const struct signer *to, const char *name, unsigned rows) {
    uint64_t seq = inbox_of(n, to).head;
    for (unsigned i = 1; i <= rows; i++) {
        char id[48];
        (void)snprintf(id, sizeof id, "%s-%u", name, i);
        assert_int_equal(node_post(n, to->handle.text, id, "{\"a\":1}"), seq + i);
    }
}

/* ---- clients ---- */

/* A client that keeps what it reads, and drops it when it is told that it does not hold. */
struct keeper {
    struct sse_reader stream;
    const struct signer *user;
    uint64_t last;
    char epoch[64];
    struct buf ids; /* of the rows it holds, in order, each with a comma behind */
    unsigned resyncs;
};

static void keeper_open(struct keeper *k, struct node *n, const struct signer *s) {
    *k = (struct keeper){.user = s};
    buf_init(&k->ids, TEXT_MAX);
    node_open(n, s, "?since=0", &k->stream);
}

static void keeper_done(struct keeper *k) {
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

/* Reads until it has the head in the epoch that is told of there; it holds then what the store
 * does. */
static void keeper_await(struct keeper *k, struct node *n) {
    struct inbox at = inbox_of(n, k->user);
    char sql[200];
    while (k->last != at.head || strcmp(k->epoch, at.epoch) != 0) {
        struct sse_event *e = sse_next(&k->stream, WAIT_MS);
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
    char *stored = postgres_value(w.serves, w.database, sql);
    assert_string_equal(buf_cstr(&k->ids), stored);
    free(stored);
}

static void expect_resync(struct sse_reader *r, const char *reason, const char *epoch) {
    struct sse_event *e = sse_next(r, WAIT_MS);
    if (!e || strcmp(e->type, "resync") != 0)
        fail_msg("no resync but %s: %s", e ? e->type : "nothing", e ? e->data : "");
    assert_string_equal(sse_text(e, "reason"), reason);
    assert_string_equal(sse_text(e, "epoch"), epoch);
    assert_int_equal(sse_number(e, "seq"), 0);
    sse_event_free(e);
}

/* All rows come after it, and then ready, which names the epoch. */
static void expect_all(struct sse_reader *r, const struct inbox *at) {
    for (uint64_t seq = 1; seq <= at->head; seq++)
        node_expect_row(r, seq);
    struct sse_event *e = sse_next(r, WAIT_MS);
    assert_true(e && strcmp(e->type, "ready") == 0);
    assert_int_equal(sse_number(e, "seq"), at->head);
    assert_string_equal(sse_text(e, "epoch"), at->epoch);
    sse_event_free(e);
}

/* A client that comes back with what it held before. */
static void expect_new_epoch(struct node *n, const struct signer *s, const struct inbox *held) {
    char query[128];
    struct sse_reader r;
    struct http_reply poll;
    struct inbox at = inbox_of(n, s);
    assert_string_not_equal(at.epoch, held->epoch);
    (void)snprintf(query, sizeof query, "?since=%ju&epoch=%s", (uintmax_t)held->head, held->epoch);
    node_open(n, s, query, &r);
    expect_resync(&r, "epoch", at.epoch);
    expect_all(&r, &at);
    sse_done(&r);
    node_poll(n, s, query, held->head, &poll);
    assert_true(str_eq(http_member(&poll, "reset"), STR("true")));
    http_reply_done(&poll);
}

/* Of a stream whose inbox is gone. */
static void expect_silent_end(struct sse_reader *r, const char *whose) {
    struct sse_event *e = sse_next(r, WAIT_MS);
    if (e)
        fail_msg("%s is told: %s: %s", whose, e->type, e->data);
    if (r->fd >= 0)
        fail_msg("the stream of %s goes on", whose);
    sse_done(r);
}

/* ---- promotion ---- */

static void a_promotion_is_told_and_nobody_keeps_what_was_lost(void **state) {
    (void)state;
    enum { KEEPERS = 4, KEPT = 20, LOST = 5, NEW = 7 };
    static struct keeper keepers[KEEPERS]; /* outlive a test that fails */
    static const char *const handles[] = {"alice", "bob", NULL};
    start_standby();
    start_nodes();
    const struct signer users[2] = {fresh("alice"), fresh("bob")};
    struct inbox held[2], after[2];
    for (size_t i = 0; i < KEEPERS; i++)
        keeper_open(&keepers[i], i < 2 ? w.a : w.b, &users[i % 2]);
    for (size_t i = 0; i < 2; i++)
        post_rows(w.a, &users[i], "kept", KEPT);
    wait_for("SELECT count(*) = 1 FROM pg_stat_replication"
             " WHERE flush_lsn >= pg_current_wal_flush_lsn()");
    postgres_halt(w.standby, "fast");
    for (size_t i = 0; i < 2; i++)
        post_rows(w.b, &users[i], "lost", LOST);
    for (size_t i = 0; i < KEEPERS; i++)
        keeper_await(&keepers[i], w.a);
    for (size_t i = 0; i < 2; i++)
        held[i] = inbox_of(w.a, &users[i]);

    static struct poster p;
    p = (struct poster){
        .name = "through", .ports = {node_port(w.a), node_port(w.b)}, .handles = handles};
    poster_start(&p);
    poster_await(&p, 10);
    lose_primary();
    postgres_resume(w.standby);
    promote_standby();
    poster_await(&p, atomic_load(&p.acked) + 10);
    poster_stop(&p);
    for (size_t i = 0; i < 2; i++)
        post_rows(i ? w.a : w.b, &users[i], "new", NEW);
    for (size_t i = 0; i < KEEPERS; i++) {
        keeper_await(&keepers[i], i % 2 ? w.a : w.b);
        assert_int_equal(keepers[i].resyncs, 1);
        assert_null(strstr(buf_cstr(&keepers[i].ids), "lost-"));
        keeper_done(&keepers[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        after[i] = inbox_of(w.a, &users[i]);
        struct inbox on_b = inbox_of(w.b, &users[i]);
        assert_string_equal(after[i].epoch, on_b.epoch);
        expect_new_epoch(w.a, &users[i], &held[i]);
        expect_new_epoch(w.b, &users[i], &held[i]);
    }
    assert_string_not_equal(after[0].epoch, after[1].epoch);
    assert_true(is_true((char[]){"SELECT timeline = '00000002' FROM kez.store"}));
}

static void a_synchronous_standby_keeps_every_row_and_the_epoch(void **state) {
    (void)state;
    enum { FOLLOWERS = 4, POSTERS = 3 };
    static struct follower followers[FOLLOWERS];
    static struct poster posters[POSTERS];
    static const char *const handles[] = {"alice", "bob", NULL}, *const names[] = {"x", "y", "z"};
    add_flag("--on-timeline-change", "keep");
    start_standby();
    postgres_exec(w.primary, "chat", "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    postgres_exec(w.primary, "chat", "SELECT pg_reload_conf()");
    wait_for("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
    start_nodes();
    const struct signer users[2] = {fresh("alice"), fresh("bob")};
    const struct inbox before[2] = {inbox_of(w.a, &users[0]), inbox_of(w.a, &users[1])};
    for (size_t i = 0; i < FOLLOWERS; i++) {
        follower_open(&followers[i], i < 2 ? w.a : w.b, &users[i % 2]);
        follower_await(&followers[i], 0);
    }
    for (size_t i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){
            .name = names[i], .ports = {node_port(w.a), node_port(w.b)}, .handles = handles};
        poster_start(&posters[i]);
    }
    for (size_t i = 0; i < POSTERS; i++)
        poster_await(&posters[i], 50);
    lose_primary();
    promote_standby();
    uint64_t acked = 0, heads = 0;
    for (size_t i = 0; i < POSTERS; i++)
        poster_await(&posters[i], atomic_load(&posters[i].acked) + 50);
    for (size_t i = 0; i < POSTERS; i++) {
        poster_stop(&posters[i]);
        acked += atomic_load(&posters[i].acked);
    }
    /* Each row that was acknowledged once, and those at the end that were given up unanswered. */
    for (size_t i = 0; i < 2; i++) {
        struct inbox at = inbox_of(w.b, &users[i]);
        assert_string_equal(at.epoch, before[i].epoch);
        heads += at.head;
        for (size_t k = i; k < FOLLOWERS; k += 2) {
            follower_await(&followers[k], at.head); /* which fails on a resync */
            follower_close(&followers[k]);
        }
    }
    assert_true(heads >= acked && heads <= acked + POSTERS);
    assert_true(is_true((char[]){"SELECT count(*) = count(DISTINCT id) FROM kez.inbox_row"}));
    assert_true(is_true((char[]){"SELECT timeline = '00000002' FROM kez.store"}));
}

/* What came after the standby was cut off is lost, the numbers of inboxes too. Whoever registers
 * then must not be given one that a node still holds for another. */
static void an_inbox_that_was_lost_is_never_anothers(void **state) {
    (void)state;
    enum { GHOSTS = 80 }; /* more than PostgreSQL numbers ahead in its log (32) */
    static struct sse_reader streams[GHOSTS];
    static struct signer ghosts[GHOSTS];
    char name[32];
    /* Nobody looks by himself, nor goes on looking because the store was down. */
    add_flag("--look-again-first", "60000");
    add_flag("--look-again-second", "60000");
    add_flag("--sweep-up", "600000");
    add_flag("--directory-age", "600000");
    start_standby();
    start_nodes();
    (void)fresh("first");
    wait_for("SELECT count(*) = 1 FROM pg_stat_replication"
             " WHERE flush_lsn >= pg_current_wal_flush_lsn()");
    postgres_halt(w.standby, "fast");
    for (size_t i = 0; i < GHOSTS; i++) {
        (void)snprintf(name, sizeof name, "ghost%zu", i);
        ghosts[i] = fresh(name);
        node_open(w.a, &ghosts[i], "", &streams[i]);
        assert_int_equal(node_expect_ready(&streams[i]), 0);
    }
    lose_primary();
    postgres_resume(w.standby);
    promote_standby();
    for (size_t i = 0; i < GHOSTS; i++) {
        (void)snprintf(name, sizeof name, "heir%zu", i);
        (void)fresh(name);
        assert_int_equal(node_post(w.b, name, NULL, "{\"for\":\"heir\"}"), 1);
    }
    natsd_kill(w.nats); /* after which all is looked at */
    natsd_resume(w.nats);
    for (size_t i = 0; i < GHOSTS; i++) {
        expect_silent_end(&streams[i], ghosts[i].handle.text);
    }
}

/* ---- backups ---- */

static void renew_epoch(void) {
    char log[300];
    (void)snprintf(log, sizeof log, "%s/log", proc_temp_dir(NULL));
    const char *argv[] = {BUILD_DIR "/kez-chat-server",
                          "--new-epoch",
                          "--server",
                          NODE_SERVER,
                          "--database-url",
                          w.url,
                          NULL};
    assert_int_equal(proc_run(argv, log, NULL, END_MS), 0);
}

static void a_backup_that_was_put_back_is_told_when_it_is_said_so(void **state) {
    (void)state;
    struct sse_reader r;
    start_nodes();
    const struct signer s = fresh("alice");
    post_rows(w.a, &s, "kept", 4);
    end_nodes();
    postgres_halt(w.primary, "fast");
    postgres_save(w.primary);
    postgres_resume(w.primary);
    start_nodes();
    post_rows(w.b, &s, "lost", 3);
    const struct inbox held = inbox_of(w.a, &s);
    assert_int_equal(held.head, 7);
    end_nodes();
    postgres_halt(w.primary, "fast");
    postgres_put_back(w.primary);
    postgres_resume(w.primary);

    /* By itself it leaves no trace: only who is past the head can be told. */
    start_nodes();
    struct inbox at = inbox_of(w.b, &s);
    assert_int_equal(at.head, 4);
    assert_string_equal(at.epoch, held.epoch);
    for (size_t i = 0; i < 2; i++) {
        node_resume(i ? w.a : w.b, &s, held.head, &r);
        expect_resync(&r, "ahead", at.epoch);
        expect_all(&r, &at);
        sse_done(&r);
    }
    end_nodes();

    renew_epoch();
    start_nodes();
    post_rows(w.a, &s, "new", 5);
    expect_new_epoch(w.a, &s, &held);
    expect_new_epoch(w.b, &s, &held);
    node_resume(w.a, &s, 10, &r); /* it never said which epoch it holds */
    at = inbox_of(w.a, &s);
    assert_int_equal(at.head, 9);
    expect_resync(&r, "ahead", at.epoch);
    expect_all(&r, &at);
    sse_done(&r);
}

/* The nodes run on, and nobody says so: the sweep finds heads that are lower than what was sent. */
static void a_store_that_goes_back_under_running_nodes_is_told_as_ahead(void **state) {
    (void)state;
    struct sse_reader streams[2];
    struct node *nodes[2];
    start_nodes();
    nodes[0] = w.a;
    nodes[1] = w.b;
    const struct signer s = fresh("alice");
    post_rows(w.a, &s, "kept", 4);
    postgres_halt(w.primary, "fast");
    postgres_save(w.primary);
    postgres_resume(w.primary);
    for (size_t i = 0; i < 2; i++) {
        node_wait_ready(nodes[i]);
        node_open(nodes[i], &s, "", &streams[i]);
        assert_int_equal(node_expect_ready(&streams[i]), 4);
    }
    post_rows(w.b, &s, "lost", 3);
    for (size_t i = 0; i < 2; i++)
        for (uint64_t seq = 5; seq <= 7; seq++)
            node_expect_row(&streams[i], seq);
    postgres_halt(w.primary, "fast");
    assert_true(node_gets_ready(w.a, false) && node_gets_ready(w.b, false));
    postgres_put_back(w.primary);
    postgres_resume(w.primary);
    node_wait_ready(w.a);
    node_wait_ready(w.b);
    struct inbox at = inbox_of(w.a, &s);
    assert_int_equal(at.head, 4);
    for (size_t i = 0; i < 2; i++) {
        expect_resync(&streams[i], "ahead", at.epoch);
        for (uint64_t seq = 1; seq <= 4; seq++)
            node_expect_row(&streams[i], seq);
    }
    post_rows(w.a, &s, "new", 2);
    for (size_t i = 0; i < 2; i++) {
        node_expect_row(&streams[i], 5);
        node_expect_row(&streams[i], 6);
        assert_null(streams[i].first);
        sse_done(&streams[i]);
    }
}

static void a_dump_in_another_database_has_a_new_epoch_by_itself(void **state) {
    (void)state;
    start_nodes();
    const struct signer s = fresh("alice");
    post_rows(w.a, &s, "kept", 4);
    const struct inbox held = inbox_of(w.b, &s);
    end_nodes();
    postgres_dump_into(w.primary, "chat", "restored");
    w.database = "restored";
    w.url = postgres_url(w.primary, w.database);
    start_nodes();
    struct inbox at = inbox_of(w.a, &s);
    assert_int_equal(at.head, held.head);
    expect_new_epoch(w.a, &s, &held);
    expect_new_epoch(w.b, &s, &held);
    post_rows(w.b, &s, "new", 3);
    /* The same user is the same, and a new one is another. */
    const struct signer other = fresh("bob");
    assert_int_equal(inbox_of(w.b, &other).head, 0);
}

/* ---- a handle that was made anew ---- */

struct opening {
    const struct signer *user;
    const char *query;
    struct sse_reader *stream;
};

/* Node b remembers for some seconds who a handle was. */
static bool opens(void *arg) {
    const struct opening *o = arg;
    char target[200];
    struct buf headers;
    sse_init(o->stream);
    buf_init(&headers, TEXT_MAX);
    signer_put_stream(o->user, &headers, o->user->handle.text);
    (void)snprintf(target, sizeof target, "/v1/inbox/%s/stream%s", o->user->handle.text, o->query);
    bool is_open = sse_send(o->stream, node_port(w.b), str_of(target), buf_str(&headers)) &&
                   sse_await_head(o->stream) == 200;
    buf_done(&headers);
    if (!is_open)
        sse_done(o->stream);
    return is_open;
}

static void delete_handle(const char *handle) {
    struct http_client *c = http_client_new(node_admin_port(w.a));
    char target[64];
    (void)snprintf(target, sizeof target, "/v1/handles/%s", handle);
    http_expect(c, &(struct http_case){"deleting", "DELETE", target, NULL, NULL, 204, NULL}, NULL);
    http_client_free(c);
}

static void a_handle_that_was_made_anew_is_another_inbox(void **state) {
    (void)state;
    char query[128];
    struct sse_reader old, renewed;
    struct http_reply r;
    add_flag("--sweep-up", "600000"); /* nobody looks by himself */
    start_nodes();
    const struct signer owner = fresh("alice"), heir = heir_of(&owner, "anotherkey");
    post_rows(w.a, &owner, "old", 3);
    const struct inbox held = inbox_of(w.b, &owner);
    node_open(w.b, &owner, "", &old);
    assert_int_equal(node_expect_ready(&old), 3);
    delete_handle("alice");
    node_register(w.a, &heir);
    assert_int_equal(node_post(w.a, "alice", NULL, "{\"for\":\"heir\"}"), 1);
    /* The new one opens with the cursor and the epoch of before, as a browser would that has them.
     */
    (void)snprintf(query, sizeof query, "?since=3&epoch=%s", held.epoch);
    assert_true(proc_poll(opens, &(struct opening){&heir, query, &renewed}, WAIT_MS));
    struct inbox at = inbox_of(w.b, &heir);
    assert_int_equal(at.head, 1);
    assert_string_not_equal(at.epoch, held.epoch);
    expect_resync(&renewed, "epoch", at.epoch);
    expect_all(&renewed, &at);
    assert_int_equal(node_post(w.b, "alice", NULL, "{\"for\":\"heir\"}"), 2);
    node_expect_row(&renewed, 2);
    assert_null(sse_next(&renewed, 0));
    sse_done(&renewed);
    /* The stream of the old one has ended, and has heard nothing of it. */
    expect_silent_end(&old, "the old owner");
    /* Nor does a signature of before open anything, on either. */
    struct node *const nodes[] = {w.a, w.b};
    for (size_t i = 0; i < 2; i++) {
        struct http_client *c = http_client_new(node_port(nodes[i]));
        struct buf headers;
        buf_init(&headers, TEXT_MAX);
        signer_put_poll(&owner, &headers, "alice", 0);
        http_expect(c,
                    &(struct http_case){"the old key", "GET", "/v1/inbox/alice", buf_cstr(&headers),
                                        NULL, 401, "unauthorized"},
                    &r);
        http_reply_done(&r);
        buf_done(&headers);
        http_client_free(c);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_promotion_is_told_and_nobody_keeps_what_was_lost),
        TEST(a_synchronous_standby_keeps_every_row_and_the_epoch),
        TEST(an_inbox_that_was_lost_is_never_anothers),
        TEST(a_backup_that_was_put_back_is_told_when_it_is_said_so),
        TEST(a_store_that_goes_back_under_running_nodes_is_told_as_ahead),
        TEST(a_dump_in_another_database_has_a_new_epoch_by_itself),
        TEST(a_handle_that_was_made_anew_is_another_inbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
