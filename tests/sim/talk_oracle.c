/* tests/sim/talk_oracle.c -- reads the inboxes one by one and holds them against each other.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/talk_oracle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/talk_row.h"

enum { PERSONS_MAX = INBOXES_MAX * HISTORIES_MAX };

/* A conversation from one version to the next, as those in it saw it. */
struct version {
    bool is_known, is_whole; /* whole: somebody saw it to its end */
    struct str data;
    uint64_t in[INBOXES_MAX];
    bool was_told[PERSONS_MAX];
    uint64_t *posts; /* in order */
    size_t n, cap;
};

/* From its making to its end; later there may be another of the same sid. */
struct life {
    unsigned talk;
    int64_t begun_ms;
    struct version *versions; /* 1, 2, ... at [0], [1], ... */
    size_t n;
};

/* Who had an inbox: an account. One that was deleted may not have seen the end of things. */
struct person {
    int inbox;
    const struct history *h;
    bool is_there;
};

/* What has been read so far. */
struct book {
    struct world *w;
    struct life *lives;
    size_t n;
    struct person persons[PERSONS_MAX];
    unsigned persons_n;
    unsigned *seen; /* by number: which person (and 1) had this post last */
};

/* Where in a conversation a person is. */
struct place {
    size_t life; /* and 1; 0: nowhere */
    uint64_t version;
    size_t n; /* posts of this version */
    bool is_in;
};

#define fail_talk(b, p, talk, format, ...)                                                         \
    world_fail((b)->w, (p)->inbox, "conversation %u, inbox %d: " format, (talk), (p)->inbox,       \
               __VA_ARGS__)

static void *must(void *p) {
    if (!p)
        abort();
    return p;
}

/* ---- the book ---- */

static size_t find_life(struct book *b, unsigned talk, int64_t begun_ms) {
    for (size_t i = 0; i < b->n; i++)
        if (b->lives[i].talk == talk && b->lives[i].begun_ms == begun_ms)
            return i + 1;
    b->lives = must(realloc(b->lives, (b->n + 1) * sizeof *b->lives));
    b->lives[b->n++] = (struct life){.talk = talk, .begun_ms = begun_ms};
    return b->n;
}

static struct version *version_at(struct book *b, size_t life, uint64_t version) {
    struct life *l = &b->lives[life - 1];
    if (version > l->n) {
        l->versions = must(realloc(l->versions, version * sizeof *l->versions));
        memset(&l->versions[l->n], 0, (version - l->n) * sizeof *l->versions);
        l->n = version;
    }
    return &l->versions[version - 1];
}

static void add_post(struct version *v, uint64_t number) {
    if (v->n == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 16;
        v->posts = must(realloc(v->posts, v->cap * sizeof *v->posts));
    }
    v->posts[v->n++] = number;
}

static void book_done(struct book *b) {
    for (size_t i = 0; i < b->n; i++) {
        for (size_t k = 0; k < b->lives[i].n; k++)
            free(b->lives[i].versions[k].posts);
        free(b->lives[i].versions);
    }
    free(b->lives);
    free(b->seen);
}

/* Everybody since the last restore. */
static void find_persons(struct book *b) {
    for (unsigned i = 0; i < b->w->knobs.inboxes; i++) {
        const struct inbox *box = store_inbox(b->w, (int)i);
        for (unsigned k = 0; k < box->n; k++)
            if (box->all[k]->begin_step >= store_era(b->w))
                b->persons[b->persons_n++] = (struct person){(int)i, box->all[k], k + 1 == box->n};
    }
}

static bool is_of(const uint64_t in[INBOXES_MAX], const struct person *p) {
    return in[p->inbox] == p->h->inbox_id;
}

/* ---- reading one inbox ---- */

/* The person has seen this version to its end. */
static void close_version(struct book *b, const struct person *p, const struct place *at) {
    struct version *v = version_at(b, at->life, at->version);
    if (v->n > at->n)
        fail_talk(b, p, b->lives[at->life - 1].talk,
                  "of version %" PRIu64 " it has %zu posts, another has more (post %" PRIu64
                  " is next)",
                  at->version, at->n, v->posts[at->n]);
    v->is_whole = true;
}

