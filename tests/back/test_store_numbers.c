/* tests/back/test_store_numbers.c -- numbers of inboxes in a store that may have gone back: those
 * of the history that is lost are passed over.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/asker.h"
#include "support/postgres.h"

enum { UP_MS = 60000 };

#define PASSED_OVER (UINT64_C(1) << 32)

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

/* The inbox of user `number`, made by a store that starts now. */
static uint64_t next_inbox(const char *url, unsigned number) {
    struct store_config config = asker_config(url);
    config.writers = 1; /* beside one reader: when it is up, no other connection is being made */
    struct asker *a = asker_start_with(&config);
    asker_wait_up(a, true, UP_MS);
    uint64_t inbox = asker_user(a, number).inbox;
    asker_stop(a);
    return inbox;
}

static void go_back(const char *database) {
    postgres_exec(pg, database, "UPDATE kez.store SET system_identifier = '1'");
}

static void a_new_history_passes_over_and_a_new_connection_does_not(void **state) {
    (void)state;
    const char *url = postgres_url(pg, "numbers"), *why = NULL;
    struct store_config config = asker_config(url);
    uint64_t inbox = next_inbox(url, 1);
    assert_int_equal(inbox, 1);
    assert_int_equal(next_inbox(url, 2), 2);
    go_back("numbers");
    inbox = next_inbox(url, 3);
    assert_true(inbox > PASSED_OVER);
    assert_int_equal(next_inbox(url, 4), inbox + 1);
    assert_int_equal(store_renew_epoch(&config, &why), RC_OK); /* the same by hand */
    assert_true(next_inbox(url, 5) > inbox + PASSED_OVER);
}

/* It works all the same, and the log says what is missing. */
static void a_user_without_the_right_to_is_no_reason_to_stop(void **state) {
    (void)state;
    char text[128];
    const char *url = postgres_url(pg, "plain"), *at = strstr(url, "kez@");
    assert_non_null(at);
    assert_int_equal(next_inbox(url, 1), 1);
    postgres_exec(pg, "plain",
                  "CREATE ROLE plain LOGIN; GRANT USAGE ON SCHEMA kez TO plain;"
                  "GRANT ALL ON ALL TABLES IN SCHEMA kez TO plain");
    (void)snprintf(text, sizeof text, "postgresql://plain@%s", at + strlen("kez@"));
    go_back("plain");
    assert_int_equal(next_inbox(text, 2), 2);
    postgres_exec(pg, "plain", "GRANT UPDATE ON SEQUENCE kez.account_inbox_seq TO plain");
    go_back("plain");
    assert_true(next_inbox(text, 3) > PASSED_OVER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_history_passes_over_and_a_new_connection_does_not),
        cmocka_unit_test(a_user_without_the_right_to_is_no_reason_to_stop),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
