/* push/loop.c -- the thread of one shard.
 *
 * EPOLL_CTL_DEL always precedes close(): libmicrohttpd's own copy of a detached descriptor may
 * still be open, and the file would stay in the epoll set under a number that is used again.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "push/loop.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/table.h"

enum {
    EVENTS_MAX = 512,
    NOTES_MAX = 512, /* of one turn */
    IDLE_MS = 1000,
    DISCARD_MAX_BYTES = 64 * 1024, /* read from an ended stream before it is closed */
    UNSENT_MAX_BYTES = 128 * 1024, /* that the kernel keeps beside what is on its way */
};

struct loop {
    struct shard *shard;
    struct queue queue;
    const struct clock *clock;
    int epoll;
    pthread_t thread;
    bool is_quiet; /* the thread has ended */
    uint32_t stall_ms;

    /* Signals; set by any thread, taken by the loop. */
    atomic_bool look_at_all, bus_changed, bus_is_up, ends;
    atomic_uint_least64_t barrier_ticket;
    atomic_uint_least64_t drain_ms; /* + 1; 0: none asked for */
};

enum note_kind { NOTE_OPEN, NOTE_ROW, NOTE_READ, NOTE_HEADS };

struct open_note {
    struct push_note note;
    struct push_open open;
    int fd;
};

struct row_note {
    struct push_note note;
    struct handle to;
    uint64_t seq;
    struct frame *frame; /* a reference; NULL when only the seq is known */
};

/* Epoll data of the queue's own descriptor; no stream has this id. */
static const uint64_t QUEUE_ID = 0;

static ssize_t io_send(void *arg, int fd, struct iovec *iov, int n) {
    (void)arg;
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)n};
    ssize_t sent;
    do {
        sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -1;
}

static int io_add(void *arg, int fd, uint64_t id) {
    struct loop *l = arg;
    int on = 1;
    /* Later than the shard's own look at stalled streams, which says why it closes one. */
    unsigned timeout_ms = l->stall_ms + l->stall_ms / 4;
    /* Else the kernel takes megabytes for each client that does not read, out of what all sockets
     * of the machine share. */
    int unsent_max = UNSENT_MAX_BYTES;
    /* Best effort: a socket that refuses (a UNIX one) is served all the same. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof unsent_max);
    struct epoll_event event = {.events = EPOLLRDHUP, .data.u64 = id};
    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void io_want_write(void *arg, int fd, uint64_t id, bool on) {
    struct loop *l = arg;
    struct epoll_event event = {.events = EPOLLRDHUP | (on ? EPOLLOUT : 0u), .data.u64 = id};
    if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &event) < 0)
        log_error("push epoll_ctl failed errno=%d", errno);
}

static int64_t io_untaken(void *arg, int fd) {
    int bytes;
    (void)arg;
    return ioctl(fd, SIOCOUTQ, &bytes) < 0 ? -1 : bytes;
}

static void io_finish(void *arg, int fd) {
    (void)arg;
    (void)shutdown(fd, SHUT_WR);
}

static void io_close(void *arg, int fd) {
    struct loop *l = arg;
    char discarded[4096];
    (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
    /* Unread bytes would turn the close into a reset, which may overtake what was sent. */
    for (size_t left = DISCARD_MAX_BYTES; left > 0; left -= sizeof discarded)
        if (recv(fd, discarded, sizeof discarded, MSG_DONTWAIT) <= 0)
            break;
    close(fd);
}

static void run_note(struct shard *sh, struct push_note *n) {
    switch ((enum note_kind)n->kind) {
    case NOTE_OPEN: {
        struct open_note *opened = container_of(n, struct open_note, note);
        shard_open(sh, &opened->open, opened->fd);
        free(opened);
        break;
    }
    case NOTE_ROW: {
        struct row_note *row = container_of(n, struct row_note, note);
        shard_row(sh, &row->to, row->seq, row->frame);
        frame_unref(row->frame);
        free(row);
        break;
    }
    case NOTE_READ:
        shard_read_done(sh, container_of(n, struct push_read, note));
        break;
    case NOTE_HEADS:
        shard_heads_done(sh, container_of(n, struct push_heads, note));
        break;
    }
}

static bool run_notes(struct loop *l) {
    struct queue_item *item = queue_take(&l->queue, NOTES_MAX, SIZE_MAX);
    bool any = item != NULL;
    for (struct queue_item *next; item; item = next) {
        next = item->next;
        run_note(l->shard, container_of(item, struct push_note, item));
    }
    return any;
}

static void run_signals(struct loop *l) {
    uint64_t ticket = atomic_load(&l->barrier_ticket);
    shard_barrier_done(l->shard, ticket);
    if (atomic_exchange(&l->bus_changed, false))
        shard_bus_up(l->shard, atomic_load(&l->bus_is_up));
    if (atomic_exchange(&l->look_at_all, false))
        shard_look_at_all(l->shard);
    uint64_t drain = atomic_exchange(&l->drain_ms, 0);
    if (drain > 0)
        shard_drain(l->shard, (uint32_t)(drain - 1));
}

