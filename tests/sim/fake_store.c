/* tests/sim/fake_store.c -- the record of the simulated fleet, and how it answers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/fake_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/fake_talks.h"
#include "sim/history.h"

/* A question under way. `read` and `heads` are NULL once it was given back. */
struct pending {
    struct pending *next;
    struct seat *seat;
    struct push_read *read;
    struct push_heads *heads;
    bool fails;
};

struct backup {
    unsigned history; /* which was present */
    uint64_t head, first;
};

struct fake_store {
    struct inbox inboxes[INBOXES_MAX];
    uint64_t down_until_ms, next_id, next_body;
    uint64_t restored_step;
    uint32_t epochs;
    bool has_backup;
    struct backup backup[INBOXES_MAX];
    struct pending *pending;
};

static void *must(void *p) {
    if (!p)
        abort();
    return p;
}

struct inbox *store_inbox(struct world *w, int inbox) {
    return &w->store->inboxes[inbox];
}

struct history *store_present(struct world *w, int inbox) {
    struct inbox *box = store_inbox(w, inbox);
    return box->all[box->n - 1];
}

const struct history *store_history_of(struct world *w, int inbox, uint64_t inbox_id) {
    const struct inbox *box = store_inbox(w, inbox);
    for (unsigned k = box->n; k-- > 0;)
        if (box->all[k]->inbox_id == inbox_id)
            return box->all[k];
    abort();
}

uint64_t store_era(const struct world *w) { return w->store->restored_step; }

bool store_is_up(struct world *w) { return w->now_ms >= w->store->down_until_ms; }

static void note_first(struct world *w, struct history *h, uint64_t first) {
    size_t bytes = (h->firsts_n + 1) * sizeof *h->firsts;
    h->firsts = must(realloc(h->firsts, bytes));
    h->firsts[h->firsts_n++] = (struct first_note){w->now_ms, first};
}

/* Takes over the frame. */
static void add_row(struct world *w, struct history *h, struct frame *f) {
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->rows = must(realloc(h->rows, h->cap * sizeof *h->rows));
        h->committed_ms = must(realloc(h->committed_ms, h->cap * sizeof(uint64_t)));
        h->committed_step = must(realloc(h->committed_step, h->cap * sizeof(uint64_t)));
    }
    f->epoch_tag = plant_is(PLANT_NO_TAGS) ? 0 : h->tag;
    h->committed_ms[h->n] = w->now_ms;
    h->committed_step[h->n] = w->step;
    h->rows[h->n++] = f;
}

/* Ends the present history of the inbox and begins another. */
static struct history *begin_history(struct world *w, int inbox, uint64_t id, uint64_t first) {
    struct inbox *box = store_inbox(w, inbox);
    struct history *h = must(calloc(1, sizeof *h));
    struct history *old = box->n > 0 ? box->all[box->n - 1] : NULL;
    uint32_t number = plant_is(PLANT_EPOCH_KEPT) && old ? 1 : ++w->store->epochs;
    (void)snprintf(h->epoch.text, sizeof h->epoch.text, "%u-%d", number, inbox);
    h->tag = epoch_tag(&h->epoch);
    h->inbox_id = id;
    h->begin_step = w->step;
    h->end_step = UINT64_MAX;
    note_first(w, h, first);
    if (old) {
        old->end_step = w->step;
        if (old->inbox_id != id)
            box->id_changed_ms = w->now_ms;
    }
    box->all[box->n++] = h;
    return h;
}

struct fake_store *store_new(struct world *w) {
    struct fake_store *s = w->store = must(calloc(1, sizeof *s));
    s->next_id = 1;
    for (unsigned i = 0; i < w->knobs.inboxes; i++) {
        (void)snprintf(s->inboxes[i].handle.text, HANDLE_MAX, "user-%u", i);
        begin_history(w, (int)i, s->next_id++, 1);
        if (plant_is(PLANT_EPOCH_KEPT))
            s->epochs = 0; /* all inboxes have the number 1, and keep it */
    }
    return s;
}

void store_free(struct fake_store *s) {
    for (unsigned i = 0; i < INBOXES_MAX; i++)
        for (unsigned k = 0; k < s->inboxes[i].n; k++) {
            struct history *h = s->inboxes[i].all[k];
            for (size_t r = 0; r < h->n; r++)
                frame_unref(h->rows[r]);
            free(h->rows);
            free(h->committed_ms);
            free(h->committed_step);
            free(h->firsts);
            free(h);
        }
    free(s);
}

/* ---- what is written ---- */

struct frame *store_append(struct world *w, int inbox, struct row *row) {
    struct history *h = store_present(w, inbox);
    row->seq = h->n + 1;
    struct frame *f = must(frame_new(row));
    add_row(w, h, f);
    note(w, inbox, "store: row %llu of %s committed", (unsigned long long)f->seq, h->epoch.text);
    return f;
}

