/* tests/back/test_store.c -- the store on a real PostgreSQL: users, posts, pages, trimming.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/stats.h"
#include "support/asker.h"
#include "support/postgres.h"

enum { UP_MS = 60000 };

static struct postgres *pg;
static struct asker *asker;
static const char *url;
static unsigned next_user = 1000;

static struct user new_user(void) { return asker_user(asker, next_user++); }

static int setup(void **state) {
    (void)state;
    pg = postgres_start();
    url = postgres_url(pg, "store");
    asker = asker_start(url);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    asker_stop(asker);
    postgres_stop(pg);
    return 0;
}

/* `sql` ends where the number of the inbox goes. */
static void exec_for(const char *sql, uint64_t inbox) {
    char text[512];
    (void)snprintf(text, sizeof text, "%s %llu", sql, (unsigned long long)inbox);
    postgres_exec(pg, "store", text);
}

static void assert_sql(const char *sql, const char *want) {
    postgres_expect(pg, "store", sql, want);
}

/* ---- users ---- */

static void a_handle_is_registered_once_and_a_retry_is_a_repeat(void **state) {
    (void)state;
    struct user first, again;
    assert_int_equal(asker_register(asker, "alice", 1, &first), RC_OK);
    assert_true(first.inbox > 0);
    assert_int_equal(asker_register(asker, "alice", 1, &again), RC_REPEAT);
    assert_int_equal(again.inbox, first.inbox);
    assert_int_equal(asker_register(asker, "alice", 2, NULL), RC_CONFLICT);
    assert_int_equal(asker_register(asker, "alice2", 1, NULL), RC_CONFLICT);
}

static enum rc find(const char *handle, unsigned key, struct user *out) {
    struct store_find f = {.job.kind = STORE_FIND, .by_primary = !handle};
    if (handle)
        f.handle = asker_handle(handle);
    else
        f.primary = asker_key(key);
    enum rc rc = asker_ask(asker, &f.job);
    *out = f.user;
    return rc;
}

static void assert_same_user(const struct user *a, const struct user *b) {
    assert_string_equal(a->handle.text, b->handle.text);
    assert_true(key_eq(&a->primary, &b->primary));
    assert_int_equal(a->inbox, b->inbox);
}

static void a_user_is_found_by_handle_and_by_primary(void **state) {
    (void)state;
    struct user made = new_user(), found;
    unsigned number;
    memcpy(&number, made.primary.bytes, sizeof number);
    assert_int_equal(find(made.handle.text, 0, &found), RC_OK);
    assert_same_user(&found, &made);
    assert_int_equal(find(NULL, number, &found), RC_OK);
    assert_same_user(&found, &made);
    assert_int_equal(find("nobody-here", 0, &found), RC_NOT_FOUND);
    assert_int_equal(find(NULL, 999999999, &found), RC_NOT_FOUND);
}

static void look_ups_that_wait_together_each_get_their_own_answer(void **state) {
    enum { N = 300 };
    static struct store_find f[N];
    struct user users[3] = {new_user(), new_user(), new_user()};
    (void)state;
    for (size_t i = 0; i < N; i++) {
        f[i] = (struct store_find){.job.kind = STORE_FIND, .by_primary = i % 2};
        f[i].handle = i % 4 ? users[i % 3].handle : asker_handle("nobody-here");
        f[i].primary = users[i % 3].primary;
        assert_int_equal(asker_begin(asker, &f[i].job), RC_OK);
    }
    for (size_t i = 0; i < N; i++) {
        bool is_there = i % 2 || i % 4;
        assert_int_equal(asker_wait(&f[i].job), is_there ? RC_OK : RC_NOT_FOUND);
        if (is_there)
            assert_int_equal(f[i].user.inbox, users[i % 3].inbox);
    }
}

