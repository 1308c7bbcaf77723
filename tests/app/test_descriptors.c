/* tests/app/test_descriptors.c -- connections, streams and the spare ones fit under the limit of
 * descriptors, which is raised first; or the start is refused.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/descriptors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

static const struct trial {
    const char *what;
    rlim_t soft, hard;
    uint32_t connections, streams; /* streams 0: as many as fit */
    uint32_t threads;              /* of each kind */
    bool fits;
    uint32_t becomes; /* streams then */
} rows[] = {
    {"the rest is for streams", 1024, 1024, 256, 0, 0, true, 512},
    {"the limit is raised", 64, 2000, 256, 0, 0, true, 1488},
    {"just enough", 64, 1000, 644, 100, 0, true, 100},
    {"one too few", 64, 999, 644, 100, 0, false, 100},
    {"threads have theirs", 1024, 1024, 256, 0, 32, true, 256},
    {"streams that were asked for stay", 2000, 2000, 256, 100, 0, true, 100},
    {"sixteen streams at least", 600, 600, 328, 0, 0, true, 16},
    {"room for fifteen is none", 599, 599, 328, 0, 0, false, 0},
    {"more connections than descriptors", 600, 600, 1000000, 0, 0, false, 0},
    {"more streams than numbers", 600, 600, 100, UINT32_MAX, 0, false, UINT32_MAX},
};

/* 0: as it should be. The limits are the child's own. */
static int what_is_wrong(const struct trial *row) {
    struct rlimit limit = {row->soft, row->hard};
    struct config config = {.http = {.max_connections = row->connections, .threads = row->threads}};
    struct push_config push = {.max_streams = row->streams, .shards = row->threads};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    log_set_level(LOG_ERROR);
    if (descriptors_allot(&config, &push) != row->fits)
        return 2;
    if (push.max_streams != row->becomes)
        return 3;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur != row->hard)
        return 4;
    if (row->fits && (uint64_t)row->connections + push.max_streams + DESCRIPTORS_SPARE > row->hard)
        return 5;
    return 0;
}

static void all_that_may_be_open_fits_under_the_limit(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int status = 0;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(what_is_wrong(&rows[i]));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) != 0)
            fail_msg("%s: %d", rows[i].what, WEXITSTATUS(status));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_that_may_be_open_fits_under_the_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
