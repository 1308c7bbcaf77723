/* tests/integration/test_crossing.c -- posts that cross: 32 connections on two nodes write into 50
 * conversations that share participants, who come and go meanwhile, and into single inboxes.
 *
 * What was told by answers, and what stands in the inboxes, must be the same; all participants see
 * a conversation's rows in one order; and PostgreSQL had no deadlock to resolve.
 *
 * Source: protocol, sections 4 and 6.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "support/complaints.h"
#include "support/signed.h"
#include "support/site.h"
#include "support/talker.h"
#include "wire/json_span.h"

enum {
    NODES = 2,
    USERS = 20,
    CONVERSATIONS = 50,
    SEATS = 12,       /* of a conversation when it is made; some name one user twice */
    CONNECTIONS = 32, /* each with a thread; some users have two */
    REQUESTS = 96,    /* of each, about */
    ID_MAX = 15,
    TEXT_MAX = 64 * 1024,
    PAGE = 500,
};

static struct site site;
static struct signer users[USERS];

static int start(void **state) {
    (void)state;
    /* Nobody is to give up a lock because the machine is slow: then the log tells of it. */
    static const char *const flags[] = {"--store-timeout", "60000", NULL};
    site_start(&site, BUILD_DIR "/kez-chat-server", NODES, flags);
    for (int i = 0; i < USERS; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "user-%02d", i);
        signer_init(&users[i], name);
        node_register(site.nodes[i % NODES], &users[i]);
    }
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

/* ---- conversations ---- */

/* The creator stays in it to the end, and so sees all of it. */
static int creator_of(int conversation) { return conversation % USERS; }

static int seat_of(int conversation, int seat) {
    return (creator_of(conversation) + seat * (1 + conversation % 6)) % USERS;
}

static int conversation_of(struct str sid) {
    for (int c = 0; c < CONVERSATIONS; c++)
        if (str_eq(sid, str_of(talker_sid((unsigned)c + 1).text)))
            return c;
    return -1;
}

static int user_of(struct str handle) {
    for (int u = 0; u < USERS; u++)
        if (str_eq(handle, handle_str(&users[u].handle)))
            return u;
    return -1;
}

/* ---- what a connection does ---- */

/* A post that was answered with 201. */
struct posted {
    int conversation; /* -1: to one user... */
    int to;           /* ...this one */
    char id[ID_MAX + 1];
    uint64_t seq; /* in the inbox of `to`, or the sender's own */
};

struct connection {
    int number, user;
    struct http_client *http;
    pthread_t thread;
    uint64_t dice;
    struct posted posted[REQUESTS];
    unsigned n_posted, changed, stale, not_in;
    unsigned wrong; /* answers that should not have been */
    char first_wrong[256];
};

static unsigned roll(struct connection *c, unsigned n) {
    c->dice ^= c->dice << 13;
    c->dice ^= c->dice >> 7;
    c->dice ^= c->dice << 17;
    return (unsigned)(c->dice >> 33) % n;
}

/* Asks, signed. False: no answer, or one with a status that is none of `allowed`. */
static bool ask(struct connection *c, const char *method, const char *target, const char *body,
                const int allowed[], struct http_reply *out) {
    bool came = signed_try(c->http, &users[c->user], method, target, body, out);
    for (size_t i = 0; came && allowed[i] != 0; i++)
        if (out->status == allowed[i])
            return true;
    if (c->wrong++ == 0)
        (void)snprintf(c->first_wrong, sizeof c->first_wrong, "%s %s: %d %.*s", method, target,
                       came ? out->status : 0, came ? (int)out->body.n : 0,
                       came ? out->body.p : "");
    if (came)
        http_reply_done(out);
    return false;
}

static void note(struct connection *c, const struct posted *p, struct http_reply *r) {
    if (r->status == 201) {
        c->posted[c->n_posted] = *p;
        c->posted[c->n_posted++].seq = http_number(r, "seq");
    } else {
        c->not_in++;
    }
    http_reply_done(r);
}