static void a_record_has_the_proofs_that_were_put_last(void **state) {
    (void)state;
    struct user user = new_user();
    struct store_record r = {.job.kind = STORE_RECORD, .inbox = user.inbox};
    struct store_proofs p = {.job.kind = STORE_PROOFS, .inbox = user.inbox};
    buf_init(&r.proofs, 1 << 20);
    buf_init(&p.proofs, 1 << 20);
    assert_int_equal(asker_ask(asker, &r.job), RC_OK);
    assert_true(str_eq(buf_str(&r.proofs), STR("[]")));

    buf_put(&p.proofs, STR("[\"\xc3\xa9 \\u0000\"]"));
    assert_int_equal(asker_ask(asker, &p.job), RC_OK);
    assert_int_equal(p.registered_at_ms, r.registered_at_ms);
    assert_true(llabs(p.registered_at_ms - clock_wall_ms(clock_system())) < 60000);
    buf_clear(&r.proofs);
    assert_int_equal(asker_ask(asker, &r.job), RC_OK);
    assert_true(str_eq(buf_str(&r.proofs), buf_str(&p.proofs)));

    p.inbox = r.inbox = 1u << 30;
    assert_int_equal(asker_ask(asker, &p.job), RC_NOT_FOUND);
    assert_int_equal(asker_ask(asker, &r.job), RC_NOT_FOUND);
    buf_done(&r.proofs);
    buf_done(&p.proofs);
}

