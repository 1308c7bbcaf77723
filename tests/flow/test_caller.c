/* tests/flow/test_caller.c -- the order of answers of section 2, for each signed endpoint.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "flow/world.h"

/* The endpoints whose text is their own: what is signed, and where. */
static const struct endpoint {
    const char *name;
    step_fn *story;
    enum method method;
    const char *target_format; /* %s: the handle */
    const char *text_format;   /* %s: the handle, %lld: the time */
    const char *body;
    int good;
} endpoints[] = {
    {"poll", flow_inbox, METHOD_GET, "/v1/inbox/%s?since=4", "GET\n/v1/inbox/%s\nsince=4\n%lld", "",
     200},
    {"head", flow_inbox, METHOD_HEAD, "/v1/inbox/%s?since=4", "GET\n/v1/inbox/%s\nsince=4\n%lld",
     "", 200},
    {"stream", flow_inbox_stream, METHOD_GET, "/v1/inbox/%s/stream",
     "GET\n/v1/inbox/%s/stream\n%lld", "", 200},
    {"proofs", flow_proofs, METHOD_PUT, "/v1/profile/%s/proofs", "PUT\n/v1/profile/%s/proofs\n%lld",
     "{\"proofs\":[\"x\"]}", 200},
    /* what else is malformed is told to the owner alone */
    {"stream from nowhere", flow_inbox_stream, METHOD_GET, "/v1/inbox/%s/stream?since=x",
     "GET\n/v1/inbox/%s/stream\n%lld", "", 400},
    {"stream of two epochs", flow_inbox_stream, METHOD_GET, "/v1/inbox/%s/stream?epoch=a&epoch=a",
     "GET\n/v1/inbox/%s/stream\n%lld", "", 400},
    {"proofs that are none", flow_proofs, METHOD_PUT, "/v1/profile/%s/proofs",
     "PUT\n/v1/profile/%s/proofs\n%lld", "{", 400},
};

enum signing { NONE, EMPTY, JUNK, SIGNED };

static const struct {
    const char *what, *handle;
    enum signing signing;
    unsigned who;
    long long offset_s;
    int want; /* 0: the endpoint's good status */
    const char *code;
} order[] = {
    {"all is well", "alice", SIGNED, 0, 0, 0, NULL},
    {"a minute old", "alice", SIGNED, 0, -60, 0, NULL},
    {"a minute ahead", "alice", SIGNED, 0, 60, 0, NULL},
    {"malformed handle comes first", "A!", NONE, 0, 0, 400, "bad_request"},
    {"malformed handle before a bad signature", "a", JUNK, 0, 0, 400, "bad_request"},
    {"no signature", "alice", NONE, 0, 0, 400, "missing_auth"},
    {"an empty signature", "alice", EMPTY, 0, 0, 400, "missing_auth"},
    {"no signature, unknown handle", "carol", NONE, 0, 0, 400, "missing_auth"},
    {"malformed signature", "alice", JUNK, 0, 0, 401, "unauthorized"},
    {"malformed signature, unknown handle", "carol", JUNK, 0, 0, 401, "unauthorized"},
    {"stale", "alice", SIGNED, 0, -61, 401, "unauthorized"},
    {"from the future", "alice", SIGNED, 0, 61, 401, "unauthorized"},
    {"stale and unknown", "carol", SIGNED, 0, -61, 401, "unauthorized"},
    {"unknown handle", "carol", SIGNED, 0, 0, 404, "not_found"},
    {"another's key", "alice", SIGNED, 1, 0, 401, "unauthorized"},
};

static void put_credential(struct asked *a, const struct endpoint *e, size_t row) {
    char text[256];
    switch (order[row].signing) {
    case NONE:
        break;
    case EMPTY:
        a->ex.auth = STR("");
        break;
    case JUNK:
        a->ex.auth = STR("1780000000:abc");
        break;
    case SIGNED:
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, e->text_format, order[row].handle, NOW_S + order[row].offset_s);
#pragma GCC diagnostic pop
        ask_sign(a, order[row].who, text, NOW_S + order[row].offset_s);
        break;
    }
}

static void every_endpoint_answers_in_the_order_of_the_protocol(void **state) {
    (void)state;
    for (size_t e = 0; e < sizeof endpoints / sizeof *endpoints; e++)
        for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
            struct asked a;
            char target[128];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(target, sizeof target, endpoints[e].target_format, order[i].handle);
#pragma GCC diagnostic pop
            world_reset();
            ask_begin(&a, endpoints[e].method, target, order[i].handle, endpoints[e].body);
            put_credential(&a, &endpoints[e], i);
            int got = ask_run(&a, endpoints[e].story);
            int want = order[i].want ? order[i].want : endpoints[e].good;
            if (got != want || (order[i].code && !strstr(ask_body(&a), order[i].code)))
                fail_msg("%s: %s: got %d, want %d %s: %s", endpoints[e].name, order[i].what, got,
                         want, order[i].code ? order[i].code : "", ask_body(&a));
            ask_end(&a);
        }
}

static void a_signature_for_one_endpoint_opens_no_other(void **state) {
    (void)state;
    for (size_t e = 0; e < sizeof endpoints / sizeof *endpoints; e++)
        for (size_t o = 0; o < sizeof endpoints / sizeof *endpoints; o++) {
            struct asked a;
            char text[256], target[128];
            if (strcmp(endpoints[e].text_format, endpoints[o].text_format) == 0)
                continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(target, sizeof target, endpoints[e].target_format, "alice");
            snprintf(text, sizeof text, endpoints[o].text_format, "alice", (long long)NOW_S);
#pragma GCC diagnostic pop
            ask_begin(&a, endpoints[e].method, target, "alice", endpoints[e].body);
            ask_sign(&a, 0, text, NOW_S);
            assert_int_equal(ask_run(&a, endpoints[e].story), 401);
            ask_end(&a);
        }
    assert_int_equal(world.reserved, 0);
}

