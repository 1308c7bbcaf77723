/* tests/wire/test_json_span.c -- splitting, compacting and reading values out of JSON texts.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/json_span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct str none = {NULL, 0};

static void assert_str(struct str got, const char *want) {
    if (!str_eq(got, str_of(want)))
        fail_msg("got %.*s, want %s", STR_ARG(got), want);
}

static void members_are_found_by_their_decoded_name(void **state) {
    (void)state;
    struct json_member m[] = {{.name = STR("to")}, {.name = STR("n")}, {.name = STR("gone")}};
    assert_int_equal(json_split(STR(" { \"x\":{\"to\":1} , \"t\\u006f\" : [ 1 ,{\"to\":2} ] ,"
                                    "\"n\":-1.5e3 } "),
                                none, m, 3),
                     RC_OK);
    assert_str(m[0].value, "[ 1 ,{\"to\":2} ]");
    assert_str(m[1].value, "-1.5e3");
    assert_true(str_is_absent(m[2].value));
}

static void a_raw_value_has_no_space_around_it(void **state) {
    (void)state;
    static const char *const values[] = {"\"a b\"", "\"\"",          "12", "true", "null",
                                         "{}",      "{ \"x\" : 1 }", "[]", "[ ]"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[64];
        int n = snprintf(text, sizeof text, "{\"v\"  : \t%s\n\r , \"w\":%s}", values[i], values[i]);
        struct json_member m[] = {{.name = STR("w")}, {.name = STR("v")}};
        assert_int_equal(json_split((struct str){text, (size_t)n}, none, m, 2), RC_OK);
        assert_str(m[0].value, values[i]);
        assert_str(m[1].value, values[i]);
    }
}

static const struct {
    struct str text;
    enum rc with_opaque, without;
} doubles[] = {
    {STR_INIT("{\"a\":1,\"a\":1}"), RC_MALFORMED, RC_MALFORMED},
    {STR_INIT("{\"a\":1,\"\\u0061\":1}"), RC_MALFORMED, RC_MALFORMED},
    {STR_INIT("{\"\":1,\"\":1}"), RC_MALFORMED, RC_MALFORMED},
    {STR_INIT("{\"x\":{\"a\":1,\"a\":1}}"), RC_MALFORMED, RC_MALFORMED},
    {STR_INIT("{\"x\":[[{\"a\":1,\"a\":1}]]}"), RC_MALFORMED, RC_MALFORMED},
    {STR_INIT("{\"\\ud800\":1,\"\\uD800\":1}"), RC_MALFORMED, RC_MALFORMED},
    {STR_INIT("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":1}"), RC_MALFORMED, RC_MALFORMED},
    {STR_INIT("{\"\\u0000\":1,\"\\u0000\":1}"), RC_MALFORMED, RC_MALFORMED},
    {STR_INIT("{\"\\/\":1,\"/\":1}"), RC_MALFORMED, RC_MALFORMED},
    {STR_INIT("{\"\\ud800\":1,\"\\ud801\":1,\"\\udc00\":1}"), RC_OK, RC_OK},
    {STR_INIT("{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}]}"), RC_OK, RC_OK},
    {STR_INIT("{\"a\":1,\"A\":1,\"a \":1,\"\":1,\"\\u0000\":1}"), RC_OK, RC_OK},
    {STR_INIT("{\"envelope\":{\"a\":1,\"a\":1}}"), RC_OK, RC_MALFORMED},
    {STR_INIT("{\"envelope\":[{\"b\":{\"a\":1,\"a\":1}}]}"), RC_OK, RC_MALFORMED},
    {STR_INIT("{\"\\u0065nvelope\":{\"a\":1,\"a\":1}}"), RC_OK, RC_MALFORMED},
    {STR_INIT("{\"envelope\":{\"a\":1,\"a\":1},\"x\":{\"a\":1,\"a\":1}}"), RC_MALFORMED,
     RC_MALFORMED},
    {STR_INIT("{\"envelope\":{},\"envelope\":{}}"), RC_MALFORMED, RC_MALFORMED},
    {STR_INIT("{\"x\":{\"envelope\":{\"a\":1,\"a\":1}}}"), RC_MALFORMED, RC_MALFORMED},
};

static void a_member_twice_is_refused_but_in_the_opaque_value(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        struct str text = doubles[i].text;
        if (json_split(text, STR("envelope"), NULL, 0) != doubles[i].with_opaque ||
            json_split(text, none, NULL, 0) != doubles[i].without)
            fail_msg("%.*s", STR_ARG(text));
    }
}

static void what_is_no_object_is_refused_and_leaves_no_values(void **state) {
    (void)state;
    static const struct str rows[] = {
        STR_INIT(""),           STR_INIT("[]"),          STR_INIT("\"a\""),
        STR_INIT("1"),          STR_INIT("null"),        STR_INIT("{\"a\":1"),
        STR_INIT("{\"a\":1}}"), STR_INIT("{\"a\":1} x"), {NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_member m = {.name = STR("a"), .value = STR("old")};
        assert_int_equal(json_split(rows[i], none, &m, 1), RC_MALFORMED);
        assert_true(str_is_absent(m.value));
    }
}

static void any_number_of_unknown_members_is_passed_over(void **state) {
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_put_byte(&text, '{');
    for (int i = 0; i < 1000; i++)
        buf_putf(&text, "\"u%d\":%d,", i, i);
    buf_put(&text, STR("\"to\":\"me\",\"u1000\":[1e400,\"\\ud800\\u0000\"]}"));
    struct json_member m = {.name = STR("to")};
    assert_int_equal(json_split(buf_str(&text), none, &m, 1), RC_OK);
    assert_str(m.value, "\"me\"");
    buf_done(&text);
}

/* A body of half a megabyte that a quadratic look for doubled members would take minutes for: what
 * runs the tests would end it. */