static void a_handle_made_anew_has_another_inbox_and_epoch(void **state) {
    (void)state;
    struct user old, anew;
    assert_int_equal(asker_register(asker, "phoenix", 77, &old), RC_OK);
    assert_int_equal(asker_post(asker, &old, NULL, "id-1", "{}", NULL), RC_OK);
    struct inbox_head before = asker_head(asker, old.inbox);
    exec_for("DELETE FROM kez.account WHERE inbox =", old.inbox);

    assert_int_equal(asker_post(asker, &old, NULL, "id-2", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(asker_trim(asker, old.inbox, 1), RC_NOT_FOUND);
    struct page page;
    assert_int_equal(asker_read(asker, old.inbox, 0, 10, &page), RC_NOT_FOUND);
    assert_string_equal(asker_head(asker, old.inbox).epoch.text, "");
    assert_sql("SELECT count(*) FROM kez.inbox_row WHERE inbox NOT IN (SELECT id FROM kez.inbox)",
               "0");

    assert_int_equal(asker_register(asker, "phoenix", 77, &anew), RC_OK);
    assert_true(anew.inbox > old.inbox);
    struct inbox_head after = asker_head(asker, anew.inbox);
    assert_string_not_equal(after.epoch.text, before.epoch.text);
    assert_int_equal(after.head, 0);
    assert_int_equal(after.first, 1);
}

/* ---- posts ---- */

static void posts_get_dense_seqs_and_are_told_of(void **state) {
    (void)state;
    struct user user = new_user();
    uint64_t seq;
    for (uint64_t want = 1; want <= 5; want++) {
        assert_int_equal(asker_post(asker, &user, NULL, "", "{\"a\":1}", &seq), RC_OK);
        assert_int_equal(seq, want);
    }
    assert_int_equal(asker_post(asker, &user, "name1", "the-id", "{\"b\":2}", &seq), RC_OK);
    assert_int_equal(seq, 6);
    char *row = asker_last_row(asker, &user.handle);
    assert_non_null(strstr(row, "\"seq\":6"));
    assert_non_null(strstr(row, "\"id\":\"the-id\""));
    assert_non_null(strstr(row, "\"from\":\"name1\""));
    assert_non_null(strstr(row, "\"envelope\":{\"b\":2}"));
    free(row);
}

static void what_is_read_is_what_was_told(void **state) {
    (void)state;
    struct user user = new_user();
    struct page page;
    const char *envelope = "{\"x\":\"\\u0000\\ud800 \xf0\x9f\x98\x80 \\\\ \\\"{,}\",\"x\":1e400}";
    struct store_post *p = asker_post_new(&user, "name2", "id", envelope);
    assert_int_equal(asker_ask(asker, &p->job), RC_OK);
    assert_int_equal(asker_read(asker, user.inbox, 0, 10, &page), RC_OK);
    assert_int_equal(page.n, 1);
    struct str json = frame_json(page.rows[0]);
    char *told = asker_last_row(asker, &user.handle);
    assert_true(str_eq(json, str_of(told)));
    assert_non_null(strstr(told, envelope));
    assert_int_equal(page.rows[0]->created_at_ms, p->created_at_ms);
    free(told);
    page_done(&page);
    asker_post_free(p);
}

static void the_same_id_and_envelope_is_a_repeat_another_envelope_a_conflict(void **state) {
    (void)state;
    struct user user = new_user();
    struct store_post *first = asker_post_new(&user, NULL, "id", "{\"n\":1}");
    struct store_post *again = asker_post_new(&user, NULL, "id", "{\"n\":1}");
    assert_int_equal(asker_ask(asker, &first->job), RC_OK);
    assert_int_equal(asker_post(asker, &user, NULL, "", "{}", NULL), RC_OK);
    unsigned told = asker_rows_told(asker);
    assert_int_equal(asker_ask(asker, &again->job), RC_REPEAT);
    assert_int_equal(again->seq, first->seq);
    assert_int_equal(again->created_at_ms, first->created_at_ms);
    assert_int_equal(asker_post(asker, &user, NULL, "id", "{\"n\":2}", NULL), RC_CONFLICT);
    assert_int_equal(asker_rows_told(asker), told);
    /* Each signed sender has ids of their own. */
    assert_int_equal(asker_post(asker, &user, "name1", "id", "{\"n\":2}", NULL), RC_OK);
    assert_int_equal(asker_post(asker, &user, "name2", "id", "{\"n\":3}", NULL), RC_OK);
    assert_int_equal(asker_post(asker, &user, "name2", "id", "{\"n\":3}", NULL), RC_REPEAT);
    assert_int_equal(asker_head(asker, user.inbox).head, 4);
    asker_post_free(first);
    asker_post_free(again);
}

static void posts_that_wait_together_keep_their_order(void **state) {
    enum { N = 1000, USERS = 7 };
    static struct store_post *posts[N];
    struct user users[USERS];
    uint64_t last[USERS] = {0};
    (void)state;
    for (size_t i = 0; i < USERS; i++)
        users[i] = new_user();
    for (size_t i = 0; i < N; i++) {
        posts[i] = asker_post_new(&users[i % USERS], NULL, "", "{}");
        assert_int_equal(asker_begin(asker, &posts[i]->job), RC_OK);
    }
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(asker_wait(&posts[i]->job), RC_OK);
        assert_int_equal(posts[i]->seq, ++last[i % USERS]);
        asker_post_free(posts[i]);
    }
    assert_int_equal(asker_rows_out_of_order(asker), 0);
}

static void an_id_twice_in_one_batch_is_stored_once_and_order_is_kept(void **state) {
    enum { N = 400, IDS = 40 };
    int64_t errors = atomic_load(&stats.store_errors);
    static struct store_post *posts[N];
    uint64_t seqs[IDS] = {0}, last = 0;
    struct user user = new_user();
    (void)state;
    for (size_t i = 0; i < N; i++) {
        char id[16], envelope[32];
        (void)snprintf(id, sizeof id, "%zu", i % IDS);
        /* The fifth round brings other envelopes. */
        (void)snprintf(envelope, sizeof envelope, "{\"n\":%d}", i / IDS == 4);
        posts[i] = asker_post_new(&user, NULL, i % 10 == 3 ? "" : id, envelope);
        assert_int_equal(asker_begin(asker, &posts[i]->job), RC_OK);
    }
    for (size_t i = 0; i < N; i++) {
        enum rc rc = asker_wait(&posts[i]->job);
        if (i % 10 == 3 || i < IDS) {
            assert_int_equal(rc, RC_OK);
            assert_true(posts[i]->seq > last);
            last = posts[i]->seq;
            if (i < IDS)
                seqs[i] = posts[i]->seq;
        } else {
            assert_int_equal(rc, i / IDS == 4 ? RC_CONFLICT : RC_REPEAT);
            if (rc == RC_REPEAT)
                assert_int_equal(posts[i]->seq, seqs[i % IDS]);
        }
        asker_post_free(posts[i]);
    }
    assert_int_equal(asker_head(asker, user.inbox).head, last);
    assert_int_equal(atomic_load(&stats.store_errors), errors);
}

static void a_poisoned_post_fails_alone(void **state) {
    enum { N = 60, BAD = 17 };
    static struct store_post *posts[N];
    struct user user = new_user();
    (void)state;
    for (size_t i = 0; i < N; i++) {
        posts[i] = asker_post_new(&user, NULL, "", i == BAD ? "{\"\xff\":1}" : "{}");
        assert_int_equal(asker_begin(asker, &posts[i]->job), RC_OK);
    }
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(asker_wait(&posts[i]->job), i == BAD ? RC_MALFORMED : RC_OK);
        if (i != BAD)
            assert_int_equal(posts[i]->seq, i < BAD ? i + 1 : i);
        asker_post_free(posts[i]);
    }
}

