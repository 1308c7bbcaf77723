/* tests/back/test_store_schema.c -- the store's schema, its versions and its epochs, on a real
 * PostgreSQL.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/asker.h"
#include "support/postgres.h"

enum { UP_MS = 60000, NOT_UP_MS = 700 };

static struct postgres *pg;

static int setup(void **state) {
    (void)state;
    pg = postgres_start();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    postgres_stop(pg);
    return 0;
}

static void assert_sql(const char *database, const char *sql, const char *want) {
    char *got = postgres_value(pg, database, sql);
    assert_string_equal(got, want);
    free(got);
}

/* The epoch of user 1 as a store that starts now gives it. */
static struct epoch epoch_of(const char *url, bool keep) {
    struct store_config config = asker_config(url);
    config.keep_epoch_on_timeline_change = keep;
    struct asker *a = asker_start_with(&config);
    asker_wait_up(a, true, UP_MS);
    struct user user = asker_user(a, 1);
    struct epoch epoch = asker_head(a, user.inbox).epoch;
    asker_stop(a);
    return epoch;
}

static void assert_same(const struct epoch *a, const struct epoch *b) {
    assert_string_equal(a->text, b->text);
}

static void assert_other(const struct epoch *a, const struct epoch *b) {
    assert_string_not_equal(a->text, b->text);
}

static void stores_that_start_at_once_make_one_schema(void **state) {
    enum { N = 4 };
    struct asker *askers[N];
    struct store_config config = asker_config(postgres_url(pg, "many"));
    (void)state;
    for (size_t i = 0; i < N; i++)
        askers[i] = asker_start_with(&config);
    for (size_t i = 0; i < N; i++)
        asker_wait_up(askers[i], true, UP_MS);
    struct user user = asker_user(askers[0], 1);
    struct epoch first = asker_head(askers[0], user.inbox).epoch;
    for (size_t i = 1; i < N; i++) {
        struct epoch other = asker_head(askers[i], user.inbox).epoch;
        assert_same(&first, &other);
    }
    for (size_t i = 0; i < N; i++)
        asker_stop(askers[i]);
    assert_sql("many", "SELECT count(*) || ' ' || max(version) FROM kez.schema_version", "4 4");
    assert_sql("many", "SELECT count(*) FROM kez.store", "1");
}

static void a_schema_made_beforehand_needs_no_right_to_make_one(void **state) {
    (void)state;
    const char *url = postgres_url(pg, "plain");
    struct epoch made = epoch_of(url, false);
    postgres_exec(pg, "plain",
                  "CREATE ROLE plain LOGIN; GRANT USAGE ON SCHEMA kez TO plain;"
                  "GRANT ALL ON ALL TABLES IN SCHEMA kez TO plain");
    char *other = strdup(url), *at = strstr(other, "kez@");
    assert_non_null(at);
    char text[128];
    (void)snprintf(text, sizeof text, "postgresql://plain@%s", at + 4);
    struct epoch seen = epoch_of(text, false);
    assert_same(&made, &seen);
    free(other);
}

static void the_unix_socket_works_too(void **state) {
    (void)state;
    struct epoch tcp = epoch_of(postgres_url(pg, "socket"), false);
    char *url = postgres_socket_url(pg, "socket");
    struct epoch local = epoch_of(url, false);
    assert_same(&tcp, &local);
    free(url);
}

/* ---- versions ---- */

static void a_newer_schema_is_used_when_it_says_that_it_may_be(void **state) {
    (void)state;
    const char *url = postgres_url(pg, "newer"), *why = NULL;
    struct store_config config = asker_config(url);
    struct epoch before = epoch_of(url, false);
    postgres_exec(pg, "newer", "INSERT INTO kez.schema_version VALUES (99, 1)");
    struct epoch after = epoch_of(url, false);
    assert_same(&before, &after);

    postgres_exec(pg, "newer", "UPDATE kez.schema_version SET least = 99 WHERE version = 99");
    struct asker *a = asker_start_with(&config);
    assert_false(asker_gets_up(a, NOT_UP_MS));
    assert_int_equal(asker_register(a, "alice", 1, NULL), RC_UNAVAILABLE);
    assert_int_equal(store_renew_epoch(&config, &why), RC_CONFLICT);
    assert_non_null(strstr(why, "newer"));
    /* It looks again, and needs no restart. */
    postgres_exec(pg, "newer", "DELETE FROM kez.schema_version WHERE version = 99");
    asker_wait_up(a, true, UP_MS);
    asker_stop(a);
}

static void a_database_that_cannot_serve_is_refused(void **state) {
    (void)state;
    const char *why = NULL;
    postgres_exec(pg, "postgres",
                  "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'");
    char *utf8 = strdup(postgres_url(pg, "readonly")), url[128];
    (void)snprintf(url, sizeof url, "%.*s/ascii", (int)(strrchr(utf8, '/') - utf8), utf8);
    struct store_config config = asker_config(url);
    assert_int_equal(store_renew_epoch(&config, &why), RC_CONFLICT);
    assert_non_null(strstr(why, "UTF8"));

    config.url = utf8;
    postgres_exec(pg, "readonly", "ALTER DATABASE readonly SET default_transaction_read_only = on");
    struct asker *a = asker_start_with(&config);
    assert_false(asker_gets_up(a, NOT_UP_MS));
    postgres_exec(pg, "postgres", "ALTER DATABASE readonly RESET default_transaction_read_only");
    asker_wait_up(a, true, UP_MS);
    asker_stop(a);
    free(utf8);
}

