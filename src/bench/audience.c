/* bench/audience.c -- the event streams that the bench holds open.
 *
 * A stream is CONNECTING, then HEAD (its answer's head gathers in a slot that it holds for so
 * long), then OPENING until `ready`, then LIVE. Reading is one recv() into a buffer that all share;
 * scan.c keeps what a frame's start leaves to be known at its end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/audience.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/answer.h"

enum { RECEIVE_BYTES = 256 * 1024, HEAD_MAX = 4096, REQUEST_MAX = 4096 };
enum { NO_SLOT = UINT16_MAX };

enum state { WAITING, CONNECTING, HEAD, OPENING, LIVE, ENDED };

struct listener {
    int fd;
    uint32_t handle;
    struct scan scan;
    struct track track;
    struct chunk chunk;
    uint16_t slot;
    uint8_t state;
    bool is_chunked;
    uint32_t due_ms; /* since the audience began; while it opens */
};
_Static_assert(sizeof(struct listener) <= 100, "a stream costs the bench at most 100 bytes");

struct slot {
    uint32_t n;
    char bytes[HEAD_MAX];
};

struct audience {
    struct audience_config config;
    struct audience_tally tally;
    uint64_t began_ns, measure_from_ns;
    bool has_begun;
    uint32_t opening;
    uint16_t n_free;
    uint16_t *free; /* slots that nobody holds */
    struct slot *slots;
    struct buf request;
    char *receive;
    struct listener *at;
};

static void on_ready(void *arg, uint32_t index, uint32_t events);

enum rc audience_new(const struct audience_config *config, struct audience **out) {
    struct audience *a = calloc(1, sizeof *a);
    if (!a)
        return RC_NO_MEMORY;
    a->config = *config;
    a->measure_from_ns = UINT64_MAX;
    a->began_ns = poller_now_ns();
    buf_init(&a->request, REQUEST_MAX);
    a->at = calloc(config->streams + 1, sizeof *a->at);
    a->free = calloc(config->opening_max, sizeof *a->free);
    a->slots = calloc(config->opening_max, sizeof *a->slots);
    a->receive = malloc(RECEIVE_BYTES);
    if (!a->at || !a->free || !a->slots || !a->receive) {
        a->config.streams = 0;
        audience_free(a);
        return RC_NO_MEMORY;
    }
    for (uint32_t i = 0; i < config->streams; i++) {
        a->at[i] = (struct listener){.fd = -1, .handle = i % config->handles, .slot = NO_SLOT};
        config->inboxes[a->at[i].handle].streams++;
    }
    for (; a->n_free < config->opening_max; a->n_free++)
        a->free[a->n_free] = a->n_free;
    poller_serve(config->poller, POLLER_STREAM, (struct poller_client){a, on_ready});
    *out = a;
    return RC_OK;
}

void audience_free(struct audience *a) {
    if (!a)
        return;
    for (uint32_t i = 0; i < a->config.streams; i++)
        if (a->at[i].fd >= 0)
            close(a->at[i].fd);
    buf_done(&a->request);
    free(a->at);
    free(a->free);
    free(a->slots);
    free(a->receive);
    free(a);
}

const struct audience_tally *audience_tally(const struct audience *a) { return &a->tally; }

void audience_measure_from(struct audience *a, uint64_t now_ns) { a->measure_from_ns = now_ns; }

bool audience_is_settled(const struct audience *a) {
    return a->opening == 0 && a->tally.opened == a->config.streams;
}

static bool is_opening(const struct listener *l) {
    return l->state == CONNECTING || l->state == HEAD || l->state == OPENING;
}

static void give_slot_back(struct audience *a, struct listener *l) {
    if (l->slot == NO_SLOT)
        return;
    a->free[a->n_free++] = l->slot;
    l->slot = NO_SLOT;
}

/* The one way in which a stream ends before the bench does. */
static void end_stream(struct audience *a, struct listener *l, const char *why) {
    troubles_add(a->config.troubles, "stream %s: %s", is_opening(l) ? "not opened" : "ended", why);
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    give_slot_back(a, l);
    if (is_opening(l))
        a->opening--;
    l->state = ENDED;
    a->tally.ended++;
}

static void become_live(struct audience *a, struct listener *l) {
    if (!is_opening(l))
        return;
    l->state = LIVE;
    a->opening--;
    a->tally.ready++;
}

static const struct peer *node_of(const struct audience *a, uint32_t index) {
    const struct audience_config *c = &a->config;
    return &c->nodes[(index % c->handles + index / c->handles) % c->n_nodes];
}

