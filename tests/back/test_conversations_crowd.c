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

#include "back/pool_link.h"
#include "core/stats.h"
#include "support/postgres.h"
#include "support/proc.h"
#include "support/relay.h"
#include "support/talker.h"

enum { UP_MS = 30000, SOON_MS = 20000 };

static struct postgres *pg;
static struct asker *asker, *other;
static const char *url;
static unsigned next_user = 1, next_sid = 1;

static int setup(void **state) {
    (void)state;
    pg = postgres_start();
    url = postgres_url(pg, "crowd");
    asker = asker_start(url);
    other = asker_start(url);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    asker_stop(asker);
    asker_stop(other);
    postgres_stop(pg);
    return 0;
}

static void exec(const char *sql) { postgres_exec(pg, "crowd", sql); }

static void assert_sql(const char *sql, const char *want) {
    char *got = postgres_value(pg, "crowd", sql);
    if (strcmp(got, want) != 0)
        fail_msg("%s instead of %s: %s", got, want, sql);
    free(got);
}

static void assert_count(const char *sql, unsigned want) {
    char text[32];
    (void)snprintf(text, sizeof text, "%u", want);
    assert_sql(sql, text);
}

static bool is_true(void *arg) {
    char *got = postgres_value(pg, "crowd", arg);
    bool yes = strcmp(got, "t") == 0;
    free(got);
    return yes;
}

static void wait_for(const char *sql) {
    char text[512];
    (void)snprintf(text, sizeof text, "%s", sql);
    if (!proc_poll(is_true, text, SOON_MS))
        fail_msg("never true: %s", sql);
}

static void new_users(struct user *users, size_t n) {
    for (size_t i = 0; i < n; i++)
        users[i] = asker_user(asker, next_user++);
}

static unsigned new_talk(const struct user *users, size_t n) {
    assert_int_equal(talker_make(asker, &users[0], next_sid, NULL, users, n, NULL), RC_OK);
    return next_sid++;
}

