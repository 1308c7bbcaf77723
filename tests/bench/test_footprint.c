/* tests/bench/test_footprint.c -- private memory is the sum of its two figures.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/footprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    struct str text;
    enum rc want;
    uint64_t bytes;
} rows[] = {
    {STR_INIT("5590-7ffe ---p 00000000 00:00 0 [rollup]\nRss:    900 kB\nPrivate_Clean:   12 kB\n"
              "Private_Dirty:        30 kB\nSwap: 0 kB\n"),
     RC_OK, 42 * 1024},
    {STR_INIT("Private_Clean: 0 kB\nPrivate_Dirty: 0 kB\n"), RC_OK, 0},
    {STR_INIT("Private_Clean: 1 kB\n"), RC_MALFORMED, 0},
    {STR_INIT("Private_Clean: 1 kB\nPrivate_Dirty: x kB\n"), RC_MALFORMED, 0},
    {STR_INIT("Private_Clean: 1 MB\nPrivate_Dirty: 1 kB\n"), RC_MALFORMED, 0},
    {STR_INIT(""), RC_MALFORMED, 0},
};

static void a_rollup_is_summed_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t bytes = 7;
        assert_int_equal(footprint_read(rows[i].text, &bytes), rows[i].want);
        assert_int_equal(bytes, rows[i].want == RC_OK ? rows[i].bytes : 7);
    }
}

static void memory_that_is_written_to_is_seen(void **state) {
    (void)state;
    enum { MORE = 16 * 1024 * 1024 };
    const uint32_t pids[] = {(uint32_t)getpid(), (uint32_t)getpid()};
    uint64_t before, after, twice;
    assert_int_equal(footprint_private(pids, 1, &before), RC_OK);
    char *more = malloc(MORE);
    assert_non_null(more);
    for (size_t i = 0; i < MORE; i += 1024)
        ((volatile char *)more)[i] = 1;
    assert_int_equal(footprint_private(pids, 1, &after), RC_OK);
    assert_int_equal(footprint_private(pids, 2, &twice), RC_OK);
    free(more);
    assert_true(after >= before + MORE / 2);
    assert_true(twice > after);
}

static void a_process_that_is_not_there_is_not_found(void **state) {
    (void)state;
    const uint32_t nobody = INT32_MAX;
    uint64_t bytes;
    assert_int_equal(footprint_private(&nobody, 1, &bytes), RC_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rollup_is_summed_or_refused),
        cmocka_unit_test(memory_that_is_written_to_is_seen),
        cmocka_unit_test(a_process_that_is_not_there_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