static void read_update(struct book *b, const struct person *p, struct place *at,
                        const struct talk_row *row) {
    size_t life = find_life(b, row->talk, row->begun_ms);
    bool goes_on = life == at->life && at->is_in;
    if (at->is_in)
        close_version(b, p, at);
    if (goes_on && row->version != at->version + 1)
        fail_talk(b, p, row->talk, "version %" PRIu64 " came after %" PRIu64, row->version,
                  at->version);
    if (!goes_on && !is_of(row->in, p))
        fail_talk(b, p, row->talk, "was told of version %" PRIu64 " without being in it",
                  row->version);
    if (life == at->life && row->version <= at->version)
        fail_talk(b, p, row->talk, "version %" PRIu64 " came again, or late", row->version);
    struct version *v = version_at(b, life, row->version);
    if (v->is_known && !str_eq(v->data, row->data))
        fail_talk(b, p, row->talk, "version %" PRIu64 " is told in two ways", row->version);
    v->is_known = true;
    v->data = row->data;
    memcpy(v->in, row->in, sizeof v->in);
    v->was_told[p - b->persons] = true;
    *at = (struct place){.life = life, .version = row->version, .is_in = is_of(row->in, p)};
}

static void check_origin(struct book *b, const struct person *p, const struct talk_row *row) {
    const struct errand *it = talkers_of(b->w, row->number);
    if (!it || it->ask.kind != ASK_POST || it->ask.talk != row->talk || it->ask.who != row->from ||
        (row->is_other && !it->is_disputed))
        fail_talk(b, p, row->talk, "has post %" PRIu64 ", which nobody sent there", row->number);
    else if (b->seen[row->number] == (unsigned)(p - b->persons) + 1)
        fail_talk(b, p, row->talk, "has post %" PRIu64 " repeated", row->number);
    else
        b->seen[row->number] = (unsigned)(p - b->persons) + 1;
}

static void read_post(struct book *b, const struct person *p, struct place *at,
                      const struct talk_row *row) {
    check_origin(b, p, row);
    if (!at->is_in) {
        fail_talk(b, p, row->talk, "has post %" PRIu64 ", but is not in it", row->number);
        return;
    }
    struct version *v = version_at(b, at->life, at->version);
    if (v->in[row->from] == 0)
        fail_talk(b, p, row->talk, "post %" PRIu64 " is from inbox %d, which is not in it",
                  row->number, row->from);
    if (at->n < v->n && v->posts[at->n] != row->number)
        fail_talk(b, p, row->talk,
                  "has post %" PRIu64 " where another has %" PRIu64 " (version %" PRIu64 ")",
                  row->number, v->posts[at->n], at->version);
    else if (at->n == v->n && v->is_whole)
        fail_talk(b, p, row->talk, "has post %" PRIu64 ", which another in it has not",
                  row->number);
    else if (at->n == v->n)
        add_post(v, row->number);
    at->n++;
}

static void read_inbox(struct book *b, const struct person *p) {
    struct place at[TALKS_MAX] = {0};
    struct talk_row row;
    for (size_t i = 0; i < p->h->n && !b->w->has_failed; i++) {
        if (!talk_row_read(p->h->rows[i], &row))
            world_fail(b->w, p->inbox, "inbox %d: not a row of the protocol: %.*s", p->inbox,
                       STR_ARG(frame_json(p->h->rows[i])));
        else if (row.kind == TALK_ROW_UPDATE)
            read_update(b, p, &at[row.talk], &row);
        else if (row.kind == TALK_ROW_POST)
            read_post(b, p, &at[row.talk], &row);
    }
    for (unsigned k = 0; k < TALKS_MAX; k++)
        if (at[k].is_in && p->is_there)
            close_version(b, p, &at[k]);
}

/* Those who are in it, and those who were removed by it. */
static void check_all_were_told(struct book *b, const struct life *l) {
    static const uint64_t nobody[INBOXES_MAX];
    for (size_t k = 0; k < l->n; k++) {
        const struct version *v = &l->versions[k];
        const uint64_t *before = k > 0 && v[-1].is_known ? v[-1].in : nobody;
        for (unsigned i = 0; v->is_known && i < b->persons_n; i++) {
            const struct person *p = &b->persons[i];
            if (p->is_there && !v->was_told[i] && (is_of(v->in, p) || is_of(before, p)))
                fail_talk(b, p, l->talk, "was not told of version %zu", k + 1);
        }
    }
}

void talk_oracle_compare(struct world *w) {
    struct book b = {.w = w};
    b.seen = must(calloc(talkers_count(w) + 1, sizeof *b.seen));
    find_persons(&b);
    for (unsigned i = 0; i < b.persons_n; i++)
        read_inbox(&b, &b.persons[i]);
    for (size_t i = 0; i < b.n && !w->has_failed; i++)
        check_all_were_told(&b, &b.lives[i]);
    book_done(&b);
}
