/* tests/integration/inject/sites.h -- the places of the server that call what may fail.
 *
 * A site is a function that was called and the way there: the return addresses in this program, up
 * to SITES_DEPTH. A site is armed to fail once, at its next call.
 *
 * Threads: any. Calls of a thread that said sites_exempt_me() are not looked at.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef INJECT_SITES_H
#define INJECT_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SITES_DEPTH = 6, SITES_MAX = 4096 };

/* This thread is the test's and not the server's. */
void sites_exempt_me(void);
/* Whether new sites are noted. */
void sites_record(bool on);
/* How many there are, in the order of their first call. */
size_t sites_count(void);
/* The next call of this site fails. */
void sites_arm(size_t site);
/* Nothing fails any more; true when the armed one did. */
bool sites_disarm(void);
const char *sites_name(size_t site);
/* Prints the name and the addresses, for addr2line. */
void sites_print(size_t site);

/* Called by the wrappers with their own frame: whether this call is to fail. */
bool sites_fails(const char *name, void *const *frame);

#endif
