/* tests/integration/test_gathering.c -- a conversation that lives: people post on two nodes at once
 * while others come and go, its creator leaves, an account is deleted, and some have to begin anew.
 * Each stream must show what one who is there from the first to the last row saw, as far as it
 * concerns the stream's owner: each row once, in that order, on both nodes and in both formats.
 *
 * Source: protocol, sections 5, 6 and 7.
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

#include "support/complaints.h"
#include "support/signed.h"
#include "support/site.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define THE_END "the end"

enum {
    NODES = 2,
    POSTS = 60,
    ROUNDS = 24,
    TRIMMED = 3,
    ROWS_MAX = 2000,
    KEY_MAX = 48,
    BODY_MAX = 1024
};

/* Who is there: the first of them sees all of it. */
enum { WITNESS, FOUNDER, STEADY, SLEEPER, DOOMED, VISITOR, GUEST, PEOPLE };
static const char *const names[PEOPLE] = {"witness", "founder", "steady", "sleeper",
                                          "doomed",  "visitor", "guest"};
static const int posters[] = {WITNESS, STEADY, SLEEPER, FOUNDER, DOOMED, VISITOR};

static struct site site;
static struct signer people[PEOPLE];
static struct place place;

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", NODES, NULL);
    for (int i = 0; i < PEOPLE; i++) {
        signer_init(&people[i], names[i]);
        node_register(site.nodes[i % NODES], &people[i]);
    }
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

/* ---- those who act ---- */

struct actor {
    int who;
    bool may_be_out; /* 404 is fine: it comes and goes, or leaves */
    bool may_be_gone;
    pthread_t thread;
    unsigned stored, refused;
    char wrong[256]; /* the first answer that should not have been */
};

static bool is_fine(const struct actor *a, int status) {
    return status == 201 || (status == 404 && a->may_be_out) || (status == 401 && a->may_be_gone);
}

static void *post_on(void *arg) {
    struct actor *a = arg;
    struct http_client *clients[NODES];
    for (unsigned n = 0; n < NODES; n++)
        clients[n] = http_client_new(node_port(site.nodes[n]));
    for (unsigned i = 0; i < POSTS && !a->wrong[0]; i++) {
        char body[BODY_MAX];
        struct http_reply r;
        (void)snprintf(body, sizeof body, "{\"id\":\"p%u\",\"envelope\":{\"n\":%u}}", i, i);
        if (!signed_try(clients[i % NODES], &people[a->who], "POST", place.messages, body, &r)) {
            (void)snprintf(a->wrong, sizeof a->wrong, "no answer");
            break;
        }
        a->stored += r.status == 201;
        a->refused += r.status != 201;
        if (!is_fine(a, r.status))
            (void)snprintf(a->wrong, sizeof a->wrong, "%d %.*s", r.status, STR_ARG(r.body));
        http_reply_done(&r);
    }
    for (unsigned n = 0; n < NODES; n++)
        http_client_free(clients[n]);
    return NULL;
}

/* A change by the version that is there now, again until nobody else was quicker. */
static void change(struct http_client *c, const struct signer *by, const char *what) {
    for (int status = 409; status != 200;) {
        struct http_reply r;
        char body[BODY_MAX];
        signed_ask(c, by, "GET", place.itself, "", &r);
        (void)snprintf(body, sizeof body, "{\"version\":%ju,%s}",
                       (uintmax_t)http_number(&r, "version"), what);
        http_reply_done(&r);
        signed_ask(c, by, "PATCH", place.itself, body, &r);
        status = r.status;
        if (status != 200 && status != 409)
            fail_msg("%s: %d %.*s", what, status, STR_ARG(r.body));
        http_reply_done(&r);
    }
}

/* One comes while the other goes; in the midst of it an account is deleted, and the creator leaves:
 * whoever has come by then stays, for the others have no right to remove anybody. */
static void come_and_go(void) {
    struct http_client *c[NODES];
    for (unsigned n = 0; n < NODES; n++)
        c[n] = http_client_new(node_port(site.nodes[n]));
    for (unsigned i = 0; i < ROUNDS; i++) {
        change(c[i % NODES], &people[FOUNDER],
               i % 2 ? "\"add\":[\"visitor\"],\"remove\":[\"guest\",\"nobody-here\"]"
                     : "\"add\":[\"guest\"],\"remove\":[\"visitor\"],\"title\":\"guests\"");
        change(c[(i + 1) % NODES], &people[STEADY],
               i % 2 ? "\"title\":\"evening\"" : "\"title\":\"morning\"");
        if (i == ROUNDS / 2)
            signed_expect(c[0], &people[DOOMED], "DELETE", "/v1/account", "", 204, NULL);
    }
    change(c[0], &people[FOUNDER], "\"remove\":[\"founder\"]");
    signed_expect(c[1], &people[FOUNDER], "GET", place.itself, "", 404, NULL);
    signed_expect(c[1], &people[STEADY], "PATCH", place.itself,
                  "{\"version\":1,\"remove\":[\"witness\"]}", 403, NULL);
    for (unsigned n = 0; n < NODES; n++)
        http_client_free(c[n]);
}

