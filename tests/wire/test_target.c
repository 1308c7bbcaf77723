/* tests/wire/test_target.c -- request targets: the grammar, the forms, segments and parameters.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

/* want: what describe() prints of it; NULL: malformed. */
static const struct {
    struct str in;
    const char *want;
} rows[] = {
    {STR_INIT("/"), "/ -"},
    {STR_INIT("/v1/healthz"), "/v1/healthz - [v1][healthz]"},
    {STR_INIT("/a/"), "/a/ - [a][]"},
    {STR_INIT("//"), "// - [][]"},
    {STR_INIT("//a"), "//a - [][a]"},
    {STR_INIT("/a//b"), "/a//b - [a][][b]"},
    {STR_INIT("/-._~!$&'()*+,;=:@"), "/-._~!$&'()*+,;=:@ - [-._~!$&'()*+,;=:@]"},
    {STR_INIT("/a%20b%7e%7E"), "/a%20b%7e%7E - [a b~~]"},
    {STR_INIT("/%61%2e%2E."), "/%61%2e%2E. - [a...]"},
    {STR_INIT("/..."), "/... - [...]"},
    {STR_INIT("/.a/a."), "/.a/a. - [.a][a.]"},
    {STR_INIT("/a+b"), "/a+b - [a+b]"},
    {STR_INIT("/%252F"), "/%252F - [%2F]"}, /* decoded once */
    {STR_INIT("/a?"), "/a ? [a]"},
    {STR_INIT("/a?x"), "/a ?x [a]{x=}"},
    {STR_INIT("/a?x="), "/a ?x= [a]{x=}"},
    {STR_INIT("/a?x=1&y=2"), "/a ?x=1&y=2 [a]{x=1}{y=2}"},
    {STR_INIT("/a?x=1=2"), "/a ?x=1=2 [a]{x=1=2}"},
    {STR_INIT("/a?=1&x&&=&"), "/a ?=1&x&&=& [a]{x=}"},
    {STR_INIT("/a?x=/?:@"), "/a ?x=/?:@ [a]{x=/?:@}"},
    {STR_INIT("/a?x=1+2%2B%26%3d"), "/a ?x=1+2%2B%26%3d [a]{x=1+2+&=}"},
    {STR_INIT("/a?%73ince=%37"), "/a ?%73ince=%37 [a]{since=7}"},
    {STR_INIT("/a?x=%2F..%2f/../."), "/a ?x=%2F..%2f/../. [a]{x=/..//../.}"},
    {STR_INIT("/?x"), "/ ?x {x=}"},
    {STR_INIT("*"), "* -"},
    {STR_INIT("http://h/v1?x"), "/v1 ?x [v1]{x=}"},
    {STR_INIT("HTTPS://h.example:6969/v1"), "/v1 - [v1]"},
    {STR_INIT("http://[::1]:80/v1"), "/v1 - [v1]"},
    {STR_INIT("http://[::1]/"), "/ -"},
    {STR_INIT("http://h:/"), "/ -"},
    {STR_INIT("http://h"), "/ -"},
    {STR_INIT("http://h?x"), "/ ?x {x=}"},

    {{NULL, 0}, NULL},
    {STR_INIT(""), NULL},
    {STR_INIT("v1"), NULL},
    {STR_INIT("?x"), NULL},
    {STR_INIT("**"), NULL},
    {STR_INIT("*?x"), NULL},
    {STR_INIT("h:80"), NULL},
    {STR_INIT("ftp://h/"), NULL},
    {STR_INIT("http:/v1"), NULL},
    {STR_INIT("http:///v1"), NULL},
    {STR_INIT("http://:80/v1"), NULL},
    {STR_INIT("http://u@h/v1"), NULL},
    {STR_INIT("http://u:p@h/v1"), NULL},
    {STR_INIT("http://h:8o/v1"), NULL},
    {STR_INIT("http://[::1/v1"), NULL},
    {STR_INIT("http://[::1]x/v1"), NULL},
    {STR_INIT("http://h h/v1"), NULL},
    {STR_INIT("http://h/v1/.."), NULL},
    {STR_INIT("/."), NULL},
    {STR_INIT("/.."), NULL},
    {STR_INIT("/a/./b"), NULL},
    {STR_INIT("/a/../b"), NULL},
    {STR_INIT("/a/.."), NULL},
    {STR_INIT("/a/../"), NULL},
    {STR_INIT("/%2e"), NULL},
    {STR_INIT("/%2E%2e/b"), NULL},
    {STR_INIT("/.%2e"), NULL},
    {STR_INIT("/%2e./b?x"), NULL},
    {STR_INIT("/a%2Fb"), NULL},
    {STR_INIT("/a%2fb"), NULL},
    {STR_INIT("/a%00"), NULL},
    {STR_INIT("/a?%00"), NULL},
    {STR_INIT("/a?x=1%00"), NULL},
    {STR_INIT("/%"), NULL},
    {STR_INIT("/%2"), NULL},
    {STR_INIT("/%2?x"), NULL},
    {STR_INIT("/%g0"), NULL},
    {STR_INIT("/%0g"), NULL},
    {STR_INIT("/%-1"), NULL},
    {STR_INIT("/a?%"), NULL},
    {STR_INIT("/a?%2"), NULL},
    {STR_INIT("/a?x=%2&y=1"), NULL},
    {STR_INIT("/a#"), NULL},
    {STR_INIT("/a?x#y"), NULL},
    {STR_INIT("/a b"), NULL},
    {STR_INIT("/a?b c"), NULL},
};