/* What is signed for a poll cannot be known then; but who does not sign at all is told so first. */
static void a_malformed_since_comes_after_the_time(void **state) {
    (void)state;
    static const struct {
        long long offset_s; /* 1: not signed */
        int want;
        const char *code;
    } rows[] = {{1, 400, "missing_auth"}, {-61, 401, "unauthorized"}, {0, 400, "bad_request"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked a;
        ask_begin(&a, METHOD_GET, "/v1/inbox/alice?since=x", "alice", "");
        if (rows[i].offset_s <= 0)
            ask_sign(&a, 0, "GET\n/v1/inbox/alice\nsince=x\n1780000000", NOW_S + rows[i].offset_s);
        assert_int_equal(ask_run(&a, flow_inbox), rows[i].want);
        assert_non_null(strstr(ask_body(&a), rows[i].code));
        ask_end(&a);
    }
}

static const struct {
    const char *what, *arg, *query, *handle;
    unsigned who;
    int want;
    const char *code;
} deletes[] = {
    {"one's own", "alice", "upto=7", "alice", 0, 204, NULL},
    {"nothing", "alice", "upto=0", "alice", 0, 204, NULL},
    {"another's", "bob", "upto=7", "alice", 0, 403, "forbidden"},
    {"one that nobody has", "carol", "upto=7", "alice", 0, 403, "forbidden"},
    {"in another's name", "alice", "upto=7", "alice", 1, 401, "unauthorized"},
    {"by nobody known", "alice", "upto=7", "carol", 0, 404, "not_found"},
    {"by a malformed handle", "alice", "upto=7", "A", 0, 400, "bad_request"},
    {"by nobody named", "alice", "upto=7", NULL, 0, 400, "missing_auth"},
    {"by nobody named, without saying how far", "alice", "x=1", NULL, 0, 400, "missing_auth"},
    {"by nobody known, without saying how far", "alice", "x=1", "carol", 0, 404, "not_found"},
    {"in another's name, without saying how far", "alice", "x=1", "alice", 1, 401, "unauthorized"},
    {"another's, without saying how far", "bob", "x=1", "alice", 0, 403, "forbidden"},
    {"of a malformed handle", "A", "upto=7", "alice", 0, 400, "bad_request"},
    {"without saying how far", "alice", "x=1", "alice", 0, 400, "bad_request"},
    {"a leading zero", "alice", "upto=07", "alice", 0, 400, "bad_request"},
    {"a sign", "alice", "upto=-1", "alice", 0, 400, "bad_request"},
    {"2^53", "alice", "upto=9007199254740992", "alice", 0, 400, "bad_request"},
    {"twice", "alice", "upto=1&upto=1", "alice", 0, 400, "bad_request"},
};

static void trimming_is_the_owners_alone(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof deletes / sizeof *deletes; i++) {
        struct asked a;
        char target[128];
        snprintf(target, sizeof target, "/v1/inbox/%s?%s", deletes[i].arg, deletes[i].query);
        ask_begin(&a, METHOD_DELETE, target, deletes[i].arg, "");
        ask_sign_general(&a, deletes[i].who, "DELETE", deletes[i].handle);
        int got = ask_run(&a, flow_inbox_trim);
        if (got != deletes[i].want || (deletes[i].code && !strstr(ask_body(&a), deletes[i].code)))
            fail_msg("%s: got %d: %s", deletes[i].what, got, ask_body(&a));
        ask_end(&a);
    }
    assert_int_equal(world.trim.inbox, 1);
    assert_int_equal(world.trim.upto, 0);
}

static void the_stream_takes_its_signature_from_the_query_only_without_the_header(void **state) {
    (void)state;
    struct asked a, signed_query;
    char target[300];
    ask_begin(&signed_query, METHOD_GET, "/", "alice", "");
    ask_sign(&signed_query, 0, "GET\n/v1/inbox/alice/stream\n1780000000", NOW_S);
    snprintf(target, sizeof target, "/v1/inbox/alice/stream?auth=%s", signed_query.auth);

    ask_begin(&a, METHOD_GET, target, "alice", "");
    assert_int_equal(ask_run(&a, flow_inbox_stream), 200);
    assert_true(a.ex.is_stream);
    ask_end(&a);

    ask_begin(&a, METHOD_GET, target, "alice", "");
    a.ex.auth = STR("");
    assert_int_equal(ask_run(&a, flow_inbox_stream), 400);
    assert_non_null(strstr(ask_body(&a), "missing_auth"));
    ask_end(&a);

    snprintf(target, sizeof target, "/v1/inbox/alice?auth=%s", signed_query.auth);
    ask_begin(&a, METHOD_GET, target, "alice", "");
    assert_int_equal(ask_run(&a, flow_inbox), 400);
    ask_end(&a);
    ask_end(&signed_query);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(every_endpoint_answers_in_the_order_of_the_protocol),
        TEST(a_signature_for_one_endpoint_opens_no_other),
        TEST(a_malformed_since_comes_after_the_time),
        TEST(trimming_is_the_owners_alone),
        TEST(the_stream_takes_its_signature_from_the_query_only_without_the_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
