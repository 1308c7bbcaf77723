/* tests/back/test_store_keep_plans.c -- a step of retention touches a bounded number of rows, also
 * when it was planned while the tables were small.
 *
 * PostgreSQL itself says what each statement of the keeper's session did (auto_explain).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/stats.h"
#include "support/keeping.h"

enum { UP_MS = 60000, SMALL = 5, LARGE = 20000, STEP_ROWS_MOST = 2000 };

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

/* Without a word of it in the log. */
static void exec(const char *sql) {
    char text[2048];
    int n = snprintf(text, sizeof text, "SET auto_explain.log_min_duration = -1; %s", sql);
    assert_true(n > 0 && n < (int)sizeof text);
    postgres_exec(pg, "grow", text);
}

/* A keeper that has planned each of its statements for tables of a few rows. */
static struct asker *start_small(void) {
    struct store_config config = asker_config(postgres_url(pg, "grow"));
    config.retention = (struct store_retention){.days = 1, .period_s = 1};
    struct asker *plain = asker_start(config.url);
    for (unsigned i = 1; i <= SMALL; i++) {
        struct user user = asker_user(plain, i);
        assert_int_equal(asker_post(plain, &user, NULL, "id", "{}", NULL), RC_OK);
        assert_int_equal(talker_make(plain, &user, i, NULL, &user, 1, NULL), RC_OK);
    }
    asker_stop(plain);
    postgres_exec(pg, "grow",
                  "DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class"
                  " WHERE relnamespace = 'kez'::regnamespace AND relkind = 'r' LOOP EXECUTE"
                  " format('ALTER TABLE %s SET (autovacuum_enabled = off)', t);"
                  " END LOOP; END $$;"
                  "ALTER DATABASE grow SET session_preload_libraries = 'auto_explain';"
                  "ALTER DATABASE grow SET auto_explain.log_min_duration = 0;"
                  "ALTER DATABASE grow SET auto_explain.log_analyze = on;"
                  "ALTER DATABASE grow SET auto_explain.log_timing = off;"
                  "ALTER DATABASE grow SET auto_explain.log_parameter_max_length = 0;"
                  "ANALYZE");
    exec("UPDATE kez.inbox_row SET created_at = now() - interval '2 days' WHERE seq = 1");
    struct asker *keeper = asker_start_with(&config);
    keeping_await_passes(2);
    return keeper;
}

/* Each of LARGE inboxes has two rows, the older of which must go; each of as many conversations
 * three letters, one of which is needed; and as many ids are to be remembered. */
static void make_large(void) {
    char sql[2000];
    (void)snprintf(
        sql, sizeof sql,
        "INSERT INTO kez.account (handle, primary_key, registered_at)"
        " SELECT 'grown' || n, sha256(n::text::bytea), now() FROM generate_series(1, %d) AS n;"
        "INSERT INTO kez.inbox (id, head) SELECT inbox, 2 FROM kez.account"
        " WHERE handle LIKE 'grown%%';"
        "INSERT INTO kez.letter (created_at, type, conversation, sender, id, body)"
        " SELECT now() - interval '2 days', 0, 'Z' || inbox, 'x', n::text, '{}'"
        " FROM kez.account, generate_series(1, 3) AS n ORDER BY n;"
        "INSERT INTO kez.inbox_row (inbox, seq, created_at, type, sender, id, envelope)"
        " SELECT inbox, 1, now() - interval '2 days', 0, '', 'x', '{}'"
        " FROM kez.account WHERE handle LIKE 'grown%%';"
        "INSERT INTO kez.inbox_row (inbox, seq, created_at, letter, type, sender)"
        " SELECT substr(conversation, 2)::bigint, 2, now(), number, 0, '' FROM kez.letter"
        " WHERE id = '3' AND substr(conversation, 2)::bigint > %d;"
        "INSERT INTO kez.kept_id SELECT inbox, 'x', 'x', 1, now(), 'x' FROM kez.account;"
        "INSERT INTO kez.conversation SELECT 'Z' || inbox, inbox, 1, now(), now(), 1, 'x', ''"
        " FROM kez.account;"
        "INSERT INTO kez.participant SELECT 'Z' || inbox, inbox, 1, 'x' FROM kez.account",
        LARGE, SMALL); /* inboxes are numbered from 1 */
    exec(sql);
}

/* The number that follows `word` in a line, with its factor after "loops="; 0: it is not there. */
static double number_in(const char *line, size_t n, const char *word) {
    const char *at = memmem(line, n, word, strlen(word));
    if (!at)
        return 0;
    const char *loops = memmem(at, n - (size_t)(at - line), "loops=", 6);
    return strtod(at + strlen(word), NULL) * (loops ? strtod(loops + 6, NULL) : 1);
}

/* The largest in the log. Line by line: a sanitizer looks at all that a search may look at. */
static double most(const char *log, const char *word) {
    const char *end = log + strlen(log), *next;
    double most = 0;
    for (const char *line = log; line < end; line = next) {
        const char *line_end = memchr(line, '\n', (size_t)(end - line));
        next = line_end ? line_end + 1 : end;
        double n = number_in(line, (size_t)(next - line), word);
        most = n > most ? n : most;
    }
    return most;
}

static void plans_made_for_small_tables_are_right_for_large_ones(void **state) {
    (void)state;
    struct asker *keeper = start_small();
    char *before = postgres_log(pg);
    size_t old = strlen(before);
    free(before);
    int64_t rows = atomic_load(&stats.retention_rows_dropped);
    int64_t letters = atomic_load(&stats.retention_letters_dropped);
    make_large();
    keeping_await_passes(2);
    asker_stop(keeper);
    assert_int_equal(atomic_load(&stats.retention_rows_dropped), rows + LARGE);
    assert_int_equal(atomic_load(&stats.retention_letters_dropped), letters + 2 * (LARGE + SMALL));
    char *whole = postgres_log(pg), *log = whole + old;
    static const char *const said[] = {"inbox_row_pkey", "inbox_row_letter", "letter_latest",
                                       "kept_id_age",    "inbox_pkey",       "participant_pkey",
                                       "letter_pkey",    "Tid Scan"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (!strstr(log, said[i]))
            fail_msg("nothing was said of %s", said[i]);
    assert_null(strstr(log, "Seq Scan on inbox"));
    assert_null(strstr(log, "Seq Scan on letter"));
    if (most(log, "(actual rows=") > STEP_ROWS_MOST ||
        most(log, "Rows Removed by Filter: ") > STEP_ROWS_MOST ||
        most(log, "Rows Removed by Join Filter: ") > STEP_ROWS_MOST)
        fail_msg("a node of a plan had %.0f rows, or removed %.0f", most(log, "(actual rows="),
                 most(log, "Rows Removed by Filter: "));
    assert_true(most(log, "(actual rows=") >= 200); /* there was something to see */
    free(whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_made_for_small_tables_are_right_for_large_ones),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
