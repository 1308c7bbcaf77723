/* tests/base/test_clock.c -- the machine's clocks, and a clock that a test moves.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void the_monotonic_clock_never_goes_back(void **state) {
    (void)state;
    const struct clock *c = clock_system();
    uint64_t last = clock_mono_us(c);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_mono_us(c);
        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_mono_ms(c) >= last / 1000);
}

static void the_wall_clock_is_the_one_on_the_wall(void **state) {
    (void)state;
    int64_t before = (int64_t)time(NULL), ms = clock_wall_ms(clock_system()),
            after = (int64_t)time(NULL);
    assert_true(before * 1000 <= ms);
    assert_true(ms < (after + 2) * 1000); /* time() may lag a tick behind */
}

static uint64_t hand_us(void *arg) { return *(uint64_t *)arg; }
static int64_t hand_ms(void *arg) { return -(int64_t) * (uint64_t *)arg; }

static void a_clock_may_be_anything(void **state) {
    (void)state;
    uint64_t hand = 1999;
    struct clock c = {hand_us, hand_ms, &hand};
    assert_int_equal(clock_mono_us(&c), 1999);
    assert_int_equal(clock_mono_ms(&c), 1);
    assert_int_equal(clock_wall_ms(&c), -1999);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_monotonic_clock_never_goes_back),
        cmocka_unit_test(the_wall_clock_is_the_one_on_the_wall),
        cmocka_unit_test(a_clock_may_be_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
