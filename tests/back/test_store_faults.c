/* tests/back/test_store_faults.c -- the store when PostgreSQL stops, freezes, hangs up or is slow.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "back/pool_link.h"
#include "core/stats.h"
#include "support/asker.h"
#include "support/postgres.h"
#include "support/proc.h"

enum { TIMEOUT_MS = 3000, UP_MS = 60000, DOWN_MS = 60000, SOON_MS = 60000 };

static struct postgres *pg;
static const char *url;
static struct asker *asker; /* patient: however slow the machine is, it is answered */
static unsigned next_user = 1;

static struct asker *start_asker(const struct store_config *config) {
    struct asker *a = asker_start_with(config);
    asker_wait_up(a, true, UP_MS);
    return a;
}

/* A store that is less patient, where what is looked at is that it waits no longer. */
static struct store_config hasty_config(void) {
    struct store_config config = asker_config(url);
    config.timeout_ms = TIMEOUT_MS;
    return config;
}

static struct asker *start_hasty(void) {
    struct store_config config = hasty_config();
    return start_asker(&config);
}

static int setup(void **state) {
    (void)state;
    pg = postgres_start();
    url = postgres_url(pg, "faults");
    asker = asker_start(url);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    asker_stop(asker);
    postgres_stop(pg);
    return 0;
}

static void exec(const char *sql) { postgres_exec(pg, "faults", sql); }

static void assert_sql(const char *sql, const char *want) {
    postgres_expect(pg, "faults", sql, want);
}

static bool is_true(const char *sql) { return postgres_says(pg, "faults", sql); }

static void wait_for(const char *sql) { postgres_await(pg, "faults", sql); }

/* Another session, to hold locks. */
static struct link *other_session(void) {
    struct link_config c = {
        .url = url, .name = "test", .timeout_ms = SOON_MS, .connect_timeout_ms = SOON_MS};
    struct link *l;
    assert_int_equal(link_new(&c, clock_system(), &l), RC_OK);
    assert_int_equal(link_open(l), RC_OK);
    return l;
}

static void run_in(struct link *l, const char *sql) {
    assert_int_equal(link_script(l, sql, SOON_MS), RC_OK);
}

/* ---- down and up ---- */

static void a_halted_server_is_noticed_jobs_are_refused_at_once_and_it_heals(void **state) {
    (void)state;
    struct user user = asker_user(asker, next_user++);
    postgres_halt(pg, "fast");
    asker_wait_up(asker, false, DOWN_MS);
    struct page page;
    assert_int_equal(asker_post(asker, &user, NULL, "", "{}", NULL), RC_UNAVAILABLE);
    assert_int_equal(asker_read(asker, user.inbox, 0, 1, &page), RC_UNAVAILABLE);
    assert_int_equal(asker_register(asker, "nobody", 9999, NULL), RC_UNAVAILABLE);
    postgres_resume(pg);
    asker_wait_up(asker, true, UP_MS);
    assert_int_equal(asker_post(asker, &user, NULL, "", "{}", NULL), RC_OK);
}

static void a_store_starts_without_a_server_and_waits_for_it(void **state) {
    (void)state;
    postgres_halt(pg, "fast");
    struct store_config config = asker_config(url);
    struct asker *a = asker_start_with(&config);
    assert_false(asker_gets_up(a, 300));
    assert_int_equal(asker_register(a, "early", 9998, NULL), RC_UNAVAILABLE);
    postgres_resume(pg);
    asker_wait_up(a, true, UP_MS);
    asker_stop(a);
    asker_wait_up(asker, true, UP_MS);
}

static void a_frozen_server_times_out_and_nothing_is_doubled(void **state) {
    enum { N = 40 };
    struct store_post *posts[N];
    struct user user = asker_user(asker, next_user++);
    struct asker *a = start_hasty();
    (void)state;
    postgres_freeze(pg);
    for (size_t i = 0; i < N; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "%zu", i);
        posts[i] = asker_post_new(&user, NULL, i % 2 ? id : "", "{}");
        assert_int_equal(asker_begin(a, &posts[i]->job), RC_OK);
    }
    for (size_t i = 0; i < N; i++) {
        enum rc rc = asker_wait(&posts[i]->job);
        assert_true(rc == RC_UNKNOWN_OUTCOME || rc == RC_UNAVAILABLE);
    }
    /* The writers see it by their posts; the reader by a job, here. */
    struct page page;
    assert_int_equal(asker_read(a, user.inbox, 0, 1, &page), RC_UNAVAILABLE);
    asker_wait_up(a, false, DOWN_MS);
    postgres_thaw(pg);
    asker_wait_up(a, true, UP_MS);
    asker_stop(a);
    for (size_t i = 0; i < N; i++) {
        if (i % 2) {
            enum rc rc = asker_insist(asker, &posts[i]->job);
            assert_true(rc == RC_OK || rc == RC_REPEAT);
        }
        asker_post_free(posts[i]);
    }
    assert_sql("SELECT count(*) FROM kez.inbox_row WHERE id IS NOT NULL", "20");
}

