/* tests/back/test_conversations_posts.c -- posts to conversations on a real PostgreSQL: their rows,
 * ids and order, and what lives on of them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/conversations.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/stats.h"
#include "support/hall.h"

static int setup(void **state) {
    (void)state;
    hall_open("talk", 1);
    return 0;
}

/* ---- posting ---- */

static void a_post_is_one_row_in_every_inbox_and_its_envelope_is_stored_once(void **state) {
    struct user u[4];
    const char *envelope = "{\"x\":\"\\u0000\\ud800 \xf0\x9f\x98\x80 \\\\ \\\"{,}\",\"x\":1e400}";
    (void)state;
    hall_users(u, 4);
    unsigned number = hall_talk(u, 3);
    assert_int_equal(asker_post(hall.asker, &u[1], NULL, "", "{}", NULL), RC_OK);
    struct conversation_post *p = talker_post_new(&u[1], number, "the-id", envelope);
    assert_int_equal(asker_ask(hall.asker, &p->job), RC_OK);
    assert_int_equal(p->seq, 3);
    for (size_t i = 0; i < 3; i++) {
        char want[512];
        uint64_t seq = i == 1 ? 3 : 2;
        (void)snprintf(want, sizeof want,
                       "{\"seq\":%llu,\"type\":\"chatmessage.new\",\"id\":\"the-id\","
                       "\"from\":\"%s\",\"conversation\":\"%s\",\"envelope\":%s",
                       (unsigned long long)seq, u[1].handle.text, talker_sid(number).text,
                       envelope);
        char *got = talker_row_without_time(hall.asker, &u[i], seq),
             *whole = talker_row(hall.asker, &u[i], seq);
        char *told = asker_last_row(hall.asker, &u[i].handle);
        assert_string_equal(got, want);
        assert_string_equal(told, whole);
        assert_int_equal(hall_head(&u[i]), seq);
        free(got);
        free(whole);
        free(told);
    }
    assert_int_equal(hall_head(&u[3]), 0);
    /* The time that the sender was told is that of all rows. */
    char sql[512];
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM kez.letter AS l JOIN kez.inbox_row AS r"
                   " ON r.letter = l.number WHERE l.conversation = '%s' AND l.type = 0"
                   " AND r.envelope IS NULL AND r.id IS NULL"
                   " AND r.created_at = l.created_at AND extract(epoch FROM l.created_at)"
                   " * 1000 = %lld",
                   talker_sid(number).text, (long long)p->created_at_ms);
    hall_assert_sql(sql, "3");
    hall_assert_sql_of(
        number, "SELECT count(*) FROM kez.letter WHERE conversation = '%s' AND type = 0", "1");
    talker_post_free(p);
}

static void an_id_is_the_senders_own_in_each_conversation(void **state) {
    struct user u[2];
    (void)state;
    hall_users(u, 2);
    unsigned number = hall_talk(u, 2), other = hall_talk(u, 2);
    struct conversation_post *first = talker_post_new(&u[0], number, "id", "{\"n\":1}");
    struct conversation_post *again = talker_post_new(&u[0], number, "id", "{\"n\":1}");
    assert_int_equal(asker_ask(hall.asker, &first->job), RC_OK);
    assert_int_equal(talker_post(hall.asker, &u[0], number, "next", "{}", NULL), RC_OK);
    unsigned told = asker_rows_told(hall.asker);
    int64_t repeated = atomic_load(&stats.posts_repeated);
    assert_int_equal(asker_ask(hall.asker, &again->job), RC_REPEAT);
    assert_int_equal(again->seq, first->seq);
    assert_int_equal(again->created_at_ms, first->created_at_ms);
    assert_int_equal(atomic_load(&stats.posts_repeated), repeated + 1);
    assert_int_equal(talker_post(hall.asker, &u[0], number, "id", "{\"n\":2}", NULL), RC_CONFLICT);
    assert_int_equal(asker_rows_told(hall.asker), told);

    assert_int_equal(talker_post(hall.asker, &u[1], number, "id", "{\"n\":2}", NULL), RC_OK);
    assert_int_equal(talker_post(hall.asker, &u[0], other, "id", "{\"n\":2}", NULL), RC_OK);
    /* Those of direct messages are others, too. */
    assert_int_equal(asker_post(hall.asker, &u[0], u[0].handle.text, "id", "{\"n\":2}", NULL),
                     RC_OK);
    assert_int_equal(hall_head(&u[0]), 7);

    /* And remembered when the rows are gone. */
    assert_int_equal(asker_trim(hall.asker, u[0].inbox, 7), RC_OK);
    assert_int_equal(asker_trim(hall.asker, u[1].inbox, 6), RC_OK);
    assert_int_equal(asker_ask(hall.asker, &again->job), RC_REPEAT);
    assert_int_equal(again->seq, first->seq);
    talker_post_free(first);
    talker_post_free(again);
}

