/* tests/integration/test_retries.c -- the same post again: one row, whatever became of the answer.
 *
 * Source: protocol, section 4.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/proc.h"
#include "support/relay.h"
#include "support/site.h"

enum { TEXT_MAX = 1 << 16, WAIT_MS = 60000, NODES = 2 };

static struct site site;
static struct node *a, *b;

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", NODES, NULL);
    a = site.nodes[0];
    b = site.nodes[1];
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

static struct signer fresh(const char *handle) {
    struct signer s;
    signer_init(&s, handle);
    node_register(a, &s);
    return s;
}

/* The body of the post with this id, always the same. */
static const char *body_of(const char *to, const char *id, char out[160]) {
    (void)snprintf(out, 160, "{\"to\":\"%s\",\"id\":\"%s\",\"envelope\":{\"of\":\"%s\"}}", to, id,
                   id);
    return out;
}

struct answer {
    int status; /* 0: none */
    uint64_t seq;
    char created_at[32];
};

/* Asserts nothing: for any thread. */
static struct answer try_post(struct http_client *c, const char *to, const char *id) {
    struct answer answer = {0};
    struct http_reply r;
    char body[160];
    if (!http_try(c, "POST", STR("/v1/messages"), STR(""), str_of(body_of(to, id, body)), &r))
        return answer;
    answer.status = r.status;
    if (r.status == 200 || r.status == 201) {
        answer.seq = http_number(&r, "seq");
        (void)snprintf(answer.created_at, sizeof answer.created_at, "%s",
                       http_text(&r, "created_at"));
    }
    http_reply_done(&r);
    return answer;
}

static struct answer post(struct node *n, const char *to, const char *id) {
    struct http_client *c = http_client_new(node_port(n));
    struct answer answer = try_post(c, to, id);
    http_client_free(c);
    return answer;
}

static void assert_same(const struct answer *one, const struct answer *other) {
    assert_int_equal(one->seq, other->seq);
    assert_string_equal(one->created_at, other->created_at);
}

static uint64_t rows_of(const char *to, const char *id) {
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM kez.inbox_row JOIN kez.account USING (inbox)"
                   " WHERE handle = '%s' AND id = '%s'",
                   to, id);
    char *text = postgres_value(site.pg, "chat", sql);
    uint64_t n = strtoull(text, NULL, 10);
    free(text);
    return n;
}

/* A stream of each node, which must have this row once and nothing else. */
struct streams {
    struct sse_reader on[NODES];
};

static void open_streams(struct streams *s, const struct signer *user) {
    for (size_t i = 0; i < NODES; i++) {
        node_open(site.nodes[i], user, "", &s->on[i]);
        (void)node_expect_ready(&s->on[i]);
    }
}

static void close_streams(struct streams *s) {
    for (size_t i = 0; i < NODES; i++) {
        assert_int_equal(s->on[i].oddities, 0);
        assert_null(s->on[i].first);
        sse_done(&s->on[i]);
    }
}

/* ---- at once ---- */

enum { TWINS = 4, IDS = 150 };

struct twin {
    pthread_t thread;
    pthread_barrier_t *gate;
    uint16_t port;
    struct answer answers[IDS];
};

/* Nothing is between the gate and the post; http_text() keeps what it gave for each thread. */
static void *post_as_twin(void *arg) {
    struct twin *t = arg;
    struct http_client *c = http_client_new(t->port);
    for (unsigned i = 0; i < IDS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "twin-%u", i);
        (void)pthread_barrier_wait(t->gate);
        t->answers[i] = try_post(c, "twins", id);
    }
    http_client_free(c);
    return NULL;
}

static void the_same_at_once_on_two_nodes_is_one_row(void **state) {
    (void)state;
    static struct twin twins[TWINS];
    pthread_barrier_t gate;
    struct signer s = fresh("twins");
    struct streams streams;
    open_streams(&streams, &s);
    assert_int_equal(pthread_barrier_init(&gate, NULL, TWINS), 0);
    for (size_t i = 0; i < TWINS; i++) {
        twins[i].gate = &gate;
        twins[i].port = node_port(site.nodes[i % NODES]);
        assert_int_equal(pthread_create(&twins[i].thread, NULL, post_as_twin, &twins[i]), 0);
    }
    for (size_t i = 0; i < TWINS; i++)
        pthread_join(twins[i].thread, NULL);
    pthread_barrier_destroy(&gate);
    for (unsigned i = 0; i < IDS; i++) {
        unsigned made = 0;
        for (size_t t = 0; t < TWINS; t++) {
            const struct answer *answer = &twins[t].answers[i];
            if (answer->status != 200 && answer->status != 201)
                fail_msg("twin-%u is answered %d", i, answer->status);
            made += answer->status == 201;
            assert_same(answer, &twins[0].answers[i]);
        }
        assert_int_equal(made, 1);
        assert_int_equal(twins[0].answers[i].seq, i + 1);
    }
    for (size_t n = 0; n < NODES; n++)
        for (unsigned i = 1; i <= IDS; i++)
            node_expect_row(&streams.on[n], i);
    assert_int_equal(node_post(a, "twins", NULL, "{}"), IDS + 1);
    for (size_t n = 0; n < NODES; n++)
        node_expect_row(&streams.on[n], IDS + 1);
    close_streams(&streams);
}

/* ---- answers that are lost ---- */

struct stored {
    const char *to, *id;
};

static bool is_stored(void *arg) {
    const struct stored *s = arg;
    return rows_of(s->to, s->id) > 0;
}

