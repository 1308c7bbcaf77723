/* tests/sim/fake_talks.c -- conversations, participants and letters, and what changes them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/fake_talks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/history.h"
#include "wire/time.h"

enum { JSON_BYTES = 2048 };

/* What the rows of one transaction have in common; a post's is found by its number. */
struct letter {
    unsigned talk;
    uint64_t number; /* 0: it is about the conversation */
    bool is_other;
    int64_t created_at_ms;
    uint64_t sender_seq;
    uint64_t ids[INBOXES_MAX], seqs[INBOXES_MAX]; /* its rows; seq 0: none */
};

struct fake_talks {
    struct talk at[TALKS_MAX], backup[TALKS_MAX];
    struct letter *letters;
    size_t n, cap, backup_n;
    size_t *by_number; /* letter + 1; what is above n was lost with a restore */
    size_t numbers;
};

static void *must(void *p) {
    if (!p)
        abort();
    return p;
}

void result_done(struct result *r) {
    for (unsigned i = 0; i < r->told_n; i++)
        frame_unref(r->told[i].frame);
    free(r->json);
    *r = (struct result){.rc = r->rc};
}

struct fake_talks *talks_new(struct world *w) {
    return w->talks = must(calloc(1, sizeof *w->talks));
}

void talks_free(struct fake_talks *t) {
    free(t->letters);
    free(t->by_number);
    free(t);
}

const struct talk *talks_at(struct world *w, unsigned talk) { return &w->talks->at[talk]; }

struct sid talk_sid(unsigned talk) {
    struct sid sid;
    (void)snprintf(sid.text, sizeof sid.text, "01K7CZ%020u", talk % 100);
    return sid;
}

/* ---- participants ---- */

bool talk_has(const struct talk *t, uint64_t inbox_id) {
    for (unsigned i = 0; t->is_there && i < t->n; i++)
        if (t->in[i].id == inbox_id)
            return true;
    return false;
}

static bool has_inbox(const struct talk *t, int inbox) {
    for (unsigned i = 0; i < t->n; i++)
        if (t->in[i].inbox == inbox)
            return true;
    return false;
}

static void join(struct world *w, struct talk *t, int inbox) {
    if (!has_inbox(t, inbox))
        t->in[t->n++] = (struct participant){inbox, store_present(w, inbox)->inbox_id};
}

static void take_out(struct talk *t, unsigned at) {
    t->n--;
    memmove(&t->in[at], &t->in[at + 1], (t->n - at) * sizeof t->in[0]);
}

/* ---- letters ---- */

static struct letter *add_letter(struct fake_talks *all, unsigned talk, int64_t at_ms) {
    if (all->n == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 64;
        all->letters = must(realloc(all->letters, all->cap * sizeof *all->letters));
    }
    struct letter *l = &all->letters[all->n++];
    *l = (struct letter){.talk = talk, .created_at_ms = at_ms};
    return l;
}

static struct letter *add_post(struct fake_talks *all, const struct ask *a, int64_t at_ms) {
    struct letter *l = add_letter(all, a->talk, at_ms);
    l->number = a->number;
    l->is_other = a->is_other;
    if (a->number >= all->numbers) {
        size_t n = 2 * (size_t)a->number + 16;
        all->by_number = must(realloc(all->by_number, n * sizeof *all->by_number));
        memset(all->by_number + all->numbers, 0, (n - all->numbers) * sizeof *all->by_number);
        all->numbers = n;
    }
    all->by_number[a->number] = all->n;
    return l;
}

static struct letter *find_post(struct fake_talks *all, uint64_t number) {
    size_t at = number < all->numbers ? all->by_number[number] : 0;
    if (at == 0 || at > all->n || all->letters[at - 1].number != number ||
        plant_is(PLANT_ID_STORES_AGAIN))
        return NULL;
    return &all->letters[at - 1];
}

static void tell_take(struct result *r, int inbox, struct frame *f) {
    r->told[r->told_n++] = (struct told){inbox, f};
}

/* Puts the row into the inbox, as one of this letter. What is told of it is made after the first
 * one, as the store does it. */
static void put(struct world *w, struct letter *l, int inbox, struct row *row, struct result *r) {
    struct frame *f = store_append(w, inbox, row);
    l->ids[inbox] = store_present(w, inbox)->inbox_id;
    l->seqs[inbox] = f->seq;
    w->totals.talk_rows++;
    if (r->told_n == 0) {
        tell_take(r, inbox, frame_ref(f));
        return;
    }
    struct frame *told = must(frame_with_seq(r->told[0].frame, f->seq));
    told->epoch_tag = f->epoch_tag;
    tell_take(r, inbox, told);
}

/* Those of its rows that are kept. */
static void tell_again(struct world *w, const struct letter *l, struct result *r) {
    for (unsigned i = 0; i < w->knobs.inboxes; i++) {
        struct history *h = store_present(w, (int)i);
        if (l->seqs[i] >= history_first(h) && h->inbox_id == l->ids[i])
            tell_take(r, (int)i, frame_ref(h->rows[l->seqs[i] - 1]));
    }
}

