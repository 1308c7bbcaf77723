/* tests/wire/test_sse.c -- the frames of a stream, byte for byte, and Last-Event-ID.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct {
    struct str in;
    enum rc want;
    uint64_t seq;
} rows[] = {
    {STR_INIT("0"), RC_OK, 0},
    {STR_INIT("42"), RC_OK, 42},
    {STR_INIT("9007199254740991"), RC_OK, 9007199254740991},
    {STR_INIT("9007199254740992"), RC_TOO_LARGE, 0},
    {STR_INIT("10000000000000000"), RC_TOO_LARGE, 0},
    {STR_INIT("18446744073709551616"), RC_TOO_LARGE, 0},
    {{NULL, 0}, RC_MALFORMED, 0},
    {STR_INIT(""), RC_MALFORMED, 0},
    {STR_INIT("4 2"), RC_MALFORMED, 0},
    {STR_INIT(" 42"), RC_MALFORMED, 0},
    {STR_INIT("42 "), RC_MALFORMED, 0},
    {STR_INIT("042"), RC_MALFORMED, 0},
    {STR_INIT("00"), RC_MALFORMED, 0},
    {STR_INIT("-1"), RC_MALFORMED, 0},
    {STR_INIT("+1"), RC_MALFORMED, 0},
    {STR_INIT("1.0"), RC_MALFORMED, 0},
    {STR_INIT("1e3"), RC_MALFORMED, 0},
    {STR_INIT("0x1"), RC_MALFORMED, 0},
    {STR_INIT("1\0"), RC_MALFORMED, 0},
    {STR_INIT("\xd9\xa1"), RC_MALFORMED, 0}, /* an Arabic digit */
};

static void a_last_event_id_is_read_whole_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t seq = 77;
        assert_string_equal(rc_name(sse_read_last_id(rows[i].in, &seq)), rc_name(rows[i].want));
        assert_int_equal(seq, rows[i].want == RC_OK ? rows[i].seq : 77);
    }
}

static void the_frames_are_as_the_protocol_has_them(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1024);
    assert_true(str_eq(sse_hello(), STR("retry: 3000\n\n")));
    assert_true(str_eq(sse_keep_alive(), STR(": keep-alive\n\n")));

    sse_put_ready(&b, STR("alice"), 5, 1, STR("e1"));
    assert_string_equal(buf_cstr(&b),
                        "event: ready\nid: 5\n"
                        "data: {\"handle\":\"alice\",\"seq\":5,\"first\":1,\"epoch\":\"e1\"}\n\n");
    buf_clear(&b);
    sse_put_resync(&b, STR("trimmed"), 11, 9, STR("e1"));
    assert_string_equal(
        buf_cstr(&b),
        "event: resync\nid: 11\n"
        "data: {\"reason\":\"trimmed\",\"seq\":11,\"missed\":9,\"epoch\":\"e1\"}\n\n");
    buf_clear(&b);
    sse_put_drain(&b, 4321);
    assert_string_equal(buf_cstr(&b), "event: drain\nretry: 4321\ndata: {\"retry_ms\":4321}\n\n");
    buf_done(&b);
}

/* Whatever the text, the data of an event is one line. */
static void no_text_can_break_out_of_its_line(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1024);
    sse_put_ready(&b, STR("a"), SEQ_MAX, 0, STR("x\n\ndata: \"\r\\"));
    assert_string_equal(buf_cstr(&b),
                        "event: ready\nid: 9007199254740991\n"
                        "data: {\"handle\":\"a\",\"seq\":9007199254740991,\"first\":0,"
                        "\"epoch\":\"x\\n\\ndata: \\\"\\r\\\\\"}\n\n");
    buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_last_event_id_is_read_whole_or_refused),
        cmocka_unit_test(the_frames_are_as_the_protocol_has_them),
        cmocka_unit_test(no_text_can_break_out_of_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
