/* back/store.h -- the record: users, inboxes and their rows in PostgreSQL.
 *
 * A caller fills a job and submits it; a worker thread runs it, alone or in one transaction with
 * others, and calls job.done exactly once. Writers: posts of one inbox go to the same writer of
 * this node, so they keep their order; only while that one has no connection, another takes its
 * place. Readers: pages, heads, look-ups.
 *
 * Threads: submit from any, it never blocks; done() runs on a worker and must not block.
 * Memory: a job is the caller's from before submit until done() is called, and after; while it is
 * in the store's hands the caller leaves it alone. What a job owns is freed by its *_done().
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_STORE_H
#define BACK_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/queue.h"
#include "core/directory.h"
#include "core/page.h"
#include "wire/message.h"

struct store;

/* How long rows are kept when nobody drops them. */
struct store_retention {
    uint32_t days;     /* older rows go; 0: rows of any age stay */
    uint32_t rows;     /* the newest so many of an inbox stay; 0: any number */
    uint32_t period_s; /* a pass begins this long after the last one ended; 0: none is ever made */
};

struct store_config {
    const char *url;           /* libpq connection string or URI */
    unsigned writers, readers; /* worker threads, one connection each */
    uint32_t queue_items;      /* jobs that may wait at one worker */
    uint32_t queue_bytes;      /* and their bytes */
    uint32_t batch_items;      /* posts in one transaction */
    uint32_t batch_bytes;
    uint32_t timeout_ms; /* an answer of the server must come within this */
    uint32_t connect_timeout_ms;
    uint32_t reconnect_max_ms;          /* backoff with jitter ends here */
    uint32_t id_memory_hours;           /* ids of dropped rows are remembered at least this long */
    bool keep_epoch_on_timeline_change; /* standbys are synchronous */
    struct store_retention retention;
};

/* Callbacks run on worker threads with no lock held. */
struct store_events {
    void *arg;
    /* A row was committed: called once for each, before its job's done(); in seq order per inbox
     * for what one writer commits (rows of a conversation may come from another one). After the
     * connection was lost also for a post that turns out to be there already, since it may be the
     * one whose answer was lost. The frame is borrowed. */
    void (*row)(void *arg, const struct handle *to, struct frame *frame);
    /* All rows of a transaction have been told of; before done() of its jobs. NULL: no matter. */
    void (*rows_end)(void *arg);
    /* The first connection works, or none does any more. */
    void (*up)(void *arg, bool up);
    /* The database was made for a newer version of this program; told again as long as it is so.
     * NULL: no matter. */
    void (*outdated)(void *arg);
};

/* Starts the workers. They connect, apply the schema (under an advisory lock) and note the store
 * epoch by themselves, as often as it takes; until then jobs get RC_UNAVAILABLE.
 * RC_MALFORMED: the URL is not one. RC_NO_MEMORY, RC_IO. */
MUST_CHECK enum rc store_start(const struct store_config *config, const struct store_events *events,
                               const struct clock *clock, struct store **out);
/* Runs what was submitted, refuses more, joins the workers. NULL-safe. */
void store_stop(struct store *s);
/* True while a writer and a reader have a working connection. */
bool store_is_up(const struct store *s);
/* Holds from the next step of a pass on; period_s > 0. If no pass was to be made at the start, none
 * will be. Threads: any. */
void store_set_retention(struct store *s, const struct store_retention *retention);

/* One connection, no workers: checks that the database answers and is not too new, applies the
 * schema, gives every inbox a new epoch. *why is a static or thread-local sentence on failure.
 * RC_MALFORMED: the URL is not one. RC_CONFLICT: not a database to use. RC_IO: a statement failed.
 * RC_UNAVAILABLE, RC_TIMEOUT, RC_NO_MEMORY. */
MUST_CHECK enum rc store_renew_epoch(const struct store_config *config, const char **why);

enum store_kind {
    STORE_FIND,
    STORE_REGISTER,
    STORE_RECORD,
    STORE_PROOFS,
    STORE_POST,
    STORE_READ,
    STORE_HEADS,
    STORE_TRIM,
    STORE_CLOSE,
    STORE_DELETE,
    STORE_BLOCK,
    /* Of back/conversations.h. */
    STORE_CONVERSATION_MAKE,
    STORE_CONVERSATION_CHANGE,
    STORE_CONVERSATION_SHOW,
    STORE_CONVERSATION_LIST,
    STORE_CONVERSATION_POST,
};

