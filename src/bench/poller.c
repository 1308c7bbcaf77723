/* bench/poller.c -- the bench's one epoll loop.
 *
 * epoll_wait() counts milliseconds, and posts at 1,000/s need better: a timerfd wakes it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/poller.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 512 };

uint64_t poller_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static enum rc watch(struct poller *p, int op, int fd, enum poller_kind kind, uint32_t index,
                     uint32_t events) {
    struct epoll_event e = {.events = events, .data.u64 = (uint64_t)kind << 32 | index};
    return epoll_ctl(p->epoll_fd, op, fd, &e) == 0 ? RC_OK : RC_IO;
}

enum rc poller_add(struct poller *p, int fd, enum poller_kind kind, uint32_t index,
                   uint32_t events) {
    return watch(p, EPOLL_CTL_ADD, fd, kind, index, events);
}

enum rc poller_change(struct poller *p, int fd, enum poller_kind kind, uint32_t index,
                      uint32_t events) {
    return watch(p, EPOLL_CTL_MOD, fd, kind, index, events);
}

static void on_timer(void *arg, uint32_t index, uint32_t events) {
    struct poller *p = arg;
    uint64_t ignored;
    ssize_t n = read(p->timer_fd, &ignored, sizeof ignored);
    (void)n, (void)index, (void)events;
}

static void on_signal(void *arg, uint32_t index, uint32_t events) {
    struct poller *p = arg;
    struct signalfd_siginfo info;
    if (read(p->signal_fd, &info, sizeof info) > 0)
        p->is_interrupted = true;
    (void)index, (void)events;
}

enum rc poller_init(struct poller *p) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    *p = (struct poller){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    p->signal_fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    pthread_sigmask(SIG_BLOCK, &ends, &p->mask_before);
    poller_serve(p, POLLER_TIMER, (struct poller_client){p, on_timer});
    poller_serve(p, POLLER_SIGNAL, (struct poller_client){p, on_signal});
    if (p->epoll_fd >= 0 && p->timer_fd >= 0 && p->signal_fd >= 0 &&
        poller_add(p, p->timer_fd, POLLER_TIMER, 0, EPOLLIN) == RC_OK &&
        poller_add(p, p->signal_fd, POLLER_SIGNAL, 0, EPOLLIN) == RC_OK)
        return RC_OK;
    poller_done(p);
    return RC_IO;
}

void poller_done(struct poller *p) {
    const int fds[] = {p->epoll_fd, p->timer_fd, p->signal_fd};
    for (unsigned i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    pthread_sigmask(SIG_SETMASK, &p->mask_before, NULL);
}

void poller_serve(struct poller *p, enum poller_kind kind, struct poller_client client) {
    p->clients[kind] = client;
}

/* Past times ring at once. */
static void arm(struct poller *p, uint64_t at_ns) {
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at_ns / 1000000000),
                                           .tv_nsec = (long)(at_ns % 1000000000)}};
    (void)timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void poller_turn(struct poller *p, uint64_t until_ns) {
    struct epoll_event events[BATCH];
    bool is_due = until_ns <= poller_now_ns();
    if (!is_due)
        arm(p, until_ns);
    int n = epoll_wait(p->epoll_fd, events, BATCH, is_due ? 0 : -1);
    for (int i = 0; i < n; i++) {
        struct poller_client *client = &p->clients[events[i].data.u64 >> 32];
        client->ready(client->arg, (uint32_t)events[i].data.u64, events[i].events);
    }
}