/* ---- what a stream showed ---- */

struct heard {
    char key[ROWS_MAX][KEY_MAX]; /* <from>/<id>, or v<version> */
    uint32_t members[ROWS_MAX];  /* of an update, bits */
    uint64_t seq[ROWS_MAX];
    size_t n;
};

/* The text behind `name` up to the next quote. */
static void take(const char *data, const char *name, char *out, size_t room) {
    const char *at = strstr(data, name);
    if (!at) {
        fail_msg("no %s in %s", name, data);
        return;
    }
    at += strlen(name);
    (void)snprintf(out, room, "%.*s", (int)strcspn(at, "\",}"), at);
}

static void note(struct heard *h, const struct sse_event *e) {
    char from[24], id[24];
    if (h->n == ROWS_MAX)
        fail_msg("more than %d rows", ROWS_MAX);
    h->seq[h->n] = strtoull(e->id, NULL, 10);
    h->members[h->n] = 0;
    if (strstr(e->data, "\"conversation.updated\"")) {
        take(e->data, "\"version\":", id, sizeof id);
        (void)snprintf(h->key[h->n], KEY_MAX, "v%s", id);
        for (int i = 0; i < PEOPLE; i++) {
            char member[48];
            (void)snprintf(member, sizeof member, "\"handle\":\"%s\"", names[i]);
            h->members[h->n] |= strstr(e->data, member) ? UINT32_C(1) << i : 0;
        }
    } else {
        take(e->data, "\"from\":\"", from, sizeof from);
        take(e->data, "\"id\":\"", id, sizeof id);
        (void)snprintf(h->key[h->n], KEY_MAX, "%s/%s", from, id);
    }
    h->n++;
}

/* Reads up to the last row there is. A resync may come first, and is counted. */
static unsigned hear(struct sse_reader *r, struct heard *h) {
    unsigned resyncs = 0;
    h->n = 0;
    for (bool is_over = false; !is_over;) {
        struct sse_event *e = sse_next(r, SSE_WAIT_MS);
        if (!e) {
            fail_msg("the end did not come; %zu rows did", h->n);
            return 0;
        }
        if (strcmp(e->type, "resync") == 0) {
            assert_int_equal(h->n, 0);
            resyncs++;
        } else if (strcmp(e->type, "message") == 0) {
            note(h, e);
            is_over = strstr(e->data, "\"" THE_END "\"") != NULL;
        } else {
            assert_string_equal(e->type, "ready");
        }
        sse_event_free(e);
    }
    for (size_t i = 1; i < h->n; i++)
        assert_int_equal(h->seq[i], h->seq[i - 1] + 1);
    return resyncs;
}

/* What of the witness's rows are this one's: messages while it is in, updates also when that ends
 * it. */
static void expect_of(const struct heard *witness, int who, struct heard *want) {
    uint32_t in = 0, bit = UINT32_C(1) << who;
    want->n = 0;
    for (size_t i = 0; i < witness->n; i++) {
        uint32_t now = witness->members[i] ? witness->members[i] : in;
        if ((in | now) & bit)
            memcpy(want->key[want->n++], witness->key[i], KEY_MAX);
        in = now;
    }
}

/* `got` are the last rows of `want`; with `all`, all of them. */
static void check(const struct heard *want, const struct heard *got, int who, bool all) {
    if (got->n > want->n || (all && got->n != want->n))
        fail_msg("%s: %zu rows and not %zu", names[who], got->n, want->n);
    for (size_t i = 0; i < got->n; i++) {
        const char *wanted = want->key[want->n - got->n + i];
        if (strcmp(got->key[i], wanted) != 0)
            fail_msg("%s: row %zu of %zu is %s and not %s", names[who], i + 1, got->n, got->key[i],
                     wanted);
    }
}

/* ---- the evening ---- */

static void open_all(struct sse_reader streams[PEOPLE][NODES]) {
    for (int i = 0; i < PEOPLE; i++) {
        node_open(site.nodes[i % NODES], &people[i], "", &streams[i][0]);
        signed_open_events(site.nodes[(i + 1) % NODES], &people[i], "", &streams[i][1]);
        for (unsigned k = 0; k < NODES; k++)
            (void)node_expect_ready(&streams[i][k]);
    }
}

