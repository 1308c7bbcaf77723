/* tests/integration/test_restore.c -- a store that went back: promoted standbys, backups, dumps.
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

#include <cmocka.h>

#include "support/crowd.h"
#include "support/proc.h"
#include "support/rewind.h"

/* ---- promotion ---- */

static void a_promotion_is_told_and_nobody_keeps_what_was_lost(void **state) {
    (void)state;
    enum { KEEPERS = 4, KEPT = 20, LOST = 5, NEW = 7 };
    static struct keeper keepers[KEEPERS]; /* outlive a test that fails */
    static const char *const handles[] = {"alice", "bob", NULL};
    rewind_start_standby();
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    const struct signer users[2] = {rewind_fresh("alice"), rewind_fresh("bob")};
    struct inbox held[2], after[2];
    for (size_t i = 0; i < KEEPERS; i++)
        keeper_open(&keepers[i], i < 2 ? past.a : past.b, &users[i % 2]);
    for (size_t i = 0; i < 2; i++)
        rewind_post_rows(past.a, &users[i], "kept", KEPT);
    rewind_wait_for("SELECT count(*) = 1 FROM pg_stat_replication"
                    " WHERE flush_lsn >= pg_current_wal_flush_lsn()");
    postgres_halt(past.standby, "fast");
    for (size_t i = 0; i < 2; i++)
        rewind_post_rows(past.b, &users[i], "lost", LOST);
    for (size_t i = 0; i < KEEPERS; i++)
        keeper_await(&keepers[i], past.a);
    for (size_t i = 0; i < 2; i++)
        held[i] = rewind_inbox_of(past.a, &users[i]);

    static struct poster p;
    p = (struct poster){
        .name = "through", .ports = {node_port(past.a), node_port(past.b)}, .handles = handles};
    poster_start(&p);
    poster_await(&p, 10);
    rewind_lose_primary();
    postgres_resume(past.standby);
    rewind_promote_standby();
    poster_await(&p, atomic_load(&p.acked) + 10);
    poster_stop(&p);
    for (size_t i = 0; i < 2; i++)
        rewind_post_rows(i ? past.a : past.b, &users[i], "new", NEW);
    for (size_t i = 0; i < KEEPERS; i++) {
        keeper_await(&keepers[i], i % 2 ? past.a : past.b);
        assert_int_equal(keepers[i].resyncs, 1);
        assert_null(strstr(buf_cstr(&keepers[i].ids), "lost-"));
        keeper_done(&keepers[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        after[i] = rewind_inbox_of(past.a, &users[i]);
        struct inbox on_b = rewind_inbox_of(past.b, &users[i]);
        assert_string_equal(after[i].epoch, on_b.epoch);
        rewind_expect_new_epoch(past.a, &users[i], &held[i]);
        rewind_expect_new_epoch(past.b, &users[i], &held[i]);
    }
    assert_string_not_equal(after[0].epoch, after[1].epoch);
    assert_true(rewind_is_true("SELECT timeline = '00000002' FROM kez.store"));
}

static void a_synchronous_standby_keeps_every_row_and_the_epoch(void **state) {
    (void)state;
    enum { FOLLOWERS = 4, POSTERS = 3 };
    static struct follower followers[FOLLOWERS];
    static struct poster posters[POSTERS];
    static const char *const handles[] = {"alice", "bob", NULL}, *const names[] = {"x", "y", "z"};
    rewind_add_flag("--on-timeline-change", "keep");
    rewind_start_standby();
    postgres_exec(past.primary, "chat", "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    postgres_exec(past.primary, "chat", "SELECT pg_reload_conf()");
    rewind_wait_for("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    const struct signer users[2] = {rewind_fresh("alice"), rewind_fresh("bob")};
    const struct inbox before[2] = {rewind_inbox_of(past.a, &users[0]),
                                    rewind_inbox_of(past.a, &users[1])};
    for (size_t i = 0; i < FOLLOWERS; i++) {
        follower_open(&followers[i], i < 2 ? past.a : past.b, &users[i % 2]);
        follower_await(&followers[i], 0);
    }
    for (size_t i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){
            .name = names[i], .ports = {node_port(past.a), node_port(past.b)}, .handles = handles};
        poster_start(&posters[i]);
    }
    for (size_t i = 0; i < POSTERS; i++)
        poster_await(&posters[i], 50);
    rewind_lose_primary();
    rewind_promote_standby();
    uint64_t acked = 0, heads = 0;
    for (size_t i = 0; i < POSTERS; i++)
        poster_await(&posters[i], atomic_load(&posters[i].acked) + 50);
    for (size_t i = 0; i < POSTERS; i++) {
        poster_stop(&posters[i]);
        acked += atomic_load(&posters[i].acked);
    }
    /* Each row that was acknowledged once, and those at the end that were given up unanswered. */
    for (size_t i = 0; i < 2; i++) {
        struct inbox at = rewind_inbox_of(past.b, &users[i]);
        assert_string_equal(at.epoch, before[i].epoch);
        heads += at.head;
        for (size_t k = i; k < FOLLOWERS; k += 2) {
            follower_await(&followers[k], at.head); /* which fails on a resync */
            follower_close(&followers[k]);
        }
    }
    assert_true(heads >= acked && heads <= acked + POSTERS);
    assert_true(rewind_is_true("SELECT count(*) = count(DISTINCT id) FROM kez.inbox_row"));
    assert_true(rewind_is_true("SELECT timeline = '00000002' FROM kez.store"));
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
    rewind_add_flag("--look-again-first", "60000");
    rewind_add_flag("--look-again-second", "60000");
    rewind_add_flag("--sweep-up", "600000");
    rewind_add_flag("--directory-age", "600000");
    rewind_start_standby();
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    (void)rewind_fresh("first");
    rewind_wait_for("SELECT count(*) = 1 FROM pg_stat_replication"
                    " WHERE flush_lsn >= pg_current_wal_flush_lsn()");
    postgres_halt(past.standby, "fast");
    for (size_t i = 0; i < GHOSTS; i++) {
        (void)snprintf(name, sizeof name, "ghost%zu", i);
        ghosts[i] = rewind_fresh(name);
        node_open(past.a, &ghosts[i], "", &streams[i]);
        assert_int_equal(node_expect_ready(&streams[i]), 0);
    }
    rewind_lose_primary();
    postgres_resume(past.standby);
    rewind_promote_standby();
    for (size_t i = 0; i < GHOSTS; i++) {
        (void)snprintf(name, sizeof name, "heir%zu", i);
        (void)rewind_fresh(name);
        assert_int_equal(node_post(past.b, name, NULL, "{\"for\":\"heir\"}"), 1);
    }
    natsd_kill(past.nats); /* after which all is looked at */
    natsd_resume(past.nats);
    for (size_t i = 0; i < GHOSTS; i++) {
        rewind_expect_silent_end(&streams[i], ghosts[i].handle.text);
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
                          past.url,
                          NULL};
    assert_int_equal(proc_run(argv, log, NULL, REWIND_WAIT_MS), 0);
}

static void a_backup_that_was_put_back_is_told_when_it_is_said_so(void **state) {
    (void)state;
    struct sse_reader r;
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    const struct signer s = rewind_fresh("alice");
    rewind_post_rows(past.a, &s, "kept", 4);
    rewind_end_nodes();
    postgres_halt(past.primary, "fast");
    postgres_save(past.primary);
    postgres_resume(past.primary);
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    rewind_post_rows(past.b, &s, "lost", 3);
    const struct inbox held = rewind_inbox_of(past.a, &s);
    assert_int_equal(held.head, 7);
    rewind_end_nodes();
    postgres_halt(past.primary, "fast");
    postgres_put_back(past.primary);
    postgres_resume(past.primary);

    /* No node ran meanwhile, so nobody knows: only who is past the head can be told. */
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    struct inbox at = rewind_inbox_of(past.b, &s);
    assert_int_equal(at.head, 4);
    assert_string_equal(at.epoch, held.epoch);
    for (size_t i = 0; i < 2; i++) {
        node_resume(i ? past.a : past.b, &s, held.head, &r);
        rewind_expect_resync(&r, "ahead", at.epoch);
        rewind_expect_all(&r, &at);
        sse_done(&r);
    }
    rewind_end_nodes();

    renew_epoch();
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    rewind_post_rows(past.a, &s, "new", 5);
    rewind_expect_new_epoch(past.a, &s, &held);
    rewind_expect_new_epoch(past.b, &s, &held);
    node_resume(past.a, &s, 10, &r); /* it never said which epoch it holds */
    at = rewind_inbox_of(past.a, &s);
    assert_int_equal(at.head, 9);
    rewind_expect_resync(&r, "ahead", at.epoch);
    rewind_expect_all(&r, &at);
    sse_done(&r);
}

/* The nodes are stopped in their tracks while the store goes back, and then wake. */
static void freeze_nodes(void) {
    proc_freeze(node_pid(past.a));
    proc_freeze(node_pid(past.b));
}

static void thaw_nodes(void) {
    node_signal(past.a, SIGCONT);
    node_signal(past.b, SIGCONT);
    node_wait_ready(past.a);
    node_wait_ready(past.b);
}

/* mode: how it is halted for it, or "running": as a disk is copied under it. */
static void save_primary(const char *mode) {
    bool runs = strcmp(mode, "running") == 0;
    if (runs)
        postgres_freeze(past.primary);
    else
        postgres_halt(past.primary, mode);
    postgres_save(past.primary);
    if (runs)
        postgres_thaw(past.primary);
    else
        postgres_resume(past.primary);
    node_wait_ready(past.a);
    node_wait_ready(past.b);
}

/* Rows of nobody's that the store has before any node sees it again: more than were lost, and more
 * of the log. */
static void overtake(uint64_t head) {
    char sql[400];
    (void)snprintf(sql, sizeof sql,
                   "WITH new AS (UPDATE kez.inbox SET head = %ju WHERE head = 4 RETURNING id)"
                   " INSERT INTO kez.inbox_row (inbox, seq, created_at, type, sender, id, envelope)"
                   " SELECT id, n, now(), 0, '', 'other-' || n, '{\"b\":\"' || repeat('x', 9999)"
                   " || '\"}' FROM new CROSS JOIN generate_series(5, %ju) AS n",
                   (uintmax_t)head, (uintmax_t)head);
    postgres_exec(past.primary, past.database, sql);
}

/* Nobody says so; and when a node looks, head and log are further than they were. The nodes know
 * it all the same: the server was started with less than they had seen. */
static void a_store_that_goes_back_under_running_nodes_has_a_new_epoch(void **state) {
    (void)state;
    enum { KEEPERS = 4, KEPT = 4, LOST = 3, MODES = 3 };
    static const char *const modes[] = {"fast", "immediate", "running"};
    static struct keeper keepers[KEEPERS];
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    for (size_t m = 0; m < MODES; m++) {
        const struct signer s = rewind_fresh(modes[m]);
        rewind_post_rows(past.a, &s, "kept", KEPT);
        save_primary(modes[m]);
        for (size_t i = 0; i < KEEPERS; i++)
            keeper_open(&keepers[i], i % 2 ? past.b : past.a, &s);
        rewind_post_rows(past.b, &s, "lost", LOST);
        const struct inbox held = rewind_inbox_of(past.a, &s);
        for (size_t i = 0; i < KEEPERS; i++)
            keeper_await(&keepers[i], past.a);
        freeze_nodes();
        char *end = postgres_value(past.primary, past.database, "SELECT pg_current_wal_lsn()");
        postgres_halt(past.primary, "fast");
        postgres_put_back(past.primary);
        postgres_resume(past.primary);
        overtake(KEPT + LOST + 2);
        char sql[96];
        (void)snprintf(sql, sizeof sql, "SELECT pg_current_wal_flush_lsn() > '%s'", end);
        assert_true(rewind_is_true(sql));
        free(end);
        thaw_nodes();
        for (size_t i = 0; i < KEEPERS; i++) {
            keeper_await(&keepers[i], i % 2 ? past.a : past.b);
            assert_int_equal(keepers[i].resyncs, 1);
            assert_null(strstr(buf_cstr(&keepers[i].ids), "lost-"));
            keeper_done(&keepers[i]);
        }
        rewind_expect_new_epoch(past.a, &s, &held);
        rewind_expect_new_epoch(past.b, &s, &held);
        rewind_post_rows(past.b, &s, "new", 2);
    }
}

/* With --on-timeline-change keep both primaries have the same epoch: the one that was left must
 * not be taken for the one that was promoted. */
static void an_old_primary_that_comes_back_has_a_new_epoch(void **state) {
    (void)state;
    enum { KEEPERS = 2, KEPT = 4, LOST = 3 };
    static struct keeper keepers[KEEPERS];
    rewind_add_flag("--on-timeline-change", "keep");
    rewind_start_standby();
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    const struct signer s = rewind_fresh("alice");
    rewind_post_rows(past.a, &s, "kept", KEPT);
    rewind_wait_for("SELECT count(*) = 1 FROM pg_stat_replication"
                    " WHERE flush_lsn >= pg_current_wal_flush_lsn()");
    for (size_t i = 0; i < KEEPERS; i++) {
        keeper_open(&keepers[i], i % 2 ? past.b : past.a, &s);
        keeper_await(&keepers[i], past.a);
    }
    rewind_lose_primary();
    rewind_promote_standby();
    rewind_post_rows(past.b, &s, "lost", LOST);
    const struct inbox held = rewind_inbox_of(past.a, &s);
    for (size_t i = 0; i < KEEPERS; i++) {
        keeper_await(&keepers[i], past.b);
        assert_int_equal(keepers[i].resyncs, 0);
    }
    freeze_nodes();
    postgres_halt(past.standby, "fast");
    postgres_resume(past.primary);
    past.serves = past.primary;
    overtake(KEPT + LOST + 2);
    thaw_nodes();
    for (size_t i = 0; i < KEEPERS; i++) {
        keeper_await(&keepers[i], past.a);
        assert_int_equal(keepers[i].resyncs, 1);
        assert_null(strstr(buf_cstr(&keepers[i].ids), "lost-"));
        keeper_done(&keepers[i]);
    }
    rewind_expect_new_epoch(past.a, &s, &held);
    rewind_expect_new_epoch(past.b, &s, &held);
}

/* What was on the disk is there again, whatever else the server had in hand. */
static void a_server_that_was_started_again_keeps_the_epoch(void **state) {
    (void)state;
    enum { FOLLOWERS = 2, ENDS = 6 };
    static struct follower followers[FOLLOWERS];
    static const char *const handles[] = {"alice", NULL};
    static struct poster p;
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    const struct signer s = rewind_fresh("alice");
    const struct inbox before = rewind_inbox_of(past.a, &s);
    for (size_t i = 0; i < FOLLOWERS; i++)
        follower_open(&followers[i], i % 2 ? past.b : past.a, &s);
    p = (struct poster){
        .name = "p", .ports = {node_port(past.a), node_port(past.b)}, .handles = handles};
    poster_start(&p);
    for (unsigned i = 0; i < ENDS; i++) {
        poster_await(&p, atomic_load(&p.acked) + 20);
        if (i % 3 < 2)
            postgres_halt(past.primary, i % 3 ? "immediate" : "fast");
        else
            postgres_crash(past.primary);
        postgres_resume(past.primary);
    }
    poster_await(&p, atomic_load(&p.acked) + 20);
    poster_stop(&p);
    node_wait_ready(past.a);
    node_wait_ready(past.b);
    const struct inbox after = rewind_inbox_of(past.b, &s);
    assert_string_equal(before.epoch, after.epoch);
    for (size_t i = 0; i < FOLLOWERS; i++) {
        follower_await(&followers[i], after.head); /* which fails on a resync */
        follower_close(&followers[i]);
    }
}

static void a_dump_in_another_database_has_a_new_epoch_by_itself(void **state) {
    (void)state;
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    const struct signer s = rewind_fresh("alice");
    rewind_post_rows(past.a, &s, "kept", 4);
    const struct inbox held = rewind_inbox_of(past.b, &s);
    rewind_end_nodes();
    postgres_dump_into(past.primary, "chat", "restored");
    past.database = "restored";
    past.url = postgres_url(past.primary, past.database);
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    struct inbox at = rewind_inbox_of(past.a, &s);
    assert_int_equal(at.head, held.head);
    rewind_expect_new_epoch(past.a, &s, &held);
    rewind_expect_new_epoch(past.b, &s, &held);
    rewind_post_rows(past.b, &s, "new", 3);
    /* The same user is the same, and a new one is another. */
    const struct signer other = rewind_fresh("bob");
    assert_int_equal(rewind_inbox_of(past.b, &other).head, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        REWIND_TEST(a_promotion_is_told_and_nobody_keeps_what_was_lost),
        REWIND_TEST(a_synchronous_standby_keeps_every_row_and_the_epoch),
        REWIND_TEST(an_inbox_that_was_lost_is_never_anothers),
        REWIND_TEST(a_backup_that_was_put_back_is_told_when_it_is_said_so),
        REWIND_TEST(a_store_that_goes_back_under_running_nodes_has_a_new_epoch),
        REWIND_TEST(an_old_primary_that_comes_back_has_a_new_epoch),
        REWIND_TEST(a_server_that_was_started_again_keeps_the_epoch),
        REWIND_TEST(a_dump_in_another_database_has_a_new_epoch_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
