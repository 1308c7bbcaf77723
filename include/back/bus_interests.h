/* back/bus_interests.h -- the handles whose rows this node wants, and what the link knows of it.
 *
 * Shards say what they want; the bus's courier brings the link to it by SUB and UNSUB.
 *
 * Threads: want, drop and has_work from any; the rest is the courier's. One lock inside, not held
 * while the link is called (but to free subscriptions of a closed link).
 * Memory: some 80 bytes for each handle, besides nats.c's subscription.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_BUS_INTERESTS_H
#define BACK_BUS_INTERESTS_H

#include <pthread.h>
#include <stdbool.h>

#include "back/bus_link.h"
#include "base/list.h"
#include "base/table.h"
#include "wire/handle.h"

#define BUS_SUBJECT_PREFIX "kez.chat.inbox."
enum { BUS_SUBJECT_MAX = sizeof BUS_SUBJECT_PREFIX - 1 + HANDLE_MAX };

/* The subject of a handle and a NUL. */
void bus_subject_print(const char *handle, char out[BUS_SUBJECT_MAX + 1]);

struct interest;

struct bus_interests {
    pthread_mutex_t lock; /* guards what follows */
    struct table all;
    struct list work;         /* interests of which the link does not know yet */
    struct interest *in_hand; /* the courier uses it without the lock */
};

MUST_CHECK enum rc bus_interests_init(struct bus_interests *s);
/* The link is closed. */
void bus_interests_done(struct bus_interests *s);

/* The handle is not wanted yet. RC_NO_MEMORY. */
MUST_CHECK enum rc bus_interests_want(struct bus_interests *s, const struct handle *h);
void bus_interests_drop(struct bus_interests *s, const struct handle *h);
bool bus_interests_has_work(struct bus_interests *s);

/* SUB and UNSUB for all that waited when this was called. False: some could not be sent, and wait
 * on. */
bool bus_interests_send(struct bus_interests *s, struct bus_link *link);
/* The link has been closed: its subscriptions are empty shells, and every interest wants a new one.
 */
void bus_interests_renew(struct bus_interests *s);

#endif
