/* tests/wire/test_message.c -- bodies of messages and proofs: what is kept, what is refused.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/json_span.h"

#define ID64 "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"

static const struct {
    struct str body;
    const char *to, *id, *envelope;
} kept[] = {
    {STR_INIT("{\"to\":\"alice\",\"envelope\":{}}"), "alice", "", "{}"},
    {STR_INIT(" { \"id\" : \"" ID64
              "\" , \"envelope\" : { \"b\" : [ 1 , 2 ] } , \"to\" : \"bob\" } "),
     "bob", ID64, "{\"b\":[1,2]}"},
    {STR_INIT("{\"to\":\"al\\u0069ce\",\"id\":\"\\u0061\",\"envelope\":{}}"), "alice", "a", "{}"},
    /* The envelope passes as it is: numbers, escapes, order, doubled members. */
    {STR_INIT(
         "{\"to\":\"alice\",\"envelope\":{\"z\":1e400,\"a\":-0.0,\"a\":1.10,\"n\":"
         "12345678901234567890123,\"s\":\"\\ud800 \\u0000 \\/ \\u0041 \xc3\xa4\",\"o\":{\"x\":1,"
         "\"x\":2}}}"),
     "alice", "",
     "{\"z\":1e400,\"a\":-0.0,\"a\":1.10,\"n\":12345678901234567890123,"
     "\"s\":\"\\ud800 \\u0000 \\/ \\u0041 \xc3\xa4\",\"o\":{\"x\":1,\"x\":2}}"},
    /* Unknown members are not looked at. */
    {STR_INIT("{\"to\":\"alice\",\"from\":\"bob\",\"x\":[1e400,\"\\ud800\\u0000\"],\"\\ud800\":0,"
              "\"envelope\":{}}"),
     "alice", "", "{}"},
};

static void a_message_is_read_and_its_envelope_kept_as_sent(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        struct message m;
        const char *advice = NULL;
        assert_int_equal(message_read(kept[i].body, &m, &advice), RC_OK);
        assert_null(advice);
        assert_string_equal(m.to.text, kept[i].to);
        assert_string_equal(m.id, kept[i].id);
        assert_string_equal(buf_cstr(&m.envelope), kept[i].envelope);
        message_done(&m);
    }
}

#define ENV "\"envelope\":{}"

static const struct {
    struct str body;
    enum rc rc;
} refused[] = {
    {STR_INIT(""), RC_MALFORMED},
    {STR_INIT("[]"), RC_MALFORMED},
    {STR_INIT("null"), RC_MALFORMED},
    {STR_INIT("\xef\xbb\xbf{\"to\":\"alice\"," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\"," ENV "} "
              "{}"),
     RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\"}"), RC_MALFORMED},
    {STR_INIT("{" ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":null," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":12," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":[\"alice\"]," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"\"," ENV "}"), RC_TOO_SHORT},
    {STR_INIT("{\"to\":\"al\"," ENV "}"), RC_TOO_SHORT},
    {STR_INIT("{\"to\":\"" ID64 "\"," ENV "}"), RC_TOO_LARGE},
    {STR_INIT("{\"to\":\"_lice\"," ENV "}"), RC_BAD_FIRST},
    {STR_INIT("{\"to\":\"alIce\"," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"ali\\ud800\"," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"ali\\u0000\"," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"to\":\"alice\"," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"x\":1,\"\\u0078\":1," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"x\":{\"y\":1,\"y\":1}," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\"," ENV "," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"envelope\":[]}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"envelope\":\"{}\"}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"envelope\":null}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"envelope\":{\"x\":\"\xff\"}}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"envelope\":{\"x\":\"\xed\xa0\x80\"}}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"id\":null," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"id\":7," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"id\":\"\"," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"id\":\"a b\"," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"id\":\"a.b\"," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"id\":\"a\\u0000\"," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"id\":\"\xc3\xa4\"," ENV "}"), RC_MALFORMED},
    {STR_INIT("{\"to\":\"alice\",\"id\":\"x" ID64 "\"," ENV "}"), RC_MALFORMED},
};

static void what_is_no_message_is_refused_with_advice(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct message m;
        const char *advice = NULL;
        enum rc rc = message_read(refused[i].body, &m, &advice);
        if (rc != refused[i].rc || !advice)
            fail_msg("%s for %.*s", rc_name(rc), STR_ARG(refused[i].body));
    }
}

/* A body whose envelope has so many compact bytes, with `spaces` that do not count. */
static void put_body(struct buf *out, size_t envelope_bytes, size_t spaces) {
    buf_put(out, STR("{\"to\":\"alice\",\"envelope\":{"));
    for (size_t i = 0; i < spaces; i++)
        buf_put_byte(out, ' ');
    buf_put(out, STR("\"x\":\""));
    for (size_t i = 0; i < envelope_bytes - strlen("{\"x\":\"\"}"); i++)
        buf_put_byte(out, 'x');
    buf_put(out, STR("\"}}"));
}