static void run_events(struct loop *l, const struct epoll_event *events, int n) {
    for (int i = 0; i < n; i++) {
        uint64_t id = events[i].data.u64;
        if (id == QUEUE_ID)
            continue;
        if (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            shard_hangup(l->shard, id);
        else if (events[i].events & EPOLLOUT)
            shard_writable(l->shard, id);
    }
}

static int wait_ms(struct loop *l) {
    uint64_t now = clock_mono_ms(l->clock), due = shard_due_ms(l->shard);
    if (due <= now)
        return 0;
    return due - now < IDLE_MS ? (int)(due - now) : IDLE_MS;
}

static void *run(void *arg) {
    struct loop *l = arg;
    struct epoll_event events[EVENTS_MAX];
    while (!atomic_load(&l->ends)) {
        int n = epoll_wait(l->epoll, events, EVENTS_MAX, wait_ms(l));
        shard_begin(l->shard);
        run_events(l, events, n);
        run_notes(l);
        run_signals(l);
        shard_turn(l->shard);
    }
    return NULL;
}

static void loop_free(struct loop *l) {
    if (l->shard) {
        while (run_notes(l))
            continue;
        shard_free(l->shard);
    }
    if (l->epoll >= 0)
        close(l->epoll);
    queue_done(&l->queue);
    free(l);
}

enum rc loop_start(unsigned index, const struct push_config *config, const struct push_ops *ops,
                   const struct shard_owner *owner, const struct clock *clock, struct loop **out) {
    struct loop *l = calloc(1, sizeof *l);
    if (!l)
        return RC_NO_MEMORY;
    l->clock = clock;
    l->stall_ms = config->stall_ms;
    enum rc rc = queue_init(&l->queue, config->queue_items, config->queue_bytes);
    if (rc != RC_OK) {
        free(l);
        return rc;
    }
    struct shard_io io = {l, io_send, io_add, io_want_write, io_untaken, io_finish, io_close};
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = QUEUE_ID};
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->shard = shard_new(index, config, ops, &io, owner, clock);
    if (l->epoll < 0 || !l->shard ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, queue_fd(&l->queue), &event) < 0 ||
        pthread_create(&l->thread, NULL, run, l) != 0) {
        loop_free(l);
        return RC_IO;
    }
    *out = l;
    return RC_OK;
}

void loop_quiet(struct loop *l) {
    if (l->is_quiet)
        return;
    atomic_store(&l->ends, true);
    queue_ring(&l->queue);
    pthread_join(l->thread, NULL);
    l->is_quiet = true;
    while (run_notes(l))
        continue;
    shard_end_streams(l->shard);
}

void loop_stop(struct loop *l) {
    if (!l)
        return;
    loop_quiet(l);
    queue_close(&l->queue);
    loop_free(l);
}

enum rc loop_open(struct loop *l, const struct push_open *open, int fd) {
    struct open_note *n = malloc(sizeof *n);
    if (!n)
        return RC_NO_MEMORY;
    *n = (struct open_note){{.item = {.bytes = sizeof *n}, .kind = NOTE_OPEN}, *open, fd};
    enum rc rc = queue_push_always(&l->queue, &n->note.item);
    if (rc != RC_OK)
        free(n);
    return rc;
}

void loop_wake(struct loop *l) { queue_wake(&l->queue); }

enum rc loop_row(struct loop *l, const struct handle *to, uint64_t seq, struct frame *frame,
                 bool quietly) {
    enum rc rc = RC_NO_MEMORY;
    struct row_note *n = malloc(sizeof *n);
    if (n) {
        size_t bytes = sizeof *n + (frame ? frame->n : 0);
        *n = (struct row_note){{.item = {.bytes = bytes}, .kind = NOTE_ROW}, *to, seq, NULL};
        n->frame = frame ? frame_ref(frame) : NULL;
        rc = quietly ? queue_push_quietly(&l->queue, &n->note.item)
                     : queue_push(&l->queue, &n->note.item);
    }
    if (rc != RC_OK) {
        if (n)
            frame_unref(n->frame);
        free(n);
        loop_look_at_all(l);
    }
    return rc;
}

static void answer(struct loop *l, struct push_note *note, enum note_kind kind) {
    note->kind = (int)kind;
    if (queue_push_always(&l->queue, &note->item) != RC_OK)
        log_error("push got an answer after its end note=%d", (int)kind);
}

void loop_read_done(struct loop *l, struct push_read *read) {
    read->note.item.bytes = 0;
    answer(l, &read->note, NOTE_READ);
}

void loop_heads_done(struct loop *l, struct push_heads *heads) {
    heads->note.item.bytes = 0;
    answer(l, &heads->note, NOTE_HEADS);
}

void loop_bus_up(struct loop *l, bool up) {
    atomic_store(&l->bus_is_up, up);
    atomic_store(&l->bus_changed, true);
    queue_ring(&l->queue);
}

void loop_look_at_all(struct loop *l) {
    if (!atomic_exchange(&l->look_at_all, true))
        queue_ring(&l->queue);
}

void loop_barrier_done(struct loop *l, uint64_t ticket) {
    uint64_t known = atomic_load(&l->barrier_ticket);
    while (known < ticket && !atomic_compare_exchange_weak(&l->barrier_ticket, &known, ticket))
        continue;
    queue_ring(&l->queue);
}

void loop_drain(struct loop *l, uint32_t drain_ms) {
    atomic_store(&l->drain_ms, (uint64_t)drain_ms + 1);
    queue_ring(&l->queue);
}
