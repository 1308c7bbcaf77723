/* tests/wire/test_jcs.c -- canonical JSON: the examples of RFC 8785, numbers, order, refusals.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/jcs.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sodium.h>

static const struct {
    const char *in, *want;
} texts[] = {
    /* RFC 8785, 3.2.2 and 3.2.4 */
    {"{\n"
     "  \"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],\n"
     "  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\",\n"
     "  \"literals\": [null, true, false]\n"
     "}",
     "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
     "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"},
    /* RFC 8785, 3.2.3 */
    {"{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\","
     "\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\",\"1\":\"One\","
     "\"\\ud83d\\ude00\":\"Emoji: Grinning Face\",\"\\u0080\":\"Control\","
     "\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}",
     "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
     "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\",\"\xe2\x82\xac\":\"Euro Sign\","
     "\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\","
     "\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}"},
    {" {} ", "{}"},
    {" [ ] ", "[]"},
    {"\"\\u0000\\u001F\\u007f\\/\"", "\"\\u0000\\u001f\x7f/\""},
    {"[ 1 , [ 2 , [ ] , { } ] , \"[\" , { \"b\" : [ 3 , 4 ] , \"a\" : null } , [ ] ]",
     "[1,[2,[],{}],\"[\",{\"a\":null,\"b\":[3,4]},[]]"},
    {"{\"b\":{\"d\":1,\"c\":{\"f\":2,\"e\":3}},\"a\":[{\"z\":1,\"y\":2}]}",
     "{\"a\":[{\"y\":2,\"z\":1}],\"b\":{\"c\":{\"e\":3,\"f\":2},\"d\":1}}"},
    {"{\"aa\":1,\"a\":2,\"\":3,\"b\":4,\"A\":5,\"a\\u0000\":6}",
     "{\"\":3,\"A\":5,\"a\":2,\"a\\u0000\":6,\"aa\":1,\"b\":4}"},
    /* U+FFFF, U+10FFFF, U+E000, U+D7FF, U+10000 by UTF-16 code units */
    {"{\"\\uffff\":1,\"\\udbff\\udfff\":2,\"\\ue000\":3,\"\\ud7ff\":4,\"\\ud800\\udc00\":5}",
     "{\"\xed\x9f\xbf\":4,\"\xf0\x90\x80\x80\":5,\"\xf4\x8f\xbf\xbf\":2,\"\xee\x80\x80\":3,"
     "\"\xef\xbf\xbf\":1}"},
    {"[-0,-0.0,0e5,1e-400,-1e-400,1.0,1e0,9007199254740993,1e20,1e21]",
     "[0,0,0,0,0,1,1,9007199254740992,100000000000000000000,1e+21]"},
};

static void texts_take_their_canonical_form(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf once, twice;
        buf_init(&once, 1000);
        buf_init(&twice, 1000);
        assert_int_equal(jcs_put(str_of(texts[i].in), &once), RC_OK);
        assert_string_equal(buf_cstr(&once), texts[i].want);
        assert_int_equal(jcs_put(buf_str(&once), &twice), RC_OK);
        assert_string_equal(buf_cstr(&twice), texts[i].want);
        buf_done(&once);
        buf_done(&twice);
    }
}

static void the_form_is_appended_to_what_is_there(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    buf_put(&out, STR("x="));
    assert_int_equal(jcs_put(STR("{\"b\":{\"d\":1,\"c\":2},\"a\":1}"), &out), RC_OK);
    assert_string_equal(buf_cstr(&out), "x={\"a\":1,\"b\":{\"c\":2,\"d\":1}}");
    buf_done(&out);
}

static void what_is_not_i_json_is_refused(void **state) {
    (void)state;
    static const char *const rows[] = {
        "",
        "{",
        "[1,]",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "[{\"x\":{\"b\":1,\"a\":1,\"b\":1}}]",
        "\"\\ud800\"",
        "[\"\\udc00\\ud800\"]",
        "{\"\\ud800\":1}",
        "1e309",
        "[-1e400]",
        "\"\xff\"",
        "{} {}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        buf_init(&out, 1000);
        if (jcs_put(str_of(rows[i]), &out) != RC_MALFORMED)
            fail_msg("accepted: %s", rows[i]);
        buf_done(&out);
    }
}

