/* tests/sim/oracle.h -- the promise of a stream, watched from the client's side.
 *
 * It knows from the store what was true at any time, and checks each event of each stream against
 * it: every row after the starting point exactly once, in order, with the content of the history
 * that the client was told; `resync` only when it is justified, with the right figures; `ready`
 * once, with everything up to its seq sent; an end only for a reason.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include "sim/fake_sockets.h"
#include "sim/fake_store.h"
#include "sim/sse_reader.h"

/* What is known of one stream. */
struct watch {
    int client, inbox;
    unsigned node;
    uint64_t open_ms, open_step;
    struct push_open open;
    bool has_position; /* not before the first event, when it began from now */
    uint64_t position;
    uint32_t histories; /* bit k: all that came may be of history k of the inbox */
    bool any, is_ready, is_drained;
    uint64_t ready_ms;
};

/* The client asks for a stream: starts watching. `open` copied. */
void oracle_open(struct world *w, struct watch *o, int client, int inbox, unsigned node,
                 const struct push_open *open);
void oracle_event(struct world *w, struct watch *o, const struct sse_event *e);
/* The server has ended the stream, or died. */
void oracle_ended(struct world *w, struct watch *o, const struct sock *s);
/* All is quiet: the stream must be at the head of the present history. */
void oracle_settled(struct world *w, struct watch *o);

#endif