/* What holds in the store whatever happened. */
static void assert_sound(void) {
    assert_sql("SELECT count(*) FROM kez.inbox AS i WHERE head <> (SELECT count(*) FROM"
               " kez.inbox_row WHERE inbox = i.id AND seq BETWEEN 1 AND head)",
               "0");
    /* Letters are numbered in the order of their conversation, and so they stand everywhere. */
    assert_sql("SELECT count(*) FROM (SELECT l.number < lag(l.number) OVER ("
               " PARTITION BY r.inbox, l.conversation ORDER BY r.seq) AS wrong"
               " FROM kez.inbox_row AS r JOIN kez.letter AS l ON l.number = r.letter) AS rows"
               " WHERE wrong",
               "0");
    /* A message is in the inboxes of those who were in the conversation, and in no other. */
    assert_sql("SELECT count(*) FROM kez.letter AS m WHERE type = 0 AND ("
               " SELECT array_agg(a.handle ORDER BY a.handle) FROM kez.inbox_row AS r"
               "  JOIN kez.account AS a ON a.inbox = r.inbox WHERE r.letter = m.number"
               ") IS DISTINCT FROM ("
               " SELECT array_agg(p->>'handle' ORDER BY p->>'handle') FROM kez.letter AS u,"
               "  jsonb_array_elements(u.body::jsonb->'participants') AS p WHERE u.number = ("
               "   SELECT max(number) FROM kez.letter"
               "   WHERE conversation = m.conversation AND type = 1 AND number < m.number))",
               "0");
    /* Versions: 1, 2, 3, … */
    assert_sql("SELECT count(*) FROM (SELECT (body::jsonb->>'version')::bigint AS version,"
               " row_number() OVER (PARTITION BY conversation ORDER BY number) AS n"
               " FROM kez.letter WHERE type = 1) AS updates WHERE version <> n",
               "0");
    char *log = postgres_log(pg);
    assert_null(strstr(log, "deadlock"));
    free(log);
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
    new_users(people, PEOPLE);
    for (unsigned t = 0; t < TALKS; t++) {
        struct user in[16];
        talks[t] = new_talk(in, circle(t, in));
    }
    atomic_store(&changers_left, STORES * CHANGERS);
    for (unsigned i = 0; i < STORES * POSTERS; i++) {
        posters[i] = (struct poster){.asker = i % 2 ? other : asker, .number = i};
        assert_int_equal(pthread_create(&threads[n++], NULL, post_much, &posters[i]), 0);
    }
    for (unsigned i = 0; i < STORES * CHANGERS; i++) {
        changers[i] = (struct changer){.asker = i % 2 ? other : asker, .number = i};
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
    assert_sound();
    assert_count("SELECT count(*) FROM kez.letter WHERE type = 0", stored);
    assert_count("SELECT count(*) FROM kez.letter WHERE type = 1", changed + TALKS);
    /* Each row was told of, by the node that wrote it. */
    assert_count("SELECT count(*) FROM kez.inbox_row",
                 asker_rows_told(asker) + asker_rows_told(other));
}

/* ---- the turn of a change ---- */

/* Posts to one conversation as long as there are changes. */
static void *keep_posting(void *arg) {
    struct poster *me = arg;
    for (unsigned i = 0; atomic_load(&changers_left) > 0; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "turn-%u-%u", me->number, i);
        enum rc rc = talker_post(me->asker, &people[me->number], next_sid, id, "{}", NULL);
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
    struct asker *third = asker_start(url);
    new_users(people, IN_IT);
    assert_int_equal(talker_make(third, &people[0], next_sid, NULL, people, IN_IT, NULL), RC_OK);
    atomic_store(&changers_left, 1);
    for (unsigned i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.asker = i % 2 ? other : asker, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, keep_posting, &posters[i]), 0);
    }
    for (unsigned i = 1; i <= CHANGES; i++) {
        struct talker_change change = {
            .number = next_sid, .version = i, .title = i % 2 ? "odd" : "even"};
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
    next_sid++;
    asker_stop(third);
    assert_sound();
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
            rc = asker_insist(load->number % 2 ? other : asker, &p->job);
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
    new_users(users, USERS);
    for (unsigned i = 0; i < LOADED; i++) {
        unsigned number = new_talk(users, USERS);
        first = first ? first : number;
    }
    atomic_store(&load_ends, false);
    for (unsigned i = 0; i < THREADS; i++) {
        loads[i] = (struct load){
            .users = users, .number = i, .n_users = USERS, .first_talk = first, .n_talks = LOADED};
        assert_int_equal(pthread_create(&threads[i], NULL, post_on, &loads[i]), 0);
    }
    for (unsigned i = 0; i < KILLS; i++)
        exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
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
    assert_sound();
}

/* ---- outcomes that must be settled ---- */

/* A store whose connections go through a relay. */
struct far {
    struct relay *relay;
    struct asker *asker;
};

static struct far far_start(void) {
    struct far f;
    char text[128];
    const char *port = strrchr(url, ':') + 1;
    f.relay = relay_start((uint16_t)strtoul(port, NULL, 10));
    (void)snprintf(text, sizeof text, "postgresql://kez@127.0.0.1:%u%s",
                   (unsigned)relay_port(f.relay), strchr(port, '/'));
    struct store_config config = asker_config(text);
    config.writers = 1;
    config.timeout_ms = 10000; /* it is not waited for */
    f.asker = asker_start_with(&config);
    asker_wait_up(f.asker, true, UP_MS);
    return f;
}

static void far_stop(struct far *f) {
    asker_stop(f->asker);
    relay_stop(f->relay);
}

/* The server's answers are lost until `sql` is true, which says that it has committed; then the
 * connection is cut. */
