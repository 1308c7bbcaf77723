/* tests/wire/test_row.c -- rows as JSON, and what is read of them when they come over NATS.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const int64_t at_ms = 1779836777123; /* 2026-05-26T23:06:17.123Z */

static const struct {
    struct row row;
    const char *whole, *stored;
} written[] = {
    {{.seq = 7,
      .type = ROW_MESSAGE,
      .envelope = STR_INIT("{\"ct\":\"x\\ud800\"}"),
      .created_at_ms = 1779836777123},
     "{\"seq\":7,\"type\":\"chatmessage.new\",\"envelope\":{\"ct\":\"x\\ud800\"},"
     "\"created_at\":\"2026-05-26T23:06:17.123Z\"}",
     "{\"seq\":7,\"type\":\"chatmessage.new\",\"created_at\":\"2026-05-26T23:06:17.123Z\","
     "\"stored\":true}"},
    {{.seq = 9007199254740991,
      .type = ROW_MESSAGE,
      .id = STR_INIT("m-1"),
      .from = STR_INIT("alice"),
      .conversation = STR_INIT("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
      .envelope = STR_INIT("{}"),
      .created_at_ms = 0},
     "{\"seq\":9007199254740991,\"type\":\"chatmessage.new\",\"id\":\"m-1\",\"from\":\"alice\","
     "\"conversation\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"envelope\":{},"
     "\"created_at\":\"1970-01-01T00:00:00.000Z\"}",
     "{\"seq\":9007199254740991,\"type\":\"chatmessage.new\",\"id\":\"m-1\",\"from\":\"alice\","
     "\"conversation\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\","
     "\"created_at\":\"1970-01-01T00:00:00.000Z\",\"stored\":true}"},
    {{.seq = 1, .type = ROW_CONVERSATION, .data = STR_INIT("{\"v\":1}"), .created_at_ms = 1},
     "{\"seq\":1,\"type\":\"conversation.updated\",\"data\":{\"v\":1},"
     "\"created_at\":\"1970-01-01T00:00:00.001Z\"}",
     "{\"seq\":1,\"type\":\"conversation.updated\",\"created_at\":\"1970-01-01T00:00:00.001Z\","
     "\"stored\":true}"},
};

static void assert_head(struct str json, const struct row *row, bool stored) {
    struct row_head head;
    assert_int_equal(row_read_head(json, &head), RC_OK);
    assert_true(head.seq == row->seq && head.type == row->type && head.stored == stored &&
                head.created_at_ms == row->created_at_ms);
}

static void a_row_is_written_and_its_head_read_back(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        struct buf out;
        buf_init(&out, 1000);
        row_put(&out, &written[i].row);
        assert_string_equal(buf_cstr(&out), written[i].whole);
        assert_head(buf_str(&out), &written[i].row, false);
        buf_clear(&out);
        row_put_stored(&out, str_of(written[i].whole), written[i].row.created_at_ms);
        assert_string_equal(buf_cstr(&out), written[i].stored);
        assert_head(buf_str(&out), &written[i].row, true);
        buf_done(&out);
    }
}

#define TIME "\"created_at\":\"2026-05-26T23:06:17.123Z\""
#define NEW "\"type\":\"chatmessage.new\""
#define FULL NEW "," TIME ",\"envelope\":{}"

static void other_members_order_and_space_do_not_matter(void **state) {
    (void)state;
    static const struct str rows[] = {
        STR_INIT("{" FULL ",\"seq\":3}"),
        STR_INIT(" { \"seq\" :\t3 , \"x\" : 1e400 , " FULL " } "),
        STR_INIT("{\"seq\":3,\"stored\":false," FULL "}"),
        STR_INIT("{\"seq\":3," NEW "," TIME ",\"envelope\":{\"a\":1,\"a\":\"\\ud800\\n\"}}"),
        STR_INIT("{\"s\\u0065q\":3,\"type\":\"\\u0063hatmessage.new\",\"envelope\":{},"
                 "\"created_at\":\"2026-05-27T01:06:17.123999+02:00\"}"),
    };
    const struct row want = {.seq = 3, .type = ROW_MESSAGE, .created_at_ms = at_ms};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_head(rows[i], &want, false);
}