/* The connection stands: the request goes out in one piece, which a new socket always takes. */
static void ask_for_stream(struct audience *a, uint32_t index) {
    struct audience_config *c = &a->config;
    struct listener *l = &a->at[index];
    int error = 0;
    socklen_t bytes = sizeof error;
    (void)getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
    if (error) {
        end_stream(a, l, strerror(error));
        return;
    }
    buf_clear(&a->request);
    struct str host = str_of(node_of(a, index)->host);
    enum rc rc = ask_stream(c->ask, &a->request, host, &c->who[l->handle]);
    if (rc == RC_OK &&
        send(l->fd, a->request.p, a->request.n, MSG_NOSIGNAL) != (ssize_t)a->request.n)
        rc = RC_IO;
    if (rc == RC_OK)
        rc = poller_change(c->poller, l->fd, POLLER_STREAM, index, EPOLLIN | EPOLLRDHUP | EPOLLET);
    if (rc != RC_OK)
        end_stream(a, l, rc_text(rc));
    else
        l->state = HEAD;
}

static void dial(struct audience *a, uint32_t index) {
    struct listener *l = &a->at[index];
    l->state = CONNECTING;
    a->opening++;
    l->slot = a->free[--a->n_free];
    a->slots[l->slot].n = 0;
    l->due_ms =
        (uint32_t)((poller_now_ns() - a->began_ns + a->config.timeout_ns) / UINT64_C(1000000));
    int fd = peer_connect(node_of(a, index));
    if (fd < 0) {
        end_stream(a, l, strerror(-fd));
        return;
    }
    l->fd = fd;
    if (poller_add(a->config.poller, fd, POLLER_STREAM, index, EPOLLOUT) != RC_OK)
        end_stream(a, l, "epoll failed");
}

static void open_more(struct audience *a) {
    while (a->opening < a->config.opening_max && a->tally.opened < a->config.streams)
        dial(a, a->tally.opened++);
}

void audience_open(struct audience *a) {
    a->has_begun = true;
    open_more(a);
}

/* For whom the rows of this stream are marked. */
static uint32_t marked_for(const struct audience *a, const struct listener *l) {
    return a->config.gathering ? 0 : l->handle;
}

static bool agrees(const struct audience *a, const struct listener *l, const struct scan_frame *f) {
    uint64_t before = a->config.inboxes[l->handle].before;
    return !a->config.gathering ||
           (f->id > before && gathering_agrees(a->config.gathering, f->id - before, f->mark.post));
}

static void on_row(struct audience *a, struct listener *l, const struct scan_frame *f,
                   uint64_t now_ns) {
    struct audience_tally *t = &a->tally;
    t->rows++;
    if (!a->config.has_ready)
        t->ledger.delivered++;
    else if (f->has_id && f->id > 0)
        ledger_row(&t->ledger, &l->track, f->id);
    else
        troubles_add(a->config.troubles, "a row without an id");
    if (!f->has_mark) {
        troubles_add(a->config.troubles, "a row that the bench did not post");
        return;
    }
    if (f->mark.handle != marked_for(a, l))
        t->stray++;
    else if (!agrees(a, l, f))
        t->disagreed++;
    if (f->mark.sent_ns < a->measure_from_ns)
        return;
    t->measured++;
    t->last_ns = now_ns;
    histogram_add(&t->latency_ns, now_ns > f->mark.sent_ns ? now_ns - f->mark.sent_ns : 0);
}

static void on_frame(struct audience *a, struct listener *l, const struct scan_frame *f,
                     uint64_t now_ns) {
    struct audience_tally *t = &a->tally;
    switch (f->event) {
    case SCAN_ROW:
        on_row(a, l, f, now_ns);
        break;
    case SCAN_READY:
        if (!f->has_id)
            troubles_add(a->config.troubles, "ready without an id");
        ledger_ready(&t->ledger, &l->track, f->has_id ? f->id : 0);
        a->config.inboxes[l->handle].before = f->has_id ? f->id : 0;
        become_live(a, l);
        break;
    case SCAN_RESYNC:
        t->resyncs++;
        ledger_resync(&t->ledger, &l->track, f->has_id ? f->id : 0);
        break;
    case SCAN_DRAIN:
        t->drains++;
        break;
    case SCAN_OTHER:
        troubles_add(a->config.troubles, "an event of an unknown name");
        break;
    }
}

