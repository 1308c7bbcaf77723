/* tests/integration/faults/ledger.c -- the oracle: what was acknowledged against what streams told.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "integration/faults/ledger.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One row of one poster. */
struct entry {
    bool is_acked;
    uint64_t acked_at, told_at; /* seqs; 0: not known */
};

struct series {
    struct entry *entries; /* by n */
    size_t room;
};

/* What stands at a seq; poster is one more, so that 0 means nothing. */
struct place {
    unsigned poster, n;
};

struct inbox {
    struct series series[LEDGER_POSTERS];
    struct place *places; /* by seq */
    size_t room;
    uint64_t head;
};

struct ledger {
    pthread_mutex_t lock; /* guards all of it */
    struct inbox inboxes[LEDGER_INBOXES];
    struct verdict verdict;
    unsigned blames;
};

struct ledger *ledger_new(void) {
    struct ledger *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void ledger_free(struct ledger *l) {
    if (!l)
        return;
    for (unsigned i = 0; i < LEDGER_INBOXES; i++) {
        for (unsigned p = 0; p < LEDGER_POSTERS; p++)
            free(l->inboxes[i].series[p].entries);
        free(l->inboxes[i].places);
    }
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void ledger_set_quiet(struct ledger *l) { l->blames = LEDGER_BLAMES_SHOWN; }

/* Room for [at], zeros where nothing was. */
static void *grown(void *items, size_t *room, size_t at, size_t size) {
    size_t more = *room ? *room : 256;
    if (at < *room)
        return items;
    while (more <= at)
        more *= 2;
    char *larger = realloc(items, more * size);
    if (!larger)
        abort();
    memset(larger + *room * size, 0, (more - *room) * size);
    *room = more;
    return larger;
}

static struct entry *entry_of(struct inbox *in, unsigned poster, unsigned n) {
    struct series *s = &in->series[poster];
    s->entries = grown(s->entries, &s->room, n, sizeof *s->entries);
    return &s->entries[n];
}

/* Holds l->lock. */
static void blame(struct ledger *l, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void blame(struct ledger *l, const char *format, va_list args) {
    if (l->blames++ >= LEDGER_BLAMES_SHOWN)
        return;
    (void)fputs("  WRONG: ", stdout);
    (void)vprintf(format, args);
    (void)putchar('\n');
}

static void blame_locked(struct ledger *l, uint64_t *count, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void blame_locked(struct ledger *l, uint64_t *count, const char *format, ...) {
    va_list args;
    va_start(args, format);
    blame(l, format, args);
    va_end(args);
    (*count)++;
}

void ledger_blame(struct ledger *l, const char *format, ...) {
    va_list args;
    pthread_mutex_lock(&l->lock);
    va_start(args, format);
    blame(l, format, args);
    va_end(args);
    l->verdict.others++;
    pthread_mutex_unlock(&l->lock);
}

void ledger_acked(struct ledger *l, unsigned inbox, unsigned poster, unsigned n, uint64_t seq) {
    struct inbox *in = &l->inboxes[inbox];
    pthread_mutex_lock(&l->lock);
    struct entry *e = entry_of(in, poster, n);
    if (e->acked_at && seq && e->acked_at != seq)
        blame_locked(l, &l->verdict.repeated,
                     "inbox %u: p%u-%u was answered with %" PRIu64 " and with %" PRIu64, inbox,
                     poster, n, e->acked_at, seq);
    l->verdict.posts += !e->is_acked;
    e->is_acked = true;
    if (seq)
        e->acked_at = seq;
    if (seq > in->head)
        in->head = seq;
    pthread_mutex_unlock(&l->lock);
}

/* Holds l->lock. */
static void compare(struct ledger *l, unsigned inbox, uint64_t seq, unsigned poster, unsigned n) {
    struct inbox *in = &l->inboxes[inbox];
    in->places = grown(in->places, &in->room, seq, sizeof *in->places);
    struct place *at = &in->places[seq];
    if (at->poster && (at->poster != poster + 1 || at->n != n)) {
        blame_locked(l, &l->verdict.disordered,
                     "inbox %u: streams differ at %" PRIu64 ": p%u-%u, and p%u-%u", inbox, seq,
                     at->poster - 1, at->n, poster, n);
        return;
    }
    *at = (struct place){poster + 1, n};
    struct entry *e = entry_of(in, poster, n);
    if (e->told_at && e->told_at != seq)
        blame_locked(l, &l->verdict.repeated,
                     "inbox %u: p%u-%u stands at %" PRIu64 " and at %" PRIu64, inbox, poster, n,
                     e->told_at, seq);
    e->told_at = seq;
}

void ledger_told(struct ledger *l, unsigned inbox, uint64_t last, uint64_t seq, unsigned poster,
                 unsigned n) {
    pthread_mutex_lock(&l->lock);
    l->verdict.rows++;
    if (seq <= last)
        blame_locked(l, &l->verdict.repeated, "inbox %u: a stream at %" PRIu64 " was sent %" PRIu64,
                     inbox, last, seq);
    else if (seq > last + 1)
        blame_locked(l, &l->verdict.lost, "inbox %u: a stream went from %" PRIu64 " to %" PRIu64,
                     inbox, last, seq);
    compare(l, inbox, seq, poster, n);
    pthread_mutex_unlock(&l->lock);
}

uint64_t ledger_head(struct ledger *l, unsigned inbox) {
    pthread_mutex_lock(&l->lock);
    uint64_t head = l->inboxes[inbox].head;
    pthread_mutex_unlock(&l->lock);
    return head;
}

/* Holds l->lock. */
static void check_series(struct ledger *l, unsigned inbox, unsigned poster) {
    const struct series *s = &l->inboxes[inbox].series[poster];
    uint64_t before = 0;
    for (unsigned n = 0; n < s->room; n++) {
        const struct entry *e = &s->entries[n];
        if (e->is_acked && !e->told_at)
            blame_locked(l, &l->verdict.lost, "inbox %u: p%u-%u was acknowledged and never came",
                         inbox, poster, n);
        else if (!e->is_acked && e->told_at)
            blame_locked(l, &l->verdict.others, "inbox %u: p%u-%u came and was never acknowledged",
                         inbox, poster, n);
        else if (e->acked_at && e->acked_at != e->told_at)
            blame_locked(l, &l->verdict.disordered,
                         "inbox %u: p%u-%u was answered with %" PRIu64 " and came as %" PRIu64,
                         inbox, poster, n, e->acked_at, e->told_at);
        if (e->told_at && e->told_at < before)
            blame_locked(l, &l->verdict.disordered, "inbox %u: p%u-%u stands before p%u-%u", inbox,
                         poster, n, poster, n - 1);
        if (e->told_at)
            before = e->told_at;
    }
}

struct verdict ledger_close(struct ledger *l) {
    pthread_mutex_lock(&l->lock);
    for (unsigned i = 0; i < LEDGER_INBOXES; i++)
        for (unsigned p = 0; p < LEDGER_POSTERS; p++)
            check_series(l, i, p);
    struct verdict v = l->verdict;
    pthread_mutex_unlock(&l->lock);
    return v;
}

bool verdict_is_clean(const struct verdict *v) {
    return v->lost + v->repeated + v->disordered + v->others == 0;
}
