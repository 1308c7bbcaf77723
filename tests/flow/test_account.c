/* tests/flow/test_account.c -- accounts exported, deleted and blocked.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "flow/world.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int ask_alice(struct asked *a, enum method method, const char *name, const char *target,
                     step_fn *story) {
    ask_begin(a, method, target, NULL, "");
    ask_sign_general(a, 0, name, "alice");
    return ask_run(a, story);
}

static int ask_admin(struct asked *a, enum method method, const char *handle, const char *host,
                     step_fn *story) {
    ask_begin(a, method, "/v1/handles/x", handle, "");
    a->ex.host = str_of(host);
    return ask_run(a, story);
}

/* ---- exporting ---- */

static void an_export_has_it_all_in_pages(void **state) {
    (void)state;
    struct asked a;
    assert_int_equal(ask_alice(&a, METHOD_GET, "GET", "/v1/account/export", flow_account_export),
                     200);
    assert_non_null(strstr(ask_body(&a), "{\"exported_at\":\"2026-05-28T20:26:40.000Z\",\"record\":"
                                         "{\"handle\":\"alice\""));
    assert_non_null(strstr(ask_body(&a), "\"conversations\":[" CONVERSATION_JSON "]"));
    assert_non_null(strstr(ask_body(&a), "\"messages\":[{\"seq\":7,"));
    assert_non_null(strstr(ask_body(&a), "],\"seq\":7,\"first\":3,\"epoch\":\"e1\"}"));
    assert_int_equal(world.list.limit, 100);
    assert_int_equal(world.read.after, 0);
    assert_int_equal(world.read.limit, 100);
    ask_end(&a);

    assert_int_equal(ask_alice(&a, METHOD_GET, "GET", "/v1/account/export?since=6&limit=500",
                               flow_account_export),
                     200);
    assert_null(strstr(ask_body(&a), "conversations"));
    assert_non_null(strstr(ask_body(&a), "\"record\":{"));
    assert_int_equal(world.read.after, 6);
    assert_int_equal(world.read.limit, 500);
    ask_end(&a);
}

static void an_export_is_checked(void **state) {
    (void)state;
    static const char *const bad[] = {"since=x", "since=01", "limit=0", "limit=501",
                                      "limit=1&limit=1"};
    struct asked a;
    char target[100];
    for (size_t i = 0; i < COUNT(bad); i++) {
        snprintf(target, sizeof target, "/v1/account/export?%s", bad[i]);
        assert_int_equal(ask_alice(&a, METHOD_GET, "GET", target, flow_account_export), 400);
        ask_end(&a);
    }
    ask_begin(&a, METHOD_GET, "/v1/account/export", NULL, "");
    assert_int_equal(ask_run(&a, flow_account_export), 400);
    assert_non_null(strstr(ask_body(&a), "missing_auth"));
    ask_end(&a);
    ask_begin(&a, METHOD_GET, "/v1/account/export", NULL, "");
    ask_sign_general(&a, 1, "GET", "alice");
    assert_int_equal(ask_run(&a, flow_account_export), 401);
    ask_end(&a);
}

static void an_export_that_breaks_off_is_no_half_of_one(void **state) {
    (void)state;
    static const struct {
        enum rc rc;
        int want;
    } rows[] = {{RC_NOT_FOUND, 404}, {RC_UNAVAILABLE, 503}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct asked a;
        world.job_rc = rows[i].rc;
        assert_int_equal(
            ask_alice(&a, METHOD_GET, "GET", "/v1/account/export", flow_account_export),
            rows[i].want);
        assert_null(strstr(ask_body(&a), "record"));
        ask_end(&a);
    }
}

/* ---- deleting ---- */

static void who_goes_leaves_all_conversations_first(void **state) {
    (void)state;
    struct asked a;
    world.leaving = true;
    world.conversations_left = 3;
    assert_int_equal(ask_alice(&a, METHOD_DELETE, "DELETE", "/v1/account", flow_account_delete),
                     204);
    assert_int_equal(world.closed, 1);
    assert_true(world.closed_first);
    assert_int_equal(world.conversations_left, 0);
    assert_string_equal(world.change.caller.handle.text, "alice");
    assert_int_equal(world.removed, 1);
    assert_int_equal(world.leaving_version, 3);
    assert_int_equal(world.account.inbox, 1);
    assert_int_equal(world.account.job.kind, STORE_DELETE);
    struct user user;
    struct handle h;
    assert_int_equal(handle_read(STR("alice"), &h), RC_OK);
    assert_false(directory_by_handle(world.flow.directory, &h, 0, &user)); /* forgotten */
    ask_end(&a);
}

