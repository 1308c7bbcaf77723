/* tests/sim/fake_store.h -- a store with the real rules: dense seqs, snapshots, trims, epochs.
 *
 * Every history of every inbox is kept to the end, with when its rows and trims came to be, so that
 * the oracle can ask what was true at any time.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_FAKE_STORE_H
#define SIM_FAKE_STORE_H

#include "core/page.h"
#include "sim/world.h"

enum { HISTORIES_MAX = 24 };

struct first_note {
    uint64_t at_ms, first;
};

struct history {
    struct epoch epoch;
    uint64_t tag, inbox_id;
    uint64_t begin_step, end_step; /* end: UINT64_MAX while it is the present one */
    struct frame **rows;           /* row seq at [seq - 1]; trimmed ones, too */
    uint64_t *committed_ms, *committed_step;
    size_t n, cap;
    struct first_note *firsts; /* in order of time */
    size_t firsts_n;
};

struct inbox {
    struct handle handle;
    struct history *all[HISTORIES_MAX];
    unsigned n;
    uint64_t id_changed_ms; /* when the handle was last made anew, or an older inbox came back */
};

struct fake_store *store_new(struct world *w);
void store_free(struct fake_store *s);
struct inbox *store_inbox(struct world *w, int inbox);
struct history *store_present(struct world *w, int inbox);
/* The last one of who had it then. */
const struct history *store_history_of(struct world *w, int inbox, uint64_t inbox_id);
/* When what is there now began: at the last restore. */
uint64_t store_era(const struct world *w);
/* Of the way to the store, or back. */
uint64_t store_latency(struct world *w);
bool store_is_up(struct world *w);

/* Puts a row at the end of the inbox; its seq is set. The frame is borrowed. */
struct frame *store_append(struct world *w, int inbox, struct row *row);
/* Commits a direct post. The frame is borrowed, NULL when the store is down. */
struct frame *store_post(struct world *w, int inbox);
void store_trim(struct world *w, int inbox, uint64_t upto);
void store_outage(struct world *w, uint64_t ms);
/* Keeps what is there now, for store_restore() to go back to; that renews all epochs. */
void store_backup(struct world *w);
void store_restore(struct world *w);
/* The handle is given up and made anew. */
void store_anew(struct world *w, int inbox);

/* What push_ops ask for. */
enum rc store_read(struct seat *seat, struct push_read *read);
enum rc store_heads(struct seat *seat, struct push_heads *heads, bool of_sweep);
/* The node is gone: what it waits for comes back at once, unanswered. */
void store_give_back(struct world *w, struct node *n);

/* What was true. */
uint64_t history_head_at(const struct history *h, uint64_t step);
uint64_t history_head_at_ms(const struct history *h, uint64_t ms);
uint64_t history_first(const struct history *h);
/* Whether `first` was this at some time from..to. */
bool history_first_was(const struct history *h, uint64_t first, uint64_t from_ms, uint64_t to_ms);
/* `tagged`: in the form for other hosts. */
bool history_has_row(const struct history *h, uint64_t seq, struct str json, bool tagged);

#endif
