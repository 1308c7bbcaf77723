/* tests/back/test_conversations_crowd.c -- conversations in the store when many write at once on
 * two nodes, and when connections break under them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/hall.h"

static int setup(void **state) {
    (void)state;
    hall_open("crowd", 2);
    return 0;
}

static void assert_count(const char *sql, unsigned want) {
    char text[32];
    (void)snprintf(text, sizeof text, "%u", want);
    hall_assert_sql(sql, text);
}

/* ---- many at once ---- */

enum { STORES = 2, POSTERS = 32, CHANGERS = 2, TALKS = 50, PEOPLE = 60, WINDOW = 8 };
enum { POSTS_MIN = 48, POSTS_MAX = 240, CHANGES_EACH = 30 }; /* of one thread */

static struct user people[PEOPLE];
static unsigned talks[TALKS];
static atomic_uint changers_left, posted;

/* Of conversation t: from 4 to 13 people, who are in others, too; the first one never leaves. */
static size_t circle(unsigned t, struct user out[16]) {
    size_t n = 4 + t % 10;
    for (unsigned i = 0; i < n; i++)
        out[i] = people[(t + i * 7) % PEOPLE];
    return n;
}

struct poster {
    struct asker *asker;
    unsigned number, posts, stored, refused, other;
};

static bool goes_on(const struct poster *me) {
    return me->posts < POSTS_MIN || (me->posts < POSTS_MAX && atomic_load(&changers_left) > 0);
}

/* Conversations in an order of each thread's own; some of the senders are not in them. */
static void *post_much(void *arg) {
    struct poster *me = arg;
    struct conversation_post *posts[WINDOW];
    for (; goes_on(me); me->posts += WINDOW) {
        for (unsigned k = 0; k < WINDOW; k++) {
            unsigned i = me->posts + k;
            unsigned t = (me->number * 11 + i * (me->number % 2 ? 7 : 13)) % TALKS;
            struct user in[16];
            char id[32];
            size_t n = circle(t, in);
            (void)snprintf(id, sizeof id, "%u-%u", me->number, i);
            posts[k] = talker_post_new(&in[(me->number + i / WINDOW) % n], talks[t], id,
                                       "{\"a\":\"text\"}");
            while (asker_begin(me->asker, &posts[k]->job) != RC_OK)
                continue;
        }
        for (unsigned k = 0; k < WINDOW; k++) {
            enum rc rc = asker_wait(&posts[k]->job);
            me->stored += rc == RC_OK;
            me->refused += rc == RC_NOT_FOUND;
            me->other += rc != RC_OK && rc != RC_NOT_FOUND;
            talker_post_free(posts[k]);
        }
    }
    return NULL;
}

struct changer {
    struct asker *asker;
    unsigned number, changed, conflicts, other;
};

static uint64_t version_of(const char *json) {
    return strtoull(strstr(json, "\"version\":") + strlen("\"version\":"), NULL, 10);
}

/* Adds people and removes them. */
static void *change_much(void *arg) {
    struct changer *me = arg;
    for (unsigned i = 0; i < CHANGES_EACH; i++) {
        unsigned t = (me->number * 17 + i * 3) % TALKS;
        struct user in[16];
        size_t n = circle(t, in);
        const struct user *who = &in[1 + i % (n - 1)];
        char *json = talker_show(me->asker, &in[0], talks[t]);
        assert_non_null(json);
        char handle[HANDLE_MAX + 16];
        (void)snprintf(handle, sizeof handle, "\"handle\":\"%s\"", who->handle.text);
        bool is_in = strstr(json, handle) != NULL;
        struct talker_change change = {.number = talks[t],
                                       .version = version_of(json),
                                       .add = who,
                                       .n_add = is_in ? 0 : 1,
                                       .remove = who,
                                       .n_remove = is_in ? 1 : 0};
        enum rc rc = talker_change(me->asker, &in[0], &change, NULL, NULL);
        me->changed += rc == RC_OK;
        me->conflicts += rc == RC_CONFLICT;
        me->other += rc != RC_OK && rc != RC_CONFLICT;
        free(json);
    }
    atomic_fetch_sub(&changers_left, 1);
    return NULL;
}

static void crossing_posts_and_changes_on_two_nodes_never_deadlock(void **state) {
    static struct poster posters[STORES * POSTERS];
    static struct changer changers[STORES * CHANGERS];
    pthread_t threads[STORES * (POSTERS + CHANGERS)];
    unsigned posts = 0, stored = 0, refused = 0, changed = 0, n = 0;
    (void)state;
    hall_users(people, PEOPLE);
    for (unsigned t = 0; t < TALKS; t++) {
        struct user in[16];
        talks[t] = hall_talk(in, circle(t, in));
    }
    atomic_store(&changers_left, STORES * CHANGERS);
    for (unsigned i = 0; i < STORES * POSTERS; i++) {
        posters[i] = (struct poster){.asker = i % 2 ? hall.other : hall.asker, .number = i};
        assert_int_equal(pthread_create(&threads[n++], NULL, post_much, &posters[i]), 0);
    }
    for (unsigned i = 0; i < STORES * CHANGERS; i++) {
        changers[i] = (struct changer){.asker = i % 2 ? hall.other : hall.asker, .number = i};
        assert_int_equal(pthread_create(&threads[n++], NULL, change_much, &changers[i]), 0);
    }
    while (n > 0)
        pthread_join(threads[--n], NULL);
    for (unsigned i = 0; i < STORES * POSTERS; i++) {
        posts += posters[i].posts;
        stored += posters[i].stored;
        refused += posters[i].refused;
        assert_int_equal(posters[i].other, 0);
    }
    for (unsigned i = 0; i < STORES * CHANGERS; i++) {
        changed += changers[i].changed;
        assert_int_equal(changers[i].other, 0);
    }
    assert_int_equal(stored + refused, posts);
    assert_true(changed > 0 && refused > 0 && stored > refused);
    talker_assert_sound(hall.pg, "crowd");
    assert_count("SELECT count(*) FROM kez.letter WHERE type = 0", stored);
    assert_count("SELECT count(*) FROM kez.letter WHERE type = 1", changed + TALKS);
    /* Each row was told of, by the node that wrote it. */
    assert_count("SELECT count(*) FROM kez.inbox_row",
                 asker_rows_told(hall.asker) + asker_rows_told(hall.other));
}

