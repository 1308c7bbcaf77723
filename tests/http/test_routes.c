/* tests/http/test_routes.c -- the table of routes: who answers, and what Allow says.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/routes.h"

#include "rig.h"

#include "http/pages.h"
#include "wire/conversation.h"
#include "wire/message.h"

static const struct {
    enum listener by;
    const char *method, *target;
    step_fn *step;     /* NULL: none */
    const char *allow; /* NULL: an unknown path */
    const char *arg;   /* NULL: absent */
} rows[] = {
    {LISTENER_PUBLIC, "POST", "/v1/register", flow_register, "POST, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/v1/register", NULL, "POST, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/v1/u/alice", flow_user, "GET, HEAD, OPTIONS", "alice"},
    {LISTENER_PUBLIC, "HEAD", "/v1/u/alice", flow_user, "GET, HEAD, OPTIONS", "alice"},
    {LISTENER_PUBLIC, "POST", "/v1/u/alice", NULL, "GET, HEAD, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/v1/u/al%69ce?x=1", flow_user, "GET, HEAD, OPTIONS", "alice"},
    {LISTENER_PUBLIC, "GET", "/v1/u/", flow_user, "GET, HEAD, OPTIONS", ""},
    {LISTENER_PUBLIC, "GET", "/v1/u", NULL, NULL, NULL},
    {LISTENER_PUBLIC, "GET", "/v1/u/alice/", NULL, NULL, NULL},
    {LISTENER_PUBLIC, "GET", "/v1/u/a/b", NULL, NULL, NULL},
    {LISTENER_PUBLIC, "GET", "/V1/u/alice", NULL, NULL, NULL},
    {LISTENER_PUBLIC, "get", "/v1/u/alice", NULL, "GET, HEAD, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/v1/by-primary/ed25519:00", flow_by_primary, "GET, HEAD, OPTIONS",
     "ed25519:00"},
    {LISTENER_PUBLIC, "PUT", "/v1/profile/alice/proofs", flow_proofs, "PUT, OPTIONS", "alice"},
    {LISTENER_PUBLIC, "GET", "/v1/profile/alice/proofs", NULL, "PUT, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/v1/profile/alice", NULL, NULL, NULL},
    {LISTENER_PUBLIC, "GET", "/.well-known/webfinger?resource=x", flow_webfinger,
     "GET, HEAD, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/.well-known/other", NULL, NULL, NULL},
    {LISTENER_PUBLIC, "POST", "/v1/messages", flow_send, "POST, OPTIONS", NULL},
    {LISTENER_PUBLIC, "DELETE", "/v1/messages", NULL, "POST, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/v1/inbox/alice", flow_inbox, "GET, HEAD, DELETE, OPTIONS", "alice"},
    {LISTENER_PUBLIC, "HEAD", "/v1/inbox/alice", flow_inbox, "GET, HEAD, DELETE, OPTIONS", "alice"},
    {LISTENER_PUBLIC, "DELETE", "/v1/inbox/alice", flow_inbox_trim, "GET, HEAD, DELETE, OPTIONS",
     "alice"},
    {LISTENER_PUBLIC, "PATCH", "/v1/inbox/alice", NULL, "GET, HEAD, DELETE, OPTIONS", NULL},
    {LISTENER_PUBLIC, "OPTIONS", "/v1/inbox/alice", NULL, "GET, HEAD, DELETE, OPTIONS", NULL},
    {LISTENER_PUBLIC, "TRACE", "/v1/inbox/alice", NULL, "GET, HEAD, DELETE, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/v1/inbox/alice/stream", flow_inbox_stream, "GET, OPTIONS", "alice"},
    {LISTENER_PUBLIC, "HEAD", "/v1/inbox/alice/stream", NULL, "GET, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/v1/events?public_key=x", flow_events, "GET, OPTIONS", NULL},
    {LISTENER_PUBLIC, "HEAD", "/v1/events", NULL, "GET, OPTIONS", NULL},
    {LISTENER_PUBLIC, "POST", "/v1/conversations", flow_conversation_make,
     "GET, HEAD, POST, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/v1/conversations?limit=1", flow_conversation_list,
     "GET, HEAD, POST, OPTIONS", NULL},
    {LISTENER_PUBLIC, "HEAD", "/v1/conversations", flow_conversation_list,
     "GET, HEAD, POST, OPTIONS", NULL},
    {LISTENER_PUBLIC, "PATCH", "/v1/conversations", NULL, "GET, HEAD, POST, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/v1/conversations/X", flow_conversation_show,
     "GET, HEAD, PATCH, OPTIONS", "X"},
    {LISTENER_PUBLIC, "PATCH", "/v1/conversations/X", flow_conversation_change,
     "GET, HEAD, PATCH, OPTIONS", "X"},
    {LISTENER_PUBLIC, "DELETE", "/v1/conversations/X", NULL, "GET, HEAD, PATCH, OPTIONS", NULL},
    {LISTENER_PUBLIC, "POST", "/v1/conversations/X/messages", flow_conversation_post,
     "POST, OPTIONS", "X"},
    {LISTENER_PUBLIC, "GET", "/v1/conversations/X/messages", NULL, "POST, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/v1/conversations/X/other", NULL, NULL, NULL},
    {LISTENER_PUBLIC, "GET", "/v1/healthz", page_health, "GET, HEAD, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/openapi.yaml", page_openapi, "GET, HEAD, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/", NULL, NULL, NULL},
    {LISTENER_PUBLIC, "GET", "/metrics", NULL, NULL, NULL},
    {LISTENER_PUBLIC, "GET", "/readyz", NULL, NULL, NULL},
    {LISTENER_PUBLIC, "OPTIONS", "*", NULL, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", NULL},
    {LISTENER_ADMIN, "GET", "/livez", page_live, "GET, HEAD, OPTIONS", NULL},
    {LISTENER_ADMIN, "HEAD", "/readyz", page_ready, "GET, HEAD, OPTIONS", NULL},
    {LISTENER_ADMIN, "GET", "/metrics", page_metrics, "GET, HEAD, OPTIONS", NULL},
    {LISTENER_ADMIN, "GET", "/v1/healthz", page_health, "GET, HEAD, OPTIONS", NULL},
    {LISTENER_ADMIN, "GET", "/v1/u/alice", NULL, NULL, NULL},
    {LISTENER_ADMIN, "POST", "/v1/messages", NULL, NULL, NULL},
    {LISTENER_ADMIN, "GET", "/openapi.yaml", NULL, NULL, NULL},
    {LISTENER_PUBLIC, "GET", "/v1/account/export", flow_account_export, "GET, HEAD, OPTIONS", NULL},
    {LISTENER_PUBLIC, "DELETE", "/v1/account", flow_account_delete, "DELETE, OPTIONS", NULL},
    {LISTENER_PUBLIC, "GET", "/v1/account", NULL, "DELETE, OPTIONS", NULL},
    {LISTENER_PUBLIC, "DELETE", "/v1/handles/alice", NULL, NULL, NULL},
    {LISTENER_PUBLIC, "PUT", "/v1/handles/alice/block", NULL, NULL, NULL},
    {LISTENER_ADMIN, "DELETE", "/v1/account", NULL, NULL, NULL},
    {LISTENER_ADMIN, "GET", "/v1/handles/alice", flow_admin_show, "GET, HEAD, DELETE, OPTIONS",
     "alice"},
    {LISTENER_ADMIN, "DELETE", "/v1/handles/alice", flow_admin_delete, "GET, HEAD, DELETE, OPTIONS",
     "alice"},
    {LISTENER_ADMIN, "PUT", "/v1/handles/alice/block", flow_admin_block, "PUT, DELETE, OPTIONS",
     "alice"},
    {LISTENER_ADMIN, "DELETE", "/v1/handles/alice/block", flow_admin_block, "PUT, DELETE, OPTIONS",
     "alice"},
    {LISTENER_ADMIN, "POST", "/v1/handles/alice/block", NULL, "PUT, DELETE, OPTIONS", NULL},
    {LISTENER_EVENTS, "GET", "/", flow_events, "GET, OPTIONS", NULL},
    {LISTENER_EVENTS, "GET", "/?public_key=x", flow_events, "GET, OPTIONS", NULL},
    {LISTENER_EVENTS, "GET", "/v1/events", flow_events, "GET, OPTIONS", NULL},
    {LISTENER_EVENTS, "GET", "/v1/u/alice", flow_events, "GET, OPTIONS", NULL},
    {LISTENER_EVENTS, "GET", "/any/thing/at/all/", flow_events, "GET, OPTIONS", NULL},
    {LISTENER_EVENTS, "HEAD", "/", NULL, "GET, OPTIONS", NULL},
    {LISTENER_EVENTS, "POST", "/v1/messages", NULL, "GET, OPTIONS", NULL},
    {LISTENER_EVENTS, "OPTIONS", "/", NULL, "GET, OPTIONS", NULL},
};

static void each_path_has_its_methods(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        static struct target t;
        struct str arg = {NULL, 0};
        methods has = 77;
        char allow[ROUTES_ALLOW_MAX];
        assert_int_equal(target_read(str_of(rows[i].target), &t), RC_OK);
        const struct route *route =
            routes_find(rows[i].by, &t, routes_method(str_of(rows[i].method)), &has, &arg);
        routes_print(has, allow);
        if ((route ? route->step : NULL) != rows[i].step || (has == 0) != !rows[i].allow ||
            (rows[i].allow && strcmp(allow, rows[i].allow) != 0) ||
            !str_eq(arg, str_of(rows[i].arg)) ||
            str_is_absent(arg) != str_is_absent(str_of(rows[i].arg)))
            fail_msg("%s %s: allow %s, arg %.*s", rows[i].method, rows[i].target, allow,
                     STR_ARG(arg));
    }
}

