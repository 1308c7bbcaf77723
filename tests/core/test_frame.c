/* tests/core/test_frame.c -- frames: their bytes, and counting from many threads.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/frame.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct str bytes_of(const struct frame *f) { return (struct str){f->bytes, f->n}; }

static void a_row_becomes_an_event_with_its_seq_as_id(void **state) {
    (void)state;
    struct row row = {.seq = 42,
                      .type = ROW_MESSAGE,
                      .id = STR("m1"),
                      .envelope = STR("{\"a\":1}"),
                      .created_at_ms = 1779836777123};
    struct buf json;
    struct frame *f = frame_new(&row);
    assert_non_null(f);
    buf_init(&json, 4096);
    row_put(&json, &row);
    assert_int_equal(f->seq, 42);
    assert_int_equal(f->type, ROW_MESSAGE);
    assert_int_equal(f->created_at_ms, 1779836777123);
    assert_true(str_eq(frame_json(f), buf_str(&json)));

    struct buf want;
    buf_init(&want, 4096);
    buf_putf(&want, "id: 42\ndata: %s\n\n", buf_cstr(&json));
    assert_true(str_eq(bytes_of(f), buf_str(&want)));
    buf_done(&want);
    buf_done(&json);
    frame_unref(f);
}

static void the_same_row_of_another_inbox_differs_in_its_seq_alone(void **state) {
    (void)state;
    static const uint64_t seqs[] = {1, 9, 10, 4711, 9007199254740991};
    struct row row = {.type = ROW_MESSAGE,
                      .id = STR("m1"),
                      .from = STR("alice"),
                      .conversation = STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                      .envelope = STR("{\"seq\":10,\"a\":\"id: 10\"}"),
                      .created_at_ms = 1779836777123};
    for (size_t i = 0; i < 25; i++) {
        row.seq = seqs[i / 5];
        struct frame *f = frame_new(&row);
        row.seq = seqs[i % 5];
        struct frame *got = frame_with_seq(f, row.seq), *want = frame_new(&row);
        assert_true(str_eq(bytes_of(got), bytes_of(want)));
        assert_true(str_eq(frame_json(got), frame_json(want)));
        assert_int_equal(got->seq, row.seq);
        assert_int_equal(got->type, want->type);
        assert_int_equal(got->created_at_ms, want->created_at_ms);
        assert_int_equal(got->epoch_tag, 0);
        assert_ptr_not_equal(frame_tagged(got), frame_tagged(f));
        frame_unref(f);
        frame_unref(got);
        frame_unref(want);
    }
}

static void json_from_the_bus_stands_in_the_frame_as_it_came(void **state) {
    (void)state;
    struct row_head head = {.seq = 9007199254740991, .type = ROW_CONVERSATION, .created_at_ms = -1};
    struct frame *f = frame_of_json(&head, STR("{ \"seq\":9007199254740991 }"));
    assert_non_null(f);
    assert_true(
        str_eq(bytes_of(f), STR("id: 9007199254740991\ndata: { \"seq\":9007199254740991 }\n\n")));
    assert_true(str_eq(frame_json(f), STR("{ \"seq\":9007199254740991 }")));
    assert_int_equal(f->type, ROW_CONVERSATION);
    assert_int_equal(f->seq, 9007199254740991);
    assert_int_equal(f->created_at_ms, -1);
    frame_unref(f);
    frame_unref(NULL);
}

static void an_event_that_is_no_row_has_no_json(void **state) {
    (void)state;
    struct frame *f = frame_of_event(7, STR(": keep-alive\n\n"));
    assert_non_null(f);
    assert_true(str_eq(bytes_of(f), STR(": keep-alive\n\n")));
    assert_int_equal(f->seq, 7);
    assert_int_equal(f->json_n, 0);
    assert_int_equal(frame_json(f).n, 0);
    frame_unref(f);
}

static void the_tagged_form_is_made_once_and_lives_with_the_frame(void **state) {
    (void)state;
    struct row row = {.seq = 3, .type = ROW_MESSAGE, .envelope = STR("{\"type\":1}")};
    struct frame *f = frame_new(&row);
    assert_non_null(f);
    struct frame *tagged = frame_tagged(f);
    assert_non_null(tagged);
    assert_ptr_equal(frame_tagged(f), tagged);
    assert_int_equal(tagged->seq, 3);
    assert_true(tagged->json_n > 0);
    assert_true(str_eq(bytes_of(tagged),
                       STR("id: 3\ndata: {\"type\":\"chatmessage.new\",\"data\":{\"seq\":3,"
                           "\"envelope\":{\"type\":1},\"created_at\":"
                           "\"1970-01-01T00:00:00.000Z\"}}\n\n")));
    frame_unref(f);
}

static void a_frame_has_a_limit(void **state) {
    (void)state;
    char *much = malloc(FRAME_MAX_BYTES + 1);
    struct row_head head = {.seq = 1};
    assert_non_null(much);
    memset(much, 'x', FRAME_MAX_BYTES + 1);
    size_t around = strlen("id: 1\ndata: \n\n");
    struct frame *f = frame_of_json(&head, (struct str){much, FRAME_MAX_BYTES - around});
    assert_non_null(f);
    assert_int_equal(f->n, FRAME_MAX_BYTES);
    assert_int_equal(frame_json(f).n, FRAME_MAX_BYTES - around);
    assert_null(frame_of_json(&head, (struct str){much, FRAME_MAX_BYTES - around + 1}));
    assert_null(frame_of_event(1, (struct str){much, FRAME_MAX_BYTES + 1}));
    frame_unref(f);
    free(much);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *ref_and_unref(void *arg) {
    struct frame *f = arg;
    for (int i = 0; i < ROUNDS; i++)
        frame_unref(frame_ref(f));
    frame_unref(f);
    return NULL;
}

static void many_threads_may_hold_one_frame(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    struct frame *f = frame_of_event(1, STR("x"));
    assert_non_null(f);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, frame_ref(f)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(f->refs, 1);
    frame_unref(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_becomes_an_event_with_its_seq_as_id),
        cmocka_unit_test(the_same_row_of_another_inbox_differs_in_its_seq_alone),
        cmocka_unit_test(json_from_the_bus_stands_in_the_frame_as_it_came),
        cmocka_unit_test(an_event_that_is_no_row_has_no_json),
        cmocka_unit_test(the_tagged_form_is_made_once_and_lives_with_the_frame),
        cmocka_unit_test(a_frame_has_a_limit),
        cmocka_unit_test(many_threads_may_hold_one_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
