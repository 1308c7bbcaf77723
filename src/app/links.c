/* app/links.c -- store, bus and shards tied to each other.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/links.h"

#include <stdlib.h>

#include "base/log.h"

/* From the store. */

static void row_committed(void *arg, const struct handle *to, struct frame *frame) {
    struct links *l = arg;
    push_row_quietly(l->push, to, frame->seq, frame);
    if (l->bus)
        bus_publish(l->bus, to, frame);
}

static void rows_end(void *arg) {
    struct links *l = arg;
    push_wake(l->push);
    if (l->bus)
        bus_wake(l->bus);
}

static void store_changed(void *arg, bool up) {
    (void)arg;
    if (up)
        log_info("store is up");
    else
        log_warn("store is down; posts and reads are answered 503 until it is back");
}

static void store_outdated(void *arg) {
    const struct links *l = arg;
    if (l->outdated)
        l->outdated();
}

/* From the bus. */

static void row_came(void *arg, const struct handle *to, uint64_t seq, struct frame *frame) {
    struct links *l = arg;
    push_row(l->push, to, seq, frame);
}

static void bus_changed(void *arg, enum bus_state state) {
    struct links *l = arg;
    switch (state) {
    case BUS_UP:
    case BUS_DOWN:
        push_bus_up(l->push, state == BUS_UP);
        break;
    case BUS_SLOW:
        push_bus_slow(l->push);
        break;
    }
}

static void barrier_done(void *arg, unsigned shard, uint64_t ticket, bool ok) {
    struct links *l = arg;
    push_barrier_done(l->push, shard, ticket, ok);
}

/* From the shards. */

struct read_link {
    struct store_read store;
    struct push_read *asked;
    struct push *push;
};

static void read_done(struct store_job *job) {
    struct read_link *link = job->arg;
    link->asked->rc = job->rc;
    link->asked->page = link->store.page; /* moves */
    push_read_done(link->push, link->asked);
    free(link);
}

static enum rc ask_read(void *arg, struct push_read *asked) {
    struct links *l = arg;
    struct read_link *link = malloc(sizeof *link);
    if (!link)
        return RC_NO_MEMORY;
    *link = (struct read_link){
        .store = {.job = {.kind = STORE_READ, .done = read_done, .arg = link},
                  .inbox = asked->inbox,
                  .after = asked->after,
                  .limit = asked->limit,
                  .max_bytes = asked->max_bytes},
        .asked = asked,
        .push = l->push,
    };
    enum rc rc = store_submit(l->store, &link->store.job);
    if (rc != RC_OK)
        free(link);
    return rc;
}

struct heads_link {
    struct store_heads store;
    struct push_heads *asked;
    struct push *push;
};

static void heads_done(struct store_job *job) {
    struct heads_link *link = job->arg;
    link->asked->rc = job->rc;
    push_heads_done(link->push, link->asked);
    free(link);
}

static enum rc ask_heads(void *arg, struct push_heads *asked) {
    struct links *l = arg;
    struct heads_link *link = malloc(sizeof *link);
    if (!link)
        return RC_NO_MEMORY;
    *link = (struct heads_link){
        .store = {.job = {.kind = STORE_HEADS, .done = heads_done, .arg = link},
                  .n = asked->n,
                  .inboxes = asked->inboxes,
                  .heads = asked->heads},
        .asked = asked,
        .push = l->push,
    };
    enum rc rc = store_submit(l->store, &link->store.job);
    if (rc != RC_OK)
        free(link);
    return rc;
}

static enum rc subscribe(void *arg, const struct handle *h) {
    struct links *l = arg;
    return l->bus ? bus_subscribe(l->bus, h) : RC_OK;
}

static void unsubscribe(void *arg, const struct handle *h) {
    struct links *l = arg;
    if (l->bus)
        bus_unsubscribe(l->bus, h);
}

static void ask_barrier(void *arg, unsigned shard, uint64_t ticket) {
    struct links *l = arg;
    if (l->bus)
        bus_barrier(l->bus, shard, ticket);
    else
        push_barrier_done(l->push, shard, ticket, true);
}

enum rc links_start(struct links *l, const struct config *c, const struct push_config *push,
                    const struct clock *clock, const char **why) {
    const struct push_ops ops = {l, ask_read, ask_heads, subscribe, unsubscribe, ask_barrier};
    const struct bus_events bus = {l, row_came, bus_changed, barrier_done};
    const struct store_events store = {l, row_committed, rows_end, store_changed, store_outdated};
    enum rc rc = push_start(push, &ops, clock, &l->push);
    *why = "the stream threads could not be started: out of memory, threads or descriptors";
    if (rc == RC_OK && c->bus.urls) {
        push_bus_up(l->push, false); /* until the bus says otherwise */
        rc = bus_start(&c->bus, &bus, clock, &l->bus, why);
    }
    if (rc == RC_OK) {
        *why = "the store's threads could not be started: out of memory, threads or descriptors";
        rc = store_start(&c->store, &store, clock, &l->store);
    }
    return rc;
}

void links_stop(struct links *l) {
    push_quiet(l->push); /* it asks the two others, and is answered by them until they have gone */
    store_stop(l->store);
    bus_stop(l->bus);
    push_stop(l->push);
}
