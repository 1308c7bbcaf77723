/* tests/support/relay.h -- a TCP relay on loopback that can lose what the server says.
 *
 * Threads: one of its own; the functions are for one at a time.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_RELAY_H
#define SUPPORT_RELAY_H

#include <stdbool.h>
#include <stdint.h>

struct relay;

/* To 127.0.0.1:port. */
struct relay *relay_start(uint16_t port);
/* Where it listens, on 127.0.0.1. */
uint16_t relay_port(const struct relay *r);
/* From now on the server's words are dropped. */
void relay_lose_answers(struct relay *r);
/* Hangs up on both sides of all connections, and returns when that is done. Those that are made
 * afterwards lose nothing; what was lost on the others never comes. */
void relay_cut(struct relay *r);
/* NULL-safe. */
void relay_stop(struct relay *r);

#endif
