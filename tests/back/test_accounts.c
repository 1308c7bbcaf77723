/* tests/back/test_accounts.c -- accounts deleted and blocked, on a real PostgreSQL.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/postgres.h"
#include "support/talker.h"

static struct postgres *pg;
static struct asker *asker;
static unsigned next_user = 1000;

static struct user new_user(void) { return asker_user(asker, next_user++); }

static int setup(void **state) {
    (void)state;
    pg = postgres_start();
    asker = asker_start(postgres_url(pg, "accounts"));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    asker_stop(asker);
    postgres_stop(pg);
    return 0;
}

static enum rc ask_account(enum store_kind kind, uint64_t inbox, bool is_blocked) {
    struct store_account a = {.job.kind = kind, .inbox = inbox, .is_blocked = is_blocked};
    return asker_ask(asker, &a.job);
}

static enum rc delete (uint64_t inbox) { return ask_account(STORE_DELETE, inbox, false); }

static enum rc find(const struct handle *h, struct user *out) {
    struct store_find f = {.job.kind = STORE_FIND, .handle = *h};
    enum rc rc = asker_ask(asker, &f.job);
    *out = f.user;
    return rc;
}

static enum rc find_primary(const struct key *k, struct user *out) {
    struct store_find f = {.job.kind = STORE_FIND, .by_primary = true, .primary = *k};
    enum rc rc = asker_ask(asker, &f.job);
    *out = f.user;
    return rc;
}

static void assert_count(const char *table, const char *column, uint64_t inbox, const char *want) {
    char sql[200];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM kez.%s WHERE %s = %llu", table, column,
                   (unsigned long long)inbox);
    char *got = postgres_value(pg, "accounts", sql);
    if (strcmp(got, want) != 0)
        fail_msg("%s: %s", sql, got);
    free(got);
}

static void nothing_is_left_of_a_deleted_account(void **state) {
    (void)state;
    struct user gone = new_user(), other = new_user(), found;
    struct page page;
    for (unsigned i = 0; i < 3; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "id-%u", i);
        assert_int_equal(asker_post(asker, &gone, other.handle.text, id, "{}", NULL), RC_OK);
    }
    assert_int_equal(asker_trim(asker, gone.inbox, 1), RC_OK); /* leaves a remembered id */
    assert_count("kept_id", "inbox", gone.inbox, "1");
    assert_int_equal(delete (gone.inbox), RC_OK);
    assert_int_equal(find(&gone.handle, &found), RC_NOT_FOUND);
    assert_int_equal(find_primary(&gone.primary, &found), RC_NOT_FOUND);
    assert_int_equal(asker_read(asker, gone.inbox, 0, 10, &page), RC_NOT_FOUND);
    assert_int_equal(asker_post(asker, &gone, NULL, "", "{}", NULL), RC_NOT_FOUND);
    assert_count("account", "inbox", gone.inbox, "0");
    assert_count("inbox", "id", gone.inbox, "0");
    assert_count("inbox_row", "inbox", gone.inbox, "0");
    assert_count("kept_id", "inbox", gone.inbox, "0");
    assert_int_equal(delete (gone.inbox), RC_NOT_FOUND);
    assert_int_equal(find(&other.handle, &found), RC_OK);
}

static void the_handle_and_the_primary_are_free_again(void **state) {
    (void)state;
    struct user first, again, other;
    assert_int_equal(asker_register(asker, "phoenix", 77, &first), RC_OK);
    struct inbox_head before = asker_head(asker, first.inbox);
    assert_int_equal(asker_post(asker, &first, NULL, "", "{}", NULL), RC_OK);
    assert_int_equal(delete (first.inbox), RC_OK);
    assert_int_equal(asker_register(asker, "phoenix", 78, &again), RC_OK);
    assert_int_equal(asker_register(asker, "otherbird", 77, &other), RC_OK);
    assert_int_not_equal(again.inbox, first.inbox);
    struct inbox_head after = asker_head(asker, again.inbox);
    assert_int_equal(after.head, 0);
    assert_string_not_equal(after.epoch.text, before.epoch.text); /* another history */
}

