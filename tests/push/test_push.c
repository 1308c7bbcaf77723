/* tests/push/test_push.c -- the engine with its real threads, queues, epoll and sockets.
 *
 * The store is a number that is the head of every inbox, and answers at once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "push/push.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 60000, STREAMS = 40, HANDLES = 8, POSTS = 500 };

static struct push *push;
static atomic_uint_least64_t head;
static atomic_int subscriptions;

static struct frame *row_of(uint64_t seq) {
    char envelope[32];
    int n = snprintf(envelope, sizeof envelope, "{\"n\":%d}", (int)seq);
    struct row row = {.seq = seq, .envelope = {envelope, (size_t)n}};
    return frame_new(&row);
}

static enum rc read_page(void *arg, struct push_read *read) {
    (void)arg;
    uint64_t now = atomic_load(&head);
    read->rc = RC_OK;
    read->page.at = (struct inbox_head){now, 1, {"e1"}};
    for (uint64_t seq = read->after; seq < now && read->page.n < read->limit; seq++) {
        struct frame *f = row_of(seq + 1);
        if (!f || page_add_take(&read->page, f) != RC_OK)
            read->rc = RC_NO_MEMORY;
    }
    push_read_done(push, read);
    return RC_OK;
}

static enum rc read_heads(void *arg, struct push_heads *heads) {
    (void)arg;
    for (size_t i = 0; i < heads->n; i++)
        heads->heads[i] = (struct inbox_head){atomic_load(&head), 1, {"e1"}};
    heads->rc = RC_OK;
    push_heads_done(push, heads);
    return RC_OK;
}

static enum rc subscribe(void *arg, const struct handle *h) {
    (void)arg;
    (void)h;
    atomic_fetch_add(&subscriptions, 1);
    return RC_OK;
}

static void unsubscribe(void *arg, const struct handle *h) {
    (void)arg;
    (void)h;
    atomic_fetch_sub(&subscriptions, 1);
}

static void barrier(void *arg, unsigned shard, uint64_t ticket) {
    (void)arg;
    push_barrier_done(push, shard, ticket, true);
}

static int set_up(void **state) {
    (void)state;
    static const struct push_ops ops = {NULL,      read_page,   read_heads,
                                        subscribe, unsubscribe, barrier};
    const struct push_config config = {.shards = 2,
                                       .max_streams = STREAMS,
                                       .max_streams_handle = STREAMS / HANDLES,
                                       .max_streams_client = 3,
                                       .queue_items = 64,
                                       .queue_bytes = 1 << 20,
                                       .outbox_frames = 16,
                                       .outbox_bytes = 65536,
                                       .early_frames = 16,
                                       .page_rows = 16,
                                       .page_bytes = 65536,
                                       .hole_wait_ms = 5,
                                       .look_again_ms = {50, 100},
                                       .sweep_up_ms = 100,
                                       .sweep_down_ms = 50,
                                       .sweep_heads_per_s = 20000,
                                       .keep_alive_ms = 15000,
                                       .keep_alive_spread_ms = 2000,
                                       .stall_ms = 60000,
                                       .drain_retry_ms = 3000};
    atomic_store(&head, 0);
    atomic_store(&subscriptions, 0);
    assert_int_equal(push_start(&config, &ops, clock_system(), &push), RC_OK);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    push_stop(push);
    push = NULL;
    assert_int_equal(atomic_load(&subscriptions), 0);
    return 0;
}

static struct user user(int i) {
    struct user u = {.inbox = (uint64_t)i + 1};
    (void)snprintf(u.handle.text, HANDLE_MAX, "user-%d", i);
    return u;
}

/* Opens a stream; the client's end of its socket. */
static int open_stream_for(int of, uint64_t after, uint64_t client) {
    struct push_open open = {.user = user(of), .client = client, .has_after = true, .after = after};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(push_reserve(push, &open.user, open.client), RC_OK);
    push_open(push, &open, ends[0]);
    return ends[1];
}

static int open_stream(int of, uint64_t after) { return open_stream_for(of, after, 0); }

struct reader {
    int fd;
    char text[65536];
    size_t n;
};

/* Reads what there is, waiting for it; false at the end of the stream. */
static bool read_some(struct reader *r) {
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
    assert_true(r->n < sizeof r->text - 1);
    ssize_t n = read(r->fd, r->text + r->n, sizeof r->text - 1 - r->n);
    if (n <= 0)
        return false;
    r->n += (size_t)n;
    r->text[r->n] = '\0';
    return true;
}

static void read_until(struct reader *r, const char *text) {
    while (!strstr(r->text, text))
        assert_true(read_some(r));
}

static void wait_for_streams(uint32_t n) {
    for (int ms = 0; push_streams(push) != n; ms++) {
        assert_true(ms < DEADLINE_MS);
        (void)poll(NULL, 0, 1);
    }
}

static void post(int of, uint64_t seq) {
    struct user to = user(of);
    struct frame *f = row_of(seq);
    assert_non_null(f);
    push_row(push, &to.handle, seq, f);
    frame_unref(f);
}

static void a_stream_is_ready_gets_rows_and_goes(void **state) {
    (void)state;
    static struct reader r;
    atomic_store(&head, 40);
    r = (struct reader){.fd = open_stream(0, 0)};
    read_until(&r, "event: ready\nid: 40\n");
    assert_int_equal(strncmp(r.text, "id: 1\ndata: {\"seq\":1,", 21), 0);
    atomic_store(&head, 41);
    post(0, 41);
    read_until(&r, "\nid: 41\ndata: ");
    assert_int_equal(push_streams(push), 1);
    close(r.fd);
    wait_for_streams(0);
}

