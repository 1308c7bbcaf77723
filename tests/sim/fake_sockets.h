/* tests/sim/fake_sockets.h -- sockets between shards and clients: a few bytes of buffer each.
 *
 * They take what fits, or less; they are full while the client does not read; they break.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_FAKE_SOCKETS_H
#define SIM_FAKE_SOCKETS_H

#include "sim/world.h"

struct sock {
    struct seat *seat;
    uint32_t boot;
    int client;  /* -1: the client has given it up */
    uint64_t id; /* of the stream */
    char *data;  /* sent and not yet taken by the client: n of cap bytes */
    size_t n, cap;
    bool wants_write, event_due;
    bool was_refused;  /* io.add failed */
    bool was_draining; /* its node, when it was closed */
    bool is_finished;  /* the server has sent its end */
    bool is_closed;    /* the server has closed its side, at closed_ms */
    bool is_reset;     /* by the death of the node: nothing more comes, not even what was sent */
    uint64_t closed_ms;
    uint64_t taken_ms; /* when the client last took a byte, or the buffer was empty */
    uint64_t sent_ms;  /* when the server last sent a byte */
};

struct fake_sockets *sockets_new(struct world *w);
void sockets_free(struct fake_sockets *s);

/* The new descriptor. */
int sockets_open(struct world *w, struct seat *seat, int client);
struct sock *sockets_at(struct world *w, int fd);
/* Takes up to n bytes; how many. Makes the socket writable when half of it is free. */
size_t sockets_take(struct world *w, int fd, char *to, size_t n);
/* The client has closed its side. */
void sockets_leave(struct world *w, int fd);
/* The node is gone: all its sockets are closed, some with a reset. */
void sockets_crash(struct world *w, struct node *n);

/* shard_io. */
ssize_t sockets_send(struct seat *seat, int fd, const struct iovec *iov, int n);
int sockets_add(struct seat *seat, int fd, uint64_t id);
void sockets_want_write(struct seat *seat, int fd, uint64_t id, bool on);
int64_t sockets_untaken(struct seat *seat, int fd);
void sockets_finish(struct seat *seat, int fd);
void sockets_close(struct seat *seat, int fd);

#endif