/* ---- posts ---- */

static void begin(struct world *w, const struct ask *a, struct result *r) {
    *r = (struct result){
        .rc = RC_NOT_FOUND, .history = store_history_of(w, a->who, a->inbox_id), .step = w->step};
}

/* What the post is, before anything is stored. */
static void judge_post(struct world *w, const struct ask *a, bool again, struct result *r) {
    bool is_in = talk_has(&w->talks->at[a->talk], a->inbox_id);
    const struct letter *l = find_post(w->talks, a->number);
    begin(w, a, r);
    if (l && l->is_other == a->is_other && (is_in || again)) {
        r->rc = RC_REPEAT;
        r->seq = l->sender_seq;
        r->created_at_ms = l->created_at_ms;
        if (again)
            tell_again(w, l, r);
    } else if (is_in) {
        r->rc = l ? RC_CONFLICT : RC_OK;
    }
}

static bool gets(struct world *w, const struct ask *a, int inbox) {
    struct talk *t = &w->talks->at[a->talk];
    uint64_t id = store_present(w, inbox)->inbox_id;
    if (plant_is(PLANT_REMOVED_GETS_ONE) && t->ghost.id == id && t->ghost.inbox == inbox) {
        t->ghost.id = 0;
        return true;
    }
    if (plant_is(PLANT_ROW_LEFT_OUT) && inbox != a->who && a->number % 8 == 0)
        return false;
    return talk_has(t, id);
}

static void put_post(struct world *w, const struct ask *a, int inbox, struct letter *l,
                     struct result *r) {
    char id[24], envelope[700];
    struct sid sid = talk_sid(a->talk);
    (void)snprintf(id, sizeof id, "t%llu", (unsigned long long)a->number);
    (void)snprintf(envelope, sizeof envelope, "{\"talk\":%llu,\"other\":%s,\"pad\":\"%0*d\"}",
                   (unsigned long long)a->number, a->is_other ? "true" : "false", (int)a->pad, 0);
    put(w, l, inbox,
        &(struct row){.type = ROW_MESSAGE,
                      .id = str_of(id),
                      .from = handle_str(&store_inbox(w, a->who)->handle),
                      .conversation = str_of(sid.text),
                      .envelope = str_of(envelope),
                      .created_at_ms = l->created_at_ms},
        r);
    if (inbox == a->who)
        r->seq = l->sender_seq = l->seqs[inbox];
}

void talks_post(struct world *w, const struct ask *asks, unsigned n, bool again,
                struct result *results) {
    size_t first = w->talks->n, k = 0;
    for (unsigned i = 0; i < n; i++) {
        judge_post(w, &asks[i], again, &results[i]);
        if (results[i].rc != RC_OK)
            continue;
        results[i].created_at_ms = clock_wall_ms(&w->clock);
        add_post(w->talks, &asks[i], results[i].created_at_ms);
        w->totals.talk_posts++;
    }
    for (int inbox = 0; inbox < (int)w->knobs.inboxes; inbox++) {
        bool reversed = plant_is(PLANT_POSTS_CROSS) && inbox == 0;
        k = reversed ? w->talks->n : first;
        for (unsigned i = 0; i < n; i++) {
            unsigned at = reversed ? n - 1 - i : i;
            if (results[at].rc != RC_OK)
                continue;
            struct letter *l = &w->talks->letters[reversed ? --k : k++];
            if (gets(w, &asks[at], inbox))
                put_post(w, &asks[at], inbox, l, &results[at]);
        }
    }
}

/* ---- making and changing ---- */

/* As conversation_json_2 has it. The caller frees. */
static char *json_of(struct world *w, const struct talk *t) {
    struct sid sid = talk_sid((unsigned)(t - w->talks->at));
    struct buf b;
    size_t n;
    buf_init(&b, JSON_BYTES);
    buf_putf(&b, "{\"sid\":\"%s\",\"title\":\"title-%d\",\"creator\":\"%s\",\"participants\":[",
             sid.text, t->title, store_inbox(w, t->creator)->handle.text);
    for (unsigned i = 0; i < t->n; i++)
        buf_putf(&b, "%s{\"handle\":\"%s\",\"primary\":\"ed25519:%064llx\"}", i > 0 ? "," : "",
                 store_inbox(w, t->in[i].inbox)->handle.text, (unsigned long long)t->in[i].id);
    buf_put(&b, STR("],\"created_at\":\""));
    time_put(&b, t->created_at_ms);
    buf_put(&b, STR("\",\"updated_at\":\""));
    time_put(&b, t->updated_at_ms);
    buf_putf(&b, "\",\"version\":%llu}", (unsigned long long)t->version);
    (void)must(buf_rc(&b) == RC_OK ? &b : NULL);
    (void)buf_cstr(&b);
    return must(buf_take(&b, &n));
}