static void post(struct connection *c, unsigned turn) {
    static const int to_one[] = {201, 0}, to_many[] = {201, 404, 0};
    struct posted p = {.conversation = (int)roll(c, CONVERSATIONS + CONVERSATIONS / 4)};
    struct http_reply r;
    char target[96] = "/v1/messages", body[160];
    (void)snprintf(p.id, sizeof p.id, "%d-%u", c->number, turn);
    if (p.conversation < CONVERSATIONS) {
        (void)snprintf(target, sizeof target, "/v1/conversations/%s/messages",
                       talker_sid((unsigned)p.conversation + 1).text);
        (void)snprintf(body, sizeof body, "{\"id\":\"%s\",\"envelope\":{\"n\":%u}}", p.id, turn);
    } else {
        p.conversation = -1;
        p.to = (int)roll(c, USERS);
        (void)snprintf(body, sizeof body, "{\"to\":\"%s\",\"id\":\"%s\",\"envelope\":{\"n\":%u}}",
                       users[p.to].handle.text, p.id, turn);
    }
    if (ask(c, "POST", target, body, p.conversation < 0 ? to_one : to_many, &r))
        note(c, &p, &r);
}

/* One that comes, one that goes (oneself, or by the creator's right another), or a title. */
static void put_change(struct connection *c, int conversation, uint64_t version, char *out,
                       size_t room) {
    int creator = creator_of(conversation), other = (int)roll(c, USERS);
    int gone = c->user == creator ? other : c->user;
    if (gone != creator && roll(c, 3) == 0)
        (void)snprintf(out, room, "{\"version\":%ju,\"remove\":[\"%s\"]}", (uintmax_t)version,
                       users[gone].handle.text);
    else if (roll(c, 2) == 0)
        (void)snprintf(out, room, "{\"version\":%ju,\"add\":[\"%s\"]}", (uintmax_t)version,
                       users[other].handle.text);
    else
        (void)snprintf(out, room, "{\"version\":%ju,\"title\":\"%u\"}", (uintmax_t)version,
                       roll(c, 1000));
}

static void change(struct connection *c) {
    static const int shown[] = {200, 404, 0}, changed[] = {200, 404, 409, 0};
    int conversation = (int)roll(c, CONVERSATIONS);
    struct http_reply r;
    char target[64], body[128];
    (void)snprintf(target, sizeof target, "/v1/conversations/%s",
                   talker_sid((unsigned)conversation + 1).text);
    if (!ask(c, "GET", target, "", shown, &r))
        return;
    bool is_in = r.status == 200;
    if (is_in)
        put_change(c, conversation, http_number(&r, "version"), body, sizeof body);
    http_reply_done(&r);
    if (!is_in || !ask(c, "PATCH", target, body, changed, &r))
        return;
    c->changed += r.status == 200;
    c->stale += r.status == 409;
    http_reply_done(&r);
}

static void *work(void *arg) {
    struct connection *c = arg;
    for (unsigned turn = 0; turn < REQUESTS; turn++)
        if (roll(c, 5) == 0)
            change(c);
        else
            post(c, turn);
    return NULL;
}

static void make_conversations(struct connection *all) {
    static const int made[] = {201, 0};
    for (int i = 0; i < CONVERSATIONS; i++) {
        struct http_reply r;
        char body[512];
        int n = snprintf(body, sizeof body, "{\"sid\":\"%s\",\"participants\":[",
                         talker_sid((unsigned)i + 1).text);
        for (int seat = 0; seat < SEATS; seat++)
            n += snprintf(body + n, sizeof body - (size_t)n, "%s\"%s\"", seat ? "," : "",
                          users[seat_of(i, seat)].handle.text);
        (void)snprintf(body + n, sizeof body - (size_t)n, "]}");
        if (!ask(&all[creator_of(i)], "POST", "/v1/conversations", body, made, &r))
            fail_msg("%s", all[creator_of(i)].first_wrong);
        http_reply_done(&r);
    }
}

