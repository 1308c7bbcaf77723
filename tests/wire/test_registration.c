/* tests/wire/test_registration.c -- registrations, really signed; each way to be refused, in order.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/registration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "wire/auth.h"
#include "wire/jcs.h"

#define HEX "2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12"
#define PRIMARY "ed25519:" HEX
/* Another sound key: RFC 8032, 7.1, test 1. */
#define OTHER "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define ZEROS32 "00000000000000000000000000000000"
#define SMALL_ORDER "ed25519:" ZEROS32 ZEROS32

static const int64_t now_ms = 1779836777123; /* 2026-05-26T23:06:17.123Z */

/* What a body is made of; NULL: as in a good one. Values are raw JSON. */
struct parts {
    const char *kez, *type, *version, *handle, *server, *primary, *created_at, *more;
    const char *alg, *key, *sig;
};

static const char * or (const char *given, const char *usual) { return given ? given : usual; }

static void put_payload(struct buf *out, const struct parts *p) {
    buf_putf(out,
             "{ \"type\":%s, \"version\":%s, \"handle\":%s, \"server\":%s, \"primary\":%s, "
             "\"created_at\":%s%s }",
             or (p->type, "\"kez.chat.handle_registration\""), or (p->version, "1"),
             or (p->handle, "\"alice\""), or (p->server, "\"chat.example.org\""),
             or (p->primary, "\"" PRIMARY "\""), or (p->created_at, "\"2026-05-26T23:06:17.123Z\""),
             or (p->more, ""));
}

/* A signature of the payload's canonical form, or of nothing when it has none. */
static void sign(struct str payload, char hex[2 * AUTH_SIG_BYTES + 1]) {
    uint8_t seed[32], sig[AUTH_SIG_BYTES];
    struct buf canonical;
    memset(seed, 0x42, sizeof seed);
    buf_init(&canonical, 1 << 16);
    if (jcs_put(payload, &canonical) != RC_OK)
        buf_clear(&canonical);
    auth_sign(seed, buf_str(&canonical), sig);
    str_put_hex(sig, sizeof sig, hex);
    hex[2 * AUTH_SIG_BYTES] = '\0';
    buf_done(&canonical);
}

static void put_body(struct buf *out, const struct parts *p) {
    struct buf payload;
    char hex[2 * AUTH_SIG_BYTES + 1];
    buf_init(&payload, 1 << 16);
    put_payload(&payload, p);
    sign(buf_str(&payload), hex);
    buf_putf(out, "{\"kez\":%s,\"payload\":%s,\"signature\":{\"alg\":%s,\"key\":%s,\"sig\":",
             or (p->kez, "\"handle_registration\""), buf_cstr(&payload),
             or (p->alg, "\"ed25519-sha512-jcs\""), or (p->key, "\"" PRIMARY "\""));
    if (p->sig)
        buf_putf(out, "%s}}", p->sig);
    else
        buf_putf(out, "\"%s\"}}", hex);
    buf_done(&payload);
}

static enum rc read_text(struct str body, struct registration *out) {
    const char *advice = NULL;
    enum rc rc = registration_read(body, STR("chat.example.org"), now_ms, out, &advice);
    assert_true((rc == RC_OK) == (advice == NULL));
    return rc;
}

static enum rc read_parts(const struct parts *p) {
    struct registration reg;
    struct buf body;
    buf_init(&body, 1 << 16);
    put_body(&body, p);
    enum rc rc = read_text(buf_str(&body), &reg);
    buf_done(&body);
    return rc;
}

/* Made by another implementation of JCS and Ed25519. */
static void a_registration_made_elsewhere_is_read(void **state) {
    (void)state;
    FILE *file = fopen(TESTS_DIR "/vectors/registration.json", "r");
    char text[4096];
    struct registration reg;
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    assert_int_equal(read_text((struct str){text, n}, &reg), RC_OK);
    assert_string_equal(reg.handle.text, "alice");
    char primary[KEY_TEXT_LEN + 1];
    key_print(&reg.primary, primary);
    assert_string_equal(primary, PRIMARY);
}

