/* tests/wire/test_json_scan.c -- the grammar of JSON, UTF-8 and the depth, and the order of tokens.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Scans to the end; true when the text is one JSON value. The text ends where its memory ends, so
 * that a sanitizer sees each byte read too far. */
static bool is_json(struct str text) {
    char *copy = malloc(text.n ? text.n : 1);
    assert_non_null(copy);
    memcpy(copy, text.p, text.n);
    struct json_scan scan;
    json_scan_init(&scan, (struct str){copy, text.n});
    enum json_token token;
    do
        token = json_scan_next(&scan);
    while (token != SCAN_BAD && token != SCAN_DONE);
    assert_int_equal(json_scan_next(&scan), token);
    free(copy);
    return token == SCAN_DONE;
}

static const struct str good[] = {
    STR_INIT("{}"),
    STR_INIT("[]"),
    STR_INIT(" \t\r\n{ \t\r\n} \t\r\n"),
    STR_INIT("0"),
    STR_INIT("-0"),
    STR_INIT("10"),
    STR_INIT("-1.50"),
    STR_INIT("1e400"),
    STR_INIT("1E+05"),
    STR_INIT("1.0e-007"),
    STR_INIT("123456789012345678901234567890"),
    STR_INIT("true"),
    STR_INIT("false"),
    STR_INIT("null"),
    STR_INIT("\"\""),
    STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u12aF\""),
    STR_INIT("\"\\u0000\\ud800\\uDC00\\udc00\""),
    STR_INIT("\"plain text of more than eight bytes\x7f\""),
    STR_INIT("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\""),
    STR_INIT("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
    STR_INIT("[1,\"a\",true,null,[],{}]"),
    STR_INIT("{\"a\":1,\"a\":2,\"\":[{\"b\":{}}]}"),
    STR_INIT("[ 1 , 2 ]"),
    STR_INIT("{ \"a\" : 1 , \"b\" : 2 }"),
};

static const struct str wrong[] = {
    STR_INIT(""),
    STR_INIT(" "),
    STR_INIT("\xef\xbb\xbf{}"), /* a BOM */
    STR_INIT("{"),
    STR_INIT("}"),
    STR_INIT("["),
    STR_INIT("]"),
    STR_INIT("[1"),
    STR_INIT("[1,"),
    STR_INIT("[1,]"),
    STR_INIT("[,1]"),
    STR_INIT("[1 2]"),
    STR_INIT("[1,,2]"),
    STR_INIT("[}"),
    STR_INIT("{]"),
    STR_INIT("[1}"),
    STR_INIT("{\"a\":1]"),
    STR_INIT("{\"a\"}"),
    STR_INIT("{\"a\":}"),
    STR_INIT("{\"a\":1,}"),
    STR_INIT("{,\"a\":1}"),
    STR_INIT("{\"a\" 1}"),
    STR_INIT("{\"a\"::1}"),
    STR_INIT("{\"a\":1 \"b\":2}"),
    STR_INIT("{a:1}"),
    STR_INIT("{'a':1}"),
    STR_INIT("{1:1}"),
    STR_INIT("{\"a"),
    STR_INIT("{\"a\""),
    STR_INIT("{\"a\":"),
    STR_INIT("{} {}"),
    STR_INIT("{}x"),
    STR_INIT("{}\0"),
    STR_INIT("[1]//"),
    STR_INIT("01"),
    STR_INIT("-"),
    STR_INIT("-01"),
    STR_INIT("+1"),
    STR_INIT(".5"),
    STR_INIT("1."),
    STR_INIT("1.e1"),
    STR_INIT("1e"),
    STR_INIT("1e+"),
    STR_INIT("1e1.5"),
    STR_INIT("0x10"),
    STR_INIT("NaN"),
    STR_INIT("-Infinity"),
    STR_INIT("tru"),
    STR_INIT("True"),
    STR_INIT("nulll"),
    STR_INIT("\""),
    STR_INIT("\"a"),
    STR_INIT("\"\\\""),
    STR_INIT("\"\\"),
    STR_INIT("\"\\x\""),
    STR_INIT("\"\\\0\""),
    STR_INIT("\"\\u12\""),
    STR_INIT("\"\\u12g4\""),
    STR_INIT("\"\\u 123\""),
    STR_INIT("\"\\U1234\""),
    STR_INIT("\"\\u123"),
    STR_INIT("\"a\nb\""),
    STR_INIT("\"a\0b\""),
    STR_INIT("\"seven b\x1f and more\""),
    STR_INIT("\"\t\""),
    STR_INIT("\"\x80\""),
    STR_INIT("\"\xbf\""),
    STR_INIT("\"\xc0\x80\""),         /* overlong */
    STR_INIT("\"\xc1\xbf\""),         /* overlong */
    STR_INIT("\"\xe0\x9f\xbf\""),     /* overlong */
    STR_INIT("\"\xf0\x8f\xbf\xbf\""), /* overlong */
    STR_INIT("\"\xed\xa0\x80\""),     /* a surrogate */
    STR_INIT("\"\xed\xbf\xbf\""),     /* a surrogate */
    STR_INIT("\"\xf4\x90\x80\x80\""), /* beyond U+10FFFF */
    STR_INIT("\"\xf5\x80\x80\x80\""),
    STR_INIT("\"\xff\""),
    STR_INIT("\"\xc3\""),
    STR_INIT("\"\xe2\x82\""),
    STR_INIT("\"\xf0\x9f\x98\""),
    STR_INIT("\"\xe2\x82"),
    STR_INIT("\"eight by\xc3(\""),
    STR_INIT("{\"\xff\":1}"),
    STR_INIT("\xc3\xa4"),
    STR_INIT("[1\x0b]"),
    STR_INIT("[1\xc2\xa0]"),
};