struct store_job {
    struct queue_item item; /* the store's */
    enum store_kind kind;
    void (*done)(struct store_job *job);
    void *arg;          /* the caller's */
    enum rc rc;         /* set before done() */
    uint64_t queued_us; /* the store's */
};

/* Results common to all kinds: RC_UNAVAILABLE (the store is down, or the connection broke, or the
 * database refused, before anything was done), RC_UNKNOWN_OUTCOME (a write whose commit could not
 * be settled), RC_MALFORMED (the database cannot hold it: a text that is not UTF-8), RC_NO_MEMORY.
 *
 * Submit: RC_OK: done() will be called (perhaps before this returns). RC_FULL: the worker's queue
 * is full. RC_UNAVAILABLE: the store is down, or stopping. In those cases done() is not called. */
MUST_CHECK enum rc store_submit(struct store *s, struct store_job *job);

/* Looks a user up by handle, or by primary. RC_NOT_FOUND. */
struct store_find {
    struct store_job job;
    bool by_primary;
    struct handle handle; /* in, unless by_primary */
    struct key primary;   /* in, if by_primary */
    struct user user;     /* out */
};

/* RC_OK: made. RC_REPEAT: the same primary has the same handle already. RC_CONFLICT: the handle or
 * the primary is taken, or that inbox is closed. */
struct store_register {
    struct store_job job;
    struct handle handle;
    struct key primary;
    struct user user;
};

/* Reads the record of a user found before. RC_NOT_FOUND: gone. */
struct store_record {
    struct store_job job;
    uint64_t inbox;
    int64_t registered_at_ms; /* out */
    struct buf proofs;        /* out: JSON array text; the caller inits and frees */
};

/* Replaces the proofs. RC_NOT_FOUND: gone. */
struct store_proofs {
    struct store_job job;
    uint64_t inbox;
    struct buf proofs;        /* in: JSON array text; the caller's */
    int64_t registered_at_ms; /* out */
};

/* Appends one row of type ROW_MESSAGE to an inbox.
 * RC_OK: committed. RC_REPEAT: the same id and envelope from this sender was there: seq and
 * created_at are the first one's. RC_CONFLICT: the id was there with another envelope.
 * RC_NOT_FOUND: the inbox is gone, or closed. RC_FORBIDDEN: it is blocked. */
struct store_post {
    struct store_job job;
    struct user to;
    bool is_signed;
    struct handle from;          /* if is_signed */
    char id[MESSAGE_ID_MAX + 1]; /* "" when none */
    struct buf envelope;         /* compact text; the caller's */
    uint64_t seq;                /* out */
    int64_t created_at_ms;       /* out */
};

enum { PAGE_MAX_BYTES = 4 * 1024 * 1024 };
#define STORE_NOW UINT64_MAX

/* Reads rows with seq > after, ascending, at most `limit` and max_bytes (at least one row), with
 * the head of the same snapshot. after == STORE_NOW: the head alone. RC_NOT_FOUND: gone. */
struct store_read {
    struct store_job job;
    uint64_t inbox;
    uint64_t after;
    uint32_t limit, max_bytes;
    struct page page; /* out; page_done() by the caller */
};

enum { STORE_HEADS_MAX = 512 };

/* Reads the heads of many inboxes in one statement. RC_OK also when some are gone (epoch ""). */
struct store_heads {
    struct store_job job;
    size_t n;
    const uint64_t *inboxes;
    struct inbox_head *heads; /* out; the caller's, n of them */
};

/* STORE_CLOSE: from now on nobody posts to the inbox or adds the user to a conversation: for them
 * the handle is unknown. There is no way back but STORE_DELETE, which so has an end, however many
 * write: it deletes the account, its inbox and every row, in pieces that let posts to others
 * between; in conversations it is no participant any more. STORE_BLOCK: blocks the handle, or lets
 * it go: what is read of a blocked inbox is RC_NOT_FOUND, so its streams end, and a look-up says
 * so. RC_NOT_FOUND: gone. */
struct store_account {
    struct store_job job;
    uint64_t inbox;
    bool is_blocked; /* STORE_BLOCK */
};

/* Drops rows with seq <= upto. RC_TOO_LARGE: above the head. RC_NOT_FOUND: gone. */
struct store_trim {
    struct store_job job;
    uint64_t inbox;
    uint64_t upto;
};

#endif
