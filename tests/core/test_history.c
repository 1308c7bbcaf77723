/* tests/core/test_history.c -- a server that lost what was seen of it is told from one that did
 * not.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/history.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct history *h;

static int setup(void **state) {
    (void)state;
    h = history_new();
    return h ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    history_free(h);
    return 0;
}

static bool went_back(const struct sighting *now) {
    struct history_view before;
    history_view(h, &before);
    return history_went_back(&before, now);
}

/* The one that each row is compared with: up to 1000 on the disk. */
static const struct sighting first = {"g", 2, 77, 100, 900};

static void a_server_that_lost_what_was_seen_went_back(void **state) {
    (void)state;
    static const struct {
        const char *what;
        struct sighting now;
        bool want;
    } rows[] = {
        {"the same", {"g", 2, 77, 100, 1000}, false},
        {"went on", {"g", 2, 77, 1100, 1200}, false},
        {"less than it had, and not started again", {"g", 2, 77, 100, 999}, true},
        {"started again behind all", {"g", 2, 88, 1000, 1100}, false},
        {"started again, a byte short", {"g", 2, 88, 999, 1100}, true},
        {"started again short, and went on far", {"g", 2, 88, 500, 1 << 30}, true},
        {"promoted, where the epoch is kept", {"g", 3, 99, 100, 500}, false},
        {"of before a promotion", {"g", 1, 55, 5000, 6000}, true},
        {"another generation that is less far", {"x", 2, 88, 10, 20}, false},
        {"another generation of an older timeline", {"x", 1, 88, 10, 20}, false},
    };
    assert_false(went_back(&first));
    history_reached(h, history_enter(h, &first), 1000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (went_back(&rows[i].now) != rows[i].want)
            fail_msg("%s", rows[i].what);
}

static void a_history_that_was_left_is_known_when_it_comes_again(void **state) {
    (void)state;
    const struct sighting other = {"x", 2, 88, 10, 20};
    const struct sighting short_of_it = {"g", 2, 99, 899, 2000};
    const struct sighting whole = {"g", 2, 99, 900, 2000};
    (void)history_enter(h, &first);
    (void)history_enter(h, &other);
    assert_true(went_back(&short_of_it));
    assert_false(went_back(&whole));
}

/* A look that took long must not take back what others saw meanwhile. */
static void what_was_reached_never_falls(void **state) {
    (void)state;
    const struct sighting at_899 = {"g", 2, 77, 100, 899}, at_999 = {"g", 2, 77, 100, 999};
    const struct sighting late = {"g", 2, 77, 100, 950};
    uint64_t number = history_enter(h, &first);
    history_reached(h, number, 1000);
    history_reached(h, number, 900);
    assert_int_equal(history_enter(h, &late), number);
    assert_true(went_back(&at_899) && went_back(&at_999));
    assert_false(went_back(&(struct sighting){"g", 2, 77, 100, 1000}));
}

/* What is seen before a look is compared with it, and nothing else: others go on meanwhile. */
static void a_view_is_of_its_time(void **state) {
    (void)state;
    struct history_view before;
    const struct sighting looked = {"g", 2, 77, 100, 950};
    uint64_t number = history_enter(h, &first);
    history_view(h, &before);
    history_reached(h, number, 1000);
    assert_false(history_went_back(&before, &looked));
    assert_true(went_back(&looked));
}

static void the_oldest_is_forgotten(void **state) {
    (void)state;
    uint64_t numbers[HISTORY_MAX + 1];
    struct sighting s = first;
    for (unsigned i = 0; i <= HISTORY_MAX; i++) {
        (void)snprintf(s.generation, sizeof s.generation, "g%u", i);
        numbers[i] = history_enter(h, &s);
    }
    history_reached(h, numbers[0], 5000); /* nobody's any more */
    history_reached(h, numbers[1], 5000);
    for (unsigned i = 0; i <= HISTORY_MAX; i++) {
        (void)snprintf(s.generation, sizeof s.generation, "g%u", i);
        s.flushed = i == 1 ? 4999 : 899;
        assert_int_equal(went_back(&s), i > 0);
        s.flushed = i == 1 ? 5000 : 900;
        assert_false(went_back(&s));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_server_that_lost_what_was_seen_went_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_history_that_was_left_is_known_when_it_comes_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_reached_never_falls, setup, teardown),
        cmocka_unit_test_setup_teardown(a_view_is_of_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_is_forgotten, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