static void a_row_that_nobody_published_is_found_by_the_sweep(void **state) {
    (void)state;
    static struct reader r;
    r = (struct reader){.fd = open_stream(0, 0)};
    read_until(&r, "event: ready\nid: 0\n");
    push_bus_up(push, false);
    atomic_store(&head, 3);
    read_until(&r, "\nid: 3\ndata: ");
    atomic_store(&head, 5);
    push_bus_slow(push);
    read_until(&r, "\nid: 5\ndata: ");
    close(r.fd);
}

static void a_client_has_so_many_streams_of_all_handles(void **state) {
    (void)state;
    enum { MINE = 77, YOURS = 78 };
    int fds[3];
    struct user u = user(0);
    for (int i = 0; i < 3; i++)
        fds[i] = open_stream_for(i % HANDLES, 0, MINE);
    assert_int_equal(push_reserve(push, &u, MINE), RC_FULL);
    assert_int_equal(push_streams(push), 3); /* its place was given back */
    assert_int_equal(push_reserve(push, &u, YOURS), RC_OK);
    push_release(push, &u, YOURS);
    close(fds[0]);
    wait_for_streams(2);
    assert_int_equal(push_reserve(push, &u, MINE), RC_OK);
    assert_int_equal(push_reserve(push, &u, MINE), RC_FULL);
    push_release(push, &u, MINE);
    close(fds[1]);
    close(fds[2]);
    wait_for_streams(0);
}

static void places_are_limited_and_come_back(void **state) {
    (void)state;
    int fds[STREAMS], n = 0;
    struct user one = user(0), other = user(HANDLES);
    for (int i = 0; i < STREAMS; i++)
        fds[n++] = open_stream(i % HANDLES, 0);
    assert_int_equal(push_reserve(push, &other, 0), RC_FULL); /* the node is full */
    close(fds[--n]);
    wait_for_streams(STREAMS - 1);
    assert_int_equal(push_reserve(push, &one, 0), RC_FULL); /* this handle is full */
    assert_int_equal(push_reserve(push, &other, 0), RC_OK);
    push_release(push, &other, 0);
    assert_int_equal(push_streams(push), STREAMS - 1);
    while (n > 0)
        close(fds[--n]);
    wait_for_streams(0);
}

static void *post_many(void *arg) {
    (void)arg;
    for (uint64_t seq = 1; seq <= POSTS; seq++) {
        uint64_t before = seq - 1;
        /* Two threads say each row; whoever is first commits it. */
        while (!atomic_compare_exchange_weak(&head, &before, seq) && before < seq)
            before = seq - 1;
        for (int of = 0; of < HANDLES; of++)
            post(of, seq);
    }
    return NULL;
}

/* The rows of the text follow each other from 1 to POSTS. */
static void assert_all_rows(const char *text) {
    uint64_t want = 1;
    for (const char *at = text; (at = strstr(at, "data: {\"seq\":")); at += 13, want++)
        assert_int_equal(strtoull(at + 13, NULL, 10), want);
    assert_int_equal(want, POSTS + 1);
}

static void every_stream_gets_every_row_once_whoever_says_it(void **state) {
    (void)state;
    static struct reader readers[STREAMS];
    pthread_t threads[2];
    char last[32];
    (void)snprintf(last, sizeof last, "data: {\"seq\":%d,", POSTS);
    for (int i = 0; i < STREAMS; i++)
        readers[i] = (struct reader){.fd = open_stream(i % HANDLES, 0)};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, NULL), 0);
    for (int i = 0; i < STREAMS; i++)
        read_until(&readers[i], last);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < STREAMS; i++) {
        assert_all_rows(readers[i].text);
        close(readers[i].fd);
    }
    wait_for_streams(0);
}

static void a_drain_ends_all_streams_and_lets_no_new_ones_in(void **state) {
    (void)state;
    static struct reader readers[STREAMS];
    struct user u = user(0);
    for (int i = 0; i < STREAMS; i++) {
        readers[i] = (struct reader){.fd = open_stream(i % HANDLES, 0)};
        read_until(&readers[i], "event: ready\n");
    }
    push_drain(push, 200);
    assert_int_equal(push_reserve(push, &u, 0), RC_UNAVAILABLE);
    for (int i = 0; i < STREAMS; i++) {
        while (read_some(&readers[i]))
            continue;
        assert_non_null(strstr(readers[i].text, "event: drain\nretry: "));
        close(readers[i].fd);
    }
    wait_for_streams(0);
}

static void a_stop_closes_what_is_left(void **state) {
    static struct reader r;
    r = (struct reader){.fd = open_stream(0, 0)};
    read_until(&r, "event: ready\n");
    (void)tear_down(state);
    assert_false(read_some(&r));
    close(r.fd);
    (void)set_up(state);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_stream_is_ready_gets_rows_and_goes),
        TEST(a_row_that_nobody_published_is_found_by_the_sweep),
        TEST(places_are_limited_and_come_back),
        TEST(a_client_has_so_many_streams_of_all_handles),
        TEST(every_stream_gets_every_row_once_whoever_says_it),
        TEST(a_drain_ends_all_streams_and_lets_no_new_ones_in),
        TEST(a_stop_closes_what_is_left),
    };
    return cmocka_run_group_tests_name("push/push", tests, NULL, NULL);
}