static void posts_that_wait_together_keep_their_order_and_their_ids(void **state) {
    enum { N = 600, TALKS = 3, IDS = 60 };
    static struct conversation_post *posts[N];
    static struct store_post *direct[N / 10];
    struct user u[4];
    unsigned talks[TALKS], stored[TALKS] = {0};
    uint64_t seqs[IDS] = {0}, last = 0;
    (void)state;
    hall_users(u, 4);
    for (unsigned i = 0; i < TALKS; i++)
        talks[i] = hall_talk(u, 2 + i); /* all of them with u[0] and u[1] */
    for (unsigned i = 0; i < N; i++) {
        char id[16], envelope[32];
        (void)snprintf(id, sizeof id, "%u", i % IDS);
        /* The fifth round brings other envelopes. */
        (void)snprintf(envelope, sizeof envelope, "{\"n\":%d}", i / IDS == 4);
        posts[i] = talker_post_new(&u[0], talks[i % TALKS], id, envelope);
        assert_int_equal(asker_begin(hall.asker, &posts[i]->job), RC_OK);
        if (i % 10 == 0) {
            direct[i / 10] = asker_post_new(&u[0], NULL, "", "{}");
            assert_int_equal(asker_begin(hall.asker, &direct[i / 10]->job), RC_OK);
        }
    }
    for (unsigned i = 0; i < N; i++) {
        enum rc rc = asker_wait(&posts[i]->job);
        if (i < IDS) {
            assert_int_equal(rc, RC_OK);
            seqs[i] = posts[i]->seq;
            stored[i % TALKS]++;
        } else {
            assert_int_equal(rc, i / IDS == 4 ? RC_CONFLICT : RC_REPEAT);
            if (rc == RC_REPEAT)
                assert_int_equal(posts[i]->seq, seqs[i % IDS]);
        }
        talker_post_free(posts[i]);
    }
    for (unsigned i = 0; i < N / 10; i++) {
        assert_int_equal(asker_wait(&direct[i]->job), RC_OK);
        assert_true(direct[i]->seq > last);
        last = direct[i]->seq;
        asker_post_free(direct[i]);
    }
    for (unsigned i = TALKS; i < IDS; i++)
        assert_true(seqs[i] > seqs[i - TALKS]); /* of the same conversation */
    assert_int_equal(hall_head(&u[0]), TALKS + IDS + N / 10);
    assert_int_equal(hall_head(&u[1]), TALKS + IDS);
    assert_int_equal(hall_head(&u[3]), 1 + stored[TALKS - 1]);
}

struct racer {
    struct asker *asker;
    pthread_barrier_t *start;
    const struct user *caller;
    const char *envelope;
    unsigned number;
    enum rc rc;
};

static void *post_at_once(void *arg) {
    struct racer *r = arg;
    pthread_barrier_wait(r->start);
    r->rc = talker_post(r->asker, r->caller, r->number, "race", r->envelope, NULL);
    return NULL;
}