struct frame *store_post(struct world *w, int inbox) {
    char envelope[700], id[24];
    if (!store_is_up(w))
        return NULL;
    int pad = rng_permille(&w->rng, w->knobs.large) ? 400 : (int)rng_below(&w->rng, 40);
    int n = snprintf(envelope, sizeof envelope, "{\"n\":%llu,\"pad\":\"%0*d\"}",
                     (unsigned long long)w->store->next_body, pad, 0);
    int id_n = snprintf(id, sizeof id, "m%llu", (unsigned long long)w->store->next_body++);
    struct row row = {.type = ROW_MESSAGE,
                      .id = {id, (size_t)id_n},
                      .envelope = {envelope, (size_t)n},
                      .created_at_ms = clock_wall_ms(&w->clock)};
    w->totals.posts++;
    return store_append(w, inbox, &row);
}

void store_trim(struct world *w, int inbox, uint64_t upto) {
    struct history *h = store_present(w, inbox);
    if (!store_is_up(w) || upto > h->n || upto < history_first(h))
        return;
    note_first(w, h, upto + 1);
    note(w, inbox, "store: trimmed up to %llu", (unsigned long long)upto);
}

void store_outage(struct world *w, uint64_t ms) {
    w->store->down_until_ms = w->now_ms + ms;
    note(w, -1, "store: down for %llu ms", (unsigned long long)ms);
}

void store_backup(struct world *w) {
    for (unsigned i = 0; i < w->knobs.inboxes; i++) {
        struct history *h = store_present(w, (int)i);
        w->store->backup[i] =
            (struct backup){store_inbox(w, (int)i)->n - 1, h->n, history_first(h)};
    }
    talks_backup(w);
    w->store->has_backup = true;
    note(w, -1, "store: backup");
}

static bool has_place(struct world *w) {
    for (unsigned i = 0; i < w->knobs.inboxes; i++)
        if (store_inbox(w, (int)i)->n == HISTORIES_MAX)
            return false;
    return true;
}

void store_restore(struct world *w) {
    if (!w->store->has_backup || !has_place(w))
        return;
    w->totals.restores++;
    w->store->restored_step = w->step;
    talks_restore(w);
    for (unsigned i = 0; i < w->knobs.inboxes; i++) {
        const struct backup *b = &w->store->backup[i];
        const struct history *from = store_inbox(w, (int)i)->all[b->history];
        struct history *h = begin_history(w, (int)i, from->inbox_id, b->first);
        for (uint64_t seq = 1; seq <= b->head; seq++) {
            const struct frame *f = from->rows[seq - 1];
            struct row_head head = {seq, f->type, false, f->created_at_ms};
            add_row(w, h, must(frame_of_json(&head, frame_json(f))));
        }
        note(w, (int)i, "store: restored to head %llu, epoch %s", (unsigned long long)b->head,
             h->epoch.text);
    }
    store_backup(w);
}

void store_anew(struct world *w, int inbox) {
    if (!has_place(w))
        return;
    talks_forget_inbox(w, store_present(w, inbox)->inbox_id);
    struct history *h = begin_history(w, inbox, w->store->next_id++, 1);
    note(w, inbox, "store: handle made anew, epoch %s", h->epoch.text);
}

/* ---- what is asked ---- */

static void forget(struct pending *p) {
    if (p->read)
        page_done(&p->read->page);
    free(p);
}

static void unlink_pending(struct world *w, struct pending *p) {
    struct pending **at = &w->store->pending;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
}

static void drop_pending(struct event *e) { forget(e->p); }

static struct history *find_inbox(struct world *w, uint64_t id) {
    for (unsigned i = 0; i < w->knobs.inboxes; i++)
        if (store_present(w, (int)i)->inbox_id == id)
            return store_present(w, (int)i);
    return NULL;
}

static struct inbox_head head_of(const struct history *h) {
    return (struct inbox_head){h->n, history_first(h), h->epoch};
}

static enum rc read_page(struct world *w, struct push_read *read) {
    struct history *h = find_inbox(w, read->inbox);
    size_t bytes = 0;
    if (!h)
        return RC_NOT_FOUND;
    read->page.at = head_of(h);
    if (read->after == UINT64_MAX)
        return RC_OK;
    uint64_t first = history_first(h), seq = read->after + 1 > first ? read->after + 1 : first;
    for (; seq <= h->n && read->page.n < read->limit; seq++) {
        struct frame *f = h->rows[seq - 1];
        bytes += f->json_n;
        if (read->page.n > 0 && bytes > read->max_bytes)
            break;
        if (page_add_take(&read->page, frame_ref(f)) != RC_OK)
            abort();
    }
    return RC_OK;
}

