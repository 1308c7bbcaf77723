/* tests/bench/test_progress.c -- a line a second, and one for each new phase.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SAID_MAX = 4096 };
#define SECOND_NS UINT64_C(1000000000)

static char said[SAID_MAX];

struct step {
    uint64_t at_ns;
    struct progress_figures figures;
};

/* Tells all of it with standard error in a pipe; what was printed is in `said`. */
static void tell(bool is_on, const struct step *steps, size_t n) {
    int fds[2], before = dup(STDERR_FILENO);
    struct progress p;
    assert_int_equal(pipe(fds), 0);
    fflush(stderr);
    dup2(fds[1], STDERR_FILENO);
    progress_init(&p, is_on);
    for (size_t i = 0; i < n; i++)
        progress_tell(&p, steps[i].at_ns, &steps[i].figures);
    progress_end(&p);
    dup2(before, STDERR_FILENO);
    close(before);
    close(fds[1]);
    memset(said, 0, sizeof said);
    assert_true(read(fds[0], said, sizeof said - 1) >= 0);
    close(fds[0]);
}

static const char posting[] = "posting", opening[] = "opening";
static const struct step steps[] = {
    {5 * SECOND_NS, {.phase = opening, .streams = 1}},
    {5 * SECOND_NS + 1, {.phase = opening, .streams = 2}},
    {5 * SECOND_NS + 2, {.phase = posting, .streams = 3}},
    {6 * SECOND_NS, {.phase = posting, .streams = 3, .posts = 50, .rows = 100}},
    {7 * SECOND_NS + 2, {.phase = posting, .streams = 3, .posts = 100, .rows = 4000}},
};

static void a_line_comes_each_second_and_for_each_phase(void **state) {
    (void)state;
    tell(true, steps, 5);
    assert_string_equal(said,
                        "opening     0 handles, 1 streams, 0 posts (0/s), 0 deliveries (0/s)\n"
                        "posting     0 handles, 3 streams, 0 posts (0/s), 0 deliveries (0/s)\n"
                        "posting     0 handles, 3 streams, 100 posts (50/s), 4000 deliveries "
                        "(2000/s)\n");
}

static void quiet_is_quiet(void **state) {
    (void)state;
    tell(false, steps, 5);
    assert_string_equal(said, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_comes_each_second_and_for_each_phase),
        cmocka_unit_test(quiet_is_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
