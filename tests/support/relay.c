/* tests/support/relay.c -- a TCP relay on loopback that can lose what the server says.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/relay.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/proc.h"

enum { PAIRS_MAX = 16, CHUNK_BYTES = 64 * 1024, CUT_MS = 60000 };

struct pair {
    int client, server;
};

struct relay {
    pthread_t thread;
    uint16_t port, to;
    int listener, bell;
    atomic_bool loses, ends;
    atomic_uint cuts, cuts_done; /* asked for, and made */
    /* The thread's own. */
    struct pair pairs[PAIRS_MAX];
    size_t n;
};

static struct sockaddr_in loopback(uint16_t port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void hang_up(struct relay *r, size_t i) {
    (void)close(r->pairs[i].client);
    (void)close(r->pairs[i].server);
    r->pairs[i] = r->pairs[--r->n];
}

static void take_connection(struct relay *r) {
    struct sockaddr_in to = loopback(r->to);
    int client = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_made = client >= 0 && server >= 0 && r->n < PAIRS_MAX &&
                   connect(server, (struct sockaddr *)&to, sizeof to) == 0;
    if (is_made) {
        r->pairs[r->n++] = (struct pair){client, server};
        return;
    }
    (void)close(client);
    (void)close(server);
}

/* Passes on what has come, once. False: one side has hung up. */
static bool pass(int from, int to, bool lose) {
    static char bytes[CHUNK_BYTES]; /* of the one thread */
    ssize_t n = read(from, bytes, sizeof bytes);
    for (ssize_t at = 0; !lose && at < n;) {
        ssize_t sent = send(to, bytes + at, (size_t)(n - at), MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
    }
    return n > 0;
}

static void serve(struct relay *r, const struct pollfd *p, size_t n) {
    for (size_t i = n; i-- > 0;) {
        struct pair pair = r->pairs[i];
        bool lives = true;
        if (p[2 * i].revents)
            lives = pass(pair.client, pair.server, false);
        if (lives && p[2 * i + 1].revents)
            lives = pass(pair.server, pair.client, atomic_load(&r->loses));
        if (!lives)
            hang_up(r, i);
    }
}

static void *work(void *arg) {
    struct relay *r = arg;
    while (!atomic_load(&r->ends)) {
        struct pollfd p[2 * PAIRS_MAX + 2];
        size_t n = r->n;
        for (size_t i = 0; i < n; i++) {
            p[2 * i] = (struct pollfd){.fd = r->pairs[i].client, .events = POLLIN};
            p[2 * i + 1] = (struct pollfd){.fd = r->pairs[i].server, .events = POLLIN};
        }
        p[2 * n] = (struct pollfd){.fd = r->listener, .events = POLLIN};
        p[2 * n + 1] = (struct pollfd){.fd = r->bell, .events = POLLIN};
        (void)poll(p, 2 * n + 2, -1);
        if (p[2 * n + 1].revents) {
            eventfd_t ignored;
            (void)eventfd_read(r->bell, &ignored);
        }
        unsigned cuts = atomic_load(&r->cuts);
        if (cuts != atomic_load(&r->cuts_done)) {
            while (r->n > 0)
                hang_up(r, r->n - 1);
            atomic_store(&r->loses, false);
            atomic_store(&r->cuts_done, cuts);
            continue;
        }
        serve(r, p, n);
        if (p[2 * n].revents)
            take_connection(r);
    }
    while (r->n > 0)
        hang_up(r, r->n - 1);
    return NULL;
}

struct relay *relay_start(uint16_t port) {
    struct relay *r = calloc(1, sizeof *r);
    struct sockaddr_in at = loopback(0);
    socklen_t n = sizeof at;
    assert_non_null(r);
    r->to = port;
    r->bell = eventfd(0, EFD_CLOEXEC);
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(r->bell >= 0 && r->listener >= 0);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(r->listener, PAIRS_MAX), 0);
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&at, &n), 0);
    r->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&r->thread, NULL, work, r), 0);
    return r;
}

uint16_t relay_port(const struct relay *r) { return r->port; }

void relay_lose_answers(struct relay *r) { atomic_store(&r->loses, true); }

static bool is_cut(void *arg) {
    struct relay *r = arg;
    return atomic_load(&r->cuts) == atomic_load(&r->cuts_done);
}

void relay_cut(struct relay *r) {
    atomic_fetch_add(&r->cuts, 1);
    (void)eventfd_write(r->bell, 1);
    if (!proc_poll(is_cut, r, CUT_MS))
        fail_msg("a relay does not cut its connections");
}

void relay_stop(struct relay *r) {
    if (!r)
        return;
    atomic_store(&r->ends, true);
    (void)eventfd_write(r->bell, 1);
    pthread_join(r->thread, NULL);
    (void)close(r->listener);
    (void)close(r->bell);
    free(r);
}