static void what_is_wrong_is_said_without_the_password(void **state) {
    (void)state;
    static const char *const urls[] = {"postgresql://u:sesame@127.0.0.1:1/x",
                                       "postgresql://u:sesame@127.0.0.1:1:2/x?y",
                                       "host=127.0.0.1 port=1 password=sesame", "sesame"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct store_config config = asker_config(urls[i]);
        const char *why = NULL;
        assert_int_equal(store_renew_epoch(&config, &why), i % 2 ? RC_MALFORMED : RC_UNAVAILABLE);
        assert_true(strlen(why) > 10);
        assert_null(strstr(why, "sesame"));
    }
}

/* ---- epochs ---- */

static void the_epoch_stays_when_nothing_changed(void **state) {
    (void)state;
    const char *url = postgres_url(pg, "stays");
    struct epoch before = epoch_of(url, false), again = epoch_of(url, false);
    assert_same(&before, &again);
    postgres_halt(pg, "immediate");
    postgres_resume(pg);
    struct epoch after_crash = epoch_of(url, false);
    assert_same(&before, &after_crash);
}

static void a_copy_of_the_database_has_another_epoch(void **state) {
    (void)state;
    struct epoch before = epoch_of(postgres_url(pg, "original"), true);
    postgres_exec(pg, "postgres", "CREATE DATABASE copy TEMPLATE original");
    char *url = strdup(postgres_url(pg, "original")), text[128];
    (void)snprintf(text, sizeof text, "%.*s/copy", (int)(strrchr(url, '/') - url), url);
    struct epoch copy = epoch_of(text, true), again = epoch_of(text, true);
    struct epoch after = epoch_of(url, true);
    assert_other(&before, &copy);
    assert_same(&copy, &again);
    assert_same(&before, &after);
    free(url);
}

static void another_system_has_another_epoch_whatever_is_kept(void **state) {
    (void)state;
    const char *url = postgres_url(pg, "system");
    struct epoch before = epoch_of(url, true);
    postgres_exec(pg, "system", "UPDATE kez.store SET system_identifier = '1'");
    struct epoch after = epoch_of(url, true);
    assert_other(&before, &after);
}

/* A recovery to the end of the log, which begins a new timeline, as a promotion does. */
static void begin_new_timeline(void) {
    char path[512];
    char *dir = postgres_value(pg, "postgres", "SHOW data_directory");
    (void)snprintf(path, sizeof path, "%s/recovery.signal", dir);
    free(dir);
    postgres_exec(pg, "postgres", "ALTER SYSTEM SET restore_command = 'false'");
    postgres_halt(pg, "fast");
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0666), 0);
    (void)close(fd);
    postgres_resume(pg);
}

static void a_new_timeline_has_another_epoch_unless_it_is_kept(void **state) {
    (void)state;
    const char *url = postgres_url(pg, "timeline");
    struct store_config config = asker_config(url);
    struct asker *running = asker_start_with(&config);
    asker_wait_up(running, true, UP_MS);
    struct user user = asker_user(running, 1);
    struct epoch first = asker_head(running, user.inbox).epoch;

    begin_new_timeline();
    assert_sql("timeline", "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)", "00000002");
    struct epoch second = asker_head(running, user.inbox).epoch;
    assert_other(&first, &second);
    assert_sql("timeline", "SELECT timeline FROM kez.store", "00000002");
    asker_stop(running);

    begin_new_timeline();
    struct epoch kept = epoch_of(url, true), noted = epoch_of(url, false);
    assert_same(&second, &kept);
    assert_same(&second, &noted);
    assert_sql("timeline", "SELECT timeline FROM kez.store", "00000003");
}

static void renewing_changes_every_epoch_at_once(void **state) {
    (void)state;
    const char *url = postgres_url(pg, "renew"), *why = NULL;
    struct store_config config = asker_config(url);
    config.keep_epoch_on_timeline_change = true;
    /* On an empty database, too. */
    assert_int_equal(store_renew_epoch(&config, &why), RC_OK);
    struct asker *a = asker_start(url);
    struct user one = asker_user(a, 1), two = asker_user(a, 2);
    struct epoch before[2] = {asker_head(a, one.inbox).epoch, asker_head(a, two.inbox).epoch};
    assert_other(&before[0], &before[1]);
    assert_int_equal(store_renew_epoch(&config, &why), RC_OK);
    struct epoch after[2] = {asker_head(a, one.inbox).epoch, asker_head(a, two.inbox).epoch};
    assert_other(&before[0], &after[0]);
    assert_other(&before[1], &after[1]);
    assert_other(&after[0], &after[1]);
    struct page page;
    assert_int_equal(asker_read(a, one.inbox, 0, 1, &page), RC_OK);
    assert_same(&page.at.epoch, &after[0]);
    page_done(&page);
    asker_stop(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_that_start_at_once_make_one_schema),
        cmocka_unit_test(a_schema_made_beforehand_needs_no_right_to_make_one),
        cmocka_unit_test(the_unix_socket_works_too),
        cmocka_unit_test(a_newer_schema_is_used_when_it_says_that_it_may_be),
        cmocka_unit_test(a_database_that_cannot_serve_is_refused),
        cmocka_unit_test(what_is_wrong_is_said_without_the_password),
        cmocka_unit_test(the_epoch_stays_when_nothing_changed),
        cmocka_unit_test(a_copy_of_the_database_has_another_epoch),
        cmocka_unit_test(another_system_has_another_epoch_whatever_is_kept),
        cmocka_unit_test(a_new_timeline_has_another_epoch_unless_it_is_kept),
        cmocka_unit_test(renewing_changes_every_epoch_at_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