/* ---- many at once ---- */

struct crowd {
    struct asker *asker;
    const struct user *users;
    unsigned number, n_users, n_posts;
    unsigned stored, repeated, other;
};

/* Windows of posts to inboxes in an order of each thread's own; every id is used by two threads. */
static void *post_much(void *arg) {
    enum { WINDOW = 16 };
    struct crowd *c = arg;
    struct store_post *posts[WINDOW];
    for (unsigned i = 0; i < c->n_posts; i += WINDOW) {
        for (unsigned k = 0; k < WINDOW; k++) {
            unsigned at = (i + k) * (c->number % 2 ? 7 : 13) % c->n_posts;
            char id[32];
            (void)snprintf(id, sizeof id, "%u-%u", c->number / 2, at);
            posts[k] = asker_post_new(&c->users[at % c->n_users], NULL, id, "{\"some\":\"text\"}");
            while (asker_begin(c->asker, &posts[k]->job) != RC_OK)
                continue;
        }
        for (unsigned k = 0; k < WINDOW; k++) {
            enum rc rc = asker_wait(&posts[k]->job);
            c->stored += rc == RC_OK;
            c->repeated += rc == RC_REPEAT;
            c->other += rc != RC_OK && rc != RC_REPEAT;
            asker_post_free(posts[k]);
        }
    }
    return NULL;
}

