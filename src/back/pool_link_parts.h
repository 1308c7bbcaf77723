/* back/pool_link_parts.h -- what a link is made of; for pool_link.c, which opens and ends it, and
 * pool_link_ask.c, which asks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_POOL_LINK_PARTS_H
#define BACK_POOL_LINK_PARTS_H

#include "back/pool_link.h"

enum {
    LINK_WHY_MAX = 255,
    LINK_SQLSTATE_LEN = 5,
};

struct link {
    struct pg_conn *conn; /* libpq's PGconn */
    const struct clock *clock;
    char *name;
    uint32_t timeout_ms, connect_timeout_ms;
    int stop_fd;                   /* -1: none */
    struct _PQconninfoOption *url; /* libpq's PQconninfoOption, parsed */
    unsigned attempts;             /* chooses the host */
    uint64_t deadline_us;          /* while connecting */
    short wants;                   /* while connecting: POLLIN or POLLOUT */
    bool is_open, hung_up, timed_out;
    char sqlstate[LINK_SQLSTATE_LEN + 1];
    char note[LINK_NOTE_MAX + 1];
    uint64_t number;
    char why[LINK_WHY_MAX + 1];
};

/* The time now and then. */
uint64_t link_us_after(const struct link *l, uint32_t ms);
int link_ms_until(const struct link *l, uint64_t deadline_us);

/* Each ends the link, with a reason; most say what their caller may return. */
void link_fail(struct link *l, const char *why);
enum rc link_fail_late(struct link *l, const char *why);
enum rc link_fail_stopped(struct link *l);
/* libpq broke it off, or the server did. */
enum rc link_fail_broken(struct link *l);

#endif
