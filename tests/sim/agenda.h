/* tests/sim/agenda.h -- what happens when, in virtual time.
 *
 * Events of the same millisecond come in an order that the seed decides, not in that of adding.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_AGENDA_H
#define SIM_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;
struct seat;

struct event {
    uint64_t at_ms, tie;
    void (*run)(struct world *w, struct event *e);
    void (*drop)(struct event *e); /* frees what it owns when it will not run; NULL: nothing */
    struct seat *seat;             /* whom it is for, as of `boot`; NULL: the world */
    uint32_t boot;
    int fd;
    uint64_t a, b;
    void *p;
};

struct agenda {
    struct event *heap;
    size_t n, cap;
};

/* Copies the event. */
void agenda_add(struct agenda *a, const struct event *e);
/* Takes the earliest out; false when there is none. */
bool agenda_pop(struct agenda *a, struct event *out);
/* UINT64_MAX when there is none. */
uint64_t agenda_next_ms(const struct agenda *a);
/* Drops what is left. */
void agenda_done(struct agenda *a);

#endif