static bool errors_rose(void *arg) {
    const int64_t *before = arg;
    return atomic_load(&stats.store_errors) > *before;
}

/* What was sent before is still in the server's ear when it wakes: it may come to pass after all.
 */
static void a_server_that_wakes_while_the_outcome_is_settled_stores_nothing_twice(void **state) {
    (void)state;
    for (unsigned named = 0; named < 2; named++) {
        struct user user = asker_user(asker, next_user++);
        struct store_post *p = asker_post_new(&user, NULL, named ? "id" : "", "{}");
        struct asker *a = start_hasty(); /* just now: no ping of it is under way */
        postgres_freeze(pg);
        int64_t errors = atomic_load(&stats.store_errors);
        assert_int_equal(asker_begin(a, &p->job), RC_OK);
        assert_true(proc_poll(errors_rose, &errors, SOON_MS));
        postgres_thaw(pg);
        enum rc rc = asker_wait(&p->job);
        /* The error may have been an idle connection's, and the post's own answer still in time. */
        assert_true(rc == RC_OK || rc == (named ? RC_REPEAT : RC_UNKNOWN_OUTCOME));
        asker_wait_up(a, true, UP_MS);
        uint64_t head = asker_head(asker, user.inbox).head;
        assert_true(head == 1 || (head == 0 && rc == RC_UNKNOWN_OUTCOME));
        asker_post_free(p);
        asker_stop(a);
    }
}

static void a_frozen_server_is_noticed_by_an_idle_store(void **state) {
    (void)state;
    struct asker *a = start_hasty();
    postgres_freeze(pg);
    asker_wait_up(a, false, DOWN_MS);
    postgres_thaw(pg);
    asker_wait_up(a, true, UP_MS);
    asker_stop(a);
}

static void a_full_queue_is_an_answer(void **state) {
    enum { N = 40 };
    struct store_post *posts[N];
    struct store_config config = asker_config(url);
    size_t accepted = 0;
    (void)state;
    config.writers = 1;
    config.queue_items = 10;
    config.batch_items = 10;
    struct asker *a = start_asker(&config);
    struct user user = asker_user(a, next_user++);
    postgres_freeze(pg);
    for (size_t i = 0; i < N; i++) {
        posts[i] = asker_post_new(&user, NULL, "", "{}");
        enum rc rc = asker_begin(a, &posts[i]->job);
        accepted += rc == RC_OK;
        assert_true(rc == (i < 10 ? RC_OK : RC_FULL) || (rc == RC_OK && accepted <= 20));
    }
    assert_true(accepted < N);
    postgres_thaw(pg);
    for (size_t i = 0; i < N; i++) {
        if (posts[i]->job.arg)
            assert_int_equal(asker_wait(&posts[i]->job), RC_OK);
        asker_post_free(posts[i]);
    }
    asker_stop(a);
}

static void stopping_answers_all_that_was_submitted(void **state) {
    enum { N = 500 };
    static struct store_post *posts[N];
    struct asker *a = asker_start(url);
    struct user user = asker_user(a, next_user++);
    (void)state;
    for (size_t i = 0; i < N; i++) {
        posts[i] = asker_post_new(&user, NULL, "", "{}");
        assert_int_equal(asker_begin(a, &posts[i]->job), RC_OK);
    }
    asker_stop(a);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(asker_wait(&posts[i]->job), RC_OK);
        assert_int_equal(posts[i]->seq, i + 1);
        asker_post_free(posts[i]);
    }
}

/* ---- sessions that are ended ---- */

static atomic_bool load_ends;

struct load {
    const struct user *users;
    unsigned number, n_users, posts, acknowledged, unknown;
    unsigned least; /* acknowledged ones, however late */
    bool with_ids;
};

