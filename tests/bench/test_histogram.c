/* tests/bench/test_histogram.c -- percentiles are within the promised error.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct histogram h;

static void an_empty_one_says_zero(void **state) {
    (void)state;
    histogram_init(&h);
    assert_int_equal(histogram_at(&h, 50), 0);
    assert_int_equal(h.max, 0);
}

static void small_values_are_exact(void **state) {
    (void)state;
    histogram_init(&h);
    for (uint64_t v = 1; v <= 60; v++)
        histogram_add(&h, v);
    assert_int_equal(histogram_at(&h, 50), 30);
    assert_int_equal(histogram_at(&h, 95), 57);
    assert_int_equal(histogram_at(&h, 100), 60);
    assert_int_equal(histogram_at(&h, 0), 1);
}

/* One value alone is its own percentile, whatever its size; two tell the bucket's error. */
static void every_size_is_within_the_promised_error(void **state) {
    (void)state;
    for (unsigned bit = 0; bit < HISTOGRAM_TOP; bit++) {
        for (unsigned part = 0; part < 8; part++) {
            uint64_t v = (UINT64_C(1) << bit) + ((UINT64_C(1) << bit) >> 3) * part;
            histogram_init(&h);
            histogram_add(&h, v);
            histogram_add(&h, UINT64_MAX / 2);
            uint64_t told = histogram_at(&h, 50);
            assert_true(told >= v);
            assert_true(told - v <= v / 64);
        }
    }
}

static void values_beyond_the_top_share_the_last_bucket(void **state) {
    (void)state;
    histogram_init(&h);
    histogram_add(&h, UINT64_MAX);
    histogram_add(&h, UINT64_C(1) << HISTOGRAM_TOP);
    assert_int_equal(h.n, 2);
    assert_true(histogram_at(&h, 10) == UINT64_MAX);
    assert_int_equal(h.counts[HISTOGRAM_BUCKETS - 1], 2);
}

static void a_percentile_counts_upwards(void **state) {
    (void)state;
    histogram_init(&h);
    for (unsigned i = 0; i < 99; i++)
        histogram_add(&h, 10);
    histogram_add(&h, 1000000);
    assert_int_equal(histogram_at(&h, 99), 10);
    assert_int_equal(histogram_at(&h, 99.5), 1000000);
    assert_int_equal(histogram_at(&h, 100), 1000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_one_says_zero),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(every_size_is_within_the_promised_error),
        cmocka_unit_test(values_beyond_the_top_share_the_last_bucket),
        cmocka_unit_test(a_percentile_counts_upwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
