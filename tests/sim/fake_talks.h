/* tests/sim/fake_talks.h -- conversations in the simulated record.
 *
 * The rules are those of change_conversation_2, make_conversation_2 and append_letters in
 * back/store_tables.c and back/store_sql.c: one transaction puts one row into the inbox of each
 * participant; who is in it is an inbox and not a handle; an id is remembered by conversation and
 * sender. A transaction is one event of the world, so it is atomic.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_FAKE_TALKS_H
#define SIM_FAKE_TALKS_H

#include "sim/fake_store.h"
#include "wire/conversation.h"

enum { TALKS_MAX = 6 };

enum ask_kind { ASK_MAKE, ASK_CHANGE, ASK_POST };

/* What a client asks for; when it asks again, it asks for the same. */
struct ask {
    enum ask_kind kind;
    int who;              /* the inbox of the caller, */
    uint64_t inbox_id;    /* and who had it then */
    unsigned talk;        /* which conversation, and so its sid */
    uint64_t number;      /* the id of a post */
    bool is_other;        /* not the envelope that this id had first */
    unsigned pad;         /* bytes of the envelope */
    uint64_t version;     /* the one seen */
    int title;            /* -1: stays as it is */
    unsigned add, remove; /* bits: inboxes; when made, the participants */
};

struct talk {
    bool is_there;
    uint64_t version, creator_id;
    int creator, title;
    int64_t created_at_ms, updated_at_ms;
    unsigned n; /* participants, in the order of joining */
    struct participant {
        int inbox;
        uint64_t id;
    } in[INBOXES_MAX];
    struct participant ghost; /* who was removed last: for the planted fault alone */
};

/* What became of one ask, and the rows to tell of. */
struct result {
    enum rc rc;
    uint64_t seq;          /* the caller's own row; 0: none */
    int64_t created_at_ms; /* of it */
    char *json;            /* the conversation; NULL for a post, or when it did not go well */
    const struct history *history; /* of the caller, as of */
    uint64_t step;                 /* this moment */
    unsigned told_n;
    struct told {
        int inbox;
        struct frame *frame;
    } told[INBOXES_MAX];
};
void result_done(struct result *r);

struct fake_talks *talks_new(struct world *w);
void talks_free(struct fake_talks *t);

const struct talk *talks_at(struct world *w, unsigned talk);
bool talk_has(const struct talk *t, uint64_t inbox_id);
/* The n-th conversation's name. */
struct sid talk_sid(unsigned talk);

/* Transactions; the store is up. `again`: an earlier attempt may have been committed, so that what
 * is there already is told of once more. The ids of posts are distinct. */
void talks_post(struct world *w, const struct ask *asks, unsigned n, bool again,
                struct result *results);
void talks_make(struct world *w, const struct ask *a, bool again, struct result *r);
void talks_change(struct world *w, const struct ask *a, struct result *r);

/* What the store's own events do to conversations. */
void talks_backup(struct world *w);
void talks_restore(struct world *w);
void talks_forget_inbox(struct world *w, uint64_t id);

#endif