/* Puts a row about the conversation, as it is now, into these inboxes. */
static void tell_of(struct world *w, const struct talk *t, const struct participant *to, unsigned n,
                    const struct ask *a, struct result *r) {
    struct sid sid = talk_sid(a->talk);
    struct letter *l = add_letter(w->talks, a->talk, t->updated_at_ms);
    r->rc = RC_OK;
    r->json = json_of(w, t);
    r->created_at_ms = t->updated_at_ms;
    for (unsigned i = 0; i < n; i++)
        put(w, l, to[i].inbox,
            &(struct row){.type = ROW_CONVERSATION,
                          .conversation = str_of(sid.text),
                          .data = str_of(r->json),
                          .created_at_ms = t->updated_at_ms},
            r);
    r->seq = l->seqs[a->who];
    w->totals.talk_changes++;
    note(w, -1, "store: %s", r->json);
}

static void tell_first_again(struct world *w, const struct talk *t, struct result *r) {
    for (size_t i = 0; i < w->talks->n; i++) {
        const struct letter *l = &w->talks->letters[i];
        if (&w->talks->at[l->talk] == t && l->number == 0 && l->created_at_ms >= t->created_at_ms) {
            tell_again(w, l, r);
            return;
        }
    }
}

void talks_make(struct world *w, const struct ask *a, bool again, struct result *r) {
    struct talk *t = &w->talks->at[a->talk];
    begin(w, a, r);
    if (t->is_there) {
        bool mine = t->creator_id == a->inbox_id && talk_has(t, a->inbox_id);
        r->rc = mine ? RC_REPEAT : RC_CONFLICT;
        r->json = mine ? json_of(w, t) : NULL;
        if (mine && again)
            tell_first_again(w, t, r);
        return;
    }
    if (store_present(w, a->who)->inbox_id != a->inbox_id)
        return;
    /* No two of one sid are of the same moment: the oracle knows them by it. */
    int64_t now = clock_wall_ms(&w->clock), next = t->created_at_ms + 1;
    *t = (struct talk){.is_there = true,
                       .version = 1,
                       .creator_id = a->inbox_id,
                       .creator = a->who,
                       .title = a->title < 0 ? 0 : a->title,
                       .created_at_ms = now > next ? now : next};
    t->updated_at_ms = t->created_at_ms;
    join(w, t, a->who);
    for (int i = 0; i < (int)w->knobs.inboxes; i++)
        if (a->add >> i & 1)
            join(w, t, i);
    tell_of(w, t, t->in, t->n, a, r);
}

/* Returns whether it changes anything. */
static bool apply(struct world *w, struct talk *t, const struct ask *a) {
    unsigned before = t->n;
    bool changed = a->title >= 0 && a->title != t->title;
    for (unsigned i = t->n; i-- > 0;)
        if (a->remove >> t->in[i].inbox & 1) {
            t->ghost = t->in[i];
            take_out(t, i);
        }
    changed |= t->n != before;
    before = t->n;
    for (int i = 0; i < (int)w->knobs.inboxes; i++)
        if (a->add >> i & 1)
            join(w, t, i);
    if (a->title >= 0)
        t->title = a->title;
    return changed || t->n != before;
}

void talks_change(struct world *w, const struct ask *a, struct result *r) {
    struct talk *t = &w->talks->at[a->talk], was = *t;
    begin(w, a, r);
    if (!talk_has(t, a->inbox_id))
        return;
    if (t->creator_id != a->inbox_id && (a->remove & ~(1u << a->who))) {
        r->rc = RC_FORBIDDEN;
    } else if (t->version != a->version) {
        r->rc = RC_CONFLICT;
    } else if (!apply(w, t, a)) {
        r->rc = RC_OK;
        r->json = json_of(w, t);
    } else {
        t->version++;
        t->updated_at_ms = clock_wall_ms(&w->clock);
        /* To those who were in it, and those who are new. */
        struct talk to = was;
        for (unsigned i = 0; i < t->n; i++)
            join(w, &to, t->in[i].inbox);
        tell_of(w, t, to.in, to.n, a, r);
        t->is_there = t->n > 0;
    }
}

/* ---- what befalls the store ---- */

void talks_backup(struct world *w) {
    memcpy(w->talks->backup, w->talks->at, sizeof w->talks->backup);
    w->talks->backup_n = w->talks->n;
}

void talks_restore(struct world *w) {
    memcpy(w->talks->at, w->talks->backup, sizeof w->talks->at);
    w->talks->n = w->talks->backup_n;
}

/* Who is deleted is no participant any more, and nobody is told. */
void talks_forget_inbox(struct world *w, uint64_t id) {
    for (unsigned k = 0; k < TALKS_MAX; k++) {
        struct talk *t = &w->talks->at[k];
        for (unsigned i = t->n; i-- > 0;)
            if (t->in[i].id == id)
                take_out(t, i);
    }
}