/* The same id on two stores: with the same envelope, and with another. */
static void of_posts_at_once_one_is_stored(void **state) {
    enum { ROUNDS = 20 };
    struct asker *other = asker_start(hall.url);
    struct user u[3];
    (void)state;
    hall_users(u, 3);
    for (unsigned i = 0; i < ROUNDS; i++) {
        pthread_barrier_t start;
        struct racer racers[2];
        pthread_t threads[2];
        unsigned number = hall_talk(u, 3);
        pthread_barrier_init(&start, NULL, 2);
        for (unsigned k = 0; k < 2; k++) {
            racers[k] = (struct racer){.asker = k ? other : hall.asker,
                                       .start = &start,
                                       .caller = &u[1],
                                       .envelope = k && i % 2 ? "{\"n\":2}" : "{\"n\":1}",
                                       .number = number};
            assert_int_equal(pthread_create(&threads[k], NULL, post_at_once, &racers[k]), 0);
        }
        for (unsigned k = 0; k < 2; k++)
            pthread_join(threads[k], NULL);
        const struct racer *loser = racers[0].rc == RC_OK ? &racers[1] : &racers[0];
        assert_int_equal((loser == racers ? &racers[1] : racers)->rc, RC_OK);
        assert_int_equal(loser->rc, i % 2 ? RC_CONFLICT : RC_REPEAT);
        pthread_barrier_destroy(&start);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(hall_head(&u[i]), 2 * ROUNDS);
    asker_stop(other);
}

static void a_poisoned_post_to_a_conversation_fails_alone(void **state) {
    enum { N = 40, BAD = 17 };
    struct conversation_post *posts[N];
    struct user u[2];
    (void)state;
    hall_users(u, 2);
    unsigned number = hall_talk(u, 2);
    for (unsigned i = 0; i < N; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%u", i);
        posts[i] = talker_post_new(&u[0], number, id, i == BAD ? "{\"\xff\":1}" : "{}");
        assert_int_equal(asker_begin(hall.asker, &posts[i]->job), RC_OK);
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(asker_wait(&posts[i]->job), i == BAD ? RC_MALFORMED : RC_OK);
        if (i != BAD)
            assert_int_equal(posts[i]->seq, 1 + (i < BAD ? i + 1 : i));
        talker_post_free(posts[i]);
    }
}

/* ---- what lives on ---- */

static void rows_are_trimmed_and_their_letters_stay_for_the_others(void **state) {
    struct user u[2];
    (void)state;
    hall_users(u, 2);
    unsigned number = hall_talk(u, 2);
    assert_int_equal(talker_post(hall.asker, &u[0], number, "id", "{\"n\":1}", NULL), RC_OK);
    assert_int_equal(asker_trim(hall.asker, u[0].inbox, 2), RC_OK);
    assert_int_equal(asker_head(hall.asker, u[0].inbox).first, 3);
    char *row = talker_row(hall.asker, &u[1], 2);
    assert_non_null(strstr(row, "\"envelope\":{\"n\":1}"));
    free(row);
    hall_assert_sql_of(number,
                       "SELECT count(*) FROM kez.inbox_row WHERE letter IN ("
                       "SELECT number FROM kez.letter WHERE conversation = '%s')",
                       "2");
}

static void a_page_of_rows_of_both_kinds_ends_at_its_bytes(void **state) {
    enum { ROWS = 12, EACH = 60 * 1024 };
    struct user u[2];
    char *envelope = calloc(1, EACH + 1);
    (void)state;
    assert_non_null(envelope);
    memset(envelope, 'x', EACH);
    memcpy(envelope, "{\"x\":\"", 6);
    memcpy(envelope + EACH - 2, "\"}", 2);
    hall_users(u, 2);
    unsigned number = hall_talk(u, 2);
    for (unsigned i = 0; i < ROWS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%u", i);
        enum rc rc = i % 2 ? asker_post(hall.asker, &u[1], NULL, id, envelope, NULL)
                           : talker_post(hall.asker, &u[0], number, id, envelope, NULL);
        assert_int_equal(rc, RC_OK);
    }
    struct store_read r = {.job.kind = STORE_READ,
                           .inbox = u[1].inbox,
                           .after = 1,
                           .limit = 100,
                           .max_bytes = 5 * EACH + EACH / 2};
    assert_int_equal(asker_ask(hall.asker, &r.job), RC_OK);
    assert_int_equal(r.page.n, 5);
    for (size_t i = 0; i < r.page.n; i++)
        assert_true(r.page.rows[i]->json_n > EACH);
    page_done(&r.page);
    free(envelope);
}

/* What an older node needs is there before this one's tables are: rows are read, posted and trimmed
 * without these. The statements were prepared before, as the older node's are. */
static void a_node_that_knows_no_conversations_reads_their_rows(void **state) {
    struct asker *old;
    struct user u[2];
    struct page page;
    (void)state;
    struct store_config config = asker_config(postgres_url(hall.pg, "old"));
    config.writers = 1;
    old = asker_start_with(&config);
    asker_wait_up(old, true, 60000);
    u[0] = asker_user(old, 1);
    u[1] = asker_user(old, 2);
    assert_int_equal(talker_make(old, &u[0], 1, "t", u, 2, NULL), RC_OK);
    assert_int_equal(talker_post(old, &u[0], 1, "id", "{\"n\":1}", NULL), RC_OK);
    postgres_exec(hall.pg, "old",
                  "DROP TABLE kez.participant, kez.conversation CASCADE;"
                  "DROP TYPE kez.told_2 CASCADE;"
                  "DROP FUNCTION kez.conversation_json_2, kez.moment_2");
    assert_int_equal(asker_post(old, &u[1], NULL, "", "{\"n\":2}", NULL), RC_OK);
    assert_int_equal(asker_read(old, u[1].inbox, 0, 10, &page), RC_OK);
    assert_int_equal(page.n, 3);
    static const char *const parts[] = {"\"conversation.updated\"", "\"envelope\":{\"n\":1}",
                                        "\"envelope\":{\"n\":2}"};
    for (size_t i = 0; i < 3; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text, "%.*s", STR_ARG(frame_json(page.rows[i])));
        assert_non_null(strstr(text, parts[i]));
        assert_int_equal(!strstr(text, talker_sid(1).text), i == 2);
    }
    page_done(&page);
    assert_int_equal(asker_trim(old, u[1].inbox, 3), RC_OK);
    asker_stop(old);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_post_is_one_row_in_every_inbox_and_its_envelope_is_stored_once),
        cmocka_unit_test(an_id_is_the_senders_own_in_each_conversation),
        cmocka_unit_test(posts_that_wait_together_keep_their_order_and_their_ids),
        cmocka_unit_test(of_posts_at_once_one_is_stored),
        cmocka_unit_test(a_poisoned_post_to_a_conversation_fails_alone),
        cmocka_unit_test(rows_are_trimmed_and_their_letters_stay_for_the_others),
        cmocka_unit_test(a_page_of_rows_of_both_kinds_ends_at_its_bytes),
        cmocka_unit_test(a_node_that_knows_no_conversations_reads_their_rows),
    };
    return cmocka_run_group_tests(tests, setup, hall_close);
}