static void run(struct connection *all) {
    for (int i = 0; i < CONNECTIONS; i++)
        all[i] = (struct connection){.number = i,
                                     .user = i % USERS,
                                     .dice = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(i + 1),
                                     .http = http_client_new(node_port(site.nodes[i % NODES]))};
    make_conversations(all);
    for (int i = 0; i < CONNECTIONS; i++)
        assert_int_equal(pthread_create(&all[i].thread, NULL, work, &all[i]), 0);
    for (int i = 0; i < CONNECTIONS; i++) {
        pthread_join(all[i].thread, NULL);
        http_client_free(all[i].http);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        if (all[i].wrong > 0)
            fail_msg("connection %d: %u wrong answers, the first: %s", i, all[i].wrong,
                     all[i].first_wrong);
}

/* ---- what stands in the inboxes ---- */

struct seen {
    int conversation; /* -1: none */
    bool is_update;
    int from; /* of a message */
    char id[ID_MAX + 1];
    uint64_t version; /* of an update */
    uint32_t members; /* bits of users: of an update, as it says; of a message, at its moment */
};

struct seen_inbox {
    struct seen *rows; /* row i has seq i + 1 */
    size_t n, room;
};

static struct str text_of(struct str raw) {
    return raw.n >= 2 ? (struct str){raw.p + 1, raw.n - 2} : STR("");
}

static uint32_t members_in(struct str data) {
    uint32_t members = 0;
    struct str key = STR("\"handle\":\"");
    for (const char *at = data.p;
         (at = memmem(at, (size_t)(data.p + data.n - at), key.p, key.n));) {
        at += key.n;
        int user = user_of((struct str){at, strcspn(at, "\"")});
        assert_true(user >= 0);
        members |= UINT32_C(1) << user;
    }
    return members;
}

static struct seen read_row(struct str text, uint64_t seq) {
    struct json_member m[] = {{.name = STR_INIT("seq")},          {.name = STR_INIT("type")},
                              {.name = STR_INIT("conversation")}, {.name = STR_INIT("from")},
                              {.name = STR_INIT("id")},           {.name = STR_INIT("data")}};
    struct json_member version = {.name = STR_INIT("version")};
    struct seen row = {.conversation = -1, .from = -1};
    uint64_t number;
    assert_int_equal(json_split(text, STR("envelope"), m, 6), RC_OK);
    assert_int_equal(json_u64(m[0].value, UINT64_MAX, &number), RC_OK);
    assert_int_equal(number, seq);
    if (m[2].value.n > 0)
        assert_true((row.conversation = conversation_of(text_of(m[2].value))) >= 0);
    row.is_update = str_eq(m[1].value, STR("\"conversation.updated\""));
    if (row.is_update) {
        assert_int_equal(json_split(m[5].value, str_of(NULL), &version, 1), RC_OK);
        assert_int_equal(json_u64(version.value, UINT64_MAX, &row.version), RC_OK);
        row.members = members_in(m[5].value);
    } else {
        assert_true((row.from = user_of(text_of(m[3].value))) >= 0);
        (void)snprintf(row.id, sizeof row.id, "%.*s", STR_ARG(text_of(m[4].value)));
    }
    return row;
}

static void add_row(struct seen_inbox *in, struct str text) {
    if (in->n == in->room) {
        in->room = in->room ? 2 * in->room : 256;
        assert_non_null(in->rows = realloc(in->rows, in->room * sizeof *in->rows));
    }
    in->rows[in->n] = read_row(text, in->n + 1);
    in->n++;
}

/* Each row begins with its seq, and nothing in the envelopes of this test looks like that. */
static void add_page(struct seen_inbox *in, struct str rows) {
    struct str mark = STR("{\"seq\":");
    const char *end = rows.p + rows.n, *at = memmem(rows.p, rows.n, mark.p, mark.n);
    while (at) {
        const char *next = memmem(at + 1, (size_t)(end - at - 1), mark.p, mark.n);
        add_row(in, (struct str){at, (size_t)((next ? next : end) - at - 1)});
        at = next;
    }
}

static void read_inbox(int user, struct seen_inbox *in) {
    uint64_t head = 0;
    do {
        char query[64];
        struct http_reply r;
        (void)snprintf(query, sizeof query, "?limit=%d&since=%zu", PAGE, in->n);
        size_t before = in->n;
        node_poll(site.nodes[user % NODES], &users[user], query, in->n, &r);
        head = http_number(&r, "seq");
        add_page(in, http_member(&r, "messages"));
        http_reply_done(&r);
        assert_true(in->n > before || head == in->n);
    } while (in->n < head);
    assert_int_equal(in->n, head);
}

/* ---- the judgement ---- */

static bool is_same(const struct seen *a, const struct seen *b) {
    return a->conversation == b->conversation && a->is_update == b->is_update &&
           a->from == b->from && a->version == b->version && strcmp(a->id, b->id) == 0;
}

/* Whose inboxes must have each row of the conversation, as its creator saw it: a message goes to
 * those of the update before it, an update also to those whom it removed. */
static void note_members(struct seen_inbox *creator, int conversation) {
    uint32_t members = 0;
    uint64_t version = 0;
    for (size_t i = 0; i < creator->n; i++) {
        struct seen *row = &creator->rows[i];
        if (row->conversation != conversation)
            continue;
        if (row->is_update) {
            uint32_t now = row->members;
            assert_int_equal(row->version, ++version);
            row->members |= members;
            members = now;
        } else {
            row->members = members;
            assert_true(members >> row->from & 1);
        }
    }
}

/* Exactly the rows that are theirs, in the creator's order. */
static void check_order(const struct seen_inbox *creator, const struct seen_inbox *in, int user,
                        int conversation) {
    size_t at = 0;
    for (size_t i = 0; i <= creator->n; i++) {
        const struct seen *want = i < creator->n ? &creator->rows[i] : NULL;
        if (want && (want->conversation != conversation || !(want->members >> user & 1)))
            continue;
        while (at < in->n && in->rows[at].conversation != conversation)
            at++;
        bool has = at < in->n;
        if (has != (want != NULL) || (want && !is_same(want, &in->rows[at])))
            fail_msg("conversation %d, %s: row %zu is not row %zu of the creator's inbox",
                     conversation, users[user].handle.text, at + 1, i + 1);
        at++;
    }
}

/* What was acknowledged stands where the answer said, and nothing else does. */
static void check_posts(const struct seen_inbox *inboxes, const struct connection *all) {
    unsigned acknowledged[CONVERSATIONS + 1] = {0}, stored[CONVERSATIONS + 1] = {0};
    for (int i = 0; i < CONNECTIONS; i++)
        for (unsigned k = 0; k < all[i].n_posted; k++) {
            const struct posted *p = &all[i].posted[k];
            const struct seen_inbox *in = &inboxes[p->conversation < 0 ? p->to : all[i].user];
            assert_in_range(p->seq, 1, in->n);
            const struct seen *row = &in->rows[p->seq - 1];
            if (row->is_update || row->conversation != p->conversation ||
                row->from != all[i].user || strcmp(row->id, p->id) != 0)
                fail_msg("post %s of connection %d is not at %ju", p->id, i, (uintmax_t)p->seq);
            acknowledged[p->conversation + 1]++;
        }
    for (int u = 0; u < USERS; u++)
        for (size_t i = 0; i < inboxes[u].n; i++) {
            const struct seen *row = &inboxes[u].rows[i];
            if (!row->is_update && (row->conversation < 0 || u == creator_of(row->conversation)))
                stored[row->conversation + 1]++;
        }
    for (int i = 0; i <= CONVERSATIONS; i++)
        assert_int_equal(stored[i], acknowledged[i]);
}

static void check_all(const struct connection *all) {
    struct seen_inbox inboxes[USERS] = {{0}};
    for (int u = 0; u < USERS; u++)
        read_inbox(u, &inboxes[u]);
    for (int c = 0; c < CONVERSATIONS; c++) {
        note_members(&inboxes[creator_of(c)], c);
        for (int u = 0; u < USERS; u++)
            check_order(&inboxes[creator_of(c)], &inboxes[u], u, c);
    }
    check_posts(inboxes, all);
    for (int u = 0; u < USERS; u++)
        free(inboxes[u].rows);
}

static void crossing_posts_never_deadlock_and_all_see_one_order(void **state) {
    (void)state;
    static struct connection all[CONNECTIONS];
    unsigned posted = 0, changed = 0, stale = 0, not_in = 0;
    run(all);
    for (int i = 0; i < CONNECTIONS; i++) {
        posted += all[i].n_posted;
        changed += all[i].changed;
        stale += all[i].stale;
        not_in += all[i].not_in;
    }
    print_message("%u posts, %u changes, %u too late, %u not in it\n", posted, changed, stale,
                  not_in);
    assert_true(posted > CONNECTIONS && changed > CONVERSATIONS);
    check_all(all);
    talker_assert_sound(site.pg, "chat");
    complaints_expect_none(site.pg, "chat");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crossing_posts_never_deadlock_and_all_see_one_order),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