static void lose_answers_until(struct far *f, struct store_job *job, const char *sql) {
    relay_lose_answers(f->relay, true);
    assert_int_equal(asker_begin(f->asker, job), RC_OK);
    wait_for(sql);
    relay_lose_answers(f->relay, false);
    relay_cut(f->relay);
}

static void posts_whose_answers_were_lost_are_told_of_all_the_same(void **state) {
    struct far far = far_start();
    struct user u[3];
    (void)state;
    new_users(u, 3);
    unsigned number = new_talk(u, 3);
    struct conversation_post *p = talker_post_new(&u[1], number, "lost-post", "{\"n\":1}");
    lose_answers_until(&far, &p->job, "SELECT count(*) = 1 FROM kez.letter WHERE id = 'lost-post'");
    assert_int_equal(asker_wait(&p->job), RC_REPEAT);
    assert_int_equal(p->seq, 2);
    assert_int_equal(asker_rows_told(far.asker), 3);
    for (size_t i = 0; i < 3; i++) {
        char *row = asker_last_row(far.asker, &u[i].handle);
        assert_non_null(
            strstr(row, "{\"seq\":2,\"type\":\"chatmessage.new\",\"id\":\"lost-post\""));
        assert_non_null(strstr(row, "\"envelope\":{\"n\":1}"));
        free(row);
    }
    talker_post_free(p);
    far_stop(&far);
}

/* Also when the sender was removed in the meantime: it was in it when it posted. */
static void a_post_that_was_stored_is_found_after_its_sender_was_removed(void **state) {
    struct far far = far_start();
    struct user u[2];
    (void)state;
    new_users(u, 2);
    unsigned number = new_talk(u, 2);
    struct conversation_post *p = talker_post_new(&u[1], number, "late-post", "{\"n\":1}");
    relay_lose_answers(far.relay, true);
    assert_int_equal(asker_begin(far.asker, &p->job), RC_OK);
    wait_for("SELECT count(*) = 1 FROM kez.letter WHERE id = 'late-post'");
    struct talker_change remove = {.number = number, .version = 1, .remove = &u[1], .n_remove = 1};
    assert_int_equal(talker_change(asker, &u[0], &remove, NULL, NULL), RC_OK);
    relay_lose_answers(far.relay, false);
    relay_cut(far.relay);
    assert_int_equal(asker_wait(&p->job), RC_REPEAT);
    assert_int_equal(p->seq, 2);
    assert_int_equal(asker_rows_told(far.asker), 2);
    assert_int_equal(talker_post(far.asker, &u[1], number, "late-post", "{\"n\":1}", NULL),
                     RC_NOT_FOUND);
    talker_post_free(p);
    far_stop(&far);
}

static void a_making_whose_answer_was_lost_is_told_of_as_it_was_made(void **state) {
    struct far far = far_start();
    struct user u[3];
    char sql[256];
    (void)state;
    new_users(u, 3);
    unsigned number = next_sid++;
    struct conversation_draft draft = {.sid = talker_sid(number), .add = talker_handles(u, 3)};
    struct conversation_make m = {
        .job.kind = STORE_CONVERSATION_MAKE, .caller = u[0], .draft = &draft};
    buf_init(&m.json, CONVERSATION_JSON_MAX);
    relay_lose_answers(far.relay, true);
    assert_int_equal(asker_begin(far.asker, &m.job), RC_OK);
    (void)snprintf(sql, sizeof sql, "SELECT count(*) = 1 FROM kez.conversation WHERE sid = '%s'",
                   talker_sid(number).text);
    wait_for(sql);
    struct talker_change change = {.number = number, .version = 1, .title = "quick"};
    assert_int_equal(talker_change(asker, &u[1], &change, NULL, NULL), RC_OK);
    relay_lose_answers(far.relay, false);
    relay_cut(far.relay);
    assert_int_equal(asker_wait(&m.job), RC_REPEAT);
    assert_non_null(strstr(buf_cstr(&m.json), "\"version\":2"));
    assert_int_equal(asker_rows_told(far.asker), 3);
    for (size_t i = 0; i < 3; i++) {
        char *row = asker_last_row(far.asker, &u[i].handle);
        assert_non_null(strstr(row, "{\"seq\":1,\"type\":\"conversation.updated\""));
        assert_non_null(strstr(row, "\"version\":1"));
        free(row);
    }
    conversation_draft_done(&draft);
    buf_done(&m.json);
    far_stop(&far);
}