static void read_frames(struct audience *a, struct listener *l, struct str bytes, uint64_t now_ns) {
    struct scan_frame frame;
    a->tally.bytes += bytes.n;
    while (scan_next(&l->scan, &bytes, &frame))
        on_frame(a, l, &frame, now_ns);
}

/* Bytes after the head. */
static void read_body(struct audience *a, struct listener *l, struct str bytes, uint64_t now_ns) {
    if (!l->is_chunked) {
        read_frames(a, l, bytes, now_ns);
        return;
    }
    struct str run;
    enum rc rc;
    while ((rc = chunk_next(&l->chunk, &bytes, &run)) == RC_OK && run.n > 0)
        read_frames(a, l, run, now_ns);
    if (rc != RC_OK)
        end_stream(a, l, rc == RC_CLOSED ? "its body ended" : "its chunks are malformed");
}

/* Gathers the head; what came after it in the same bytes goes on to the body. */
static void read_head(struct audience *a, struct listener *l, struct str bytes, uint64_t now_ns) {
    struct slot *slot = &a->slots[l->slot];
    struct answer_head head;
    size_t before = slot->n;
    size_t taken = bytes.n < HEAD_MAX - before ? bytes.n : HEAD_MAX - before;
    memcpy(slot->bytes + before, bytes.p, taken);
    slot->n += (uint32_t)taken;
    enum rc rc = answer_read_head((struct str){slot->bytes, slot->n}, &head);
    if (rc == RC_TOO_SHORT && slot->n < HEAD_MAX)
        return;
    if (rc != RC_OK) {
        end_stream(a, l, "the answer's head is malformed or too large");
        return;
    }
    if (head.status != 200) {
        char why[32];
        snprintf(why, sizeof why, "answered %u", head.status);
        end_stream(a, l, why);
        return;
    }
    give_slot_back(a, l);
    l->state = OPENING;
    l->is_chunked = head.is_chunked;
    if (!a->config.has_ready)
        become_live(a, l);
    read_body(a, l, str_from(bytes, head.bytes - before), now_ns);
}

/* One recv(): all there is, but when the buffer was too small. False: the stream is not to be read
 * on now. */
static bool receive(struct audience *a, struct listener *l) {
    ssize_t n = recv(l->fd, a->receive, RECEIVE_BYTES, 0);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        end_stream(a, l, n < 0 ? strerror(errno) : "the node closed it");
        return false;
    }
    struct str bytes = {a->receive, (size_t)n};
    if (l->state == HEAD)
        read_head(a, l, bytes, poller_now_ns());
    else
        read_body(a, l, bytes, poller_now_ns());
    return n == RECEIVE_BYTES && l->state != ENDED;
}

/* Streams are watched edge-triggered, which spares epoll a second look at each: so one that has
 * ended must be read to its end at once. */
static void read_on(struct audience *a, struct listener *l, bool is_last) {
    while (receive(a, l))
        continue;
    while (is_last && l->state != ENDED && receive(a, l))
        continue;
    if (is_last && l->state != ENDED)
        end_stream(a, l, "hung up on");
}

static void on_ready(void *arg, uint32_t index, uint32_t events) {
    struct audience *a = arg;
    struct listener *l = &a->at[index];
    if (l->state == CONNECTING)
        ask_for_stream(a, index);
    else if (l->state != ENDED)
        read_on(a, l, events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    open_more(a);
}

void audience_tick(struct audience *a, uint64_t now_ns) {
    uint32_t now_ms = (uint32_t)((now_ns - a->began_ns) / 1000000);
    for (uint32_t i = 0; a->opening > 0 && i < a->tally.opened; i++)
        if (is_opening(&a->at[i]) && a->at[i].due_ms < now_ms)
            end_stream(a, &a->at[i], "not ready in time");
    if (a->has_begun)
        open_more(a);
}

/* The last seq that this stream must come to, as answers named it. */
static uint64_t head_of(const struct audience *a, const struct listener *l) {
    const struct inbox *in = &a->config.inboxes[l->handle];
    return a->config.gathering ? in->before + a->config.gathering->posts.last : in->last;
}

bool audience_is_caught_up(const struct audience *a) {
    for (uint32_t i = 0; i < a->config.streams; i++) {
        const struct listener *l = &a->at[i];
        if (l->state == LIVE && !ledger_is_at(&l->track, head_of(a, l)))
            return false;
    }
    return true;
}

void audience_close_books(struct audience *a) {
    for (uint32_t i = 0; a->config.has_ready && i < a->config.streams; i++)
        ledger_end(&a->tally.ledger, &a->at[i].track, head_of(a, &a->at[i]));
}
