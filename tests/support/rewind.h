/* tests/support/rewind.h -- two nodes on a store that can go back: a primary with NATS, perhaps a
 * standby, users, and clients that keep what they read.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_REWIND_H
#define SUPPORT_REWIND_H

#include "support/natsd.h"
#include "support/node.h"
#include "support/postgres.h"

enum { REWIND_TEXT_MAX = 1 << 20, REWIND_WAIT_MS = 60000, REWIND_FLAGS_MAX = 16 };

/* One for each test: it takes servers away. */
struct rewind {
    struct postgres *primary, *standby, *serves; /* serves: the one that can be written to */
    const char *database;
    const char *url;
    struct natsd *nats;
    struct node *a, *b;
    const char *flags[REWIND_FLAGS_MAX];
};
extern struct rewind past;

int rewind_set_up(void **state);
int rewind_tear_down(void **state);
/* For a test of its own world. */
#define REWIND_TEST(name) cmocka_unit_test_setup_teardown(name, rewind_set_up, rewind_tear_down)

void rewind_add_flag(const char *name, const char *value);
/* program: BUILD_DIR "/kez-chat-server". */
void rewind_start_nodes(const char *program);
/* Ends them as an operator does. */
void rewind_end_nodes(void);
bool rewind_is_true(const char *sql);
void rewind_wait_for(const char *sql);
void rewind_start_standby(void);
/* The primary dies, and both nodes have seen it. */
void rewind_lose_primary(void);
void rewind_promote_standby(void);
struct signer rewind_fresh(const char *handle);
/* The same handle, and the key of another. */
struct signer rewind_heir_of(const struct signer *s, const char *other);

/* The inbox as a node tells of it. */
struct inbox {
    uint64_t head;
    char epoch[64];
};
struct inbox rewind_inbox_of(struct node *n, const struct signer *s);
/* So many rows with ids of their own, which follow each other. */
void rewind_post_rows(struct node *n, const struct signer *to, const char *name, unsigned rows);

/* A client that keeps what it reads, and drops it when it is told that it does not hold. */
struct keeper {
    struct sse_reader stream;
    const struct signer *user;
    uint64_t last;
    char epoch[64];
    struct buf ids; /* of the rows it holds, in order, each with a comma behind */
    unsigned resyncs;
};
void keeper_open(struct keeper *k, struct node *n, const struct signer *s);
void keeper_done(struct keeper *k);
/* Reads until it has the head in the epoch that is told of there; it holds then what the store
 * does. */
void keeper_await(struct keeper *k, struct node *n);
void rewind_expect_resync(struct sse_reader *r, const char *reason, const char *epoch);
/* All rows come after it, and then ready, which names the epoch. */
void rewind_expect_all(struct sse_reader *r, const struct inbox *at);
/* A client that comes back with what it held before. */
void rewind_expect_new_epoch(struct node *n, const struct signer *s, const struct inbox *held);
/* Of a stream whose inbox is gone. */
void rewind_expect_silent_end(struct sse_reader *r, const char *whose);

#endif