static void read_heads(struct world *w, struct push_heads *heads) {
    for (size_t i = 0; i < heads->n; i++) {
        struct history *h = find_inbox(w, heads->inboxes[i]);
        heads->heads[i] = h ? head_of(h) : (struct inbox_head){0};
    }
}

static void on_answer(struct world *w, struct event *e) {
    struct pending *p = e->p;
    if (!seat_takes(w, e))
        return;
    unlink_pending(w, p);
    seat_enter(e->seat);
    if (p->read)
        shard_read_done(e->seat->shard, p->read);
    else
        shard_heads_done(e->seat->shard, p->heads);
    seat_leave(e->seat);
    free(p);
}

uint64_t store_latency(struct world *w) {
    if (world_mishap(w, w->knobs.store_slow))
        return rng_below(&w->rng, w->knobs.store_slow_ms + 1);
    return rng_below(&w->rng, w->knobs.store_ms / 2 + 1);
}

/* The moment at which the answer is true. */
static void on_snapshot(struct world *w, struct event *e) {
    struct pending *p = e->p;
    if (!p->read && !p->heads) { /* its node is gone */
        free(p);
        return;
    }
    enum rc rc = p->fails || !store_is_up(w) ? RC_UNAVAILABLE : RC_OK;
    if (p->read) {
        if (rc == RC_OK)
            rc = read_page(w, p->read);
        p->read->rc = rc;
    } else {
        if (rc == RC_OK)
            read_heads(w, p->heads);
        p->heads->rc = rc;
    }
    seat_later(w, p->seat, store_latency(w),
               (struct event){.run = on_answer, .drop = drop_pending, .p = p});
}

static enum rc ask(struct seat *seat, struct pending **out) {
    struct world *w = seat->w;
    if (!seat->node->is_up || world_mishap(w, w->knobs.store_refuses))
        return RC_FULL;
    struct pending *p = must(calloc(1, sizeof *p));
    p->seat = seat;
    p->fails = world_mishap(w, w->knobs.store_fails);
    p->next = w->store->pending;
    w->store->pending = p;
    world_later(w, store_latency(w),
                (struct event){.run = on_snapshot, .drop = drop_pending, .p = p});
    *out = p;
    return RC_OK;
}

enum rc store_read(struct seat *seat, struct push_read *read) {
    struct pending *p;
    enum rc rc = ask(seat, &p);
    if (rc == RC_OK)
        p->read = read;
    return rc;
}

enum rc store_heads(struct seat *seat, struct push_heads *heads, bool of_sweep) {
    struct pending *p;
    if (of_sweep && plant_is(PLANT_NO_SWEEP))
        return RC_FULL;
    enum rc rc = ask(seat, &p);
    if (rc == RC_OK)
        p->heads = heads;
    return rc;
}

/* Calls the shard, outside of any turn, for the last time. */
void store_give_back(struct world *w, struct node *n) {
    for (struct pending **at = &w->store->pending, *p; (p = *at);) {
        if (p->seat->node != n) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        if (p->read) {
            p->read->rc = RC_UNAVAILABLE;
            shard_read_done(p->seat->shard, p->read);
        } else {
            p->heads->rc = RC_UNAVAILABLE;
            shard_heads_done(p->seat->shard, p->heads);
        }
        p->read = NULL;
        p->heads = NULL;
    }
}

/* ---- what was true ---- */

/* How many of the n ascending figures are not above `limit`. */
static uint64_t count_up_to(const uint64_t *figures, size_t n, uint64_t limit) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (figures[middle] <= limit)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t history_head_at(const struct history *h, uint64_t step) {
    return count_up_to(h->committed_step, h->n, step);
}

uint64_t history_head_at_ms(const struct history *h, uint64_t ms) {
    return count_up_to(h->committed_ms, h->n, ms);
}

uint64_t history_first(const struct history *h) { return h->firsts[h->firsts_n - 1].first; }

bool history_first_was(const struct history *h, uint64_t first, uint64_t from_ms, uint64_t to_ms) {
    for (size_t i = 0; i < h->firsts_n; i++) {
        uint64_t until_ms = i + 1 < h->firsts_n ? h->firsts[i + 1].at_ms : UINT64_MAX;
        if (h->firsts[i].first == first && h->firsts[i].at_ms <= to_ms && until_ms >= from_ms)
            return true;
    }
    return false;
}

bool history_has_row(const struct history *h, uint64_t seq, struct str json, bool tagged) {
    if (seq < 1 || seq > h->n)
        return false;
    struct frame *row = h->rows[seq - 1];
    return str_eq(frame_json(tagged ? must(frame_tagged(row)) : row), json);
}