static void what_means_the_same_is_good(void **state) {
    (void)state;
    static const struct parts rows[] = {
        {0},
        {.version = "1.0"},
        {.version = "1e0"},
        {.version = "10E-1"},
        {.type = "\"kez.chat.handle\\u005fregistration\""},
        {.created_at = "\"2026-05-27T01:06:17.123+02:00\""},
        {.created_at = "\"2026-05-26t23:06:17z\""},
        {.created_at = "\"2026-05-26T23:11:17.123Z\""},
        {.created_at = "\"2026-05-26T23:01:17.123Z\""},
        {.handle = "\"no-body\""},
        {.more = ",\"x\":{\"b\":[1.10,1e21,-0,9007199254740993],\"a\":\"\\u0000\\u001f\\/\"}"},
        {.more = ",\"\\ufb33\":1,\"\\ud83d\\ude00\":2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(read_parts(&rows[i]), RC_OK);
}

static void each_part_may_be_wrong(void **state) {
    (void)state;
    static const struct {
        struct parts parts;
        enum rc rc;
    } rows[] = {
        {{.kez = "\"handle_revocation\""}, RC_MALFORMED},
        {{.kez = "null"}, RC_MALFORMED},
        {{.type = "\"kez.chat.handle\""}, RC_MALFORMED},
        {{.type = "1"}, RC_MALFORMED},
        {{.version = "2"}, RC_MALFORMED},
        {{.version = "0"}, RC_MALFORMED},
        {{.version = "1.1"}, RC_MALFORMED},
        {{.version = "\"1\""}, RC_MALFORMED},
        {{.version = "true"}, RC_MALFORMED},
        {{.version = "1e400"}, RC_MALFORMED},
        {{.handle = "7"}, RC_MALFORMED},
        {{.handle = "\"al\""}, RC_TOO_SHORT},
        {{.handle = "\"a23456789012345678901234567890123\""}, RC_TOO_LARGE},
        {{.handle = "\"-alice\""}, RC_BAD_FIRST},
        {{.handle = "\"aLice\""}, RC_MALFORMED},
        {{.handle = "\"alice\\u0000\""}, RC_MALFORMED},
        {{.handle = "\"admin\""}, RC_RESERVED},
        {{.handle = "\"no-reply\""}, RC_RESERVED},
        {{.server = "\"example.org\""}, RC_MALFORMED},
        {{.server = "\"\""}, RC_MALFORMED},
        {{.server = "null"}, RC_MALFORMED},
        {{.primary = "\"" HEX "\""}, RC_MALFORMED},
        {{.primary = "\"ed25519:12\""}, RC_MALFORMED},
        {{.primary = "\"" SMALL_ORDER "\"", .key = "\"" SMALL_ORDER "\""}, RC_MALFORMED},
        {{.created_at = "\"2026-05-26\""}, RC_MALFORMED},
        {{.created_at = "1779836777"}, RC_MALFORMED},
        {{.created_at = "\"2026-05-26T23:11:17.124Z\""}, RC_STALE},
        {{.created_at = "\"2026-05-26T23:01:17.122Z\""}, RC_STALE},
        {{.created_at = "\"0000-01-01T00:00:00Z\""}, RC_STALE},
        {{.more = ",\"x\":1e400"}, RC_MALFORMED},
        {{.more = ",\"x\":\"\\ud800\""}, RC_MALFORMED},
        {{.more = ",\"\\udc00\":1"}, RC_MALFORMED},
        {{.more = ",\"x\":1,\"x\":1"}, RC_MALFORMED},
        {{.more = ",\"handle\":\"bob\""}, RC_MALFORMED},
        {{.alg = "\"ed25519\""}, RC_MALFORMED},
        {{.alg = "null"}, RC_MALFORMED},
        {{.key = "\"x\""}, RC_MALFORMED},
        {{.key = "1"}, RC_MALFORMED},
        {{.key = "\"" OTHER "\""}, RC_UNAUTHORIZED},
        {{.primary = "\"" OTHER "\"", .key = "\"" OTHER "\""}, RC_UNAUTHORIZED},
        {{.sig = "null"}, RC_MALFORMED},
        {{.sig = "\"\""}, RC_MALFORMED},
        {{.sig = "\"" HEX "\""}, RC_MALFORMED},
        {{.sig = "\"" HEX HEX "00\""}, RC_MALFORMED},
        {{.sig = "\"2152F8D19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12" HEX "\""},
         RC_MALFORMED},
        {{.sig = "\"" HEX HEX "\""}, RC_UNAUTHORIZED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum rc rc = read_parts(&rows[i].parts);
        if (rc != rows[i].rc)
            fail_msg("row %zu: %s", i, rc_name(rc));
    }
}

static void the_first_complaint_is_the_gravest(void **state) {
    (void)state;
    static const char junk[] = "\"" HEX HEX "\"";
    const struct {
        struct parts parts;
        enum rc rc;
    } rows[] = {
        {{.handle = "\"root\"", .sig = junk}, RC_RESERVED},
        {{.handle = "\"root\"", .key = "\"" OTHER "\""}, RC_RESERVED},
        {{.handle = "\"root\"", .alg = "\"x\""}, RC_MALFORMED},
        {{.handle = "\"root\"", .server = "\"x\""}, RC_MALFORMED},
        {{.handle = "\"root\"", .more = ",\"x\":1e400"}, RC_MALFORMED},
        {{.created_at = "\"2025-05-26T23:06:17Z\"", .sig = junk}, RC_STALE},
        {{.more = ",\"x\":1e400", .key = "\"" OTHER "\""}, RC_MALFORMED},
        {{.key = "\"" OTHER "\"", .sig = "\"x\""}, RC_MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(read_parts(&rows[i].parts), rows[i].rc);
}

static void a_body_of_another_shape_is_malformed(void **state) {
    (void)state;
    static const char *const rows[] = {
        "",
        "{}",
        "[]",
        "{\"kez\":\"handle_registration\"}",
        "{\"kez\":\"handle_registration\",\"payload\":[],\"signature\":{}}",
        "{\"kez\":\"handle_registration\",\"payload\":{},\"signature\":{}}",
        "{\"kez\":\"handle_registration\",\"payload\":\"{}\",\"signature\":{}}",
        "{\"kez\":\"handle_registration\",\"kez\":\"handle_registration\"}",
    };
    struct registration reg;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(read_text(str_of(rows[i]), &reg), RC_MALFORMED);
}

static void the_signature_block_must_be_there(void **state) {
    (void)state;
    static const char *const blocks[] = {"", ",\"signature\":null", ",\"signature\":[]",
                                         ",\"signature\":{}",
                                         ",\"signature\":{\"alg\":\"ed25519-sha512-jcs\"}"};
    const struct parts usual = {0};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        struct buf body;
        struct registration reg;
        buf_init(&body, 1 << 16);
        buf_put(&body, STR("{\"kez\":\"handle_registration\",\"payload\":"));
        put_payload(&body, &usual);
        buf_putf(&body, "%s}", blocks[i]);
        assert_int_equal(read_text(buf_str(&body), &reg), RC_MALFORMED);
        buf_done(&body);
    }
}

/* A changed byte of the payload, wherever it is, opens nothing. */
static void a_signature_holds_for_one_payload_only(void **state) {
    (void)state;
    const struct parts usual = {.more = ",\"note\":\"abc\""};
    struct buf body;
    struct registration reg;
    buf_init(&body, 1 << 16);
    put_body(&body, &usual);
    assert_int_equal(read_text(buf_str(&body), &reg), RC_OK);
    char *note = strstr(body.p, "abc");
    assert_non_null(note);
    note[1] = 'x';
    assert_int_equal(read_text(buf_str(&body), &reg), RC_UNAUTHORIZED);
    buf_done(&body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registration_made_elsewhere_is_read),
        cmocka_unit_test(what_means_the_same_is_good),
        cmocka_unit_test(each_part_may_be_wrong),
        cmocka_unit_test(the_first_complaint_is_the_gravest),
        cmocka_unit_test(a_body_of_another_shape_is_malformed),
        cmocka_unit_test(the_signature_block_must_be_there),
        cmocka_unit_test(a_signature_holds_for_one_payload_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
