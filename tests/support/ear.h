/* tests/support/ear.h -- listens to a bus for a test: what came, in order, and waits for it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_EAR_H
#define SUPPORT_EAR_H

#include <pthread.h>
#include <stdbool.h>

#include "back/bus.h"

enum { EAR_STATES_MAX = 256, EAR_WAIT_MS = 60000, EAR_FLUSH_MS = 500 };

struct ear {
    struct bus *bus;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t opened;
    bool is_held;                /* rows are not taken until ear_release() */
    char states[EAR_STATES_MAX]; /* U, D, S for each state event */
    uint64_t rows;               /* how many came */
    struct handle last_to;       /* and the last of them */
    uint64_t last_seq;
    bool last_has_frame;
    char last_json[256];     /* cut */
    uint64_t answered, good; /* last ticket that was answered, and answered with ok */
    void (*on_good)(struct ear *e, void *arg); /* called from the event, no lock held */
    void *on_good_arg;
};

/* A bus that listens to `url`; `change` (NULL: none) may alter the configuration. */
void ear_start(struct ear *e, const char *url, void (*change)(struct bus_config *config));
/* A change: notices a frozen server soon, and gives a barrier up after EAR_FLUSH_MS. */
void ear_impatient(struct bus_config *config);
void ear_stop(struct ear *e);
void ear_hold(struct ear *e);
void ear_release(struct ear *e);

/* These fail the test when it does not come to pass in time. */
void ear_wait_up(struct ear *e);
void ear_wait_down(struct ear *e);
/* Until `states` is, or begins with, this text. */
void ear_wait_states(struct ear *e, const char *states);
void ear_wait_rows(struct ear *e, uint64_t rows);
/* Asks for a barrier and waits for its answer. */
bool ear_barrier(struct ear *e, uint64_t ticket);
/* Subscribes, and waits for the barrier: interest is known to the server then. */
void ear_listen(struct ear *e, const char *handle);
/* A row with an envelope of about `bytes` bytes; the caller unrefs. */
struct frame *ear_frame(uint64_t seq, size_t bytes);
/* Publishes a row with a small envelope, or one of `bytes` bytes. */
void ear_say(struct ear *e, const char *handle, uint64_t seq);
void ear_say_bytes(struct ear *e, const char *handle, uint64_t seq, size_t bytes);
/* Copies of what came. */
uint64_t ear_rows(struct ear *e);
uint64_t ear_last_seq(struct ear *e);

struct handle ear_handle(const char *text);

#endif