/* ---- the turn of a change ---- */

/* Posts to one conversation as long as there are changes. */
static void *keep_posting(void *arg) {
    struct poster *me = arg;
    for (unsigned i = 0; atomic_load(&changers_left) > 0; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "turn-%u-%u", me->number, i);
        enum rc rc = talker_post(me->asker, &people[me->number], hall.next_sid, id, "{}", NULL);
        me->stored += rc == RC_OK;
        me->other += rc != RC_OK;
        atomic_fetch_add(&posted, 1);
    }
    return NULL;
}

static void a_change_has_its_turn_while_two_nodes_post(void **state) {
    enum { THREADS = 32, IN_IT = 40, CHANGES = 60, OVERTAKEN_MAX = 3 * THREADS / 2 };
    static struct poster posters[THREADS];
    pthread_t threads[THREADS];
    unsigned overtaken = 0;
    (void)state;
    struct asker *third = asker_start(hall.url);
    hall_users(people, IN_IT);
    assert_int_equal(talker_make(third, &people[0], hall.next_sid, NULL, people, IN_IT, NULL),
                     RC_OK);
    atomic_store(&changers_left, 1);
    for (unsigned i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.asker = i % 2 ? hall.other : hall.asker, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, keep_posting, &posters[i]), 0);
    }
    for (unsigned i = 1; i <= CHANGES; i++) {
        struct talker_change change = {
            .number = hall.next_sid, .version = i, .title = i % 2 ? "odd" : "even"};
        unsigned before = atomic_load(&posted);
        assert_int_equal(talker_change(third, &people[0], &change, NULL, NULL), RC_OK);
        overtaken += atomic_load(&posted) - before;
    }
    atomic_store(&changers_left, 0);
    assert_true(overtaken < CHANGES * OVERTAKEN_MAX);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(posters[i].stored > 0);
        assert_int_equal(posters[i].other, 0);
    }
    hall.next_sid++;
    asker_stop(third);
    talker_assert_sound(hall.pg, "crowd");
}

/* ---- sessions that are ended ---- */

static atomic_bool load_ends;

struct load {
    const struct user *users;
    unsigned number, n_users, first_talk, n_talks, posts, acknowledged;
};

/* Posts one by one; each is tried until it is acknowledged. */
static void *post_on(void *arg) {
    struct load *load = arg;
    while (!atomic_load(&load_ends)) {
        char id[32];
        unsigned i = load->posts++;
        (void)snprintf(id, sizeof id, "load-%u-%u", load->number, i);
        struct conversation_post *p = talker_post_new(
            &load->users[i % load->n_users], load->first_talk + i % load->n_talks, id, "{}");
        enum rc rc;
        do
            rc = asker_insist(load->number % 2 ? hall.other : hall.asker, &p->job);
        while (rc != RC_OK && rc != RC_REPEAT);
        load->acknowledged++;
        talker_post_free(p);
    }
    return NULL;
}

static void ended_sessions_lose_no_acknowledged_post_and_double_none(void **state) {
    enum { THREADS = 6, USERS = 8, LOADED = 5, KILLS = 40 };
    struct user users[USERS];
    struct load loads[THREADS];
    pthread_t threads[THREADS];
    unsigned acknowledged = 0, first = 0;
    (void)state;
    hall_users(users, USERS);
    for (unsigned i = 0; i < LOADED; i++) {
        unsigned number = hall_talk(users, USERS);
        first = first ? first : number;
    }
    atomic_store(&load_ends, false);
    for (unsigned i = 0; i < THREADS; i++) {
        loads[i] = (struct load){
            .users = users, .number = i, .n_users = USERS, .first_talk = first, .n_talks = LOADED};
        assert_int_equal(pthread_create(&threads[i], NULL, post_on, &loads[i]), 0);
    }
    for (unsigned i = 0; i < KILLS; i++)
        hall_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE application_name LIKE 'kez-chat %' ORDER BY random() LIMIT 1");
    atomic_store(&load_ends, true);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        acknowledged += loads[i].acknowledged;
    }
    assert_true(acknowledged > KILLS);
    assert_count("SELECT count(*) FROM kez.letter WHERE id LIKE 'load-%'", acknowledged);
    assert_count("SELECT count(*) FROM kez.inbox_row WHERE letter IN ("
                 "SELECT number FROM kez.letter WHERE id LIKE 'load-%')",
                 acknowledged * USERS);
    talker_assert_sound(hall.pg, "crowd");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crossing_posts_and_changes_on_two_nodes_never_deadlock),
        cmocka_unit_test(a_change_has_its_turn_while_two_nodes_post),
        cmocka_unit_test(ended_sessions_lose_no_acknowledged_post_and_double_none),
    };
    return cmocka_run_group_tests(tests, setup, hall_close);
}