/* More rows than one transaction drops: the account stays until all are gone. */
static void a_large_inbox_goes_in_pieces(void **state) {
    (void)state;
    enum { ROWS = 2600 };
    struct user gone = new_user();
    char sql[400];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO kez.inbox_row (inbox, seq, created_at, type, sender, envelope)"
                   " SELECT %llu, n, now(), 0, '', '{}' FROM generate_series(1, %d) AS n",
                   (unsigned long long)gone.inbox, ROWS);
    postgres_exec(pg, "accounts", sql);
    (void)snprintf(sql, sizeof sql, "UPDATE kez.inbox SET head = %d WHERE id = %llu", ROWS,
                   (unsigned long long)gone.inbox);
    postgres_exec(pg, "accounts", sql);
    assert_int_equal(delete (gone.inbox), RC_OK);
    assert_count("account", "inbox", gone.inbox, "0");
    assert_count("inbox_row", "inbox", gone.inbox, "0");
}

static void posts_that_come_while_it_goes_do_not_hold_it(void **state) {
    (void)state;
    enum { POSTS = 200 };
    struct user gone = new_user();
    struct store_post *posts[POSTS];
    struct store_account job = {.job.kind = STORE_DELETE, .inbox = gone.inbox};
    for (size_t i = 0; i < POSTS; i++) {
        posts[i] = asker_post_new(&gone, NULL, "", "{}");
        assert_int_equal(asker_begin(asker, &posts[i]->job), RC_OK);
        if (i == POSTS / 2)
            assert_int_equal(asker_begin(asker, &job.job), RC_OK);
    }
    assert_int_equal(asker_wait(&job.job), RC_OK);
    for (size_t i = 0; i < POSTS; i++) {
        enum rc rc = asker_wait(&posts[i]->job);
        assert_true(rc == RC_OK || rc == RC_NOT_FOUND);
        asker_post_free(posts[i]);
    }
    assert_count("inbox_row", "inbox", gone.inbox, "0");
}

