/* tests/flow/test_events.c -- GET /v1/events: who may have whose events, and from where on.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "flow/world.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const uint8_t carols_seed[32] = {0x99};

/* The primary of "alice", "bob" or "carol" (hers is not registered); other texts are themselves,
 * NULL is NULL. */
static const char *primary_of(const char *who, char out[KEY_TEXT_LEN + 1]) {
    struct key key;
    if (!who || (strcmp(who, "alice") != 0 && strcmp(who, "bob") != 0 && strcmp(who, "carol") != 0))
        return who;
    auth_key_of_seed(who[0] == 'c' ? carols_seed : seeds[who[0] == 'b'], &key);
    key_print(&key, out);
    return out;
}

/* <ts>:<signature> of `signer` over the text for `named` on `server`. */
static void sign(const char *signer, const char *named, const char *server, long long at_s,
                 char out[200]) {
    struct buf text;
    uint8_t sig[AUTH_SIG_BYTES];
    char ts[24], primary[KEY_TEXT_LEN + 1];
    int n = snprintf(out, 200, "%lld:", at_s);
    snprintf(ts, sizeof ts, "%lld", at_s);
    buf_init(&text, 4096);
    auth_put_events(&text, str_of(server), str_of(primary_of(named, primary)), str_of(ts));
    auth_sign(signer[0] == 'c' ? carols_seed : seeds[signer[0] == 'b'], buf_str(&text), sig);
    str_put_hex(sig, sizeof sig, out + n);
    out[n + 128] = '\0';
    buf_done(&text);
}

/* What names the caller. A signer is "alice", "bob" or "carol", who sign the text for the primary
 * that is named in the same place; another text is sent as it is; NULL: it is not there. */
static const struct {
    const char *what;
    const char *key, *key_signer;     /* X-Public-Key, X-KEZ-Auth */
    const char *query, *query_signer; /* ?public_key=, ?auth= */
    long long offset_s;
    bool is_trusted;
    int want;
    const char *opens; /* whose stream */
} names[] = {
    {"by header", "alice", "alice", NULL, NULL, 0, false, 200, "alice"},
    {"by query", NULL, NULL, "bob", "bob", 0, false, 200, "bob"},
    {"a minute old", "alice", "alice", NULL, NULL, -60, false, 200, "alice"},
    {"a minute ahead", "alice", "alice", NULL, NULL, 60, false, 200, "alice"},
    {"the header wins", "alice", "alice", "bob", "bob", 0, false, 200, "alice"},
    {"a wrong header wins, too", "bob", "alice", "alice", "alice", 0, false, 401, NULL},
    {"an empty header wins, too", "", "", "alice", "alice", 0, false, 401, NULL},
    {"an empty signature in the header", "alice", "", "alice", "alice", 0, false, 401, NULL},

    {"nobody", NULL, NULL, NULL, NULL, 0, false, 401, NULL},
    {"no signature", "alice", NULL, NULL, NULL, 0, false, 401, NULL},
    {"no key", NULL, "alice", NULL, NULL, 0, false, 401, NULL},
    {"an empty key in the query", NULL, NULL, "", "alice", 0, false, 401, NULL},
    {"a malformed key", "ed25519:00", "alice", NULL, NULL, 0, false, 401, NULL},
    {"a handle for a key", "@alice", "alice", NULL, NULL, 0, false, 401, NULL},
    {"a malformed signature", "alice", "1780000000:00", NULL, NULL, 0, false, 401, NULL},
    {"unregistered", "carol", "carol", NULL, NULL, 0, false, 401, NULL},
    {"another's key with one's own signature", "bob", "alice", NULL, NULL, 0, false, 401, NULL},
    {"the same by query", NULL, NULL, "bob", "alice", 0, false, 401, NULL},
    {"the same by both", "bob", NULL, NULL, "alice", 0, false, 401, NULL},
    {"stale", "alice", "alice", NULL, NULL, -61, false, 401, NULL},
    {"from the future", "alice", "alice", NULL, NULL, 61, false, 401, NULL},

    {"a router vouches", "alice", NULL, NULL, NULL, 0, true, 200, "alice"},
    {"a router vouches, by query", NULL, NULL, "bob", NULL, 0, true, 200, "bob"},
    {"a router vouches for nobody", NULL, NULL, NULL, NULL, 0, true, 401, NULL},
    {"a router vouches for one who is unknown", "carol", NULL, NULL, NULL, 0, true, 401, NULL},
    {"a router passes a signature on", "alice", "alice", NULL, NULL, 0, true, 200, "alice"},
    {"a router passes a wrong signature on", "bob", "alice", NULL, NULL, 0, true, 401, NULL},
};

static const char *signed_by(const char *signer, const char *named, long long offset_s,
                             char out[200]) {
    if (!signer || strchr("abc", *signer) == NULL || *signer == '\0')
        return signer;
    sign(signer, named ? named : "alice", "kez.example", NOW_S + offset_s, out);
    return out;
}

static int ask_for_row(struct asked *a, size_t i) {
    char target[700], query_key[KEY_TEXT_LEN + 1], query_auth[200];
    static char header_key[KEY_TEXT_LEN + 1], header_auth[200];
    const char *key = primary_of(names[i].query, query_key);
    const char *auth =
        signed_by(names[i].query_signer, names[i].query, names[i].offset_s, query_auth);
    snprintf(target, sizeof target, "/v1/events?x=1%s%s%s%s", key ? "&public_key=" : "",
             key ? key : "", auth ? "&auth=" : "", auth ? auth : "");
    ask_begin(a, METHOD_GET, target, NULL, "");
    a->ex.client_trusted = names[i].is_trusted;
    a->ex.public_key = str_of(primary_of(names[i].key, header_key));
    a->ex.auth =
        str_of(signed_by(names[i].key_signer, names[i].key, names[i].offset_s, header_auth));
    return ask_run(a, flow_events);
}

