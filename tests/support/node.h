/* tests/support/node.h -- a real kez-chat-server of a test's own, and what its users do with it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_NODE_H
#define SUPPORT_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "support/http_client.h"
#include "support/signer.h"
#include "support/sse_reader.h"

/* The name of every server of the tests. */
#define NODE_SERVER "chat.example"
enum { NODE_START_MS = 60000, NODE_FLAGS_MAX = 32 };

struct node_setup {
    const char *program; /* BUILD_DIR "/kez-chat-server" */
    const char *database_url;
    const char *nats_url;     /* NULL: none */
    const char *const *flags; /* NULL: none; ends with NULL */
    const char *config;       /* a file of settings in place of all but the addresses; NULL: none */
};

struct node;

/* On free ports, rate limits off; waits until /readyz says 200. */
struct node *node_start(const struct node_setup *setup);
/* The same without waiting. */
struct node *node_launch(const struct node_setup *setup);
void node_wait_ready(struct node *n);
/* True when /readyz says 200 (or, if not, anything else) within NODE_START_MS. */
bool node_gets_ready(struct node *n, bool ready);
uint16_t node_port(const struct node *n);
uint16_t node_admin_port(const struct node *n);
pid_t node_pid(const struct node *n);
void node_signal(struct node *n, int sig);
/* Waits for its end; the wait status. Fails the test when it does not end in timeout_ms. */
int node_wait(struct node *n, unsigned timeout_ms);
/* SIGKILL. */
void node_kill(struct node *n);
/* A new process on the same ports with the same setup. */
void node_restart(struct node *n);
/* The log so far; the caller frees. */
char *node_log(struct node *n);
/* Waits until it says this so often; fails the test when it does not. */
void node_expect_log(struct node *n, const char *text, unsigned times);
/* The value of a metric, 0 when it is not there. */
double node_metric(struct node *n, const char *name);
/* Waits until the metric has this value; false when it does not in time. */
bool node_metric_becomes(struct node *n, const char *name, double value);
/* Kills what runs; fails the test when a sanitizer complained. NULL-safe. */
void node_stop(struct node *n);

/* ---- what users do; each fails the test when it is not answered as it should ---- */

/* Registers: 201, or 200 when it was. */
void node_register(struct node *n, const struct signer *s);
/* A user of one test's own, with `rows` rows in the inbox. */
struct signer node_newcomer(struct node *n, const char *handle, unsigned rows);
/* A reply is this user's handle record, with these proofs (a JSON array). */
void node_check_record(const struct http_reply *r, const struct signer *s, const char *proofs);
/* POST /v1/messages unsigned, id NULL: none; the seq. */
uint64_t node_post(struct node *n, const char *to, const char *id, const char *envelope);
/* GET of the signer's inbox, signed for `since`, which the query ("" or "?since=3…") says: 200. */
void node_poll(struct node *n, const struct signer *s, const char *query, uint64_t since,
               struct http_reply *out);
/* DELETE of the rows up to this one: 204. */
void node_trim(struct node *n, const struct signer *s, uint64_t upto);
/* Opens a stream of the signer's inbox: cursor "" or a query such as "?since=3". */
void node_open(struct node *n, const struct signer *s, const char *query, struct sse_reader *r);
/* The same of a client whose kernel holds little for it: it blocks soon when it does not read. */
void node_open_narrow(struct node *n, const struct signer *s, struct sse_reader *r);
/* The same as node_open() from Last-Event-ID. */
void node_resume(struct node *n, const struct signer *s, uint64_t last_id, struct sse_reader *r);

/* Next event of the stream must be a row with this seq, or `ready`. */
void node_expect_row(struct sse_reader *r, uint64_t seq);
/* The same for each of these. */
void node_expect_rows(struct sse_reader *r, uint64_t from, uint64_t to);
/* Its seq. */
uint64_t node_expect_ready(struct sse_reader *r);
void node_expect_resync(struct sse_reader *r, const char *reason, uint64_t seq, uint64_t missed);
/* Nothing else came, and nothing that should not be there; ends the stream. */
void node_finish(struct sse_reader *r);

#endif
