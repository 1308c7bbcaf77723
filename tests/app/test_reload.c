/* tests/app/test_reload.c -- settings read again: what changes, and that it is all or nothing.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/reload.h"
#include "app/settings.h"
#include "base/log.h"
#include "support/proc.h"

enum { WHY_MAX = 1024, KEYS = 16 };

static struct world {
    char path[300];
    const char *argv[3];
    struct config started;
    struct flow flow;
    struct reload reload;
    uint32_t drain_time_s;
    struct store_retention retention;
} w;

static void write_settings(const char *more) {
    FILE *file = fopen(w.path, "we");
    assert_non_null(file);
    assert_true(
        fprintf(file, "server = chat.example\ndatabase-url = postgresql:///chat\n%s", more) > 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state) {
    (void)state;
    struct buf why;
    buf_init(&why, WHY_MAX);
    (void)snprintf(w.path, sizeof w.path, "%s/kez.conf", proc_temp_dir(NULL));
    w.argv[0] = "kez-chat-server";
    w.argv[1] = "--config";
    w.argv[2] = w.path;
    write_settings("limit-register = 10\n");
    assert_int_equal(config_read(3, w.argv, getenv, &w.started, &why), RC_OK);
    buf_done(&why);
    struct quota **const quotas[] = {&w.flow.register_quota, &w.flow.unsigned_quota,
                                     &w.flow.signed_quota,   &w.flow.stream_quota,
                                     &w.flow.opens_quota,    &w.flow.failures_quota};
    for (size_t i = 0; i < sizeof quotas / sizeof *quotas; i++)
        assert_non_null(*quotas[i] = quota_new(7, KEYS));
    w.reload = (struct reload){3, w.argv, &w.started};
    w.drain_time_s = 7;
    w.retention = (struct store_retention){7, 7, 7};
    log_set_level(LOG_ERROR);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    quota_free(w.flow.register_quota);
    quota_free(w.flow.unsigned_quota);
    quota_free(w.flow.signed_quota);
    quota_free(w.flow.stream_quota);
    quota_free(w.flow.opens_quota);
    quota_free(w.flow.failures_quota);
    config_done(&w.started);
    return 0;
}

static void check_rates(uint32_t registered, uint32_t unsigned_posts, uint32_t signed_posts,
                        uint32_t stream_opens) {
    assert_int_equal(quota_per_minute(w.flow.register_quota), registered);
    assert_int_equal(quota_per_minute(w.flow.unsigned_quota), unsigned_posts);
    assert_int_equal(quota_per_minute(w.flow.signed_quota), signed_posts);
    assert_int_equal(quota_per_minute(w.flow.stream_quota), stream_opens);
}

static void check_retention(uint32_t days, uint32_t rows, uint32_t period_s) {
    assert_int_equal(w.retention.days, days);
    assert_int_equal(w.retention.rows, rows);
    assert_int_equal(w.retention.period_s, period_s);
}

static void everything_that_may_change_holds(void **state) {
    (void)state;
    write_settings("limit-register = 1\nlimit-posts-unsigned = 2\nlimit-posts-signed = 3\n"
                   "limit-stream-opens = 0\nrequire-signed-posts = yes\ndrain-time = 60\n"
                   "log-level = warn\nlimit-stream-opens-per-address = 4\n"
                   "limit-failed-signatures = 5\ninbox-retention-days = 6\n"
                   "inbox-retention-rows = 8\ninbox-retention-period = 9\n");
    reload_settings(&w.reload, &w.flow, &w.drain_time_s, &w.retention);
    check_rates(1, 2, 3, 0);
    assert_int_equal(quota_per_minute(w.flow.opens_quota), 4);
    assert_int_equal(quota_per_minute(w.flow.failures_quota), 5);
    assert_true(atomic_load(&w.flow.require_signed_posts));
    assert_int_equal(w.drain_time_s, 60);
    check_retention(6, 8, 9);
    assert_true(log_is_on(LOG_WARN));
    assert_false(log_is_on(LOG_INFO));
    /* What is not said any more has its default again. */
    write_settings("log-level = error\n");
    reload_settings(&w.reload, &w.flow, &w.drain_time_s, &w.retention);
    check_rates(10, 60, 600, 600);
    assert_false(atomic_load(&w.flow.require_signed_posts));
    assert_int_equal(w.drain_time_s, 10);
    check_retention(0, 0, 600);
    assert_false(log_is_on(LOG_WARN));
}

static void one_wrong_setting_changes_nothing(void **state) {
    (void)state;
    static const char *const wrong[] = {"limit-register = 1\nlimit-posts-signed = x\n",
                                        "limit-register = 1\nno-such-thing = 1\n",
                                        "limit-register = 1\nkeep-alive = 0\n"};
    log_set_fd(-1); /* it says what is wrong at each */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_settings(wrong[i]);
        reload_settings(&w.reload, &w.flow, &w.drain_time_s, &w.retention);
        check_rates(7, 7, 7, 7);
        assert_int_equal(w.drain_time_s, 7);
        check_retention(7, 7, 7);
    }
    assert_int_equal(remove(w.path), 0);
    reload_settings(&w.reload, &w.flow, &w.drain_time_s, &w.retention);
    check_rates(7, 7, 7, 7);
    log_set_fd(2);
}

static void settings_that_can_change_have_these_names(void **state) {
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < settings_count; i++)
        n += reload_is_for(&settings[i]);
    assert_int_equal(n, 12); /* none of them is misspelt */
    assert_false(reload_is_for(settings_find(STR("bind"))));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_that_may_change_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_wrong_setting_changes_nothing, set_up, tear_down),
        cmocka_unit_test(settings_that_can_change_have_these_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