/* Each page costs the store as much as all there is; and a page that is used up is not the end. */
static void many_conversations_are_left_by_pages(void **state) {
    (void)state;
    static const unsigned counts[] = {1, 15, 16, 17, 500};
    for (size_t i = 0; i < COUNT(counts); i++) {
        struct asked a;
        world_reset();
        world.leaving = true;
        world.conversations_left = counts[i];
        assert_int_equal(ask_alice(&a, METHOD_DELETE, "DELETE", "/v1/account", flow_account_delete),
                         204);
        assert_int_equal(world.conversations_left, 0);
        assert_int_equal(world.account.inbox, 1);
        assert_int_equal(world.lists, (counts[i] + 15) / 16 + 1);
        ask_end(&a);
    }
}

/* Somebody else was quicker with a change: that one is tried again with the next page. */
static void what_could_not_be_left_is_tried_again(void **state) {
    (void)state;
    struct asked a;
    world.leaving = true;
    world.conversations_left = 3;
    world.conflicts = 2;
    assert_int_equal(ask_alice(&a, METHOD_DELETE, "DELETE", "/v1/account", flow_account_delete),
                     204);
    assert_int_equal(world.conversations_left, 0);
    assert_int_equal(world.lists, 3);
    ask_end(&a);
}

static void deleting_is_the_owners(void **state) {
    (void)state;
    struct asked a;
    ask_begin(&a, METHOD_DELETE, "/v1/account", NULL, "");
    assert_int_equal(ask_run(&a, flow_account_delete), 400);
    ask_end(&a);
    ask_begin(&a, METHOD_DELETE, "/v1/account", NULL, "");
    ask_sign_general(&a, 1, "DELETE", "alice");
    assert_int_equal(ask_run(&a, flow_account_delete), 401);
    ask_end(&a);
    /* An export's signature deletes nothing. */
    ask_begin(&a, METHOD_GET, "/v1/account/export", NULL, "");
    ask_sign_general(&a, 0, "GET", "alice");
    a.ex.method = METHOD_DELETE;
    assert_int_equal(target_read(STR("/v1/account"), &a.target), RC_OK);
    assert_int_equal(ask_run(&a, flow_account_delete), 401);
    ask_end(&a);
    assert_int_equal(world.account.inbox, 0);
}

/* A request that somebody kept from the last account of this handle and key. */
static void what_was_signed_before_the_account_was_there_deletes_nothing(void **state) {
    (void)state;
    static const struct {
        int64_t after_ms; /* registered so long after it was signed */
        int want;
    } rows[] = {{-1, 204}, {0, 204}, {999, 204}, {1000, 401}, {59000, 401}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct asked a;
        world_reset();
        world.leaving = true;
        world.registered_at_ms = (int64_t)NOW_S * 1000 + rows[i].after_ms;
        int got = ask_alice(&a, METHOD_DELETE, "DELETE", "/v1/account", flow_account_delete);
        if (got != rows[i].want)
            fail_msg("%lld ms after: %d", (long long)rows[i].after_ms, got);
        assert_int_equal(world.account.inbox, got == 204 ? 1 : 0);
        assert_int_equal(world.closed, got == 204);
        ask_end(&a);
    }
}

static void what_fails_on_the_way_is_said(void **state) {
    (void)state;
    struct asked a;
    world.leaving = true;
    world.conversations_left = 3;
    world.job_rc = RC_UNAVAILABLE;
    assert_int_equal(ask_alice(&a, METHOD_DELETE, "DELETE", "/v1/account", flow_account_delete),
                     503);
    assert_true(a.ex.retry_after_s > 0);
    assert_int_equal(world.account.inbox, 0);
    ask_end(&a);
}

/* Somebody who adds faster than one can leave does not hold a request for ever. */
static void leaving_has_an_end(void **state) {
    (void)state;
    struct asked a;
    world.leaving = true;
    world.conversations_left = 1U << 30;
    assert_int_equal(ask_alice(&a, METHOD_DELETE, "DELETE", "/v1/account", flow_account_delete),
                     503);
    assert_int_equal(world.account.inbox, 0);
    ask_end(&a);
}

/* ---- by who runs the server ---- */

static void who_runs_the_server_can_show_block_and_delete(void **state) {
    (void)state;
    struct asked a;
    assert_int_equal(ask_admin(&a, METHOD_GET, "bob", "localhost", flow_admin_show), 200);
    assert_non_null(strstr(ask_body(&a), "\"blocked\":false"));
    ask_end(&a);

    assert_int_equal(ask_admin(&a, METHOD_PUT, "bob", "localhost", flow_admin_block), 204);
    assert_int_equal(world.account.job.kind, STORE_BLOCK);
    assert_int_equal(world.account.inbox, 2);
    assert_true(world.account.is_blocked);
    ask_end(&a);
    world.blocked_inbox = 2;
    assert_int_equal(ask_admin(&a, METHOD_GET, "bob", "localhost", flow_admin_show), 200);
    assert_non_null(strstr(ask_body(&a), "\"blocked\":true"));
    ask_end(&a);
    assert_int_equal(ask_admin(&a, METHOD_DELETE, "bob", "localhost", flow_admin_block), 204);
    assert_false(world.account.is_blocked);
    ask_end(&a);

    world.leaving = true;
    assert_int_equal(ask_admin(&a, METHOD_DELETE, "bob", "localhost", flow_admin_delete), 204);
    assert_int_equal(world.account.job.kind, STORE_DELETE);
    assert_int_equal(world.account.inbox, 2);
    ask_end(&a);

    assert_int_equal(ask_admin(&a, METHOD_DELETE, "carol", "localhost", flow_admin_delete), 404);
    ask_end(&a);
    assert_int_equal(ask_admin(&a, METHOD_PUT, "B!", "localhost", flow_admin_block), 400);
    ask_end(&a);
}

