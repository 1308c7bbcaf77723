/* tests/wire/test_conversation.c -- bodies of conversations, good and bad.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/conversation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SID "01ARZ3NDEKTSV4RRFFQ69G5FAV" /* the example of the ULID specification */

static const struct {
    const char *text;
    enum rc want;
} sids[] = {
    {SID, RC_OK},
    {"00000000000000000000000000", RC_OK},
    {"7ZZZZZZZZZZZZZZZZZZZZZZZZZ", RC_OK},
    {"80000000000000000000000000", RC_MALFORMED},
    {"01ARZ3NDEKTSV4RRFFQ69G5FA", RC_MALFORMED},
    {"01ARZ3NDEKTSV4RRFFQ69G5FAVV", RC_MALFORMED},
    {"01arz3ndektsv4rrffq69g5fav", RC_MALFORMED},
    {"01ARZ3NDEKTSV4RRFFQ69G5FAI", RC_MALFORMED},
    {"01ARZ3NDEKTSV4RRFFQ69G5FAL", RC_MALFORMED},
    {"01ARZ3NDEKTSV4RRFFQ69G5FAO", RC_MALFORMED},
    {"01ARZ3NDEKTSV4RRFFQ69G5FAU", RC_MALFORMED},
    {"", RC_MALFORMED},
};

static void sids_are_canonical_ulids(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof sids / sizeof *sids; i++) {
        struct sid sid;
        enum rc rc = sid_read(str_of(sids[i].text), &sid);
        if (rc != sids[i].want)
            fail_msg("%s: %s", sids[i].text, rc_name(rc));
        if (rc == RC_OK)
            assert_string_equal(sid.text, sids[i].text);
    }
}

static const struct {
    const char *body;
    enum rc want;
    size_t n;
} made[] = {
    {"{\"sid\":\"" SID "\",\"participants\":[\"bob\"]}", RC_OK, 1},
    {"{\"sid\":\"" SID "\",\"title\":\"\",\"participants\":[\"bob\",\"carol\"]}", RC_OK, 2},
    {"{\"sid\":\"" SID "\",\"participants\":[\"bob\",\"b\\u006fb\"],\"x\":1e400}", RC_OK, 1},
    {"{\"sid\":\"" SID
     "\",\"title\":\"Z\xc3\xbcrich \xf0\x9f\x8f\x94\",\"participants\":[\"bob\"]}",
     RC_OK, 1},
    {"{\"sid\":\"" SID "\",\"participants\":[]}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\"}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"participants\":null}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"participants\":\"bob\"}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"participants\":[\"bob\",1]}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"participants\":[[\"bob\"]]}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"participants\":[\"b\"]}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"participants\":[\"Bob\"]}", RC_MALFORMED, 0},
    {"{\"sid\":1,\"participants\":[\"bob\"]}", RC_MALFORMED, 0},
    {"{\"participants\":[\"bob\"]}", RC_MALFORMED, 0},
    {"{\"sid\":\"x\",\"participants\":[\"bob\"]}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"title\":null,\"participants\":[\"bob\"]}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"title\":\"a\\nb\",\"participants\":[\"bob\"]}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"title\":\"\\u0000\",\"participants\":[\"bob\"]}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"title\":\"\\u007f\",\"participants\":[\"bob\"]}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"title\":\"\\u0085\",\"participants\":[\"bob\"]}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"title\":\"\\ud800\",\"participants\":[\"bob\"]}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"sid\":\"" SID "\",\"participants\":[\"bob\"]}", RC_MALFORMED, 0},
    {"{\"sid\":\"" SID "\",\"participants\":[\"bob\"]} x", RC_MALFORMED, 0},
    {"[]", RC_MALFORMED, 0},
    {"", RC_MALFORMED, 0},
};

static void bodies_that_make_one_are_checked(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        struct conversation_draft draft;
        const char *advice = NULL;
        enum rc rc = conversation_read_made(str_of(made[i].body), &draft, &advice);
        if (rc != made[i].want)
            fail_msg("%s: %s", made[i].body, rc_name(rc));
        if (rc != RC_OK) {
            assert_non_null(advice);
            continue;
        }
        assert_string_equal(draft.sid.text, SID);
        assert_int_equal(draft.add.n, made[i].n);
        conversation_draft_done(&draft);
    }
}

static const struct {
    const char *body;
    enum rc want;
    uint64_t version;
    size_t add, remove;
} changes[] = {
    {"{\"version\":1}", RC_OK, 1, 0, 0},
    {"{\"version\":9007199254740991,\"title\":\"\"}", RC_OK, 9007199254740991, 0, 0},
    {"{\"version\":2,\"add\":[\"bob\"],\"remove\":[\"carol\",\"carol\"]}", RC_OK, 2, 1, 1},
    {"{\"version\":2,\"add\":[],\"remove\":[]}", RC_OK, 2, 0, 0},
    {"{}", RC_MALFORMED, 0, 0, 0},
    {"{\"version\":0}", RC_OK, 0, 0, 0},
    {"{\"version\":9007199254740992}", RC_OK, 9007199254740991, 0, 0},
    {"{\"version\":123456789012345678901234567890}", RC_OK, 9007199254740991, 0, 0},
    {"{\"version\":01}", RC_MALFORMED, 0, 0, 0},
    {"{\"version\":null}", RC_MALFORMED, 0, 0, 0},
    {"{\"version\":-1}", RC_MALFORMED, 0, 0, 0},
    {"{\"version\":1.5}", RC_MALFORMED, 0, 0, 0},
    {"{\"version\":\"1\"}", RC_MALFORMED, 0, 0, 0},
    {"{\"version\":1,\"add\":[\"bob\"],\"remove\":[\"bob\"]}", RC_MALFORMED, 0, 0, 0},
    {"{\"version\":1,\"add\":{}}", RC_MALFORMED, 0, 0, 0},
    {"{\"version\":1,\"remove\":[null]}", RC_MALFORMED, 0, 0, 0},
    {"{\"version\":1,\"title\":7}", RC_MALFORMED, 0, 0, 0},
};

