/* tests/support/postgres.h -- a real PostgreSQL of a test's own: new data directory, free port.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_POSTGRES_H
#define SUPPORT_POSTGRES_H

#include <stdbool.h>

struct postgres;

/* initdb (fsync off, as a test needs no disk), start, wait until it answers. Superuser "kez", trust
 * on loopback TCP and on a socket in a directory of its own. */
struct postgres *postgres_start(void);
/* Connection URI of a database, made if it is not there: postgresql://kez@127.0.0.1:port/name.
 * Valid until postgres_stop(). */
const char *postgres_url(struct postgres *pg, const char *database);
/* The same through the UNIX socket; the caller frees. */
char *postgres_socket_url(struct postgres *pg, const char *database);
/* Runs SQL; fails the test when it does. */
void postgres_exec(struct postgres *pg, const char *database, const char *sql);
/* One value as text; the caller frees. */
char *postgres_value(struct postgres *pg, const char *database, const char *sql);
/* Whether it is true. */
bool postgres_says(struct postgres *pg, const char *database, const char *sql);
/* Waits until it is; fails the test when it does not become so. */
void postgres_await(struct postgres *pg, const char *database, const char *sql);
/* Fails the test unless it is this. */
void postgres_expect(struct postgres *pg, const char *database, const char *sql, const char *want);
/* Stops the server (mode "fast" or "immediate") and starts it again on the same port. */
void postgres_halt(struct postgres *pg, const char *mode);
void postgres_resume(struct postgres *pg);
/* SIGSTOP and SIGCONT to all its processes. */
void postgres_freeze(struct postgres *pg);
void postgres_thaw(struct postgres *pg);
/* The server's log so far as text; the caller frees. */
char *postgres_log(struct postgres *pg);
/* SIGKILL to all its processes at once, as when the machine dies: what its log has not been given
 * is lost. postgres_resume() starts it again. */
void postgres_crash(struct postgres *pg);
/* From now on, until it is halted or has crashed, its log gets what commits bring and nothing else:
 * SIGSTOP to the processes that write of their own accord. */
void postgres_hold_log(struct postgres *pg);
void postgres_stop(struct postgres *pg);

/* A streaming standby of `primary`, made by pg_basebackup, that follows it under this name
 * (synchronous_standby_names) until it is promoted. The databases are the primary's. */
struct postgres *postgres_standby(struct postgres *primary, const char *name);
/* Makes it a primary, and waits until it is. */
void postgres_promote(struct postgres *pg);
/* Connection URI that names both servers, for whoever takes the one that can be written to. Valid
 * until postgres_stop(primary). */
const char *postgres_pair_url(struct postgres *primary, const struct postgres *standby,
                              const char *database);
/* Copies the data directory of a halted server, and puts the copy back. */
void postgres_save(struct postgres *pg);
void postgres_put_back(struct postgres *pg);
/* Makes the database `to` and fills it by pg_dump and pg_restore. */
void postgres_dump_into(struct postgres *pg, const char *from, const char *to);

#endif