static void hostile_bodies_are_split_in_linear_time(void **state) {
    (void)state;
    enum { BODY = 512 * 1024 };
    static const struct {
        const char *start, *item, *end;
    } shapes[] = {
        {"{\"\":0", ",\"%x\":{\"a\":{}}", "}"},
        {"{\"a\":{\"\":0", ",\"%x\":0", "}}"},
        {"{\"a\":[0", ",{\"a\":%d}", "]}"},
        {"{\"\":0", ",\"\\u0061%x\":0", "}"},
        {"{\"\":0", ",\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%x\":0", "}"},
        {"{\"a\":\"", "\\\\\\\"%x", "\"}"},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct buf text, compact;
        buf_init(&text, BODY + 128);
        buf_init(&compact, BODY + 128);
        buf_put(&text, str_of(shapes[i].start));
        char item[80];
        for (int k = 0; text.n < BODY; k++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            int n = snprintf(item, sizeof item, shapes[i].item, k);
#pragma GCC diagnostic pop
            buf_put(&text, (struct str){item, (size_t)n});
        }
        buf_put(&text, str_of(shapes[i].end));
        assert_int_equal(json_split(buf_str(&text), none, NULL, 0), RC_OK);
        json_compact(buf_str(&text), &compact);
        assert_true(str_eq(buf_str(&compact), buf_str(&text)));
        buf_done(&text);
        buf_done(&compact);
    }
}

static const struct {
    const char *in, *want;
} compacts[] = {
    {" { } ", "{}"},
    {"[ ]", "[]"},
    {"{\n\t\"a b\" : [ 1 , 2.50 , \"x  \\\" y \" ] ,\r\n\"a b\":1E400}",
     "{\"a b\":[1,2.50,\"x  \\\" y \"],\"a b\":1E400}"},
    {"{ \"\\\\\" : \"\\\\\\\" \" }", "{\"\\\\\":\"\\\\\\\" \"}"},
    {"\" a \"", "\" a \""},
    {"[ \"\", \"\\ud800\" , -0.0e+1 , true , null ]", "[\"\",\"\\ud800\",-0.0e+1,true,null]"},
    {"{\"a\":1}", "{\"a\":1}"},
};