/* The version has moved on, so it cannot be run again. */
static void a_change_whose_answer_was_lost_is_an_unknown_outcome(void **state) {
    struct far far = far_start();
    struct user u[2];
    char sql[256];
    (void)state;
    new_users(u, 2);
    unsigned number = new_talk(u, 2);
    struct conversation_draft draft = {.version = 1, .has_title = true, .title = "new"};
    struct conversation_change c = {.job.kind = STORE_CONVERSATION_CHANGE,
                                    .caller = u[0],
                                    .sid = talker_sid(number),
                                    .draft = &draft};
    buf_init(&c.json, CONVERSATION_JSON_MAX);
    (void)snprintf(sql, sizeof sql, "SELECT version = 2 FROM kez.conversation WHERE sid = '%s'",
                   talker_sid(number).text);
    lose_answers_until(&far, &c.job, sql);
    assert_int_equal(asker_wait(&c.job), RC_UNKNOWN_OUTCOME);
    assert_int_equal(asker_rows_told(far.asker), 0);
    assert_int_equal(c.json.n, 0);
    buf_done(&c.json);
    far_stop(&far);
}

static bool waits_or_is_answered(void *arg) {
    struct conversation_change *c = arg;
    char sql[] = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    (void)c;
    return is_true(sql);
}

/* COMMIT waits for a standby that is not there: done here, not answered. */
static void a_change_whose_commit_was_not_answered_is_settled(void **state) {
    struct user u[2];
    (void)state;
    new_users(u, 2);
    unsigned number = new_talk(u, 2), told = asker_rows_told(asker);
    struct conversation_draft draft = {.version = 1, .has_title = true, .title = "new"};
    struct conversation_change c = {.job.kind = STORE_CONVERSATION_CHANGE,
                                    .caller = u[0],
                                    .sid = talker_sid(number),
                                    .draft = &draft};
    buf_init(&c.json, CONVERSATION_JSON_MAX);
    exec("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    exec("SELECT pg_reload_conf()");
    wait_for("SELECT current_setting('synchronous_standby_names') = 'nobody'");
    assert_int_equal(asker_begin(asker, &c.job), RC_OK);
    assert_true(proc_poll(waits_or_is_answered, &c, SOON_MS));
    exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    assert_int_equal(asker_wait(&c.job), RC_OK);
    exec("ALTER SYSTEM RESET synchronous_standby_names");
    exec("SELECT pg_reload_conf()");
    assert_non_null(strstr(buf_cstr(&c.json), "\"version\":2"));
    assert_int_equal(asker_rows_told(asker), told + 2);
    buf_done(&c.json);
}

/* ---- locks ---- */

/* A session that holds the head of this user's inbox. */
static struct link *hold_inbox(const struct user *user) {
    struct link_config c = {
        .url = url, .name = "test", .timeout_ms = 10000, .connect_timeout_ms = 10000};
    struct link *session;
    char sql[128];
    assert_int_equal(link_new(&c, clock_system(), &session), RC_OK);
    assert_int_equal(link_open(session), RC_OK);
    (void)snprintf(sql, sizeof sql, "BEGIN; SELECT FROM kez.inbox WHERE id = %llu FOR UPDATE",
                   (unsigned long long)user->inbox);
    assert_int_equal(link_script(session, sql, 10000), RC_OK);
    return session;
}

static void let_go(struct link *session) {
    assert_int_equal(link_script(session, "ROLLBACK", 10000), RC_OK);
    link_free(session);
}

static void a_post_waits_for_a_change_before_it_looks_who_is_in_it(void **state) {
    struct user u[4];
    (void)state;
    new_users(u, 4);
    unsigned number = new_talk(u, 3);
    struct conversation_draft draft = {
        .version = 1, .add = talker_handles(&u[3], 1), .remove = talker_handles(&u[2], 1)};
    struct conversation_change c = {.job.kind = STORE_CONVERSATION_CHANGE,
                                    .caller = u[0],
                                    .sid = talker_sid(number),
                                    .draft = &draft};
    struct conversation_post *p = talker_post_new(&u[1], number, "waits", "{}");
    buf_init(&c.json, CONVERSATION_JSON_MAX);
    struct link *session = hold_inbox(&u[1]);
    assert_int_equal(asker_begin(asker, &c.job), RC_OK);
    wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
             " AND query LIKE '%kez.change_conversation_2(%'");
    assert_int_equal(asker_begin(other, &p->job), RC_OK);
    wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
             " AND query LIKE '%FROM kez.conversation WHERE sid = ANY%'");
    let_go(session);
    assert_int_equal(asker_wait(&c.job), RC_OK);
    assert_int_equal(asker_wait(&p->job), RC_OK);
    assert_int_equal(asker_head(asker, u[1].inbox).head, 3);
    assert_int_equal(asker_head(asker, u[2].inbox).head, 2);
    assert_int_equal(asker_head(asker, u[3].inbox).head, 2);
    talker_post_free(p);
    buf_done(&c.json);
    conversation_draft_done(&draft);
}

