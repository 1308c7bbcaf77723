/* tests/integration/test_descriptors.c -- too few of them are said at the start, before anybody
 * connects.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/proc.h"
#include "support/site.h"

static struct site site;

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", 0, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

/* With what to do about it. */
static void too_few_descriptors_are_said_at_the_start(void **state) {
    (void)state;
    char log_path[300];
    (void)snprintf(log_path, sizeof log_path, "%s/start.log", proc_temp_dir(NULL));
    const char *const argv[] = {"/bin/sh",
                                "-c",
                                "ulimit -n 280 && exec \"$0\" \"$@\"",
                                site.program,
                                "--server",
                                NODE_SERVER,
                                "--bind",
                                "127.0.0.1:0",
                                "--admin-bind",
                                "127.0.0.1:0",
                                "--database-url",
                                postgres_url(site.pg, "chat"),
                                "--http-threads",
                                "2",
                                "--push-threads",
                                "2",
                                NULL};
    assert_int_not_equal(proc_run(argv, log_path, NULL, HTTP_WAIT_MS), 0);
    char *log = proc_read_file(log_path);
    /* 70 connections, which is a quarter, 256 spare ones, 4 for each thread, 16 streams. */
    bool is_told =
        strstr(log, "too few descriptors have=280 need=358") && strstr(log, "LimitNOFILE=");
    if (!is_told)
        print_error("%s", log);
    free(log);
    assert_true(is_told);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_few_descriptors_are_said_at_the_start),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