/* Posts one by one. With ids, each is tried until it is acknowledged. */
static void *post_on(void *arg) {
    struct load *load = arg;
    while (!atomic_load(&load_ends) || load->acknowledged < load->least) {
        char id[32] = "";
        const struct user *to = &load->users[load->posts % load->n_users];
        if (load->with_ids)
            (void)snprintf(id, sizeof id, "%u-%u", load->number, load->posts);
        load->posts++;
        struct store_post *p = asker_post_new(to, NULL, id, "{}");
        enum rc rc = asker_insist(asker, &p->job);
        while (load->with_ids && rc != RC_OK && rc != RC_REPEAT)
            rc = asker_insist(asker, &p->job);
        load->acknowledged += rc == RC_OK || rc == RC_REPEAT;
        load->unknown += rc == RC_UNKNOWN_OUTCOME;
        asker_post_free(p);
    }
    return NULL;
}

static void ended_sessions_lose_no_acknowledged_row_and_double_none(void **state) {
    enum { THREADS = 4, USERS = 5, KILLS = 40 };
    struct user users[USERS];
    struct load loads[THREADS];
    pthread_t threads[THREADS];
    unsigned with_ids = 0, plain = 0, unknown = 0;
    (void)state;
    for (unsigned i = 0; i < USERS; i++)
        users[i] = asker_user(asker, next_user++);
    exec("CREATE TABLE before AS SELECT inbox, seq FROM kez.inbox_row");
    atomic_store(&load_ends, false);
    for (unsigned i = 0; i < THREADS; i++) {
        loads[i] = (struct load){
            .users = users, .number = i, .n_users = USERS, .least = KILLS, .with_ids = i > 0};
        assert_int_equal(pthread_create(&threads[i], NULL, post_on, &loads[i]), 0);
    }
    for (unsigned i = 0; i < KILLS; i++)
        exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
             " WHERE application_name LIKE 'kez-chat %' ORDER BY random() LIMIT 1");
    atomic_store(&load_ends, true);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        *(loads[i].with_ids ? &with_ids : &plain) += loads[i].acknowledged;
        unknown += loads[i].unknown;
        if (loads[i].with_ids)
            assert_int_equal(loads[i].acknowledged, loads[i].posts);
    }
    assert_true(with_ids >= KILLS && plain >= KILLS);

    char sql[512], text[32];
    const char *news = "FROM kez.inbox_row AS r WHERE NOT EXISTS (SELECT FROM before AS b"
                       " WHERE b.inbox = r.inbox AND b.seq = r.seq)";
    (void)snprintf(sql, sizeof sql, "SELECT count(*) %s AND id IS NOT NULL", news);
    (void)snprintf(text, sizeof text, "%u", with_ids);
    assert_sql(sql, text);
    (void)snprintf(sql, sizeof sql, "SELECT count(*) BETWEEN %u AND %u %s AND id IS NULL", plain,
                   plain + unknown, news);
    assert_sql(sql, "t");
    assert_sql("SELECT count(*) FROM kez.inbox AS i WHERE head <> (SELECT count(*) FROM"
               " kez.inbox_row WHERE inbox = i.id AND seq BETWEEN 1 AND head)",
               "0");
    exec("DROP TABLE before");
}

static void a_server_that_crashes_under_load_loses_nothing_acknowledged(void **state) {
    enum { THREADS = 3 };
    struct user user = asker_user(asker, next_user++);
    struct load loads[THREADS];
    pthread_t threads[THREADS];
    unsigned acknowledged = 0;
    (void)state;
    atomic_store(&load_ends, false);
    for (unsigned i = 0; i < THREADS; i++) {
        loads[i] = (struct load){.users = &user, .number = i, .n_users = 1, .with_ids = true};
        assert_int_equal(pthread_create(&threads[i], NULL, post_on, &loads[i]), 0);
    }
    char sql[128], text[32];
    (void)snprintf(sql, sizeof sql, "SELECT head > 100 FROM kez.inbox WHERE id = %llu",
                   (unsigned long long)user.inbox);
    wait_for(sql);
    postgres_halt(pg, "immediate");
    postgres_resume(pg);
    (void)snprintf(sql, sizeof sql, "SELECT max(seq) > 1000 FROM kez.inbox_row WHERE inbox = %llu",
                   (unsigned long long)user.inbox);
    wait_for(sql);
    atomic_store(&load_ends, true);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        acknowledged += loads[i].acknowledged;
    }
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM kez.inbox_row WHERE inbox = %llu",
                   (unsigned long long)user.inbox);
    (void)snprintf(text, sizeof text, "%u", acknowledged);
    assert_sql(sql, text);
}

/* ---- outcomes that must be settled ---- */

/* COMMIT waits for a standby that is not there: done here, not answered. */
static void await_standby(bool await) {
    exec(await ? "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"
               : "ALTER SYSTEM RESET synchronous_standby_names");
    exec("SELECT pg_reload_conf()");
}