static void an_inbox_that_another_holds_delays_only_its_own_conversations(void **state) {
    enum { N = 30 };
    struct conversation_post *posts[N];
    struct user u[4];
    (void)state;
    new_users(u, 4);
    unsigned stuck = new_talk(u, 3), fine = new_talk(&u[1], 3);
    struct store_config config = asker_config(url);
    config.writers = 1;
    config.timeout_ms = 2000; /* a lock is waited for half of it */
    struct asker *a = asker_start_with(&config);
    asker_wait_up(a, true, UP_MS);
    struct link *session = hold_inbox(&u[0]);
    uint64_t since = clock_mono_ms(clock_system());
    for (unsigned i = 0; i < N; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%u", i);
        posts[i] = talker_post_new(&u[1], i % 3 ? fine : stuck, id, "{}");
        assert_int_equal(asker_begin(a, &posts[i]->job), RC_OK);
    }
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(asker_wait(&posts[i]->job), i % 3 ? RC_OK : RC_UNAVAILABLE);
    assert_true(clock_mono_ms(clock_system()) - since < 8000);
    let_go(session);
    for (unsigned i = 0; i < N; i++)
        talker_post_free(posts[i]);
    assert_int_equal(talker_post(a, &u[1], stuck, "0", "{}", NULL), RC_OK);
    asker_stop(a);
    assert_sound();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crossing_posts_and_changes_on_two_nodes_never_deadlock),
        cmocka_unit_test(a_change_has_its_turn_while_two_nodes_post),
        cmocka_unit_test(ended_sessions_lose_no_acknowledged_post_and_double_none),
        cmocka_unit_test(posts_whose_answers_were_lost_are_told_of_all_the_same),
        cmocka_unit_test(a_post_that_was_stored_is_found_after_its_sender_was_removed),
        cmocka_unit_test(a_making_whose_answer_was_lost_is_told_of_as_it_was_made),
        cmocka_unit_test(a_change_whose_answer_was_lost_is_an_unknown_outcome),
        cmocka_unit_test(a_change_whose_commit_was_not_answered_is_settled),
        cmocka_unit_test(a_post_waits_for_a_change_before_it_looks_who_is_in_it),
        cmocka_unit_test(an_inbox_that_another_holds_delays_only_its_own_conversations),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
