/* back/store_parts.h -- what the files of the store share among themselves.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_STORE_PARTS_H
#define BACK_STORE_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "back/conversations.h"
#include "back/pool.h"
#include "back/store.h"

/* The largest parameter or result PostgreSQL takes is 1 GB; ours stay far below. */
enum { STORE_PARAM_MAX = 256 * 1024 * 1024 };

struct store_desk; /* a writer's scratch paper */
struct store_keeper;

enum { STORE_ROUTES = 4096 };

struct store_side {
    struct store *store;
    struct pool *pool;
    unsigned usable; /* workers that accept jobs; guarded by store.lock */
};

struct store {
    struct store_config config;
    struct store_events events;
    const struct clock *clock;
    struct store_side writers, readers;
    struct store_desk **desks;   /* one for each writer */
    struct store_keeper *keeper; /* NULL: no passes */
    struct history *history;
    pthread_mutex_t lock; /* guards the four below, and `usable` */
    bool is_up, told_up;  /* as it is, and as events.up() last said */
    bool telling;         /* a worker is in events.up() */
    bool stopping;
    _Atomic uint64_t routes[STORE_ROUTES]; /* store_route.c */
};

/* store.c: answers a job. */
void store_finish(struct store *s, struct store_job *job, enum rc rc);
/* PostgreSQL refused a transaction; link_sqlstate() says why. True when the connection must be set
 * up anew: it is closed then, and nothing was done. */
bool store_must_reopen(struct link *l);
/* The rc for the job that was refused, when not. */
enum rc store_refusal(const struct link *l);

/* ---- store_route.c ---- */

/* The writer for a post to this inbox, which is under way from now on, until leave. */
unsigned store_route_enter(struct store *s, uint64_t inbox);
void store_route_leave(struct store *s, uint64_t inbox);

/* ---- store_schema.c ---- */

/* Sets a new connection up: session settings, schema, epoch, prepared statements. Anything but
 * RC_OK: link_refuse() said why. */
MUST_CHECK enum rc store_prepare(void *arg, struct link *l);
/* Looks how far the server is, and whether the schema still suits; link_refuse()s it if not. */
void store_look_again(void *arg, struct link *l);

/* ---- store_tables.c ---- */

enum { STORE_VERSION = 4 };
struct migration {
    int version; /* numbered from 1 */
    int least;   /* version of a node that may run on it */
    const char *sql;
};
extern const struct migration store_migrations[STORE_VERSION];

/* ---- store_sql.c: the statements that run all day ---- */

#define STORE_STATEMENTS(X)                                                                        \
    X(begin)                                                                                       \
    X(commit)                                                                                      \
    X(rollback)                                                                                    \
    X(lock_inboxes)                                                                                \
    X(xact_status)                                                                                 \
    X(flushed)                                                                                     \
    X(row_stands)                                                                                  \
    X(append_rows)                                                                                 \
    X(find_handles)                                                                                \
    X(find_primaries)                                                                              \
    X(read_record)                                                                                 \
    X(read_rows)                                                                                   \
    X(read_heads)                                                                                  \
    X(add_account)                                                                                 \
    X(same_account)                                                                                \
    X(set_proofs)                                                                                  \
    X(lock_inbox)                                                                                  \
    X(trim_rows)                                                                                   \
    X(forget_ids)                                                                                  \
    X(take_keeper_role)                                                                            \
    X(find_old_rows)                                                                               \
    X(drop_old_rows)                                                                               \
    X(drop_letters)                                                                                \
    X(close_inbox)                                                                                 \
    X(empty_inbox)                                                                                 \
    X(delete_account)                                                                              \
    X(block_inbox)                                                                                 \
    X(lock_conversations)                                                                          \
    X(lock_participants)                                                                           \
    X(append_letters)                                                                              \
    X(make_conversation)                                                                           \
    X(change_conversation)                                                                         \
    X(show_conversation)                                                                           \
    X(list_conversations)

