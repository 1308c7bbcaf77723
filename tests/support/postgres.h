/* tests/support/postgres.h -- a real PostgreSQL of a test's own: new data directory, free port.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_POSTGRES_H
#define SUPPORT_POSTGRES_H

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
/* Stops the server (mode "fast" or "immediate") and starts it again on the same port. */
void postgres_halt(struct postgres *pg, const char *mode);
void postgres_resume(struct postgres *pg);
/* SIGSTOP and SIGCONT to all its processes. */
void postgres_freeze(struct postgres *pg);
void postgres_thaw(struct postgres *pg);
/* The server's log so far as text; the caller frees. */
char *postgres_log(struct postgres *pg);
void postgres_stop(struct postgres *pg);

#endif