static void a_conversation_goes_on_without_the_deleted(void **state) {
    (void)state;
    struct user u[3] = {new_user(), new_user(), new_user()};
    uint64_t seq;
    assert_int_equal(talker_make(asker, &u[0], 1, "t", u, 3, NULL), RC_OK);
    assert_int_equal(talker_post(asker, &u[1], 1, "a", "{}", &seq), RC_OK);
    assert_int_equal(delete (u[1].inbox), RC_OK);
    char *json = talker_show(asker, &u[0], 1);
    assert_non_null(json);
    assert_null(strstr(json, u[1].handle.text));
    assert_non_null(strstr(json, u[2].handle.text));
    free(json);
    assert_int_equal(talker_post(asker, &u[2], 1, "b", "{}", &seq), RC_OK);
    assert_int_equal(talker_post(asker, &u[1], 1, "c", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(seq, 3); /* made, a, b */
}

static void a_blocked_inbox_is_as_good_as_gone_until_it_is_let_go(void **state) {
    (void)state;
    struct user blocked = new_user(), other = new_user(), found;
    struct page page;
    assert_int_equal(asker_post(asker, &blocked, NULL, "", "{}", NULL), RC_OK);
    assert_int_equal(find(&blocked.handle, &found), RC_OK);
    assert_false(found.is_blocked);
    assert_int_equal(ask_account(STORE_BLOCK, blocked.inbox, true), RC_OK);
    assert_int_equal(ask_account(STORE_BLOCK, blocked.inbox, true), RC_OK);
    assert_int_equal(find(&blocked.handle, &found), RC_OK);
    assert_true(found.is_blocked);
    assert_int_equal(find_primary(&blocked.primary, &found), RC_OK);
    assert_true(found.is_blocked);
    assert_int_equal(find(&other.handle, &found), RC_OK);
    assert_false(found.is_blocked);
    assert_int_equal(asker_post(asker, &blocked, NULL, "", "{}", NULL), RC_FORBIDDEN);
    assert_int_equal(asker_read(asker, blocked.inbox, 0, 10, &page), RC_NOT_FOUND);
    assert_int_equal(asker_read(asker, blocked.inbox, STORE_NOW, 1, &page), RC_NOT_FOUND);
    uint64_t inboxes[2] = {blocked.inbox, other.inbox};
    struct inbox_head heads[2];
    struct store_heads h = {.job.kind = STORE_HEADS, .n = 2, .inboxes = inboxes, .heads = heads};
    assert_int_equal(asker_ask(asker, &h.job), RC_OK);
    assert_string_equal(heads[0].epoch.text, "");
    assert_string_not_equal(heads[1].epoch.text, "");

    assert_int_equal(ask_account(STORE_BLOCK, blocked.inbox, false), RC_OK);
    assert_int_equal(find(&blocked.handle, &found), RC_OK);
    assert_false(found.is_blocked);
    assert_int_equal(asker_read(asker, blocked.inbox, 0, 10, &page), RC_OK);
    assert_int_equal(page.n, 1);
    page_done(&page);
    assert_int_equal(ask_account(STORE_BLOCK, 1U << 30, true), RC_NOT_FOUND);
}

static enum rc add(const struct user *caller, unsigned number, uint64_t version,
                   const struct user *added, struct handle *missing) {
    struct talker_change change = {.number = number, .version = version, .add = added, .n_add = 1};
    return talker_change(asker, caller, &change, NULL, missing);
}

/* However many write to it, its deletion has an end: nothing is added. */
static void a_closed_inbox_takes_nothing_new(void **state) {
    (void)state;
    unsigned key = next_user;
    struct user gone = new_user(), other = new_user(), third = new_user(), made;
    struct user both[] = {other, gone};
    struct page page;
    struct handle missing;
    assert_int_equal(asker_post(asker, &gone, other.handle.text, "a", "{}", NULL), RC_OK);
    assert_int_equal(talker_make(asker, &other, 11, "t", both, 2, NULL), RC_OK);
    assert_int_equal(talker_make(asker, &other, 12, "t", &other, 1, NULL), RC_OK);
    assert_int_equal(ask_account(STORE_CLOSE, gone.inbox, false), RC_OK);
    assert_int_equal(ask_account(STORE_CLOSE, gone.inbox, false), RC_OK);

    assert_int_equal(ask_account(STORE_BLOCK, gone.inbox, true), RC_OK);
    assert_int_equal(asker_post(asker, &gone, NULL, "", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(ask_account(STORE_BLOCK, gone.inbox, false), RC_OK);
    assert_int_equal(asker_post(asker, &gone, other.handle.text, "b", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(asker_post(asker, &gone, other.handle.text, "a", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(talker_make(asker, &other, 13, "t", both, 2, NULL), RC_NOT_FOUND);
    assert_null(talker_show(asker, &other, 13));
    assert_int_equal(add(&other, 12, 1, &gone, &missing), RC_NOT_FOUND);
    assert_string_equal(missing.text, gone.handle.text);
    assert_int_equal(add(&third, 12, 1, &gone, &missing), RC_NOT_FOUND);
    assert_string_equal(missing.text, "");
    assert_int_equal(add(&other, 12, 7, &gone, &missing), RC_CONFLICT);
    assert_int_equal(talker_make(asker, &other, 11, "t", both, 2, NULL), RC_REPEAT);
    assert_int_equal(asker_register(asker, gone.handle.text, key, &made), RC_CONFLICT);

    /* It is in its conversations until it leaves them, and its owner reads them. */
    assert_int_equal(talker_post(asker, &other, 11, "c", "{}", NULL), RC_OK);
    assert_int_equal(asker_read(asker, gone.inbox, 0, 10, &page), RC_OK);
    assert_int_equal(page.n, 3);
    page_done(&page);
    assert_int_equal(delete (gone.inbox), RC_OK);
    assert_int_equal(ask_account(STORE_CLOSE, gone.inbox, false), RC_NOT_FOUND);
    assert_int_equal(asker_register(asker, gone.handle.text, key, &made), RC_OK);
    assert_int_equal(asker_post(asker, &made, NULL, "", "{}", NULL), RC_OK);
}

static void the_blocked_can_be_deleted(void **state) {
    (void)state;
    struct user blocked = new_user(), found;
    assert_int_equal(asker_post(asker, &blocked, NULL, "", "{}", NULL), RC_OK);
    assert_int_equal(ask_account(STORE_BLOCK, blocked.inbox, true), RC_OK);
    assert_int_equal(delete (blocked.inbox), RC_OK);
    assert_int_equal(find(&blocked.handle, &found), RC_NOT_FOUND);
    assert_count("inbox_row", "inbox", blocked.inbox, "0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_of_a_deleted_account),
        cmocka_unit_test(the_handle_and_the_primary_are_free_again),
        cmocka_unit_test(a_large_inbox_goes_in_pieces),
        cmocka_unit_test(posts_that_come_while_it_goes_do_not_hold_it),
        cmocka_unit_test(a_conversation_goes_on_without_the_deleted),
        cmocka_unit_test(a_blocked_inbox_is_as_good_as_gone_until_it_is_let_go),
        cmocka_unit_test(a_closed_inbox_takes_nothing_new),
        cmocka_unit_test(the_blocked_can_be_deleted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