enum store_statement {
#define X(name) SQL_##name,
    STORE_STATEMENTS(X)
#undef X
        SQL_COUNT
};
extern const char *const store_sql[SQL_COUNT];
/* What each is prepared as. */
extern const char *const store_sql_names[SQL_COUNT];

/* ---- store_value.c: PostgreSQL's binary forms ---- */

/* A parameter's bytes, to live as long as the parameter. */
struct value {
    char bytes[8];
};
struct str value_i64(struct value *v, int64_t number);

enum element { ELEMENT_BIGINT, ELEMENT_TEXT, ELEMENT_BYTEA };
/* An array of n elements, each added by the functions below. n > 0. */
void array_begin(struct buf *out, enum element type, size_t n);
void array_add(struct buf *out, struct str bytes); /* absent: NULL */
void array_add_i64(struct buf *out, int64_t number);

/* Column `col` of row `row`; NULL gives 0, or an absent str. */
int64_t value_get_i64(const struct pg_result *r, int row, int col);
int64_t value_get_i16(const struct pg_result *r, int row, int col);
char value_get_char(const struct pg_result *r, int row, int col);
/* timestamptz as milliseconds since 1970. */
int64_t value_get_ms(const struct pg_result *r, int row, int col);
/* The tag of an epoch that stands there as text; 0 for NULL. */
uint64_t value_get_epoch_tag(const struct pg_result *r, int row, int col);
/* Valid as long as the result. */
struct str value_get_str(const struct pg_result *r, int row, int col);

/* ---- store_batch.c: jobs that become one transaction, with rows to tell of afterwards ---- */

/* As the statements name them. */
enum verdict {
    IS_NEW = 'n',
    IS_REPEAT = 'r',
    IS_CONFLICT = 'c',
    IS_GONE = 'g',
    IS_UNCHANGED = 'u',
    IS_FORBIDDEN = 'f',
    IS_MISSING = 'm', /* a user who was named */
    IS_TOO_LARGE = 'l',
    IS_LATER = 'w', /* too many rows for one transaction: to be run again */
};

struct entry {
    struct store_job *job;
    struct str sender, id; /* the job's; id.n is 0 when there is none */
    uint64_t scope;        /* where the id is the sender's only one: the inbox, the conversation */
    bool may_rerun;        /* running it twice is as good as once */
    char verdict;
    enum rc rc; /* what the job will be answered with */
    uint64_t seq;
    int64_t created_at_ms;
    struct frame *frame; /* of a row to tell of; NULL: none, or no memory */
    int row, end_row;    /* of the result: its verdict, and the end of what is told of it */
};

/* How a kind of job is run so. */
struct batch_kind {
    size_t statements; /* between BEGIN and COMMIT; the last one's result is kept */
    bool alone;        /* one job in a transaction */
    /* Fills an entry but for what comes back. */
    void (*describe)(struct entry *e, struct store_job *job);
    /* Queues BEGIN and the statements. may_be_ours: an earlier attempt may have been committed, so
     * that a repeat is told of like a new row. RC_NO_MEMORY: nothing was queued. */
    enum rc (*send)(struct link *l, const struct entry *e, size_t n, bool may_be_ours);
    /* Reads the result into the entries. Its first column begins with the transaction's number.
     * False: it does not fit them. */
    bool (*read)(struct entry *e, size_t n, bool may_be_ours, const struct pg_result *result);
    /* A row that the entry made: whose inbox, and its seq. False: it made none. */
    bool (*witness)(const struct entry *e, const struct pg_result *result, struct str *handle,
                    uint64_t *seq);
    /* It is committed: tells of all rows at once, in seq order per inbox. NULL: tell() does. */
    void (*tell_rows)(struct store *s, struct entry *e, size_t n, const struct pg_result *result);
    /* Then for each entry: tells of its rows, if that is not done, and fills the job. The job's rc:
     * `rc`, unless something else went wrong. */
    enum rc (*tell)(struct store *s, struct entry *e, const struct pg_result *result, enum rc rc);
};
extern const struct batch_kind store_posts;