static void nobody_gets_anothers_events_and_nobody_anonymous_any(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct asked a;
        world_reset();
        int got = ask_for_row(&a, i);
        if (got != names[i].want)
            fail_msg("%s: got %d: %s", names[i].what, got, ask_body(&a));
        if (got == 200) {
            assert_true(a.ex.is_stream && a.ex.open.tagged);
            assert_string_equal(a.ex.open.user.handle.text, names[i].opens);
        } else {
            assert_non_null(strstr(ask_body(&a), "\"unauthorized\""));
            assert_false(a.ex.is_stream);
        }
        assert_int_equal(world.reserved, got == 200);
        ask_end(&a);
    }
}

/* A signature for another text than that of this server's events. */
static void another_text_opens_nothing(void **state) {
    (void)state;
    struct asked a, other;
    char auth[200], primary[KEY_TEXT_LEN + 1];
    sign("alice", "alice", "other.example", NOW_S, auth);
    ask_begin(&a, METHOD_GET, "/v1/events", NULL, "");
    a.ex.public_key = str_of(primary_of("alice", primary));
    a.ex.auth = str_of(auth);
    assert_int_equal(ask_run(&a, flow_events), 401);
    ask_end(&a);

    ask_begin(&other, METHOD_GET, "/", NULL, "");
    ask_sign(&other, 0, "GET\n/v1/inbox/alice/stream\n1780000000", NOW_S);
    ask_begin(&a, METHOD_GET, "/v1/events", NULL, "");
    a.ex.public_key = str_of(primary);
    a.ex.auth = other.ex.auth;
    assert_int_equal(ask_run(&a, flow_events), 401);
    ask_end(&a);

    sign("alice", "alice", "kez.example", NOW_S, auth);
    ask_begin(&a, METHOD_GET, "/v1/inbox/alice/stream", "alice", "");
    a.ex.auth = str_of(auth);
    assert_int_equal(ask_run(&a, flow_inbox_stream), 401);
    ask_end(&a);
    ask_end(&other);
    assert_int_equal(world.reserved, 0);
}

static const struct {
    const char *query, *last_id;
    int want;
    bool has_after, has_epoch;
    uint64_t after;
} starts[] = {
    {"", NULL, 200, false, false, 0},
    {"?since=4", NULL, 200, true, false, 4},
    {"?since=4", "9", 200, true, false, 9},
    {"?since=x", "0", 200, true, false, 0},
    {"?since=4&epoch=e1", NULL, 200, true, true, 4},
    {"?epoch=", NULL, 200, false, true, 0},
    {"?since=x", NULL, 400, false, false, 0},
    {"?since=04", NULL, 400, false, false, 0},
    {"?since=1&since=1", NULL, 400, false, false, 0},
    {"?epoch=a&epoch=a", NULL, 400, false, false, 0},
    {"", "", 400, false, false, 0},
    {"?since=4", "-1", 400, false, false, 0},
    {"", "9007199254740992", 400, false, false, 0},
};

static void it_starts_where_the_caller_says(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(starts); i++) {
        struct asked a;
        char target[200], auth[200], primary[KEY_TEXT_LEN + 1];
        snprintf(target, sizeof target, "/v1/events%s", starts[i].query);
        sign("alice", "alice", "kez.example", NOW_S, auth);
        ask_begin(&a, METHOD_GET, target, NULL, "");
        a.ex.public_key = str_of(primary_of("alice", primary));
        a.ex.auth = str_of(auth);
        a.ex.last_event_id = str_of(starts[i].last_id);
        int got = ask_run(&a, flow_events);
        if (got != starts[i].want)
            fail_msg("%s %s: got %d", starts[i].query, starts[i].last_id, got);
        if (got == 200 &&
            (a.ex.open.has_after != starts[i].has_after || a.ex.open.after != starts[i].after ||
             a.ex.open.has_epoch != starts[i].has_epoch))
            fail_msg("%s: starts elsewhere", starts[i].query);
        ask_end(&a);
    }
}

/* Who is nobody learns nothing about what is wrong with the rest. */
static void names_come_before_beginnings(void **state) {
    (void)state;
    struct asked a;
    ask_begin(&a, METHOD_GET, "/v1/events?since=x", NULL, "");
    assert_int_equal(ask_run(&a, flow_events), 401);
    ask_end(&a);
}

static void without_room_it_is_503_and_too_often_429(void **state) {
    (void)state;
    struct quota *one = quota_new(1, 16);
    world.flow.stream_quota = one;
    world.reserve_rc = RC_FULL;
    for (int i = 0; i < 2; i++) {
        struct asked a;
        char auth[200], primary[KEY_TEXT_LEN + 1];
        sign("alice", "alice", "kez.example", NOW_S, auth);
        ask_begin(&a, METHOD_GET, "/v1/events", NULL, "");
        a.ex.public_key = str_of(primary_of("alice", primary));
        a.ex.auth = str_of(auth);
        assert_int_equal(ask_run(&a, flow_events), i == 0 ? 503 : 429);
        assert_true(a.ex.retry_after_s > 0);
        assert_false(a.ex.is_stream);
        ask_end(&a);
    }
    quota_free(one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(nobody_gets_anothers_events_and_nobody_anonymous_any),
        TEST(another_text_opens_nothing),
        TEST(it_starts_where_the_caller_says),
        TEST(names_come_before_beginnings),
        TEST(without_room_it_is_503_and_too_often_429),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