static void send_post(struct http_client *c, const char *to, const char *id) {
    char body[160], text[320];
    (void)body_of(to, id, body);
    (void)snprintf(text, sizeof text,
                   "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    assert_true(http_send_raw(c, str_of(text)));
}

static void a_post_whose_answer_was_lost_is_answered_again(void **state) {
    (void)state;
    struct signer s = fresh("lostanswer");
    struct streams streams;
    struct relay *relay = relay_start(node_port(a));
    struct http_client *c = http_client_new(relay_port(relay));
    open_streams(&streams, &s);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        char id[16];
        (void)snprintf(id, sizeof id, "lost-%ju", (uintmax_t)seq);
        relay_lose_answers(relay);
        send_post(c, "lostanswer", id);
        assert_true(proc_poll(is_stored, &(struct stored){"lostanswer", id}, WAIT_MS));
        relay_cut(relay);
        assert_true(http_is_closed(c)); /* with no word of an answer */
        http_client_close(c);
        struct answer first = post(seq % 2 ? a : b, "lostanswer", id);
        struct answer again = post(seq % 2 ? b : a, "lostanswer", id);
        assert_int_equal(first.status, 200);
        assert_int_equal(again.status, 200);
        assert_int_equal(first.seq, seq);
        assert_same(&first, &again);
        assert_int_equal(rows_of("lostanswer", id), 1);
        for (size_t n = 0; n < NODES; n++)
            node_expect_row(&streams.on[n], seq);
    }
    http_client_free(c);
    relay_stop(relay);
    close_streams(&streams);
}

/* A node whose database answers through the relay, so that it can be left in the dark. */
static struct node *start_far_node(struct relay **relay, char url[160]) {
    const char *direct = postgres_url(site.pg, "chat"), *port = strrchr(direct, ':') + 1;
    *relay = relay_start((uint16_t)strtoul(port, NULL, 10));
    (void)snprintf(url, 160, "postgresql://kez@127.0.0.1:%u%s", (unsigned)relay_port(*relay),
                   strchr(port, '/'));
    static const char *const patient[] = {"--store-timeout", "60000", NULL};
    return node_start(&(struct node_setup){.program = site.program,
                                           .database_url = url,
                                           .nats_url = natsd_url(site.nats),
                                           .flags = patient});
}

static void a_node_that_dies_between_commit_and_answer_leaves_one_row(void **state) {
    (void)state;
    struct signer s = fresh("deadnode");
    struct streams streams;
    struct relay *relay;
    char url[160];
    struct node *far = start_far_node(&relay, url);
    open_streams(&streams, &s);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        char id[16];
        struct http_client *c = http_client_new(node_port(far));
        (void)snprintf(id, sizeof id, "dead-%ju", (uintmax_t)seq);
        assert_int_equal(node_post(far, "deadnode", NULL, "{}"), 2 * seq - 1); /* it knows him */
        relay_lose_answers(relay);
        send_post(c, "deadnode", id);
        assert_true(proc_poll(is_stored, &(struct stored){"deadnode", id}, WAIT_MS));
        node_kill(far);
        assert_true(http_is_closed(c));
        http_client_free(c);
        /* Nobody rang for it; it is there all the same. */
        for (size_t n = 0; n < NODES; n++) {
            node_expect_row(&streams.on[n], 2 * seq - 1);
            node_expect_row(&streams.on[n], 2 * seq);
        }
        relay_cut(relay);
        node_restart(far);
        struct answer first = post(b, "deadnode", id), again = post(far, "deadnode", id);
        assert_int_equal(first.status, 200);
        assert_int_equal(again.status, 200);
        assert_int_equal(first.seq, 2 * seq);
        assert_same(&first, &again);
        assert_int_equal(rows_of("deadnode", id), 1);
    }
    node_stop(far);
    relay_stop(relay);
    close_streams(&streams);
}

/* The node lives and is left in the dark: it settles, and the client that waits is answered. */
static void a_node_whose_database_answers_were_lost_finds_the_row(void **state) {
    (void)state;
    struct signer s = fresh("dark");
    struct streams streams;
    struct relay *relay;
    char url[160];
    struct node *far = start_far_node(&relay, url);
    struct http_client *c = http_client_new(node_port(far));
    struct http_reply r;
    open_streams(&streams, &s);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        char id[16];
        (void)snprintf(id, sizeof id, "dark-%ju", (uintmax_t)seq);
        assert_int_equal(node_post(far, "dark", NULL, "{}"), 2 * seq - 1);
        relay_lose_answers(relay);
        send_post(c, "dark", id);
        assert_true(proc_poll(is_stored, &(struct stored){"dark", id}, WAIT_MS));
        relay_cut(relay);
        assert_true(http_receive(c, false, &r));
        assert_true(r.status == 200 || r.status == 201);
        assert_int_equal(http_number(&r, "seq"), 2 * seq);
        http_reply_done(&r);
        struct answer again = post(a, "dark", id);
        assert_int_equal(again.status, 200);
        assert_int_equal(again.seq, 2 * seq);
        assert_int_equal(rows_of("dark", id), 1);
        for (size_t n = 0; n < NODES; n++) {
            node_expect_row(&streams.on[n], 2 * seq - 1);
            node_expect_row(&streams.on[n], 2 * seq);
        }
    }
    http_client_free(c);
    node_stop(far);
    relay_stop(relay);
    close_streams(&streams);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_at_once_on_two_nodes_is_one_row),
        cmocka_unit_test(a_post_whose_answer_was_lost_is_answered_again),
        cmocka_unit_test(a_node_that_dies_between_commit_and_answer_leaves_one_row),
        cmocka_unit_test(a_node_whose_database_answers_were_lost_finds_the_row),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