static void compacting_takes_only_insignificant_space(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof compacts / sizeof *compacts; i++) {
        struct buf once, twice;
        buf_init(&once, 100);
        buf_init(&twice, 100);
        json_compact(str_of(compacts[i].in), &once);
        assert_str(buf_str(&once), compacts[i].want);
        json_compact(buf_str(&once), &twice);
        assert_str(buf_str(&twice), compacts[i].want);
        buf_done(&once);
        buf_done(&twice);
    }
}

static void compacting_stops_at_the_limit_of_the_buffer(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 6);
    json_compact(STR("[ 1, 22 ]"), &out);
    assert_int_equal(buf_rc(&out), RC_OK);
    buf_clear(&out);
    json_compact(STR("[ 1, 223 ]"), &out);
    assert_int_equal(buf_rc(&out), RC_TOO_LARGE);
    buf_done(&out);
}

static void the_kind_of_a_value_is_its_first_byte(void **state) {
    (void)state;
    assert_int_equal(json_kind(STR("{}")), '{');
    assert_int_equal(json_kind(STR("[]")), '[');
    assert_int_equal(json_kind(STR("\"\"")), '"');
    assert_int_equal(json_kind(STR("true")), 't');
    assert_int_equal(json_kind(STR("false")), 'f');
    assert_int_equal(json_kind(STR("null")), 'n');
    assert_int_equal(json_kind(STR("-1")), '0');
    assert_int_equal(json_kind(STR("9")), '0');
    assert_int_equal(json_kind(none), 0);
}

static const struct {
    struct str raw;
    enum rc rc;
    struct str text;
} strings[] = {
    {STR_INIT("\"\""), RC_OK, STR_INIT("")},
    {STR_INIT("\"abc\""), RC_OK, STR_INIT("abc")},
    {STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), RC_OK, STR_INIT("\"\\/\b\f\n\r\t")},
    {STR_INIT("\"\\u0041\\u00e4\\u20AC\\uFFFF\""), RC_OK,
     STR_INIT("A\xc3\xa4\xe2\x82\xac\xef\xbf\xbf")},
    {STR_INIT("\"\\ud83d\\ude00\\uDBFF\\uDFFF\""), RC_OK,
     STR_INIT("\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf")},
    {STR_INIT("\"x\\u007f\\u0080\\u07ff\\u0800y\""), RC_OK,
     STR_INIT("x\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80y")},
    {STR_INIT("\"\\ud83d\""), RC_MALFORMED, {NULL, 0}},
    {STR_INIT("\"\\ude00\""), RC_MALFORMED, {NULL, 0}},
    {STR_INIT("\"\\ude00\\ud83d\""), RC_MALFORMED, {NULL, 0}},
    {STR_INIT("\"\\ud83d\\ud83d\\ude00\""), RC_MALFORMED, {NULL, 0}},
    {STR_INIT("\"\\ud83dx\\ude00\""), RC_MALFORMED, {NULL, 0}},
    {STR_INIT("\"\\ud83d\\n\\u0061\""), RC_MALFORMED, {NULL, 0}},
    {STR_INIT("\"a\\u0000\""), RC_MALFORMED, {NULL, 0}},
    {STR_INIT("12"), RC_MALFORMED, {NULL, 0}},
    {STR_INIT("null"), RC_MALFORMED, {NULL, 0}},
    {STR_INIT("{}"), RC_MALFORMED, {NULL, 0}},
    {{NULL, 0}, RC_MALFORMED, {NULL, 0}},
    {STR_INIT("\"12345678901234567\""), RC_TOO_LARGE, {NULL, 0}},
};

static void strings_are_decoded(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        struct buf out;
        buf_init(&out, 16);
        assert_int_equal(json_utf8(strings[i].raw, &out), strings[i].rc);
        if (strings[i].rc == RC_OK)
            assert_true(str_eq(buf_str(&out), strings[i].text));
        buf_done(&out);
    }
}

