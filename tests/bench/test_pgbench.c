/* tests/bench/test_pgbench.c -- what pgbench is given, and what is read from its words.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/pgbench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#define SAID                                                                                       \
    "pgbench (15.4)\ntransaction type: x.sql\nnumber of failed transactions: 0 (0.000%)\n"         \
    "latency average = 1.318 ms\ninitial connection time = 91.263 ms\n"

static const struct {
    struct str said;
    enum rc want;
    double tps;
} rows[] = {
    {STR_INIT(SAID "tps = 24278.093170 (without initial connection time)\n"), RC_OK, 24278.09317},
    {STR_INIT(SAID "tps = 12\n"), RC_MALFORMED, 0},
    {STR_INIT(SAID "tps = 12 (x)\n"), RC_OK, 12},
    {STR_INIT(SAID), RC_MALFORMED, 0},
    {STR_INIT(SAID "tps = -1 (x)\n"), RC_MALFORMED, 0},
    {STR_INIT(SAID "tps = many (x)\n"), RC_MALFORMED, 0},
    {STR_INIT(SAID "tps =  (x)\n"), RC_MALFORMED, 0},
    {STR_INIT(""), RC_MALFORMED, 0},
};

static bool is_near(double a, double b) { return a - b < 0.001 && b - a < 0.001; }

static void the_rate_is_read_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double tps = 0;
        assert_int_equal(pgbench_read_tps(rows[i].said, &tps), rows[i].want);
        assert_true(is_near(tps, rows[i].tps));
    }
}

static void the_script_inserts_a_body_of_the_size_asked_for(void **state) {
    (void)state;
    struct pgbench p = {.inboxes = 77, .body_bytes = 1000};
    struct buf b;
    buf_init(&b, 1 << 16);
    pgbench_put_script(&b, &p);
    const char *text = buf_cstr(&b), *start = strstr(text, "'{"), *end = strstr(text, "}'");
    assert_non_null(strstr(text, "random(1, 77)"));
    assert_non_null(start);
    assert_non_null(end);
    assert_int_equal(end - start, 1000);
    buf_done(&b);
}

static void a_database_that_is_not_there_is_no_figure(void **state) {
    (void)state;
    struct pgbench p = {.database_url = "postgresql://127.0.0.1:1/none?connect_timeout=1",
                        .inboxes = 1,
                        .body_bytes = 100,
                        .seconds = 1,
                        .connections = 1};
    double tps = -5;
    assert_int_equal(pgbench_run(&p, &tps), RC_IO);
    assert_true(is_near(tps, -5));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_is_read_or_refused),
        cmocka_unit_test(the_script_inserts_a_body_of_the_size_asked_for),
        cmocka_unit_test(a_database_that_is_not_there_is_no_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