static void a_message_of_the_protocols_size_has_room(void **state) {
    (void)state;
    static struct target t;
    struct str arg;
    methods has;
    assert_int_equal(target_read(STR("/v1/messages"), &t), RC_OK);
    const struct route *route = routes_find(LISTENER_PUBLIC, &t, METHOD_POST, &has, &arg);
    assert_int_equal(route->body_max, MESSAGE_BODY_MAX);
    assert_int_equal(target_read(STR("/v1/profile/a/proofs"), &t), RC_OK);
    route = routes_find(LISTENER_PUBLIC, &t, METHOD_PUT, &has, &arg);
    assert_true(route->body_max > PROOFS_MAX * PROOF_MAX_BYTES * 6); /* all of it \u00xx */
    assert_int_equal(target_read(STR("/v1/conversations/X"), &t), RC_OK);
    route = routes_find(LISTENER_PUBLIC, &t, METHOD_PATCH, &has, &arg);
    assert_true(route->body_max > 2 * PARTICIPANTS_MAX * (HANDLE_MAX * 6 + 3) + TITLE_MAX * 6);
}

static void methods_have_names(void **state) {
    (void)state;
    for (int m = METHOD_GET; m < METHOD_OTHER; m++)
        assert_int_equal(routes_method(str_of(routes_method_name((enum method)m))), m);
    assert_int_equal(routes_method(STR("TRACE")), METHOD_OTHER);
    assert_int_equal(routes_method(STR("")), METHOD_OTHER);
    assert_int_equal(routes_method(STR("GETS")), METHOD_OTHER);
    assert_string_equal(routes_method_name(METHOD_OTHER), "OTHER");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_path_has_its_methods),
        cmocka_unit_test(a_message_of_the_protocols_size_has_room),
        cmocka_unit_test(methods_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