static void decoding_tells_what_it_met(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(json_decode(STR("\"\\u0000\""), &out), JSON_HAS_NUL);
    assert_int_equal(json_decode(STR("\"\\udfff\""), &out), JSON_HAS_LONE_SURROGATE);
    assert_int_equal(json_decode(STR("\"\\u0000\\ud800\""), &out),
                     JSON_HAS_NUL | JSON_HAS_LONE_SURROGATE);
    assert_int_equal(json_decode(STR("\"\\ud800\\udc00\""), &out), 0);
    assert_true(str_eq(buf_str(&out), STR("\0\xed\xbf\xbf\0\xed\xa0\x80\xf0\x90\x80\x80")));
    buf_done(&out);
}

static void whole_numbers_are_read_up_to_a_limit(void **state) {
    (void)state;
    static const struct {
        const char *raw;
        enum rc rc;
        uint64_t value;
    } rows[] = {
        {"0", RC_OK, 0},
        {"7", RC_OK, 7},
        {"100", RC_OK, 100},
        {"101", RC_TOO_LARGE, 0},
        {"1.0", RC_MALFORMED, 0},
        {"1e1", RC_MALFORMED, 0},
        {"-1", RC_MALFORMED, 0},
        {"-0", RC_MALFORMED, 0},
        {"\"1\"", RC_MALFORMED, 0},
        {"", RC_MALFORMED, 0},
        {"true", RC_MALFORMED, 0},
        {"99999999999999999999", RC_TOO_LARGE, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t value = 0;
        assert_int_equal(json_u64(str_of(rows[i].raw), 100, &value), rows[i].rc);
        assert_int_equal(value, rows[i].value);
    }
}

static void numbers_are_read_as_doubles(void **state) {
    (void)state;
    static const struct {
        const char *raw;
        enum rc rc;
        double value;
    } rows[] = {
        {"0", RC_OK, 0},
        {"-1.5e1", RC_OK, -15},
        {"9007199254740993", RC_OK, 9007199254740992.0},
        {"1e-400", RC_OK, 0},
        {"1.7976931348623157e308", RC_OK, 1.7976931348623157e308},
        {"1e309", RC_MALFORMED, 0},
        {"-1e400", RC_MALFORMED, 0},
        {"\"1\"", RC_MALFORMED, 0},
        {"null", RC_MALFORMED, 0},
        {"", RC_MALFORMED, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double value = 0;
        assert_int_equal(json_number(str_of(rows[i].raw), &value), rows[i].rc);
        assert_memory_equal(&value, &rows[i].value, sizeof value);
    }
}

static void strings_are_written_with_the_least_escapes(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 200);
    json_put_string(&out, STR("a\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa4\xe2\x80\xa8\0"));
    assert_true(str_eq(buf_str(&out), STR("\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa4"
                                          "\xe2\x80\xa8\\u0000\"")));
    buf_clear(&out);
    json_put_string(&out, none);
    json_put_text(&out, STR("x\ny"));
    assert_str(buf_str(&out), "\"\"x\\ny");
    buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_by_their_decoded_name),
        cmocka_unit_test(a_raw_value_has_no_space_around_it),
        cmocka_unit_test(a_member_twice_is_refused_but_in_the_opaque_value),
        cmocka_unit_test(what_is_no_object_is_refused_and_leaves_no_values),
        cmocka_unit_test(any_number_of_unknown_members_is_passed_over),
        cmocka_unit_test(hostile_bodies_are_split_in_linear_time),
        cmocka_unit_test(compacting_takes_only_insignificant_space),
        cmocka_unit_test(compacting_stops_at_the_limit_of_the_buffer),
        cmocka_unit_test(the_kind_of_a_value_is_its_first_byte),
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(decoding_tells_what_it_met),
        cmocka_unit_test(whole_numbers_are_read_up_to_a_limit),
        cmocka_unit_test(numbers_are_read_as_doubles),
        cmocka_unit_test(strings_are_written_with_the_least_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