static void the_envelope_has_a_limit_in_compact_bytes(void **state) {
    (void)state;
    static const struct {
        size_t bytes, spaces;
        enum rc rc;
    } rows[] = {{MESSAGE_ENVELOPE_MAX, 0, RC_OK},
                {MESSAGE_ENVELOPE_MAX, 200000, RC_OK},
                {MESSAGE_ENVELOPE_MAX + 1, 0, RC_OVERSIZE},
                {MESSAGE_ENVELOPE_MAX + 1, 1, RC_OVERSIZE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf body;
        struct message m;
        const char *advice = NULL;
        buf_init(&body, MESSAGE_BODY_MAX);
        put_body(&body, rows[i].bytes, rows[i].spaces);
        assert_int_equal(buf_rc(&body), RC_OK);
        assert_int_equal(message_read(buf_str(&body), &m, &advice), rows[i].rc);
        if (rows[i].rc == RC_OK) {
            assert_int_equal(m.envelope.n, rows[i].bytes);
            message_done(&m);
        } else {
            assert_non_null(advice);
        }
        buf_done(&body);
    }
}

static void the_body_counts_for_the_depth(void **state) {
    (void)state;
    for (size_t depth = JSON_MAX_DEPTH - 2; depth <= JSON_MAX_DEPTH - 1; depth++) {
        struct buf body;
        struct message m;
        const char *advice = NULL;
        buf_init(&body, 1000);
        buf_put(&body, STR("{\"to\":\"alice\",\"envelope\":{\"a\":"));
        for (size_t i = 0; i < depth; i++)
            buf_put_byte(&body, '[');
        for (size_t i = 0; i < depth; i++)
            buf_put_byte(&body, ']');
        buf_put(&body, STR("}}"));
        enum rc rc = message_read(buf_str(&body), &m, &advice);
        assert_int_equal(rc, depth == JSON_MAX_DEPTH - 2 ? RC_OK : RC_MALFORMED);
        if (rc == RC_OK)
            message_done(&m);
        buf_done(&body);
    }
}

static enum rc proofs(struct str body, struct buf *out) {
    const char *advice = NULL;
    buf_clear(out);
    enum rc rc = proofs_read(body, out, &advice);
    assert_true((rc == RC_OK) == (advice == NULL));
    return rc;
}

static void proofs_are_written_anew(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, PROOFS_ARRAY_MAX);
    assert_int_equal(proofs(STR("{\"proofs\":[]}"), &out), RC_OK);
    assert_string_equal(buf_cstr(&out), "[]");
    assert_int_equal(
        proofs(STR("{\"x\":1,\"proofs\" : [ \"a\\/\\u0062\" , \"\", \"\xc3\xa4\\n\" ]}"), &out),
        RC_OK);
    assert_string_equal(buf_cstr(&out), "[\"a/b\",\"\",\"\xc3\xa4\\n\"]");
    buf_done(&out);
}

static void what_are_no_proofs_is_refused(void **state) {
    (void)state;
    static const struct str rows[] = {
        STR_INIT("{}"),
        STR_INIT("[]"),
        STR_INIT("{\"proofs\":null}"),
        STR_INIT("{\"proofs\":{}}"),
        STR_INIT("{\"proofs\":\"a\"}"),
        STR_INIT("{\"proofs\":[1]}"),
        STR_INIT("{\"proofs\":[\"a\",null]}"),
        STR_INIT("{\"proofs\":[[]]}"),
        STR_INIT("{\"proofs\":[\"a\",[\"b\"]]}"),
        STR_INIT("{\"proofs\":[{\"a\":\"b\"}]}"),
        STR_INIT("{\"proofs\":[\"\\ud800\"]}"),
        STR_INIT("{\"proofs\":[\"\\u0000\"]}"),
        STR_INIT("{\"proofs\":[],\"proofs\":[]}"),
        STR_INIT("{\"proofs\":[]"),
    };
    struct buf out;
    buf_init(&out, PROOFS_ARRAY_MAX);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (proofs(rows[i], &out) != RC_MALFORMED)
            fail_msg("accepted: %.*s", STR_ARG(rows[i]));
    buf_done(&out);
}

/* n proofs of so many bytes each, all escaped as \u0001. */
static enum rc proofs_of(size_t n, size_t bytes) {
    struct buf body, out;
    buf_init(&body, 1 << 20);
    buf_init(&out, PROOFS_ARRAY_MAX);
    buf_put(&body, STR("{\"proofs\":["));
    for (size_t i = 0; i < n; i++) {
        buf_put(&body, i ? STR(",\"") : STR("\""));
        for (size_t k = 0; k < bytes; k++)
            buf_put(&body, STR("\\u0001"));
        buf_put_byte(&body, '"');
    }
    buf_put(&body, STR("]}"));
    enum rc rc = proofs(buf_str(&body), &out);
    buf_done(&body);
    buf_done(&out);
    return rc;
}

static void the_number_and_size_of_proofs_have_limits(void **state) {
    (void)state;
    assert_int_equal(proofs_of(PROOFS_MAX, PROOF_MAX_BYTES), RC_OK);
    assert_int_equal(proofs_of(PROOFS_MAX + 1, 1), RC_MALFORMED);
    assert_int_equal(proofs_of(1, PROOF_MAX_BYTES + 1), RC_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_read_and_its_envelope_kept_as_sent),
        cmocka_unit_test(what_is_no_message_is_refused_with_advice),
        cmocka_unit_test(the_envelope_has_a_limit_in_compact_bytes),
        cmocka_unit_test(the_body_counts_for_the_depth),
        cmocka_unit_test(proofs_are_written_anew),
        cmocka_unit_test(what_are_no_proofs_is_refused),
        cmocka_unit_test(the_number_and_size_of_proofs_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
