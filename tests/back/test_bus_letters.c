/* tests/back/test_bus_letters.c -- what waits for NATS: how much of it, and with how much of a row.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "back/bus_letters.h"
#include "support/ear.h"

enum { ROOM_BYTES = 1024 * 1024, BRIEF_BYTES = 512 };

static struct bus_letters letters;

static int setup(void **state) {
    (void)state;
    bus_letters_init(&letters);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    bus_letters_done(&letters);
    return 0;
}

/* Puts a row with an envelope of about `bytes`; what it took of the room. */
static enum rc put(size_t bytes, size_t *taken) {
    struct handle to = ear_handle("alice");
    struct frame *f = ear_frame(1, bytes);
    size_t before = letters.bytes;
    enum rc rc = bus_letters_put(&letters, &to, f, ROOM_BYTES);
    *taken = letters.bytes - before;
    frame_unref(f);
    return rc;
}

static void a_long_row_waits_without_its_body(void **state) {
    (void)state;
    size_t taken;
    assert_int_equal(put(ROW_BUS_MAX_BYTES, &taken), RC_OK);
    assert_in_range(taken, 1, BRIEF_BYTES);
    assert_int_equal(put(ROW_BUS_MAX_BYTES - 1024, &taken), RC_OK);
    assert_in_range(taken, ROW_BUS_MAX_BYTES - 1024, ROW_BUS_MAX_BYTES + BRIEF_BYTES);
}

static void in_a_crowd_bodies_are_left_out_before_rows_are(void **state) {
    (void)state;
    enum { BYTES = 60 * 1024 };
    size_t taken, whole = 0, brief = 0;
    while (put(BYTES, &taken) == RC_OK)
        if (taken > BYTES)
            whole++;
        else
            brief++;
    assert_in_range(whole, ROOM_BYTES / BYTES / 2, ROOM_BYTES / BYTES);
    assert_in_range(brief, ROOM_BYTES / 8 / BRIEF_BYTES, ROOM_BYTES);
    assert_int_equal(letters.count, whole + brief);
    assert_in_range(letters.bytes, ROOM_BYTES - BRIEF_BYTES, ROOM_BYTES);
    assert_int_equal(taken, 0); /* of the one too many */
}

static void a_short_row_has_its_body_in_any_crowd(void **state) {
    (void)state;
    enum { BYTES = 600 };
    size_t taken, rows = 0;
    while (put(BYTES, &taken) == RC_OK) {
        assert_true(taken > BYTES);
        rows++;
    }
    assert_in_range(rows, ROOM_BYTES / (2 * BYTES), ROOM_BYTES / BYTES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_long_row_waits_without_its_body, setup, teardown),
        cmocka_unit_test_setup_teardown(in_a_crowd_bodies_are_left_out_before_rows_are, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_short_row_has_its_body_in_any_crowd, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