/* RFC 8785, appendix B; "NaN" and "Infinity" cannot come out of JSON. */
static const struct {
    uint64_t bits;
    const char *want;
} numbers[] = {
    {0x0000000000000000, "0"},
    {0x8000000000000000, "0"},
    {0x0000000000000001, "5e-324"},
    {0x8000000000000001, "-5e-324"},
    {0x7fefffffffffffff, "1.7976931348623157e+308"},
    {0xffefffffffffffff, "-1.7976931348623157e+308"},
    {0x4340000000000000, "9007199254740992"},
    {0xc340000000000000, "-9007199254740992"},
    {0x4430000000000000, "295147905179352830000"},
    {0x44b52d02c7e14af5, "9.999999999999997e+22"},
    {0x44b52d02c7e14af6, "1e+23"},
    {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
    {0x444b1ae4d6e2ef4e, "999999999999999700000"},
    {0x444b1ae4d6e2ef4f, "999999999999999900000"},
    {0x444b1ae4d6e2ef50, "1e+21"},
    {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
    {0x3eb0c6f7a0b5ed8d, "0.000001"},
    {0x41b3de4355555553, "333333333.3333332"},
    {0x41b3de4355555554, "333333333.33333325"},
    {0x41b3de4355555555, "333333333.3333333"},
    {0x41b3de4355555556, "333333333.3333334"},
    {0x41b3de4355555557, "333333333.33333343"},
    {0xbecbf647612f3696, "-0.0000033333333333333333"},
    {0x43143ff3c1cb0959, "1424953923781206.2"},
};

static void assert_number(uint64_t bits, const char *want) {
    double value;
    struct buf out;
    memcpy(&value, &bits, sizeof value);
    buf_init(&out, 32);
    jcs_put_number(&out, value);
    assert_string_equal(buf_cstr(&out), want);
    buf_done(&out);
}

static void numbers_are_written_as_appendix_b_says(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        assert_number(numbers[i].bits, numbers[i].want);
}

static void numbers_are_written_as_ecmascript_does(void **state) {
    (void)state;
    FILE *file = fopen(TESTS_DIR "/vectors/es_numbers.txt", "r");
    assert_non_null(file);
    char line[128], want[64];
    uint64_t bits;
    int n = 0;
    while (fgets(line, sizeof line, file))
        if (*line != '#') {
            assert_int_equal(sscanf(line, "%" SCNx64 " %63s", &bits, want), 2);
            assert_number(bits, want);
            n++;
        }
    (void)fclose(file);
    assert_true(n > 300);
}

/* ---- the file of 100 million numbers ----
 *
 * Source: github.com/cyberphone/json-canonicalization, testdata/README.md: each line is the bits of
 * a double in hex, a comma, and how ECMAScript writes it; which doubles they are, and the SHA-256
 * of the first 10^n lines. The first thousand lines stand in vectors/es6_numbers_1000.txt as they
 * are there. After 168 that were chosen come 2000 in a row, then hashes of hashes as they fall. */
enum { CHOSEN = 168, IN_A_ROW = 2000, KNOWN_LINES = 1000, LINES = 100000, LINE_MAX_BYTES = 64 };
#define FIRST_IN_A_ROW 0x0010000000000000

static const struct {
    size_t lines;
    const char *sha256;
} published[] = {
    {1000, "be18b62b6f69cdab33a7e0dae0d9cfa869fda80ddc712221570f9f40a5878687"},
    {10000, "b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892"},
    {100000, "22776e6d4b49fa294a0d0f349268e5c28808fe7e0cb2bcbe28f63894e494d4c7"},
};

struct drawing {
    uint64_t chosen[CHOSEN];
    uint8_t block[crypto_hash_sha256_BYTES]; /* four doubles, little-endian */
    size_t used;                             /* bytes of it */
};

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t drawn(struct drawing *d) {
    for (;;) {
        if (d->used == sizeof d->block) {
            crypto_hash_sha256(d->block, d->block, sizeof d->block);
            d->used = 0;
        }
        uint64_t bits = 0;
        for (size_t i = 0; i < sizeof bits; i++)
            bits |= (uint64_t)d->block[d->used + i] << (8 * i);
        d->used += sizeof bits;
        if (isfinite(double_of(bits)) && bits << 1 != 0)
            return bits;
    }
}

static uint64_t bits_of_line(struct drawing *d, size_t line) {
    if (line < CHOSEN)
        return d->chosen[line];
    return line < CHOSEN + IN_A_ROW ? FIRST_IN_A_ROW + line - CHOSEN : drawn(d);
}

/* Holds the known lines, and takes the first from them. */
static void read_known(struct drawing *d) {
    FILE *file = fopen(TESTS_DIR "/vectors/es6_numbers_1000.txt", "r");
    char line[LINE_MAX_BYTES], want[LINE_MAX_BYTES];
    uint64_t bits;
    size_t n = 0;
    assert_non_null(file);
    for (; fgets(line, sizeof line, file); n++) {
        assert_int_equal(sscanf(line, "%" SCNx64 ",%63s", &bits, want), 2);
        assert_number(bits, want);
        if (n < CHOSEN)
            d->chosen[n] = bits;
    }
    (void)fclose(file);
    assert_int_equal(n, KNOWN_LINES);
}

static void the_large_file_comes_out_as_published(void **state) {
    (void)state;
    struct drawing d = {.used = sizeof d.block};
    crypto_hash_sha256_state all;
    size_t next = 0;
    read_known(&d);
    crypto_hash_sha256_init(&all);
    for (size_t n = 1; n <= LINES; n++) {
        struct buf line;
        uint64_t bits = bits_of_line(&d, n - 1);
        buf_init(&line, LINE_MAX_BYTES);
        buf_putf(&line, "%" PRIx64 ",", bits);
        jcs_put_number(&line, double_of(bits));
        buf_put_byte(&line, '\n');
        crypto_hash_sha256_update(&all, (const unsigned char *)line.p, line.n);
        buf_done(&line);
        if (n == published[next].lines) {
            crypto_hash_sha256_state so_far = all;
            uint8_t digest[crypto_hash_sha256_BYTES];
            char hex[2 * sizeof digest + 1] = "";
            crypto_hash_sha256_final(&so_far, digest);
            str_put_hex(digest, sizeof digest, hex);
            assert_string_equal(hex, published[next++].sha256);
        }
    }
    assert_int_equal(next, sizeof published / sizeof *published);
}

/* ---- texts that a second implementation wrote, too ---- */

static size_t read_hex(const char *hex, size_t digits, char out[]) {
    struct str text = {hex, digits};
    assert_int_equal(str_read_hex(text, (uint8_t *)out, digits / 2), RC_OK);
    return digits / 2;
}

static void texts_are_written_as_v8_does(void **state) {
    (void)state;
    enum { TEXT_LINE_MAX = 8192 };
    static char line[TEXT_LINE_MAX], in[TEXT_LINE_MAX], want[TEXT_LINE_MAX];
    FILE *file = fopen(TESTS_DIR "/vectors/jcs_texts.txt", "r");
    int n = 0;
    assert_non_null(file);
    for (; fgets(line, sizeof line, file);) {
        if (*line == '#')
            continue;
        char *blank = strchr(line, ' '), *end = strchr(line, '\n');
        assert_true(blank && end);
        struct str text = {in, read_hex(line, (size_t)(blank - line), in)};
        struct str wanted = {want, read_hex(blank + 1, (size_t)(end - blank - 1), want)};
        struct buf out;
        buf_init(&out, text.n * JCS_MAX_GROWTH);
        assert_int_equal(jcs_put(text, &out), RC_OK);
        if (!str_eq(buf_str(&out), wanted))
            fail_msg("%.*s: %.*s", STR_ARG(text), STR_ARG(buf_str(&out)));
        buf_done(&out);
        n++;
    }
    (void)fclose(file);
    assert_true(n >= 200);
}

static void the_longest_growth_is_known(void **state) {
    (void)state;
    struct str text = STR("[9e20,9e20,9e20,9e20]");
    struct buf out;
    buf_init(&out, text.n * JCS_MAX_GROWTH);
    assert_int_equal(jcs_put(text, &out), RC_OK);
    buf_done(&out);
    buf_init(&out, 30);
    assert_int_equal(jcs_put(text, &out), RC_TOO_LARGE);
    buf_done(&out);
}

/* Nested, in reverse order, long numbers: nothing may take more than linear time by a factor. */
static void hostile_texts_take_no_long_time(void **state) {
    (void)state;
    enum { BYTES = 256 * 1024 };
    struct buf text, out;
    buf_init(&text, 2 * BYTES);
    buf_init(&out, (size_t)2 * BYTES * JCS_MAX_GROWTH);
    for (int i = 0; i < 62; i++)
        buf_put(&text, STR("{\"b\":0,\"a\":"));
    buf_put_byte(&text, '{');
    for (int i = 0xfffff; text.n < BYTES; i--)
        buf_putf(&text, "\"%x\":2.2250738585072011e-308,", i);
    buf_put(&text, STR("\"\":0."));
    for (int i = 0; i < BYTES / 2; i++)
        buf_put_byte(&text, '0');
    buf_put(&text, STR("1e131073"));
    for (int i = 0; i < 63; i++)
        buf_put_byte(&text, '}');
    assert_int_equal(jcs_put(buf_str(&text), &out), RC_OK);
    assert_non_null(strstr(buf_cstr(&out), "{\"\":1,\"f"));
    buf_done(&text);
    buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_take_their_canonical_form),
        cmocka_unit_test(the_form_is_appended_to_what_is_there),
        cmocka_unit_test(what_is_not_i_json_is_refused),
        cmocka_unit_test(numbers_are_written_as_appendix_b_says),
        cmocka_unit_test(numbers_are_written_as_ecmascript_does),
        cmocka_unit_test(the_large_file_comes_out_as_published),
        cmocka_unit_test(texts_are_written_as_v8_does),
        cmocka_unit_test(the_longest_growth_is_known),
        cmocka_unit_test(hostile_texts_take_no_long_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
