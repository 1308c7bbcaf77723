/* tests/integration/test_anew.c -- a handle that was deleted and made anew by another.
 *
 * Source: protocol, sections 1, 5 and 9.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/proc.h"
#include "support/rewind.h"

struct opening {
    const struct signer *user;
    const char *query;
    struct sse_reader *stream;
};

/* Node b remembers for some seconds who a handle was. */
static bool opens(void *arg) {
    const struct opening *o = arg;
    char target[200];
    struct buf headers;
    sse_init(o->stream);
    buf_init(&headers, REWIND_TEXT_MAX);
    signer_put_stream(o->user, &headers, o->user->handle.text);
    (void)snprintf(target, sizeof target, "/v1/inbox/%s/stream%s", o->user->handle.text, o->query);
    bool is_open = sse_send(o->stream, node_port(past.b), str_of(target), buf_str(&headers)) &&
                   sse_await_head(o->stream) == 200;
    buf_done(&headers);
    if (!is_open)
        sse_done(o->stream);
    return is_open;
}

static void delete_handle(const char *handle) {
    struct http_client *c = http_client_new(node_admin_port(past.a));
    char target[64];
    (void)snprintf(target, sizeof target, "/v1/handles/%s", handle);
    http_expect(c, &(struct http_case){"deleting", "DELETE", target, NULL, NULL, 204, NULL}, NULL);
    http_client_free(c);
}

static void a_handle_that_was_made_anew_is_another_inbox(void **state) {
    (void)state;
    char query[128];
    struct sse_reader old, renewed;
    struct http_reply r;
    rewind_add_flag("--sweep-up", "600000"); /* nobody looks by himself */
    rewind_start_nodes(BUILD_DIR "/kez-chat-server");
    const struct signer owner = rewind_fresh("alice"), heir = rewind_heir_of(&owner, "anotherkey");
    rewind_post_rows(past.a, &owner, "old", 3);
    const struct inbox held = rewind_inbox_of(past.b, &owner);
    node_open(past.b, &owner, "", &old);
    assert_int_equal(node_expect_ready(&old), 3);
    delete_handle("alice");
    node_register(past.a, &heir);
    assert_int_equal(node_post(past.a, "alice", NULL, "{\"for\":\"heir\"}"), 1);
    /* The new one opens with the cursor and the epoch of before, as a browser would that has them.
     */
    (void)snprintf(query, sizeof query, "?since=3&epoch=%s", held.epoch);
    assert_true(proc_poll(opens, &(struct opening){&heir, query, &renewed}, REWIND_WAIT_MS));
    struct inbox at = rewind_inbox_of(past.b, &heir);
    assert_int_equal(at.head, 1);
    assert_string_not_equal(at.epoch, held.epoch);
    rewind_expect_resync(&renewed, "epoch", at.epoch);
    rewind_expect_all(&renewed, &at);
    assert_int_equal(node_post(past.b, "alice", NULL, "{\"for\":\"heir\"}"), 2);
    node_expect_row(&renewed, 2);
    assert_null(sse_next(&renewed, 0));
    sse_done(&renewed);
    /* The stream of the old one has ended, and has heard nothing of it. */
    rewind_expect_silent_end(&old, "the old owner");
    /* Nor does a signature of before open anything, on either. */
    struct node *const nodes[] = {past.a, past.b};
    for (size_t i = 0; i < 2; i++) {
        struct http_client *c = http_client_new(node_port(nodes[i]));
        struct buf headers;
        buf_init(&headers, REWIND_TEXT_MAX);
        signer_put_poll(&owner, &headers, "alice", 0);
        http_expect(c,
                    &(struct http_case){"the old key", "GET", "/v1/inbox/alice", buf_cstr(&headers),
                                        NULL, 401, "unauthorized"},
                    &r);
        http_reply_done(&r);
        buf_done(&headers);
        http_client_free(c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        REWIND_TEST(a_handle_that_was_made_anew_is_another_inbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
