/* tests/core/test_outbox.c -- the order, the limits and the references of an outbox.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { PARTS_MAX = 32 };

/* A row of n bytes, all of them its last digit. */
static struct frame *row(uint64_t seq, uint32_t n) {
    char bytes[256];
    memset(bytes, (int)('0' + seq % 10), sizeof bytes);
    struct frame *f = frame_of_event(seq, (struct str){bytes, n});
    assert_non_null(f);
    f->json_n = 1; /* which makes it a row */
    return f;
}

static struct frame *event(uint64_t seq) {
    struct frame *f = frame_of_event(seq, STR("event\n"));
    assert_non_null(f);
    return f;
}

/* Pushes and lets go. */
static enum rc push(struct outbox *ob, struct frame *f) {
    enum rc rc = outbox_push(ob, f);
    frame_unref(f);
    return rc;
}

/* All that waits, as one text. */
static const char *text_of(const struct outbox *ob) {
    static char text[1024];
    struct iovec parts[PARTS_MAX];
    size_t at = 0;
    int n = outbox_peek(ob, parts, PARTS_MAX);
    for (int i = 0; i < n; i++) {
        memcpy(text + at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    text[at] = '\0';
    return text;
}

static void what_was_pushed_is_sent_in_order(void **state) {
    (void)state;
    struct outbox *ob = outbox_new(4, 1000);
    assert_true(outbox_is_empty(ob));
    assert_int_equal(push(ob, row(1, 3)), RC_OK);
    assert_int_equal(push(ob, row(2, 2)), RC_OK);
    assert_int_equal(push(ob, event(2)), RC_OK);
    assert_string_equal(text_of(ob), "11122event\n");
    assert_int_equal(outbox_sent(ob, 2), 0);
    assert_string_equal(text_of(ob), "122event\n");
    assert_int_equal(outbox_sent(ob, 0), 0);
    assert_int_equal(outbox_sent(ob, 3), 2);
    assert_string_equal(text_of(ob), "event\n");
    assert_int_equal(outbox_sent(ob, 6), 0); /* an event is no row */
    assert_true(outbox_is_empty(ob));
    outbox_free(ob);
}

static void a_peek_gives_no_more_than_asked(void **state) {
    (void)state;
    struct iovec parts[2];
    struct outbox *ob = outbox_new(4, 1000);
    for (uint64_t seq = 1; seq <= 3; seq++)
        assert_int_equal(push(ob, row(seq, 2)), RC_OK);
    assert_int_equal(outbox_sent(ob, 1), 0);
    assert_int_equal(outbox_peek(ob, parts, 2), 2);
    assert_int_equal(parts[0].iov_len, 1);
    assert_int_equal(parts[1].iov_len, 2);
    outbox_free(ob);
}

static void rows_have_limits_and_events_pass_them(void **state) {
    (void)state;
    struct outbox *ob = outbox_new(2, 1000);
    assert_int_equal(push(ob, row(1, 10)), RC_OK);
    assert_int_equal(push(ob, row(2, 10)), RC_OK);
    assert_int_equal(push(ob, row(3, 10)), RC_FULL);
    for (int i = 0; i < OUTBOX_EVENTS; i++)
        assert_int_equal(push(ob, event(2)), RC_OK);
    assert_int_equal(push(ob, event(2)), RC_FULL);
    assert_int_equal(outbox_sent(ob, 10), 1);
    assert_int_equal(push(ob, row(3, 10)), RC_OK);
    outbox_free(ob);
}

static void bytes_are_limited_but_one_row_always_fits(void **state) {
    (void)state;
    struct outbox *ob = outbox_new(10, 20);
    assert_int_equal(push(ob, row(1, 200)), RC_OK);
    assert_int_equal(push(ob, row(2, 1)), RC_FULL);
    assert_int_equal(outbox_sent(ob, 200), 1);
    assert_int_equal(push(ob, row(2, 15)), RC_OK);
    assert_int_equal(push(ob, row(3, 6)), RC_FULL);
    assert_int_equal(push(ob, row(3, 5)), RC_OK);
    outbox_free(ob);
}

static void dropped_are_the_rows_behind_the_last_event_and_none_that_was_begun(void **state) {
    (void)state;
    struct outbox *ob = outbox_new(8, 1000);
    assert_int_equal(outbox_drop_rows(ob), 0);
    assert_int_equal(push(ob, row(1, 2)), RC_OK);
    assert_int_equal(push(ob, event(1)), RC_OK);
    assert_int_equal(push(ob, row(2, 2)), RC_OK);
    assert_int_equal(push(ob, row(3, 2)), RC_OK);
    assert_int_equal(outbox_drop_rows(ob), 2);
    assert_string_equal(text_of(ob), "11event\n");
    assert_int_equal(outbox_drop_rows(ob), 0);

    assert_int_equal(outbox_sent(ob, 8), 1);
    assert_int_equal(push(ob, row(2, 2)), RC_OK);
    assert_int_equal(push(ob, row(3, 2)), RC_OK);
    assert_int_equal(outbox_sent(ob, 1), 0);
    assert_int_equal(outbox_drop_rows(ob), 3);
    assert_string_equal(text_of(ob), "2");
    assert_int_equal(outbox_drop_rows(ob), 0);
    outbox_free(ob);
}

static void the_ring_goes_round(void **state) {
    (void)state;
    struct outbox *ob = outbox_new(3, 1000);
    assert_int_equal(push(ob, row(1, 1)), RC_OK);
    for (uint64_t seq = 2; seq < 100; seq++) {
        char want[] = {(char)('0' + (seq - 1) % 10), (char)('0' + seq % 10), '\0'};
        assert_int_equal(push(ob, row(seq, 1)), RC_OK);
        assert_string_equal(text_of(ob), want);
        assert_int_equal(outbox_sent(ob, 1), 1);
    }
    outbox_free(ob);
}

static void references_are_given_back(void **state) {
    (void)state;
    struct frame *f = row(1, 5), *g = row(2, 5), *h = row(3, 5);
    struct outbox *ob = outbox_new(3, 1000);
    assert_int_equal(outbox_push(ob, f), RC_OK);
    assert_int_equal(outbox_push(ob, g), RC_OK);
    assert_int_equal(outbox_push(ob, h), RC_OK);
    assert_int_equal(f->refs, 2);
    assert_int_equal(outbox_sent(ob, 5), 1);
    assert_int_equal(f->refs, 1);
    assert_int_equal(outbox_sent(ob, 1), 0);
    assert_int_equal(outbox_drop_rows(ob), 3);
    assert_int_equal(h->refs, 1);
    assert_int_equal(g->refs, 2);
    outbox_free(ob);
    assert_int_equal(g->refs, 1);
    frame_unref(f);
    frame_unref(g);
    frame_unref(h);
    outbox_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_pushed_is_sent_in_order),
        cmocka_unit_test(a_peek_gives_no_more_than_asked),
        cmocka_unit_test(rows_have_limits_and_events_pass_them),
        cmocka_unit_test(bytes_are_limited_but_one_row_always_fits),
        cmocka_unit_test(dropped_are_the_rows_behind_the_last_event_and_none_that_was_begun),
        cmocka_unit_test(the_ring_goes_round),
        cmocka_unit_test(references_are_given_back),
    };
    return cmocka_run_group_tests_name("core/outbox", tests, NULL, NULL);
}