/* "<path> <?query or -> [segment]…{name=value}…" */
static const char *describe(const struct target *t, struct buf *b) {
    buf_putf(b, "%.*s ", STR_ARG(t->path));
    if (str_is_absent(t->query))
        buf_putf(b, "-");
    else
        buf_putf(b, "?%.*s", STR_ARG(t->query));
    if (t->segment_count + t->param_count)
        buf_put_byte(b, ' ');
    for (size_t i = 0; i < t->segment_count; i++)
        buf_putf(b, "[%.*s]", STR_ARG(t->segments[i]));
    for (size_t i = 0; i < t->param_count; i++)
        buf_putf(b, "{%.*s=%.*s}", STR_ARG(t->params[i].name), STR_ARG(t->params[i].value));
    return buf_cstr(b);
}

static void a_target_is_split_and_decoded_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct target t;
        struct buf b;
        enum rc rc = target_read(rows[i].in, &t);
        if ((rc == RC_OK) != (rows[i].want != NULL))
            fail_msg("%.*s: %s", STR_ARG(rows[i].in), rc_name(rc));
        if (rc != RC_OK) {
            assert_int_equal(rc, RC_MALFORMED);
            continue;
        }
        buf_init(&b, 1024);
        assert_string_equal(describe(&t, &b), rows[i].want);
        buf_done(&b);
    }
}

/* RFC 3986: pchar is unreserved, pct-encoded, sub-delims, ":" and "@"; a query has "/" and "?" too.
 */
