/* tests/support/natsd.h -- a real nats-server of a test's own, on a free port.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_NATSD_H
#define SUPPORT_NATSD_H

#include <stdbool.h>

struct natsd;

/* What to start for a server with a configuration of the test's own. */
const char *natsd_program(void);
/* With user "node" and password "secret" when with_auth; waits until it answers. */
struct natsd *natsd_start(int with_auth);
/* nats://[node:secret@]127.0.0.1:port; valid until natsd_stop(). */
const char *natsd_url(struct natsd *n);
/* SIGKILL; the port stays ours for natsd_resume(). */
void natsd_kill(struct natsd *n);
void natsd_resume(struct natsd *n);
/* SIGSTOP and SIGCONT. */
void natsd_freeze(struct natsd *n);
void natsd_thaw(struct natsd *n);
/* The server's log so far as text; the caller frees. */
char *natsd_log(struct natsd *n);
/* How many subscriptions the server itself says it has whose subject begins so; with `is_whole`,
 * whose subject is this. */
unsigned natsd_subscriptions(const struct natsd *n, const char *subject, bool is_whole);
/* Waits until it says so many; fails the test when it does not. */
void natsd_await_subscriptions(const struct natsd *n, const char *subject, bool is_whole,
                               unsigned count);
void natsd_stop(struct natsd *n);

#endif
