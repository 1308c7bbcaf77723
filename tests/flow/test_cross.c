/* tests/flow/test_cross.c -- every endpoint's signature at every other: none opens another.
 *
 * Source: protocol, section 2.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "flow/world.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define SID "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define TS "1780000000"
#define POST_BODY "{\"to\":\"bob\",\"envelope\":{},\"id\":\"x\"}"
#define UTTER_BODY "{\"envelope\":{},\"id\":\"x\"}"
#define MAKE_BODY "{\"sid\":\"" SID "\",\"participants\":[\"bob\"]}"
#define CHANGE_BODY "{\"version\":1}"
#define PROOFS_BODY "{\"proofs\":[]}"

/* The endpoints that want a signature, with what is theirs. */
static const struct {
    const char *name;
    step_fn *story;
    enum method method;
    const char *method_text, *target, *arg, *body;
    const char *text; /* NULL: the general one; "events": that of the events */
    int good;
} endpoints[] = {
    {"poll", flow_inbox, METHOD_GET, "GET", "/v1/inbox/alice", "alice", "",
     "GET\n/v1/inbox/alice\nsince=0\n" TS, 200},
    {"poll since 3", flow_inbox, METHOD_GET, "GET", "/v1/inbox/alice?since=3", "alice", "",
     "GET\n/v1/inbox/alice\nsince=3\n" TS, 200},
    {"bob's poll", flow_inbox, METHOD_GET, "GET", "/v1/inbox/bob", "bob", "",
     "GET\n/v1/inbox/bob\nsince=0\n" TS, 200},
    {"stream", flow_inbox_stream, METHOD_GET, "GET", "/v1/inbox/alice/stream", "alice", "",
     "GET\n/v1/inbox/alice/stream\n" TS, 200},
    {"proofs", flow_proofs, METHOD_PUT, "PUT", "/v1/profile/alice/proofs", "alice", PROOFS_BODY,
     "PUT\n/v1/profile/alice/proofs\n" TS, 200},
    {"events", flow_events, METHOD_GET, "GET", "/v1/events", NULL, "", "events", 200},
    {"trim", flow_inbox_trim, METHOD_DELETE, "DELETE", "/v1/inbox/alice?upto=1", "alice", "", NULL,
     204},
    {"trim further", flow_inbox_trim, METHOD_DELETE, "DELETE", "/v1/inbox/alice?upto=2", "alice",
     "", NULL, 204},
    {"send", flow_send, METHOD_POST, "POST", "/v1/messages", NULL, POST_BODY, NULL, 201},
    {"make", flow_conversation_make, METHOD_POST, "POST", "/v1/conversations", NULL, MAKE_BODY,
     NULL, 201},
    {"list", flow_conversation_list, METHOD_GET, "GET", "/v1/conversations", NULL, "", NULL, 200},
    {"show", flow_conversation_show, METHOD_GET, "GET", "/v1/conversations/" SID, SID, "", NULL,
     200},
    {"change", flow_conversation_change, METHOD_PATCH, "PATCH", "/v1/conversations/" SID, SID,
     CHANGE_BODY, NULL, 200},
    {"utter", flow_conversation_post, METHOD_POST, "POST", "/v1/conversations/" SID "/messages",
     SID, UTTER_BODY, NULL, 201},
    {"export", flow_account_export, METHOD_GET, "GET", "/v1/account/export", NULL, "", NULL, 200},
    {"delete", flow_account_delete, METHOD_DELETE, "DELETE", "/v1/account", NULL, "", NULL, 204},
};

/* Who owns what `e` is about: the signer. */
static unsigned owner_of(size_t e) { return strstr(endpoints[e].target, "bob") != NULL; }

/* What is signed at endpoint `e` of this server. */
static void put_text(struct buf *out, size_t e, struct str server) {
    struct key key;
    char primary[KEY_TEXT_LEN + 1];
    if (!endpoints[e].text) {
        auth_put_request(out, str_of(endpoints[e].method_text), server, str_of(endpoints[e].target),
                         str_of(endpoints[e].body), STR(TS));
    } else if (strcmp(endpoints[e].text, "events") == 0) {
        auth_key_of_seed(seeds[0], &key);
        key_print(&key, primary);
        auth_put_events(out, server, str_of(primary), STR(TS));
    } else {
        buf_put(out, str_of(endpoints[e].text));
    }
}

/* Asks at `e` with a signature over `text`, and every other field that anyone could want. */
static int ask_at(size_t e, unsigned who, const char *text, char *said, size_t room) {
    struct asked a;
    struct key key;
    char primary[KEY_TEXT_LEN + 1];
    auth_key_of_seed(seeds[who], &key);
    key_print(&key, primary);
    ask_begin(&a, endpoints[e].method, endpoints[e].target, endpoints[e].arg, endpoints[e].body);
    ask_sign(&a, who, text, NOW_S);
    a.ex.auth_handle = str_of(who ? "bob" : "alice");
    a.ex.public_key = str_of(primary);
    int status = ask_run(&a, endpoints[e].story);
    snprintf(said, room, "%s", ask_body(&a));
    ask_end(&a);
    return status;
}

