/* tests/back/test_bus_news.c -- state events come in order, a short loss is told, slow is paced.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/bus_news.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "core/stats.h"

struct told {
    char text[64];          /* a letter for each event: U, D, S */
    struct bus_news *again; /* asked to tell from inside an event */
};

static uint64_t now_us;

static uint64_t read_us(void *arg) {
    (void)arg;
    return now_us;
}

static int64_t read_ms(void *arg) {
    (void)arg;
    return 0;
}

static const struct clock hands = {.mono_us = read_us, .wall_ms = read_ms};

static void on_state(void *arg, enum bus_state state) {
    struct told *t = arg;
    t->text[strlen(t->text)] = "UDS"[state];
    if (t->again) {
        bus_news_set_up(t->again, false);
        bus_news_set_up(t->again, true);
        struct bus_news *n = t->again;
        t->again = NULL;
        bus_news_tell(n);
    }
}

static void start(struct bus_news *n, struct told *t) {
    *t = (struct told){0};
    now_us = 1000000;
    bus_news_init(n, &(struct bus_events){.arg = t, .state = on_state}, &hands);
}

static void changes_are_told_once_each(void **state) {
    (void)state;
    struct bus_news n;
    struct told t;
    start(&n, &t);
    bus_news_set_up(&n, false);
    bus_news_tell(&n);
    assert_string_equal(t.text, "");
    bus_news_set_up(&n, true);
    bus_news_tell(&n);
    bus_news_set_up(&n, true);
    bus_news_tell(&n);
    assert_string_equal(t.text, "U");
    assert_true(bus_news_is_up(&n));
    bus_news_set_up(&n, false);
    bus_news_tell(&n);
    bus_news_set_up(&n, false);
    bus_news_tell(&n);
    assert_string_equal(t.text, "UD");
    assert_false(bus_news_is_up(&n));
    bus_news_done(&n);
}

static void a_loss_between_two_looks_is_told(void **state) {
    (void)state;
    struct bus_news n;
    struct told t;
    start(&n, &t);
    int64_t reconnects = atomic_load(&stats.bus_reconnects);
    bus_news_set_up(&n, true);
    bus_news_tell(&n);
    bus_news_set_up(&n, false);
    bus_news_set_up(&n, true);
    bus_news_set_up(&n, false);
    bus_news_set_up(&n, true);
    bus_news_tell(&n);
    assert_string_equal(t.text, "UDU");
    assert_int_equal(atomic_load(&stats.bus_reconnects), reconnects + 1);
    bus_news_done(&n);
}

static void what_happens_inside_an_event_comes_after_it(void **state) {
    (void)state;
    struct bus_news n;
    struct told t;
    start(&n, &t);
    t.again = &n;
    bus_news_set_up(&n, true);
    bus_news_tell(&n);
    assert_string_equal(t.text, "UDU");
    bus_news_done(&n);
}

static void slow_is_told_at_once_and_then_at_its_pace(void **state) {
    (void)state;
    struct bus_news n;
    struct told t;
    start(&n, &t);
    assert_true(bus_news_due_us(&n) == UINT64_MAX);
    bus_news_set_slow(&n);
    bus_news_tell(&n);
    assert_string_equal(t.text, "S");
    bus_news_set_slow(&n);
    bus_news_set_slow(&n);
    bus_news_tell(&n);
    assert_string_equal(t.text, "S");
    assert_int_equal(bus_news_due_us(&n), now_us + BUS_SLOW_EVERY_MS * 1000);
    now_us += BUS_SLOW_EVERY_MS * 1000;
    bus_news_tell(&n);
    assert_string_equal(t.text, "SS");
    assert_true(bus_news_due_us(&n) == UINT64_MAX);
    bus_news_done(&n);
}

static void nothing_is_told_after_the_end(void **state) {
    (void)state;
    struct bus_news n;
    struct told t;
    start(&n, &t);
    bus_news_set_up(&n, true);
    bus_news_tell(&n);
    bus_news_end(&n);
    bus_news_set_up(&n, false);
    bus_news_set_slow(&n);
    bus_news_tell(&n);
    assert_string_equal(t.text, "U");
    assert_true(bus_news_due_us(&n) == UINT64_MAX);
    bus_news_done(&n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_told_once_each),
        cmocka_unit_test(a_loss_between_two_looks_is_told),
        cmocka_unit_test(what_happens_inside_an_event_comes_after_it),
        cmocka_unit_test(slow_is_told_at_once_and_then_at_its_pace),
        cmocka_unit_test(nothing_is_told_after_the_end),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