static void every_byte_outside_the_grammar_is_refused(void **state) {
    (void)state;
    static const char pchar[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-._~!$&'()*+,;=:@";
    for (int c = 0; c < 256; c++) {
        char path[] = {'/', 'a', (char)c, 'b'};
        char query[] = {'/', '?', 'a', (char)c, 'b'};
        struct target t;
        bool sound = c && strchr(pchar, c);
        bool in_path = sound || c == '/' || c == '?', in_query = in_path;
        assert_int_equal(target_read((struct str){path, sizeof path}, &t),
                         in_path ? RC_OK : RC_MALFORMED);
        assert_int_equal(target_read((struct str){query, sizeof query}, &t),
                         in_query ? RC_OK : RC_MALFORMED);
    }
}

static void what_is_signed_is_path_and_query_as_received(void **state) {
    (void)state;
    struct target t;
    struct str absolute = STR("http://h/v1/%61?x=%62"), origin = STR("/v1/%61?x=%62");
    assert_int_equal(target_read(absolute, &t), RC_OK);
    assert_true(str_eq(t.raw, origin));
    assert_ptr_equal(t.raw.p, absolute.p + 8);
    assert_int_equal(target_read(origin, &t), RC_OK);
    assert_true(str_eq(t.raw, origin));
}

static void each_limit_is_reached_before_it_is_passed(void **state) {
    (void)state;
    struct target t;
    char text[TARGET_MAX_BYTES + 1];
    memset(text, 'a', sizeof text);
    text[0] = '/';
    assert_int_equal(target_read((struct str){text, TARGET_MAX_BYTES}, &t), RC_OK);
    assert_int_equal(target_read((struct str){text, TARGET_MAX_BYTES + 1}, &t), RC_TOO_LARGE);

    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy(text + i, "/a", i + 1 < sizeof text ? 2 : 1);
    assert_int_equal(target_read((struct str){text, 2 * TARGET_MAX_SEGMENTS}, &t), RC_OK);
    assert_int_equal(t.segment_count, TARGET_MAX_SEGMENTS);
    assert_false(t.is_deep);
    assert_int_equal(target_read((struct str){text, 2 * TARGET_MAX_SEGMENTS + 2}, &t), RC_OK);
    assert_int_equal(t.segment_count, TARGET_MAX_SEGMENTS);
    assert_true(t.is_deep);
    memcpy(text + sizeof text - 4, "/..", 3); /* what is not kept is checked all the same */
    assert_int_equal(target_read((struct str){text, sizeof text - 1}, &t), RC_MALFORMED);

    for (size_t i = 2; i < sizeof text - 1; i += 2)
        memcpy(text + i, "x&", 2);
    memcpy(text, "/?", 2);
    assert_int_equal(target_read((struct str){text, 2 + 2 * TARGET_MAX_PARAMS}, &t), RC_OK);
    assert_int_equal(t.param_count, TARGET_MAX_PARAMS);
    assert_int_equal(target_read((struct str){text, 3 + 2 * TARGET_MAX_PARAMS}, &t), RC_TOO_LARGE);
}

static void encodings_fill_the_room_and_no_more(void **state) {
    (void)state;
    struct target t;
    char text[TARGET_MAX_BYTES];
    memcpy(text, "/?x=", 4);
    size_t n = 4;
    for (; n + 3 <= sizeof text; n += 3)
        memcpy(text + n, "%41", 3);
    assert_int_equal(target_read((struct str){text, n}, &t), RC_OK);
    assert_int_equal(t.params[0].value.n, (n - 4) / 3);
    for (size_t i = 0; i < t.params[0].value.n; i++)
        assert_int_equal(t.params[0].value.p[i], 'A');
}

static void a_known_parameter_twice_is_malformed(void **state) {
    (void)state;
    struct target t;
    struct str value;
    assert_int_equal(target_read(STR("/?a=1&b=2&b=2&c=&%61=3"), &t), RC_OK);
    assert_int_equal(target_param(&t, STR("a"), &value), RC_MALFORMED);
    assert_int_equal(target_param(&t, STR("b"), &value), RC_MALFORMED);
    assert_int_equal(target_param(&t, STR("d"), &value), RC_NOT_FOUND);
    assert_int_equal(target_param(&t, STR("A"), &value), RC_NOT_FOUND);
    assert_int_equal(target_param(&t, STR("c"), &value), RC_OK);
    assert_true(str_eq(value, STR("")));
    assert_false(str_is_absent(value));
}

static void a_number_has_digits_alone(void **state) {
    (void)state;
    static const struct {
        struct str in;
        enum rc want;
        uint64_t value;
    } numbers[] = {
        {STR_INIT("/?n=0"), RC_OK, 0},
        {STR_INIT("/?n=500"), RC_OK, 500},
        {STR_INIT("/?n=%35"), RC_OK, 5},
        {STR_INIT("/?m=5"), RC_OK, 77},
        {STR_INIT("/"), RC_OK, 77},
        {STR_INIT("/?n=501"), RC_TOO_LARGE, 77},
        {STR_INIT("/?n="), RC_MALFORMED, 77},
        {STR_INIT("/?n"), RC_MALFORMED, 77},
        {STR_INIT("/?n=-1"), RC_MALFORMED, 77},
        {STR_INIT("/?n=+1"), RC_MALFORMED, 77},
        {STR_INIT("/?n=01"), RC_MALFORMED, 77},
        {STR_INIT("/?n=1e2"), RC_MALFORMED, 77},
        {STR_INIT("/?n=%201"), RC_MALFORMED, 77},
        {STR_INIT("/?n=1&n=1"), RC_MALFORMED, 77},
        {STR_INIT("/?n=99999999999999999999999"), RC_TOO_LARGE, 77},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct target t;
        uint64_t n = 77;
        assert_int_equal(target_read(numbers[i].in, &t), RC_OK);
        assert_int_equal(target_param_u64(&t, STR("n"), 500, &n), numbers[i].want);
        assert_int_equal(n, numbers[i].value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_split_and_decoded_or_refused),
        cmocka_unit_test(every_byte_outside_the_grammar_is_refused),
        cmocka_unit_test(what_is_signed_is_path_and_query_as_received),
        cmocka_unit_test(each_limit_is_reached_before_it_is_passed),
        cmocka_unit_test(encodings_fill_the_room_and_no_more),
        cmocka_unit_test(a_known_parameter_twice_is_malformed),
        cmocka_unit_test(a_number_has_digits_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