static void each_opens_itself_and_no_other(void **state) {
    (void)state;
    for (size_t e = 0; e < COUNT(endpoints); e++)
        for (size_t o = 0; o < COUNT(endpoints); o++) {
            struct buf text;
            char said[512];
            world.leaving = true;
            world.conversations_left = 0;
            buf_init(&text, 4096);
            put_text(&text, o, world.flow.server);
            int got = ask_at(e, owner_of(e), buf_cstr(&text), said, sizeof said);
            int want = e == o ? endpoints[e].good : 401;
            if (got != want)
                fail_msg("the signature for %s at %s: %d %s", endpoints[o].name, endpoints[e].name,
                         got, said);
            buf_done(&text);
        }
}

/* Those of the first clients name none; the others hold at the server that they name. */
static void another_servers_signature_opens_nothing(void **state) {
    (void)state;
    for (size_t e = 0; e < COUNT(endpoints); e++) {
        struct buf text;
        char said[512];
        if (endpoints[e].text && strcmp(endpoints[e].text, "events") != 0)
            continue;
        buf_init(&text, 4096);
        put_text(&text, e, STR("other.example"));
        int got = ask_at(e, 0, buf_cstr(&text), said, sizeof said);
        if (got != 401)
            fail_msg("%s: %d %s", endpoints[e].name, got, said);
        buf_done(&text);
    }
}

static void another_persons_signature_opens_nothing(void **state) {
    (void)state;
    for (size_t e = 0; e < COUNT(endpoints); e++) {
        struct asked a;
        struct buf text;
        char primary[KEY_TEXT_LEN + 1];
        struct key key;
        auth_key_of_seed(seeds[owner_of(e)], &key);
        key_print(&key, primary);
        buf_init(&text, 4096);
        put_text(&text, e, world.flow.server);
        ask_begin(&a, endpoints[e].method, endpoints[e].target, endpoints[e].arg,
                  endpoints[e].body);
        ask_sign(&a, !owner_of(e), buf_cstr(&text), NOW_S);
        a.ex.auth_handle = str_of(owner_of(e) ? "bob" : "alice");
        a.ex.public_key = str_of(primary);
        int got = ask_run(&a, endpoints[e].story);
        if (got != 401)
            fail_msg("%s: %d", endpoints[e].name, got);
        ask_end(&a);
        buf_done(&text);
    }
}

/* Order of the base point's group, little-endian (RFC 8032, 5.1); S must be below it. */
static const uint8_t group_order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                        0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};

/* A good signature, changed; at the endpoint of the poll. */
static const struct {
    const char *what;
    enum { ADD_ORDER, UPPER_CASE, DIGIT_LESS, DIGIT_MORE, BLANK_MORE, NEWLINE_MORE, ZERO_TIME } how;
} changes[] = {
    {"S + L", ADD_ORDER},           {"upper-case digits", UPPER_CASE},
    {"a digit less", DIGIT_LESS},   {"a digit more", DIGIT_MORE},
    {"a blank behind", BLANK_MORE}, {"a line end behind", NEWLINE_MORE},
    {"a zero before", ZERO_TIME},
};

static void add_order(char *hex) {
    uint8_t s[32];
    unsigned carry = 0;
    assert_int_equal(str_read_hex((struct str){hex + 64, 64}, s, sizeof s), RC_OK);
    for (size_t i = 0; i < sizeof s; i++) {
        carry += (unsigned)s[i] + group_order[i];
        s[i] = (uint8_t)carry;
        carry >>= 8;
    }
    str_put_hex(s, sizeof s, hex + 64);
}

static void change_signature(char *auth, size_t i) {
    char *hex = strchr(auth, ':') + 1;
    switch (changes[i].how) {
    case ADD_ORDER:
        add_order(hex);
        break;
    case UPPER_CASE:
        hex[strcspn(hex, "abcdef")] -= 'a' - 'A';
        break;
    case DIGIT_LESS:
        hex[127] = '\0';
        break;
    case DIGIT_MORE:
        memcpy(hex + 128, "0", 2);
        break;
    case BLANK_MORE:
        memcpy(hex + 128, " ", 2);
        break;
    case NEWLINE_MORE:
        memcpy(hex + 128, "\n", 2);
        break;
    case ZERO_TIME:
        memmove(auth + 1, auth, strlen(auth) + 1);
        auth[0] = '0';
        break;
    }
}

static void a_changed_signature_is_none(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        struct asked a;
        ask_begin(&a, METHOD_GET, endpoints[0].target, endpoints[0].arg, "");
        ask_sign(&a, 0, endpoints[0].text, NOW_S);
        change_signature(a.auth, i);
        a.ex.auth = str_of(a.auth);
        int got = ask_run(&a, flow_inbox);
        if (got != 401)
            fail_msg("%s: %d", changes[i].what, got);
        ask_end(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(each_opens_itself_and_no_other),
        TEST(another_servers_signature_opens_nothing),
        TEST(another_persons_signature_opens_nothing),
        TEST(a_changed_signature_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