static void bodies_that_change_one_are_checked(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct conversation_draft draft;
        const char *advice = NULL;
        enum rc rc = conversation_read_change(str_of(changes[i].body), &draft, &advice);
        if (rc != changes[i].want)
            fail_msg("%s: %s", changes[i].body, rc_name(rc));
        if (rc != RC_OK) {
            assert_non_null(advice);
            continue;
        }
        assert_int_equal(draft.version, changes[i].version);
        assert_int_equal(draft.add.n, changes[i].add);
        assert_int_equal(draft.remove.n, changes[i].remove);
        conversation_draft_done(&draft);
    }
}

/* A body with n distinct participants and a title of t bytes. */
static enum rc read_large(size_t n, size_t t) {
    struct conversation_draft draft;
    const char *advice;
    struct buf body;
    buf_init(&body, 64 * 1024);
    buf_put(&body, STR("{\"sid\":\"" SID "\",\"title\":\""));
    for (size_t i = 0; i < t; i++)
        buf_put_byte(&body, 't');
    buf_put(&body, STR("\",\"participants\":["));
    for (size_t i = 0; i < n; i++)
        buf_putf(&body, "%s\"user%zu\"", i ? "," : "", i);
    buf_put(&body, STR("]}"));
    enum rc rc = conversation_read_made(buf_str(&body), &draft, &advice);
    if (rc == RC_OK)
        conversation_draft_done(&draft);
    buf_done(&body);
    return rc;
}

static void participants_and_titles_have_limits(void **state) {
    (void)state;
    assert_int_equal(read_large(PARTICIPANTS_MAX, TITLE_MAX), RC_OK);
    assert_int_equal(read_large(PARTICIPANTS_MAX + 1, 0), RC_MALFORMED);
    assert_int_equal(read_large(1, TITLE_MAX + 1), RC_MALFORMED);
}

/* As many as there may be, each named again and again: they are the same, in the order in which
 * they came first. One more that is new is too many, wherever it stands. */
static void handles_that_are_named_again_are_the_same(void **state) {
    (void)state;
    enum { ROUNDS = 20 };
    struct conversation_draft draft;
    const char *advice = NULL;
    struct buf body;
    buf_init(&body, 1 << 20);
    buf_put(&body, STR("{\"version\":1,\"add\":["));
    for (size_t i = 0; i < (size_t)ROUNDS * PARTICIPANTS_MAX; i++)
        buf_putf(&body, "\"user%zu\",", i * 7 % PARTICIPANTS_MAX);
    body.n--;
    buf_put(&body, STR("]}"));
    assert_int_equal(conversation_read_change(buf_str(&body), &draft, &advice), RC_OK);
    assert_int_equal(draft.add.n, PARTICIPANTS_MAX);
    for (size_t i = 0; i < PARTICIPANTS_MAX; i++) {
        char want[16];
        (void)snprintf(want, sizeof want, "user%zu", i * 7 % PARTICIPANTS_MAX);
        assert_string_equal(draft.add.at[i].text, want);
    }
    conversation_draft_done(&draft);
    body.n -= 2;
    buf_put(&body, STR(",\"another\"]}"));
    assert_int_equal(conversation_read_change(buf_str(&body), &draft, &advice), RC_MALFORMED);
    assert_non_null(strstr(advice, "256"));
    buf_done(&body);
}

static void posts_need_an_id_and_a_small_envelope(void **state) {
    (void)state;
    struct message m;
    const char *advice;
    assert_int_equal(
        conversation_read_post(STR("{\"id\":\"a\",\"envelope\":{\"x\": 1}}"), &m, &advice), RC_OK);
    assert_string_equal(m.id, "a");
    assert_true(str_eq(buf_str(&m.envelope), STR("{\"x\":1}")));
    message_done(&m);
    static const char *const bad[] = {
        "{\"envelope\":{}}",
        "{\"id\":\"a\"}",
        "{\"id\":\"a\",\"envelope\":[]}",
        "{\"id\":\"\",\"envelope\":{}}",
        "{\"id\":\"a b\",\"envelope\":{}}",
        "{\"id\":null,\"envelope\":{}}",
        "null",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(conversation_read_post(str_of(bad[i]), &m, &advice), RC_MALFORMED);

    for (size_t over = 0; over < 2; over++) {
        struct buf body;
        buf_init(&body, 128 * 1024);
        buf_put(&body, STR("{\"id\":\"a\",\"envelope\":{\"\":\""));
        for (size_t i = 0; i < CONVERSATION_ENVELOPE_MAX - 7 + over; i++)
            buf_put_byte(&body, 'x');
        buf_put(&body, STR("\"}}"));
        enum rc rc = conversation_read_post(buf_str(&body), &m, &advice);
        assert_int_equal(rc, over ? RC_OVERSIZE : RC_OK);
        if (rc == RC_OK)
            message_done(&m);
        buf_done(&body);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sids_are_canonical_ulids),
        cmocka_unit_test(bodies_that_make_one_are_checked),
        cmocka_unit_test(bodies_that_change_one_are_checked),
        cmocka_unit_test(participants_and_titles_have_limits),
        cmocka_unit_test(handles_that_are_named_again_are_the_same),
        cmocka_unit_test(posts_need_an_id_and_a_small_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