static bool waits_or_is_answered(void *arg) {
    struct store_post *p = arg;
    int answers;
    char sync[] = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    assert_int_equal(sem_getvalue(p->job.arg, &answers), 0);
    return answers > 0 || is_true(sync);
}

/* A post whose COMMIT waits, or has waited until it was given up. The server heeds its settings a
 * little after it was told. */
static struct store_post *post_that_waits(struct asker *a, const struct user *user) {
    for (;;) {
        struct store_post *p = asker_post_new(user, NULL, "", "{\"n\":1}");
        int answers;
        assert_int_equal(asker_begin(a, &p->job), RC_OK);
        assert_true(proc_poll(waits_or_is_answered, p, SOON_MS));
        assert_int_equal(sem_getvalue(p->job.arg, &answers), 0);
        if (answers == 0 || p->job.rc != RC_OK)
            return p;
        assert_int_equal(asker_wait(&p->job), RC_OK);
        asker_post_free(p);
    }
}

static void a_commit_whose_answer_was_lost_is_found_to_be_done(void **state) {
    (void)state;
    struct user user = asker_user(asker, next_user++);
    await_standby(true);
    struct store_post *p = post_that_waits(asker, &user);
    exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    await_standby(false);
    assert_int_equal(asker_wait(&p->job), RC_OK);
    struct inbox_head head = asker_head(asker, user.inbox);
    assert_int_equal(p->seq, head.head);
    char *told = asker_last_row(asker, &user.handle), seq[32];
    (void)snprintf(seq, sizeof seq, "\"seq\":%llu,", (unsigned long long)p->seq);
    assert_non_null(told);
    assert_non_null(strstr(told, seq));
    free(told);
    asker_post_free(p);
}

static void a_commit_that_was_undone_is_run_again(void **state) {
    (void)state;
    struct user user = asker_user(asker, next_user++);
    /* COMMIT waits in a deferred trigger for a lock that this session holds. */
    exec("CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$"
         " BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END $$");
    exec("CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON kez.inbox_row"
         " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_test()");
    struct link *other = other_session();
    run_in(other, "SELECT pg_advisory_lock(42)");
    struct store_post *p = asker_post_new(&user, NULL, "", "{}");
    assert_int_equal(asker_begin(asker, &p->job), RC_OK);
    wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'advisory'");
    exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'");
    run_in(other, "SELECT pg_advisory_unlock(42)");
    assert_int_equal(asker_wait(&p->job), RC_OK);
    assert_int_equal(p->seq, 1);
    assert_int_equal(asker_head(asker, user.inbox).head, 1);
    asker_post_free(p);
    link_free(other);
    exec("DROP TRIGGER slow ON kez.inbox_row");
}

static void a_commit_that_stays_open_is_an_unknown_outcome(void **state) {
    (void)state;
    struct user user = asker_user(asker, next_user++);
    struct asker *a = start_hasty();
    await_standby(true);
    struct store_post *plain = post_that_waits(a, &user);
    struct store_post *named = asker_post_new(&user, NULL, "id", "{\"n\":2}");
    asker_wait_up(a, true, UP_MS); /* it may have gone down with the first */
    assert_int_equal(asker_begin(a, &named->job), RC_OK);
    assert_int_equal(asker_wait(&plain->job), RC_UNKNOWN_OUTCOME);
    enum rc rc = asker_wait(&named->job);
    assert_true(rc == RC_UNKNOWN_OUTCOME || rc == RC_UNAVAILABLE);
    await_standby(false);
    do
        rc = asker_insist(asker, &named->job);
    while (rc == RC_UNKNOWN_OUTCOME);
    assert_true(rc == RC_REPEAT || rc == RC_OK);
    /* The one that was not known to be there is. */
    struct page page;
    assert_int_equal(asker_read(asker, user.inbox, named->seq - 2, 10, &page), RC_OK);
    assert_int_equal(page.n, 2);
    assert_int_equal(page.at.head, named->seq);
    page_done(&page);
    asker_post_free(plain);
    asker_post_free(named);
    asker_stop(a);
}

/* ---- locks ---- */