static void what_the_grammar_allows_is_read(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!is_json(good[i]))
            fail_msg("refused: %.*s", STR_ARG(good[i]));
}

static void what_the_grammar_forbids_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (is_json(wrong[i]))
            fail_msg("accepted: %.*s", STR_ARG(wrong[i]));
}

/* Every byte at every place of the eight that are looked at together. */
static void a_byte_is_plain_or_special_wherever_it_stands(void **state) {
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        for (size_t at = 1; at < 18; at++) {
            char text[] = "\"abcdefghijklmnopq\"";
            text[at] = (char)byte;
            bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
            bool escapes = byte == '\\' && strchr("bfn", text[at + 1]);
            assert_int_equal(is_json((struct str){text, sizeof text - 1}), plain || escapes);
        }
}

static void put_nest(char *text, size_t depth, char open, char close) {
    memset(text, open, depth);
    memset(text + depth, close, depth);
}

static void sixty_four_containers_are_fine_and_one_more_is_not(void **state) {
    (void)state;
    char text[2 * JSON_MAX_DEPTH + 2];
    put_nest(text, JSON_MAX_DEPTH, '[', ']');
    assert_true(is_json((struct str){text, 2 * JSON_MAX_DEPTH}));
    put_nest(text, JSON_MAX_DEPTH + 1, '[', ']');
    assert_false(is_json((struct str){text, 2 * JSON_MAX_DEPTH + 2}));
    /* Depth counts what is open, not what has been. */
    assert_true(is_json(STR("[[[[]]],[[[]]],[[[]]]]")));
}

static void objects_and_arrays_keep_their_kind_at_every_depth(void **state) {
    (void)state;
    char text[8 * JSON_MAX_DEPTH];
    size_t n = 0;
    for (int i = 0; i < JSON_MAX_DEPTH / 2; i++) {
        memcpy(text + n, "{\"\":[", 5);
        n += 5;
    }
    for (int i = 0; i < JSON_MAX_DEPTH / 2; i++) {
        memcpy(text + n, "]}", 2);
        n += 2;
    }
    assert_true(is_json((struct str){text, n}));
    text[n - 1] = ']';
    assert_false(is_json((struct str){text, n}));
}

static void tokens_come_in_order_with_their_text(void **state) {
    (void)state;
    static const struct {
        enum json_token token;
        struct str raw;
        size_t depth;
    } rows[] = {
        {SCAN_OBJECT, STR_INIT("{"), 1},       {SCAN_NAME, STR_INIT("\"a\\n\""), 1},
        {SCAN_ARRAY, STR_INIT("["), 2},        {SCAN_NUMBER, STR_INIT("-1.5e3"), 2},
        {SCAN_STRING, STR_INIT("\"x y\""), 2}, {SCAN_LITERAL, STR_INIT("false"), 2},
        {SCAN_ARRAY_END, STR_INIT("]"), 1},    {SCAN_NAME, STR_INIT("\"b\""), 1},
        {SCAN_OBJECT, STR_INIT("{"), 2},       {SCAN_OBJECT_END, STR_INIT("}"), 1},
        {SCAN_OBJECT_END, STR_INIT("}"), 0},
    };
    struct json_scan scan;
    json_scan_init(&scan, STR(" { \"a\\n\" : [ -1.5e3 ,\"x y\", false ] , \"b\":{ } } "));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(json_scan_next(&scan), rows[i].token);
        assert_true(str_eq(scan.raw, rows[i].raw));
        assert_int_equal(scan.depth, rows[i].depth);
        if (rows[i].token == SCAN_NAME)
            assert_int_equal(scan.escaped, rows[i].raw.n > 3);
    }
    assert_int_equal(json_scan_next(&scan), SCAN_DONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_grammar_allows_is_read),
        cmocka_unit_test(what_the_grammar_forbids_is_refused),
        cmocka_unit_test(a_byte_is_plain_or_special_wherever_it_stands),
        cmocka_unit_test(sixty_four_containers_are_fine_and_one_more_is_not),
        cmocka_unit_test(objects_and_arrays_keep_their_kind_at_every_depth),
        cmocka_unit_test(tokens_come_in_order_with_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
