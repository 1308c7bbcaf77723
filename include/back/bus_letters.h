/* back/bus_letters.h -- rows on their way to NATS: a bounded queue, and the round not acknowledged.
 *
 * A row over ROW_BUS_MAX_BYTES waits and travels without its body, with "stored":true. So does any
 * that is not short once the queue is three quarters full: it is better to read a row from the
 * store than not to hear of it.
 *
 * Threads: put and is_empty from any; the rest is the courier's. One lock inside, not held while
 * the link is called.
 * Memory: each holds a reference of its frame, or the row without its body; their bytes are
 * limited.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_BUS_LETTERS_H
#define BACK_BUS_LETTERS_H

#include <pthread.h>
#include <stdbool.h>

#include "back/bus_link.h"
#include "base/list.h"
#include "core/frame.h"
#include "wire/handle.h"

struct bus_letters {
    pthread_mutex_t lock; /* guards what follows */
    struct list waiting;
    size_t count, bytes; /* of all, sent ones too */
    /* The courier's. */
    struct list sent;
    uint64_t sent_on; /* the connection that took them; 0: none did */
};

void bus_letters_init(struct bus_letters *s);
/* What is left counts as failed. */
void bus_letters_done(struct bus_letters *s);

/* RC_FULL: there would be more than max_bytes. RC_NO_MEMORY. */
MUST_CHECK enum rc bus_letters_put(struct bus_letters *s, const struct handle *to,
                                   const struct frame *frame, size_t max_bytes);
bool bus_letters_is_empty(struct bus_letters *s);

/* Publishes what one round takes: those of the last round again, when that was not acknowledged and
 * this is another connection. RC_UNAVAILABLE: the link broke on the way. */
MUST_CHECK enum rc bus_letters_send(struct bus_letters *s, struct bus_link *link,
                                    uint64_t connection);
/* The round was acknowledged. */
void bus_letters_sent(struct bus_letters *s);

#endif
