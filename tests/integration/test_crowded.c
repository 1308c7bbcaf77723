/* tests/integration/test_crowded.c -- thousands that are there and say nothing, hundreds that say a
 * byte a second: others are served. How fast is printed.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/proc.h"
#include "support/site.h"

/* As many as fit under this machine's limit of descriptors, which the node has, too. */
enum {
    IDLE_MAX = 10000,
    DRIPPING = 500,
    OTHERS = 200,
    KEPT_BACK = 2000,
    DRIP_MS = 1000,
    COMES_MAX = 100
};

static struct site site;
static int idle[IDLE_MAX], dripping[DRIPPING];
static unsigned idle_count;

static int start(void **state) {
    struct rlimit limit;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    idle_count = IDLE_MAX;
    if (limit.rlim_max < IDLE_MAX + KEPT_BACK)
        idle_count = (unsigned)(limit.rlim_max > 2 * KEPT_BACK ? limit.rlim_max - KEPT_BACK
                                                               : limit.rlim_max / 4);
    site_start(&site, BUILD_DIR "/kez-chat-server", 0, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

/* ---- those who are in the way ---- */

/* False: it was shut out before its question came. */
static bool is_answered(int fd) {
    static const char request[] = "GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    char answer[1024];
    ssize_t n = send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    while (n > 0 && (n = recv(fd, answer, sizeof answer, 0)) < 0 && errno == EINTR)
        n = 1;
    return n > 0;
}

/* Every second one asks something, once. Where not all fit, who is slow to ask has to come again.
 */
static void come_and_say_nothing(uint16_t port, bool all_fit) {
    for (unsigned i = 0; i < idle_count; i++) {
        for (unsigned times = 1;; times++) {
            idle[i] = http_connect(port, 0);
            assert_true(idle[i] >= 0);
            if (i % 2 || is_answered(idle[i]))
                break;
            assert_true(!all_fit && times < COMES_MAX);
            close(idle[i]);
        }
    }
}

struct dripper {
    pthread_t thread;
    uint16_t port;
    int stop_fd; /* readable: told to stop */
    atomic_uint rounds;
};

/* A byte to each, then again a second later; who was shut out comes again. */
static void *drip(void *arg) {
    static const char head[] = "GET /v1/healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    struct dripper *d = arg;
    struct pollfd told = {.fd = d->stop_fd, .events = POLLIN};
    do {
        for (unsigned i = 0; i < DRIPPING; i++) {
            if (dripping[i] < 0) {
                dripping[i] = http_connect(d->port, 0);
                (void)send(dripping[i], head, sizeof head - 1, MSG_NOSIGNAL);
            } else if (send(dripping[i], "a", 1, MSG_NOSIGNAL) != 1) {
                close(dripping[i]);
                dripping[i] = -1;
            }
        }
        atomic_fetch_add(&d->rounds, 1);
    } while (poll(&told, 1, DRIP_MS) == 0);
    return NULL;
}

static bool has_dripped(void *arg) { return atomic_load(&((struct dripper *)arg)->rounds) > 1; }

/* Without the state that a closed connection leaves behind. */
static void leave(int *fds, unsigned n) {
    const struct linger at_once = {.l_onoff = 1};
    for (unsigned i = 0; i < n; i++) {
        if (fds[i] < 0)
            continue;
        (void)setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(fds[i]);
        fds[i] = -1;
    }
}

/* ---- those who want something ---- */

static int by_time(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Each comes anew, looks a handle up, posts, and goes. */
static void expect_service(struct node *n, const char *what) {
    static uint64_t took_us[OTHERS];
    for (unsigned i = 0; i < OTHERS; i++) {
        uint64_t began_us = clock_mono_us(clock_system());
        struct http_client *c = http_client_new(node_port(n));
        http_expect(c, &(struct http_case){what, "GET", "/v1/u/served", NULL, NULL, 200, NULL},
                    NULL);
        http_expect(c,
                    &(struct http_case){what, "POST", "/v1/messages", NULL,
                                        "{\"to\":\"served\",\"envelope\":{}}", 201, NULL},
                    NULL);
        http_client_free(c);
        took_us[i] = clock_mono_us(clock_system()) - began_us;
    }
    qsort(took_us, OTHERS, sizeof *took_us, by_time);
    print_message("%s: %u idle, %d dripping; connect, look up and post: p50 %.1f ms, p99 %.1f ms, "
                  "longest %.1f ms\n",
                  what, idle_count, DRIPPING, (double)took_us[OTHERS / 2] / 1000,
                  (double)took_us[OTHERS * 99 / 100] / 1000, (double)took_us[OTHERS - 1] / 1000);
}

static void crowd(const char *what, const char *const *flags, bool all_fit) {
    struct node *n = site_node(&site, flags);
    struct signer served;
    struct sse_reader stream;
    struct dripper d = {.port = node_port(n)};
    int tell[2];
    signer_init(&served, "served");
    node_register(n, &served);
    node_open(n, &served, "", &stream); /* who has a stream keeps it */
    uint64_t seq = node_expect_ready(&stream);

    assert_int_equal(pipe(tell), 0);
    d.stop_fd = tell[0];
    memset(dripping, -1, sizeof dripping);
    come_and_say_nothing(node_port(n), all_fit);
    assert_int_equal(pthread_create(&d.thread, NULL, drip, &d), 0);
    assert_true(proc_poll(has_dripped, &d, HTTP_WAIT_MS));
    print_message("%s: connections of the node: %.0f\n", what, node_metric(n, "kez_connections"));
    expect_service(n, what);
    for (unsigned i = 0; i < OTHERS; i++)
        node_expect_row(&stream, ++seq);

    assert_int_equal(write(tell[1], "x", 1), 1);
    assert_int_equal(pthread_join(d.thread, NULL), 0);
    leave(idle, idle_count);
    leave(dripping, DRIPPING);
    close(tell[0]);
    close(tell[1]);
    sse_close(&stream);
    sse_done(&stream);
    node_stop(n);
}

/* There is room for all of them. */
static void a_crowd_that_fits_is_in_nobodys_way(void **state) {
    (void)state;
    char limit[16];
    (void)snprintf(limit, sizeof limit, "%u", idle_count + 2 * DRIPPING);
    const char *const flags[] = {"--limit-connections", limit, NULL};
    crowd("all fit", flags, true);
}

/* More than the node takes by default: they give way to who asks something, and not only when their
 * time is up. */
static void a_crowd_that_does_not_fit_gives_way(void **state) {
    (void)state;
    static const char *const flags[] = {"--head-time", "600", "--idle-time", "600", NULL};
    crowd("too many", flags, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_that_fits_is_in_nobodys_way),
        cmocka_unit_test(a_crowd_that_does_not_fit_gives_way),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