static void seqs_are_dense_with_two_stores_and_many_threads_and_nothing_deadlocks(void **state) {
    enum { THREADS = 8, USERS = 20, POSTS = 1600 };
    /* Small batches, so that all writers have work. */
    struct store_config config = asker_config(url);
    config.writers = 3;
    config.batch_items = 5;
    struct asker *askers[2] = {asker_start_with(&config), asker_start_with(&config)};
    for (unsigned i = 0; i < 2; i++)
        asker_wait_up(askers[i], true, UP_MS);
    struct user users[USERS];
    struct crowd crowds[THREADS];
    pthread_t threads[THREADS];
    unsigned stored = 0, repeated = 0;
    (void)state;
    for (unsigned i = 0; i < USERS; i++)
        users[i] = new_user();
    for (unsigned i = 0; i < THREADS; i++) {
        crowds[i] = (struct crowd){.asker = askers[i % 2],
                                   .users = users,
                                   .number = i,
                                   .n_users = USERS,
                                   .n_posts = POSTS};
        assert_int_equal(pthread_create(&threads[i], NULL, post_much, &crowds[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        stored += crowds[i].stored;
        repeated += crowds[i].repeated;
        assert_int_equal(crowds[i].other, 0);
    }
    assert_int_equal(stored, THREADS / 2 * POSTS);
    assert_int_equal(repeated, THREADS / 2 * POSTS);
    assert_sql("SELECT count(*) FROM kez.inbox AS i WHERE head <> (SELECT count(*) FROM"
               " kez.inbox_row WHERE inbox = i.id AND seq BETWEEN 1 AND head)",
               "0");
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(asker_rows_out_of_order(askers[i]), 0);
        asker_stop(askers[i]);
    }
    char *log = postgres_log(pg);
    assert_null(strstr(log, "deadlock"));
    free(log);
}

struct racer {
    struct asker *asker;
    pthread_barrier_t *start;
    const char *handle;
    unsigned key;
    enum rc rc;
    struct user user;
};

static void *race(void *arg) {
    struct racer *r = arg;
    pthread_barrier_wait(r->start);
    r->rc = asker_register(r->asker, r->handle, r->key, &r->user);
    return NULL;
}

/* Two stores each: the same pair, then two keys for one handle, then two handles for one key. */
static void of_registrations_at_once_one_wins(void **state) {
    static const struct {
        const char *handles[2];
        unsigned keys[2];
        enum rc loser;
    } rows[] = {{{"racer-a", "racer-a"}, {501, 501}, RC_REPEAT},
                {{"racer-b", "racer-b"}, {502, 503}, RC_CONFLICT},
                {{"racer-c", "racer-d"}, {504, 504}, RC_CONFLICT}};
    struct asker *other = asker_start(url);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pthread_barrier_t start;
        struct racer racers[2];
        pthread_t threads[2];
        pthread_barrier_init(&start, NULL, 2);
        for (unsigned k = 0; k < 2; k++) {
            racers[k] = (struct racer){.asker = k ? other : asker,
                                       .start = &start,
                                       .handle = rows[i].handles[k],
                                       .key = rows[i].keys[k]};
            assert_int_equal(pthread_create(&threads[k], NULL, race, &racers[k]), 0);
        }
        for (unsigned k = 0; k < 2; k++)
            pthread_join(threads[k], NULL);
        const struct racer *winner = racers[0].rc == RC_OK ? &racers[0] : &racers[1];
        const struct racer *loser = winner == &racers[0] ? &racers[1] : &racers[0];
        assert_int_equal(winner->rc, RC_OK);
        assert_int_equal(loser->rc, rows[i].loser);
        if (loser->rc == RC_REPEAT)
            assert_int_equal(loser->user.inbox, winner->user.inbox);
        pthread_barrier_destroy(&start);
    }
    asker_stop(other);
}

/* ---- pages ---- */

static void a_page_ends_at_its_rows_and_tells_the_head(void **state) {
    (void)state;
    struct user user = new_user();
    struct page page;
    assert_int_equal(asker_read(asker, user.inbox, 0, 10, &page), RC_OK);
    assert_int_equal(page.n, 0);
    assert_int_equal(page.at.head, 0);
    assert_int_equal(page.at.first, 1);
    page_done(&page);
    for (unsigned i = 0; i < 25; i++)
        assert_int_equal(asker_post(asker, &user, NULL, "", "{}", NULL), RC_OK);

    static const struct {
        uint64_t after;
        uint32_t limit;
        size_t n;
    } rows[] = {{0, 10, 10}, {10, 10, 10}, {20, 10, 5},        {25, 10, 0},
                {99, 10, 0}, {0, 500, 25}, {STORE_NOW, 10, 0}, {INT64_MAX, 10, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(asker_read(asker, user.inbox, rows[i].after, rows[i].limit, &page), RC_OK);
        assert_int_equal(page.n, rows[i].n);
        assert_int_equal(page.at.head, 25);
        assert_int_equal(page.at.first, 1);
        for (size_t k = 0; k < page.n; k++)
            assert_int_equal(page.rows[k]->seq, rows[i].after + 1 + k);
        assert_string_equal(page.at.epoch.text, asker_head(asker, user.inbox).epoch.text);
        page_done(&page);
    }
}

static char *large_envelope(size_t n) {
    char *text = malloc(n + 1);
    assert_non_null(text);
    memset(text, 'x', n);
    memcpy(text, "{\"x\":\"", 6);
    memcpy(text + n - 2, "\"}", 3);
    return text;
}

static void a_page_ends_at_its_bytes_but_has_one_row(void **state) {
    enum { ROWS = 20, EACH = MESSAGE_ENVELOPE_MAX };
    struct user user = new_user();
    char *envelope = large_envelope(EACH);
    (void)state;
    for (unsigned i = 0; i < ROWS; i++)
        assert_int_equal(asker_post(asker, &user, NULL, "", envelope, NULL), RC_OK);
    static const struct {
        uint32_t max_bytes;
        size_t n;
    } rows[] = {{PAGE_MAX_BYTES, PAGE_MAX_BYTES / EACH - 1},
                {1, 1},
                {EACH, 1},
                {3 * EACH, 2},
                {3 * EACH + 1000, 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct store_read r = {.job.kind = STORE_READ,
                               .inbox = user.inbox,
                               .limit = 500,
                               .max_bytes = rows[i].max_bytes};
        assert_int_equal(asker_ask(asker, &r.job), RC_OK);
        assert_int_equal(r.page.n, rows[i].n);
        assert_int_equal(r.page.at.head, ROWS);
        page_done(&r.page);
    }
    free(envelope);
}

static void heads_of_many_inboxes_come_in_the_order_asked(void **state) {
    enum { N = STORE_HEADS_MAX };
    static uint64_t inboxes[N];
    static struct inbox_head heads[N];
    struct user users[3] = {new_user(), new_user(), new_user()};
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        for (unsigned k = 0; k <= i; k++)
            assert_int_equal(asker_post(asker, &users[i], NULL, "", "{}", NULL), RC_OK);
    for (size_t i = 0; i < N; i++)
        inboxes[i] = i % 4 == 3 ? (1u << 30) + i : users[i % 4].inbox;
    struct store_heads h = {.job.kind = STORE_HEADS, .n = N, .inboxes = inboxes, .heads = heads};
    assert_int_equal(asker_ask(asker, &h.job), RC_OK);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(heads[i].head, i % 4 == 3 ? 0 : i % 4 + 1);
        assert_int_equal(heads[i].epoch.text[0] == '\0', i % 4 == 3);
    }
}

/* ---- trimming ---- */

static void trimmed_rows_are_gone_and_their_ids_remembered(void **state) {
    (void)state;
    struct user user = new_user();
    struct page page;
    for (unsigned i = 1; i <= 5; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "id-%u", i);
        assert_int_equal(asker_post(asker, &user, NULL, id, "{\"n\":1}", NULL), RC_OK);
    }
    assert_int_equal(asker_trim(asker, user.inbox, 6), RC_TOO_LARGE);
    assert_int_equal(asker_trim(asker, user.inbox, STORE_NOW), RC_TOO_LARGE);
    assert_int_equal(asker_trim(asker, user.inbox, 0), RC_OK);
    assert_int_equal(asker_head(asker, user.inbox).first, 1);
    assert_int_equal(asker_trim(asker, user.inbox, 3), RC_OK);
    assert_int_equal(asker_trim(asker, user.inbox, 3), RC_OK);
    assert_int_equal(asker_read(asker, user.inbox, 0, 10, &page), RC_OK);
    assert_int_equal(page.n, 2);
    assert_int_equal(page.rows[0]->seq, 4);
    assert_int_equal(page.at.first, 4);
    page_done(&page);

    uint64_t seq;
    assert_int_equal(asker_post(asker, &user, NULL, "id-2", "{\"n\":1}", &seq), RC_REPEAT);
    assert_int_equal(seq, 2);
    assert_int_equal(asker_post(asker, &user, NULL, "id-2", "{\"n\":2}", NULL), RC_CONFLICT);
    assert_int_equal(asker_trim(asker, user.inbox, 5), RC_OK);
    assert_int_equal(asker_head(asker, user.inbox).first, 6);
    assert_int_equal(asker_head(asker, user.inbox).head, 5);
    assert_int_equal(asker_post(asker, &user, NULL, "id-6", "{}", &seq), RC_OK);
    assert_int_equal(seq, 6);
}

static void an_id_is_forgotten_a_day_after_its_post_when_the_row_is_gone(void **state) {
    (void)state;
    struct user user = new_user();
    uint64_t seq;
    assert_int_equal(asker_post(asker, &user, NULL, "old", "{}", NULL), RC_OK);
    assert_int_equal(asker_post(asker, &user, NULL, "young", "{}", NULL), RC_OK);
    assert_int_equal(asker_post(asker, &user, NULL, "aging", "{}", NULL), RC_OK);
    exec_for("UPDATE kez.inbox_row SET created_at = now() - interval '25 hours'"
             " WHERE id = 'old' AND inbox =",
             user.inbox);
    /* As long as the row is there, so is its id. */
    assert_int_equal(asker_post(asker, &user, NULL, "old", "{}", NULL), RC_REPEAT);
    assert_int_equal(asker_trim(asker, user.inbox, 3), RC_OK);
    assert_int_equal(asker_post(asker, &user, NULL, "young", "{}", NULL), RC_REPEAT);
    assert_int_equal(asker_post(asker, &user, NULL, "old", "{}", &seq), RC_OK);
    assert_int_equal(seq, 4);
    exec_for("UPDATE kez.kept_id SET created_at = now() - interval '25 hours'"
             " WHERE id = 'aging' AND inbox =",
             user.inbox);
    assert_int_equal(asker_trim(asker, user.inbox, 0), RC_OK);
    assert_int_equal(asker_post(asker, &user, NULL, "aging", "{}", &seq), RC_OK);
    assert_int_equal(seq, 5);
    assert_int_equal(asker_post(asker, &user, NULL, "young", "{}", NULL), RC_REPEAT);
}

static void a_long_inbox_is_trimmed_to_the_end(void **state) {
    enum { N = 1300 };
    static struct store_post *posts[N];
    struct user user = new_user();
    (void)state;
    for (size_t i = 0; i < N; i++) {
        posts[i] = asker_post_new(&user, NULL, "", "{}");
        assert_int_equal(asker_begin(asker, &posts[i]->job), RC_OK);
    }
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(asker_wait(&posts[i]->job), RC_OK);
        asker_post_free(posts[i]);
    }
    assert_int_equal(asker_trim(asker, user.inbox, N - 1), RC_OK);
    assert_int_equal(asker_head(asker, user.inbox).first, N);
    struct page page;
    assert_int_equal(asker_read(asker, user.inbox, 0, 10, &page), RC_OK);
    assert_int_equal(page.n, 1);
    page_done(&page);
}