static void an_inbox_that_another_holds_fails_only_its_own_posts(void **state) {
    enum { N = 60 };
    struct store_post *posts[N];
    struct user stuck = asker_user(asker, next_user++), fine = asker_user(asker, next_user++);
    struct store_config config = hasty_config();
    char sql[128];
    (void)state;
    config.writers = 1;
    struct asker *a = start_asker(&config);
    struct link *other = other_session();
    (void)snprintf(sql, sizeof sql, "BEGIN; SELECT FROM kez.inbox WHERE id = %llu FOR UPDATE",
                   (unsigned long long)stuck.inbox);
    run_in(other, sql);
    for (size_t i = 0; i < N; i++) {
        posts[i] = asker_post_new(i % 3 ? &fine : &stuck, NULL, "", "{}");
        assert_int_equal(asker_begin(a, &posts[i]->job), RC_OK);
    }
    for (size_t i = 0; i < N; i++)
        assert_int_equal(asker_wait(&posts[i]->job), i % 3 ? RC_OK : RC_UNAVAILABLE);
    run_in(other, "ROLLBACK");
    for (size_t i = 0; i < N; i++)
        asker_post_free(posts[i]);
    assert_int_equal(asker_post(a, &stuck, NULL, "", "{}", NULL), RC_OK);
    assert_int_equal(asker_head(a, fine.inbox).head, N - N / 3);
    link_free(other);
    asker_stop(a);
}

static bool time_has_come(void *arg) {
    const uint64_t *ms = arg;
    return clock_mono_ms(clock_system()) >= *ms;
}

static void posts_to_other_inboxes_pass_a_writer_that_hangs(void **state) {
    (void)state;
    struct user stuck = asker_user(asker, next_user++), fine = asker_user(asker, next_user++);
    char sql[128];
    struct link *other = other_session();
    (void)snprintf(sql, sizeof sql, "BEGIN; SELECT FROM kez.inbox WHERE id = %llu FOR UPDATE",
                   (unsigned long long)stuck.inbox);
    run_in(other, sql);
    struct store_post *first = asker_post_new(&stuck, NULL, "", "{\"n\":1}");
    struct store_post *second = asker_post_new(&stuck, NULL, "", "{\"n\":2}");
    assert_int_equal(asker_begin(asker, &first->job), RC_OK);
    wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
    uint64_t hangs_ms = clock_mono_ms(clock_system()) + 200;
    assert_true(proc_poll(time_has_come, &hangs_ms, SOON_MS));
    /* The second of the same inbox stays behind the first. */
    assert_int_equal(asker_begin(asker, &second->job), RC_OK);
    assert_int_equal(asker_post(asker, &fine, NULL, "", "{}", NULL), RC_OK);
    assert_int_not_equal(sem_trywait(first->job.arg), 0);
    run_in(other, "ROLLBACK");
    assert_int_equal(asker_wait(&first->job), RC_OK);
    assert_int_equal(asker_wait(&second->job), RC_OK);
    assert_int_equal(first->seq, 1);
    assert_int_equal(second->seq, 2);
    asker_post_free(first);
    asker_post_free(second);
    link_free(other);
}

static void a_schema_that_was_dropped_is_made_anew(void **state) {
    (void)state;
    struct user user = asker_user(asker, next_user++);
    exec("DROP SCHEMA kez CASCADE");
    struct user anew = asker_user(asker, 1);
    assert_int_equal(asker_post(asker, &anew, NULL, "", "{}", NULL), RC_OK);
    if (anew.inbox != user.inbox)
        assert_int_equal(asker_post(asker, &user, NULL, "", "{}", NULL), RC_NOT_FOUND);
}

static void nothing_deadlocked(void **state) {
    (void)state;
    char *log = postgres_log(pg);
    assert_null(strstr(log, "deadlock"));
    free(log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_halted_server_is_noticed_jobs_are_refused_at_once_and_it_heals),
        cmocka_unit_test(a_store_starts_without_a_server_and_waits_for_it),
        cmocka_unit_test(a_frozen_server_times_out_and_nothing_is_doubled),
        cmocka_unit_test(a_server_that_wakes_while_the_outcome_is_settled_stores_nothing_twice),
        cmocka_unit_test(a_frozen_server_is_noticed_by_an_idle_store),
        cmocka_unit_test(a_full_queue_is_an_answer),
        cmocka_unit_test(stopping_answers_all_that_was_submitted),
        cmocka_unit_test(ended_sessions_lose_no_acknowledged_row_and_double_none),
        cmocka_unit_test(a_server_that_crashes_under_load_loses_nothing_acknowledged),
        cmocka_unit_test(a_commit_whose_answer_was_lost_is_found_to_be_done),
        cmocka_unit_test(a_commit_that_was_undone_is_run_again),
        cmocka_unit_test(a_commit_that_stays_open_is_an_unknown_outcome),
        cmocka_unit_test(an_inbox_that_another_holds_fails_only_its_own_posts),
        cmocka_unit_test(posts_to_other_inboxes_pass_a_writer_that_hangs),
        cmocka_unit_test(a_schema_that_was_dropped_is_made_anew),
        cmocka_unit_test(nothing_deadlocked),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