enum { XACT_BYTES = 8 };

struct store_desk {
    size_t max;              /* jobs in one transaction */
    struct history *history; /* the store's */
    struct entry *entries;
    uint32_t *slots; /* hash table of the batch's ids: entry number + 1, 0 when free */
    size_t slot_mask;
    char server[LINK_NOTE_MAX + 1]; /* which the last attempt spoke to */
    struct pg_result *result;       /* of its last statement: the entries' verdicts came, and... */
    char xact[XACT_BYTES];          /* ...the transaction's number, as it was sent */
};

/* NULL: no memory. */
struct store_desk *store_desk_new(const struct store *s);
void store_desk_free(struct store_desk *d);

/* Fills d->entries from the list; returns how many. *rest are those for the next batch: what is
 * over the number, and what has the id of another in the batch. */
size_t batch_gather(struct store_desk *d, const struct batch_kind *kind, struct queue_item *list,
                    struct queue_item **rest);
/* Runs n entries as one transaction.
 * RC_OK: committed. RC_IO: refused, nothing was done, link_sqlstate() says why. RC_NO_MEMORY: not
 * sent. RC_TIMEOUT, RC_UNAVAILABLE: the connection is gone; what became of it is not known. */
MUST_CHECK enum rc batch_attempt(struct store_desk *d, const struct batch_kind *kind,
                                 struct link *l, struct entry *e, size_t n, bool may_be_ours);
/* Forgets what came of the last attempt. */
void batch_forget(struct store_desk *d, struct entry *e, size_t n);

/* ---- store_post.c ---- */

/* Runs jobs of one kind, linked by job.item. */
void store_run_batches(struct store *s, struct pool_worker *w, const struct batch_kind *kind,
                       struct queue_item *jobs);

/* ---- store_talk.c, store_talk_read.c: conversations ---- */

extern const struct batch_kind store_talk_posts, store_makes, store_changes;
/* The number that stands for a conversation in hashes; two are the same one time in 2^64. */
uint64_t store_scope_of(const struct sid *sid);

/* ---- store_run.c, store_read.c, store_user.c: all that is no batch ---- */

void store_run_others(struct store *s, struct pool_worker *w, struct queue_item *jobs);

enum { UNIT_STATEMENTS_MAX = 3 };

struct unit_kind;

/* What is one transaction: a job, or look-ups that are answered together. */
struct unit {
    const struct unit_kind *kind;
    struct store_job *const *jobs;
    size_t n;
};

/* How a kind of job is run. Doing it twice must be as good as once: that happens when the
 * connection breaks. */
struct unit_kind {
    size_t statements;
    bool writes;
    /* Queues the statements. RC_NO_MEMORY: none was queued. */
    enum rc (*send)(const struct store *s, struct link *l, const struct unit *u);
    /* Reads the results, one for each statement, and answers the jobs. */
    void (*take)(struct store *s, struct pool_worker *w, const struct unit *u,
                 struct pg_result *const results[]);
};

extern const struct unit_kind store_find_handles, store_find_primaries;
extern const struct unit_kind store_read_record, store_read_rows, store_read_heads;
extern const struct unit_kind store_add_account, store_set_proofs, store_trim_rows;
extern const struct unit_kind store_close_inbox, store_delete_account, store_block_inbox;
extern const struct unit_kind store_show_conversation, store_list_conversations;

/* ---- store_keep.c: what nobody needs any more goes ---- */

/* Starts the thread. RC_NO_MEMORY, RC_IO. */
MUST_CHECK enum rc store_keeper_start(struct store *s, struct store_keeper **out);
/* At once, also in the middle of a pass. NULL-safe. */
void store_keeper_stop(struct store_keeper *k);

#endif