static void jobs_are_counted(void **state) {
    (void)state;
    struct user user = new_user();
    int64_t rows = atomic_load(&stats.rows_committed), again = atomic_load(&stats.posts_repeated);
    int64_t batches = atomic_load(&stats.store_batches);
    assert_int_equal(asker_post(asker, &user, NULL, "id", "{}", NULL), RC_OK);
    assert_int_equal(asker_post(asker, &user, NULL, "id", "{}", NULL), RC_REPEAT);
    assert_int_equal(atomic_load(&stats.rows_committed), rows + 1);
    assert_int_equal(atomic_load(&stats.posts_repeated), again + 1);
    assert_int_equal(atomic_load(&stats.store_batches), batches + 2);
    assert_int_equal(atomic_load(&stats.store_up), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_are_counted),
        cmocka_unit_test(a_handle_is_registered_once_and_a_retry_is_a_repeat),
        cmocka_unit_test(a_user_is_found_by_handle_and_by_primary),
        cmocka_unit_test(look_ups_that_wait_together_each_get_their_own_answer),
        cmocka_unit_test(a_record_has_the_proofs_that_were_put_last),
        cmocka_unit_test(a_handle_made_anew_has_another_inbox_and_epoch),
        cmocka_unit_test(posts_get_dense_seqs_and_are_told_of),
        cmocka_unit_test(what_is_read_is_what_was_told),
        cmocka_unit_test(the_same_id_and_envelope_is_a_repeat_another_envelope_a_conflict),
        cmocka_unit_test(posts_that_wait_together_keep_their_order),
        cmocka_unit_test(an_id_twice_in_one_batch_is_stored_once_and_order_is_kept),
        cmocka_unit_test(a_poisoned_post_fails_alone),
        cmocka_unit_test(seqs_are_dense_with_two_stores_and_many_threads_and_nothing_deadlocks),
        cmocka_unit_test(of_registrations_at_once_one_wins),
        cmocka_unit_test(a_page_ends_at_its_rows_and_tells_the_head),
        cmocka_unit_test(a_page_ends_at_its_bytes_but_has_one_row),
        cmocka_unit_test(heads_of_many_inboxes_come_in_the_order_asked),
        cmocka_unit_test(trimmed_rows_are_gone_and_their_ids_remembered),
        cmocka_unit_test(an_id_is_forgotten_a_day_after_its_post_when_the_row_is_gone),
        cmocka_unit_test(a_long_inbox_is_trimmed_to_the_end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
