/* tests/wire/test_record.c -- the handle record, and WebFinger's questions and answers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEX "2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12"
#define PRIMARY "ed25519:" HEX

static const struct str server = STR_INIT("chat.example.org");

static struct record record(void) {
    struct record r = {.registered_at_ms = 1779836777123, .proofs = STR("[\"dns:alice.example\"]")};
    assert_int_equal(handle_read(STR("alice"), &r.handle), RC_OK);
    assert_int_equal(key_read(STR(PRIMARY), &r.primary), RC_OK);
    return r;
}

static void a_record_is_written_like_this(void **state) {
    (void)state;
    const struct record r = record();
    struct buf out;
    buf_init(&out, 1000);
    record_put(&out, &r, server, STR("https://sig.example.org"));
    assert_string_equal(buf_cstr(&out),
                        "{\"handle\":\"alice\",\"server\":\"chat.example.org\","
                        "\"primary\":\"" PRIMARY "\","
                        "\"registered_at\":\"2026-05-26T23:06:17.123Z\","
                        "\"sigchain_url\":\"https://sig.example.org/v1/sigchains/ed25519/" HEX "\","
                        "\"proofs\":[\"dns:alice.example\"]}");
    buf_done(&out);
}

static enum rc ask(const char *query, struct webfinger *out) {
    struct buf raw;
    struct target t;
    buf_init(&raw, TARGET_MAX_BYTES);
    buf_put(&raw, STR("/.well-known/webfinger"));
    buf_put(&raw, str_of(query));
    assert_int_equal(target_read(buf_str(&raw), &t), RC_OK);
    enum rc rc = webfinger_read(&t, server, out);
    buf_done(&raw);
    return rc;
}

static void an_account_or_a_primary_may_be_asked_for(void **state) {
    (void)state;
    static const char *const accounts[] = {
        "?resource=acct:alice@chat.example.org",
        "?resource=acct%3Aalice%40chat.example.org",
        "?resource=acct:%61lice@chat.example.org&rel=self",
        "?x=1&resource=ACCT:alice@Chat.Example.ORG",
    };
    struct webfinger asked;
    for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++) {
        assert_int_equal(ask(accounts[i], &asked), RC_OK);
        assert_false(asked.by_primary);
        assert_string_equal(asked.handle.text, "alice");
    }
    const struct record r = record();
    assert_int_equal(ask("?resource=" PRIMARY, &asked), RC_OK);
    assert_true(asked.by_primary);
    assert_true(key_eq(&asked.primary, &r.primary));
}

static void other_questions_are_refused_or_not_found(void **state) {
    (void)state;
    static const struct {
        const char *query;
        enum rc rc;
    } rows[] = {
        {"", RC_MALFORMED},
        {"?rel=self", RC_MALFORMED},
        {"?resource", RC_MALFORMED},
        {"?resource=", RC_MALFORMED},
        {"?resource=alice", RC_MALFORMED},
        {"?resource=alice@chat.example.org", RC_MALFORMED},
        {"?resource=:alice@chat.example.org", RC_MALFORMED},
        {"?resource=1acct:alice@chat.example.org", RC_MALFORMED},
        {"?resource=acct:", RC_MALFORMED},
        {"?resource=acct:alice", RC_MALFORMED},
        {"?resource=acct:@chat.example.org", RC_MALFORMED},
        {"?resource=acct:alice@", RC_MALFORMED},
        {"?resource=acct:alice@chat.example.org&resource=acct:alice@chat.example.org",
         RC_MALFORMED},
        {"?resource=ed25519:12", RC_MALFORMED},
        {"?resource=ED25519:" HEX, RC_MALFORMED},
        {"?resource=acct:alice@example.org", RC_NOT_FOUND},
        {"?resource=acct:alice@chat.example.org.", RC_NOT_FOUND},
        {"?resource=acct:al@chat.example.org", RC_NOT_FOUND},
        {"?resource=acct:Alice@chat.example.org", RC_NOT_FOUND},
        {"?resource=acct:bob%2540x@chat.example.org", RC_NOT_FOUND},
        {"?resource=acct:bob%40x@chat.example.org", RC_NOT_FOUND},
        {"?resource=https://chat.example.org/v1/u/alice", RC_NOT_FOUND},
        {"?resource=mailto:alice@chat.example.org", RC_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct webfinger asked;
        enum rc rc = ask(rows[i].query, &asked);
        if (rc != rows[i].rc)
            fail_msg("%s for %s", rc_name(rc), rows[i].query);
    }
}

static void assert_answer(const char *query, const char *links) {
    const struct record r = record();
    struct buf raw, out, want;
    struct target t;
    buf_init(&raw, TARGET_MAX_BYTES);
    buf_init(&out, 1000);
    buf_init(&want, 1000);
    buf_putf(&raw, "/.well-known/webfinger?resource=acct:alice@chat.example.org%s", query);
    assert_int_equal(target_read(buf_str(&raw), &t), RC_OK);
    webfinger_put(&out, &t, &r, server);
    buf_putf(&want,
             "{\"subject\":\"acct:alice@chat.example.org\",\"aliases\":[\"" PRIMARY "\"],"
             "\"links\":[%s]}",
             links);
    assert_string_equal(buf_cstr(&out), buf_cstr(&want));
    buf_done(&raw);
    buf_done(&out);
    buf_done(&want);
}

static void links_are_filtered_by_rel(void **state) {
    (void)state;
    static const char self[] = "{\"rel\":\"self\",\"type\":\"application/json\","
                               "\"href\":\"https://chat.example.org/v1/u/alice\"}";
    assert_answer("", self);
    assert_answer("&rel=self", self);
    assert_answer("&rel=avatar&rel=self", self);
    assert_answer("&rel=avatar", "");
    assert_answer("&rel=", "");
    assert_answer("&relation=avatar", self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_written_like_this),
        cmocka_unit_test(an_account_or_a_primary_may_be_asked_for),
        cmocka_unit_test(other_questions_are_refused_or_not_found),
        cmocka_unit_test(links_are_filtered_by_rel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