static void act_all(struct actor *actors) {
    for (size_t i = 0; i < COUNT(posters); i++) {
        int who = posters[i];
        actors[i] = (struct actor){.who = who,
                                   .may_be_out = who == FOUNDER || who == VISITOR || who == DOOMED,
                                   .may_be_gone = who == DOOMED};
        assert_int_equal(pthread_create(&actors[i].thread, NULL, post_on, &actors[i]), 0);
    }
    come_and_go();
    for (size_t i = 0; i < COUNT(posters); i++) {
        pthread_join(actors[i].thread, NULL);
        if (actors[i].wrong[0])
            fail_msg("%s: %s", names[actors[i].who], actors[i].wrong);
    }
}

/* Streams that must begin anew: from what was dropped, and from another history. */
static void check_those_who_begin_anew(const struct heard *want, struct sse_reader *trimmed) {
    static struct heard got;
    struct sse_reader renewed;
    assert_int_equal(hear(trimmed, &got), 1);
    check(want, &got, SLEEPER, false);
    size_t kept = got.n;
    signed_open_events(site.nodes[0], &people[SLEEPER], "?since=1&epoch=another", &renewed);
    assert_int_equal(hear(&renewed, &got), 1);
    check(want, &got, SLEEPER, false);
    assert_true(got.n == kept && kept > POSTS);
    sse_done(&renewed);
}

/* Takes the rows up to this one from the stream. */
static void pass_rows(struct sse_reader *r, uint64_t upto) {
    for (uint64_t seq = 1; seq <= upto; seq++) {
        struct sse_event *e = sse_next(r, SSE_WAIT_MS);
        if (!e)
            fail_msg("row %ju did not come", (uintmax_t)seq);
        assert_string_equal(e->type, "message");
        assert_int_equal(strtoull(e->id, NULL, 10), seq);
        sse_event_free(e);
    }
}

static void each_sees_its_part_of_what_all_see(void **state) {
    (void)state;
    static struct sse_reader streams[PEOPLE][NODES], trimmed;
    static struct actor actors[COUNT(posters)];
    static struct heard witness, want, got;
    struct http_client *c = http_client_new(node_port(site.nodes[0]));
    char body[BODY_MAX];
    place = signed_place(1);
    open_all(streams);
    (void)snprintf(
        body, sizeof body,
        "{\"sid\":\"%s\",\"participants\":[\"witness\",\"steady\",\"sleeper\",\"doomed\","
        "\"visitor\"]}",
        place.sid);
    signed_expect(c, &people[FOUNDER], "POST", "/v1/conversations", body, 201, NULL);
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(body, sizeof body, "{\"id\":\"early%u\",\"envelope\":{}}", i);
        signed_expect(c, &people[STEADY], "POST", place.messages, body, 201, NULL);
    }
    for (unsigned k = 0; k < NODES; k++) /* what is dropped before it came, does not come */
        pass_rows(&streams[SLEEPER][k], TRIMMED);
    node_trim(site.nodes[1], &people[SLEEPER], TRIMMED);
    node_open(site.nodes[1], &people[SLEEPER], "?since=1", &trimmed);
    act_all(actors);
    change(c, &people[WITNESS],
           "\"title\":\"" THE_END "\",\"add\":[\"founder\",\"guest\",\"visitor\"]");

    assert_int_equal(hear(&streams[WITNESS][0], &witness), 0);
    unsigned stored = 0;
    for (size_t i = 0; i < COUNT(posters); i++) {
        stored += actors[i].stored;
        print_message("%s posted %u, and %u were refused\n", names[actors[i].who], actors[i].stored,
                      actors[i].refused);
    }
    assert_in_range(witness.n, stored + 3 + ROUNDS, ROWS_MAX);
    assert_false(witness.members[witness.n - 1] >> DOOMED & 1);
    for (int i = 0; i < PEOPLE; i++) {
        if (i == DOOMED)
            continue;
        expect_of(&witness, i, &want);
        for (unsigned k = i == WITNESS; k < NODES; k++) {
            assert_int_equal(hear(&streams[i][k], &got), 0);
            check(&want, &got, i, i != SLEEPER);
            assert_int_equal(got.n, want.n - (i == SLEEPER ? TRIMMED : 0));
        }
        if (i == SLEEPER)
            check_those_who_begin_anew(&want, &trimmed);
    }
    signed_expect(c, &people[WITNESS], "GET", place.itself, "", 200, "\"creator\":\"founder\"");
    for (int i = 0; i < PEOPLE; i++)
        for (unsigned k = 0; k < NODES; k++)
            sse_done(&streams[i][k]);
    sse_done(&trimmed);
    http_client_free(c);
}

static void postgresql_had_nothing_to_complain_of(void **state) {
    (void)state;
    complaints_expect_none(site.pg, "chat");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sees_its_part_of_what_all_see),
        cmocka_unit_test(postgresql_had_nothing_to_complain_of),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