static const struct {
    const char *host;
    bool is_local;
} hosts[] = {
    {"127.0.0.1:6970", true},
    {"127.0.0.1", true},
    {"[::1]:6970", true},
    {"localhost:6970", true},
    {"node1:6970", true},
    {"192.0.2.1", true},
    {"evil.example", false},
    {"evil.example:6970", false},
    {"127.0.0.1.evil.example", false},
    {"localhost.evil.example:6970", false},
    {"", false},
    {"[evil]", false},
    {NULL, false},
};

static void a_page_from_elsewhere_deletes_nobody(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(hosts); i++) {
        struct asked a;
        world_reset();
        int got = ask_admin(&a, METHOD_PUT, "bob", hosts[i].host, flow_admin_block);
        if (got != (hosts[i].is_local ? 204 : 403))
            fail_msg("%s: %d", hosts[i].host ? hosts[i].host : "(none)", got);
        assert_int_equal(world.account.inbox, hosts[i].is_local ? 2 : 0);
        ask_end(&a);
    }
}

/* ---- the blocked ---- */

static void who_is_blocked_may_do_nothing(void **state) {
    (void)state;
    struct asked a;
    world.blocked_inbox = 1;
    assert_int_equal(ask_alice(&a, METHOD_GET, "GET", "/v1/conversations", flow_conversation_list),
                     403);
    assert_non_null(strstr(ask_body(&a), "blocked"));
    ask_end(&a);
    ask_begin(&a, METHOD_GET, "/v1/inbox/alice", "alice", "");
    ask_sign(&a, 0, "GET\n/v1/inbox/alice\nsince=0\n1780000000", NOW_S);
    assert_int_equal(ask_run(&a, flow_inbox), 403);
    ask_end(&a);
    ask_begin(&a, METHOD_GET, "/v1/inbox/alice/stream", "alice", "");
    ask_sign(&a, 0, "GET\n/v1/inbox/alice/stream\n1780000000", NOW_S);
    assert_int_equal(ask_run(&a, flow_inbox_stream), 403);
    ask_end(&a);
    assert_int_equal(world.reserved, 0);
    /* A wrong signature learns nothing of it. */
    ask_begin(&a, METHOD_GET, "/v1/inbox/alice", "alice", "");
    ask_sign(&a, 1, "GET\n/v1/inbox/alice\nsince=0\n1780000000", NOW_S);
    assert_int_equal(ask_run(&a, flow_inbox), 401);
    ask_end(&a);
    /* Nor does a router vouch for one. */
    char primary[KEY_TEXT_LEN + 1];
    struct key key;
    auth_key_of_seed(seeds[0], &key);
    key_print(&key, primary);
    ask_begin(&a, METHOD_GET, "/v1/events", NULL, "");
    a.ex.client_trusted = true;
    a.ex.public_key = str_of(primary);
    assert_int_equal(ask_run(&a, flow_events), 403);
    ask_end(&a);
}

static void who_is_blocked_gets_nothing_and_is_known_still(void **state) {
    (void)state;
    struct asked a;
    world.blocked_inbox = 2;
    ask_begin(&a, METHOD_POST, "/v1/messages", NULL, "{\"to\":\"bob\",\"envelope\":{}}");
    assert_int_equal(ask_run(&a, flow_send), 403);
    ask_end(&a);
    assert_string_equal(world.post.to.handle.text, "");
    ask_begin(&a, METHOD_GET, "/v1/u/bob", "bob", "");
    assert_int_equal(ask_run(&a, flow_user), 200);
    ask_end(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(an_export_has_it_all_in_pages),
        TEST(an_export_is_checked),
        TEST(an_export_that_breaks_off_is_no_half_of_one),
        TEST(who_goes_leaves_all_conversations_first),
        TEST(many_conversations_are_left_by_pages),
        TEST(what_could_not_be_left_is_tried_again),
        TEST(deleting_is_the_owners),
        TEST(what_was_signed_before_the_account_was_there_deletes_nothing),
        TEST(what_fails_on_the_way_is_said),
        TEST(leaving_has_an_end),
        TEST(who_runs_the_server_can_show_block_and_delete),
        TEST(a_page_from_elsewhere_deletes_nobody),
        TEST(who_is_blocked_may_do_nothing),
        TEST(who_is_blocked_gets_nothing_and_is_known_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