static void a_tagged_event_holds_the_row_without_its_type(void **state) {
    (void)state;
    static const struct {
        struct str in, want;
    } rows[] = {
        {STR_INIT("{\"seq\":1,\"type\":\"x\",\"envelope\":{\"type\":[1,{}]}}"),
         STR_INIT("{\"type\":\"chatmessage.new\",\"data\":{\"seq\":1,"
                  "\"envelope\":{\"type\":[1,{}]}}}")},
        {STR_INIT("{ \"type\" : \"x\" , \"seq\" : 1 }"),
         STR_INIT("{\"type\":\"chatmessage.new\",\"data\":{\"seq\" : 1}}")},
        {STR_INIT("{\"\\u0074ype\":\"x\",\"a\":\"\\\"\",\"b\":null}"),
         STR_INIT("{\"type\":\"chatmessage.new\",\"data\":{\"a\":\"\\\"\",\"b\":null}}")},
        {STR_INIT("{\"type\":\"x\"}"), STR_INIT("{\"type\":\"chatmessage.new\",\"data\":{}}")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        buf_init(&out, 4096);
        row_put_tagged(&out, ROW_MESSAGE, rows[i].in);
        if (!str_eq(buf_str(&out), rows[i].want))
            fail_msg("row %zu: %s", i, buf_cstr(&out));
        buf_done(&out);
    }
}

static void what_is_no_row_is_refused(void **state) {
    (void)state;
    static const struct str rows[] = {
        {NULL, 0},
        STR_INIT("{}"),
        STR_INIT("[]"),
        STR_INIT("hello"),
        STR_INIT("{" FULL "}"),
        STR_INIT("{\"seq\":0," FULL "}"),
        STR_INIT("{\"seq\":-1," FULL "}"),
        STR_INIT("{\"seq\":1.0," FULL "}"),
        STR_INIT("{\"seq\":\"1\"," FULL "}"),
        STR_INIT("{\"seq\":9007199254740992," FULL "}"),
        STR_INIT("{\"seq\":1,\"seq\":1," FULL "}"),
        STR_INIT("{\"seq\":1," TIME ",\"envelope\":{}}"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage\"," TIME ",\"envelope\":{}}"),
        STR_INIT("{\"seq\":1,\"type\":null," TIME ",\"envelope\":{}}"),
        STR_INIT("{\"seq\":1," NEW ",\"envelope\":{}}"),
        STR_INIT("{\"seq\":1," NEW ",\"created_at\":\"yesterday\",\"envelope\":{}}"),
        STR_INIT("{\"seq\":1," NEW ",\"created_at\":1779836777,\"envelope\":{}}"),
        STR_INIT("{\"seq\":1," NEW "," TIME "}"),
        STR_INIT("{\"seq\":1," NEW "," TIME ",\"data\":{}}"),
        STR_INIT("{\"seq\":1," NEW "," TIME ",\"envelope\":\"x\"}"),
        STR_INIT("{\"seq\":1,\"type\":\"conversation.updated\"," TIME ",\"envelope\":{}}"),
        STR_INIT("{\"seq\":1,\"id\":1," FULL "}"),
        STR_INIT("{\"seq\":1,\"from\":null," FULL "}"),
        STR_INIT("{\"seq\":1,\"conversation\":[\"01\"]," FULL "}"),
        STR_INIT("{\"seq\":1,\"stored\":1," FULL "}"),
        STR_INIT("{\"seq\":1,\"stored\":\"true\"," FULL "}"),
        STR_INIT("{\"seq\":1," FULL "}\n"),
        STR_INIT("{\"seq\":1,\r" FULL "}"),
        STR_INIT("{\"seq\":1,\n\"x\":1," FULL "}"),
        STR_INIT("{\"seq\":1," FULL "} {}"),
        STR_INIT("{\"seq\":1,\"x\":\"\xff\"," FULL "}"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct row_head head;
        if (row_read_head(rows[i], &head) != RC_MALFORMED)
            fail_msg("accepted: %.*s", STR_ARG(rows[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_written_and_its_head_read_back),
        cmocka_unit_test(other_members_order_and_space_do_not_matter),
        cmocka_unit_test(a_tagged_event_holds_the_row_without_its_type),
        cmocka_unit_test(what_is_no_row_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
