/* back/pool_link.h -- one connection to PostgreSQL that never waits longer than it was told.
 *
 * Statements are queued (`link_send…`) and go out as one pipeline; link_sync() ends a transaction
 * and link_result() reads the answers in order. Nothing that is queued can fail by itself: a broken
 * connection is found by the next read, which is the one place where it is asked about.
 *
 * Source: PostgreSQL manual, "libpq", sections "Asynchronous Command Processing", "Pipeline Mode".
 * Threads: one at a time; the owner's.
 * Memory: link_new() copies what it is given. Results are libpq's; the reader clears them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_POOL_LINK_H
#define BACK_POOL_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/str.h"

struct link;
struct pg_result; /* libpq's PGresult */

struct link_config {
    const char *url;     /* libpq connection string or URI; several hosts are tried in turn */
    const char *name;    /* application_name, unless the URL has one */
    uint32_t timeout_ms; /* each answer must come within this */
    uint32_t connect_timeout_ms;
    int stop_fd; /* 0: none; when it is readable, every wait ends at once, and the link with it */
};

/* RC_MALFORMED: the URL is not one. RC_NO_MEMORY. */
MUST_CHECK enum rc link_new(const struct link_config *config, const struct clock *clock,
                            struct link **out);
/* Closes and frees; NULL-safe. */
void link_free(struct link *l);

/* ---- opening: in steps, for a caller who has other things to watch ---- */

enum link_step { LINK_READS, LINK_WRITES, LINK_OPEN, LINK_FAILED };

/* Begins to connect to the next host of the URL, with a new deadline. May wait for the resolver. */
void link_begin(struct link *l);
/* Goes on. LINK_READS, LINK_WRITES: call again when link_fd() is ready so, or at the latest after
 * link_patience_ms(). LINK_OPEN: usable. LINK_FAILED: link_why() says why; also past the deadline.
 */
enum link_step link_go_on(struct link *l);
int link_patience_ms(const struct link *l);
/* All of it in one wait. RC_UNAVAILABLE. */
MUST_CHECK enum rc link_open(struct link *l);

/* Says why the link is of no use and closes it. Copies the first line of `why`. */
void link_refuse(struct link *l, const char *why);
void link_close(struct link *l);

bool link_is_open(const struct link *l);
/* The last time it ended, an answer was late: the server may not have noticed. */
bool link_timed_out(const struct link *l);
/* Why it is not open: one line, never with a password. Valid until the next call. */
const char *link_why(const struct link *l);
int link_fd(const struct link *l);
/* As configured. */
const char *link_name(const struct link *l);
/* PostgreSQL's version as libpq numbers it: 150020. */
int link_server_version(const struct link *l);

/* A text of the owner's about this connection; gone when it closes. Cut to LINK_NOTE_MAX. */
enum { LINK_NOTE_MAX = 95 };
void link_set_note(struct link *l, const char *note);
const char *link_note(const struct link *l);
/* The same as a number; 0 when it closes. */
void link_set_number(struct link *l, uint64_t number);
uint64_t link_number(const struct link *l);

/* ---- asking ---- */

/* Runs a prepared statement. Parameters and results are binary; an absent str is NULL. */
enum { LINK_PARAMS_MAX = 8 };
void link_send(struct link *l, const char *statement, size_t n, const struct str params[]);
/* Runs SQL of one statement; parameters are text (NUL-terminated), results too. */
void link_send_sql(struct link *l, const char *sql, size_t n, const char *const params[]);
void link_send_prepare(struct link *l, const char *name, const char *sql);
/* What was asked so far is answered without waiting for link_sync(). */
void link_send_flush(struct link *l);
/* Ends the pipeline (and the transaction, unless BEGIN opened one) and sends it off. */
void link_sync(struct link *l);

/* Reads the next answer: rows, a command's end, a statement's error, "skipped since one before it
 * failed", or the sync. RC_TIMEOUT, RC_UNAVAILABLE: the connection is gone. */
MUST_CHECK enum rc link_result(struct link *l, struct pg_result **out);
/* Reads the answers of n statements and their sync. RC_IO: one failed, nothing of the transaction
 * was done, link_sqlstate() says why; no results. Otherwise as link_result(). */
MUST_CHECK enum rc link_collect(struct link *l, size_t n, struct pg_result *results[]);
void link_clear(size_t n, struct pg_result *results[]);
/* Five characters of the last error of a statement. What the server says beside may quote what was
 * sent, and is not kept. */
const char *link_sqlstate(const struct link *l);
/* Notes a statement's error for link_sqlstate(), and counts it. */
void link_note_error(struct link *l, const struct pg_result *failed);

/* Runs SQL of several statements to their end, each answer within within_ms. Not while a pipeline
 * is under way. RC_IO: one failed; as link_result() otherwise. */
MUST_CHECK enum rc link_script(struct link *l, const char *sql, uint32_t within_ms);

/* Reads what the server says unasked. False: it hung up. */
bool link_is_alive(struct link *l);
/* Asks for a sign of life. RC_TIMEOUT, RC_UNAVAILABLE. */
MUST_CHECK enum rc link_ping(struct link *l);

#endif
