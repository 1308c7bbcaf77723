/* tests/sim/clients.h -- clients that read their streams strictly, leave, and come back.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_CLIENTS_H
#define SIM_CLIENTS_H

#include "sim/oracle.h"
#include "sim/sse_reader.h"

enum client_kind {
    CLIENT_KEEPER,    /* resumes with Last-Event-ID and the epoch that it was told */
    CLIENT_FORGETFUL, /* resumes with Last-Event-ID alone */
    CLIENT_NEWCOMER,  /* always from now */
    CLIENT_BEGINNER,  /* begins with since=0, then as a keeper */
    CLIENT_ODD,       /* any cursor, any epoch */
    CLIENT_KINDS
};

struct client {
    int index, inbox;
    enum client_kind kind;
    bool is_connected, read_due;
    int fd;
    uint64_t stalled_until_ms;
    bool has_last_id;
    uint64_t last_id;
    struct epoch epoch; /* "" until told */
    struct sse_reader reader;
    struct watch watch;
};

struct clients {
    struct client at[CLIENTS_MAX];
};

struct clients *clients_new(struct world *w);
void clients_free(struct clients *c);
/* The socket of this client has bytes, or its end. */
void client_has_bytes(struct world *w, int client);
/* One that is connected takes nothing for a while. */
void clients_stall_one(struct world *w);
/* One leaves without a word, and comes back soon, or very soon. Its inbox; -1: nobody was there. */
int clients_leave_one(struct world *w, bool for_a_moment);
/* Who stalls goes on. */
void clients_wake(struct world *w);

#endif
