/* back/bus_letters.c -- rows on their way to NATS: a bounded queue, and the round not acknowledged.
 *
 * At most one round's rows are on their way, so that a server that reads nothing does not fill the
 * socket, and what was lost with a connection is known.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/bus_letters.h"

#include <stdlib.h>
#include <string.h>

#include "back/bus_interests.h"
#include "base/table.h"
#include "core/stats.h"
#include "wire/row.h"

enum {
    ROUND_ROWS = 1024,
    ROUND_BYTES = 128 * 1024, /* about what the kernels take for a server that is frozen */
    BRIEF_MAX_BYTES = 1024,   /* of a row without its body; one that is no longer keeps it */
};

struct letter {
    struct list link;
    struct handle to;
    struct frame *frame; /* NULL: the row without its body is in `text` */
    uint64_t epoch_tag;
    size_t n;
    char text[];
};

void bus_letters_init(struct bus_letters *s) {
    *s = (struct bus_letters){0};
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->waiting);
    list_init(&s->sent);
}

static size_t size_of(const struct letter *l) {
    return sizeof *l + l->n + (l->frame ? l->frame->n : 0);
}

static void letter_free(struct letter *l) {
    frame_unref(l->frame);
    free(l);
}

static struct letter *letter_of_text(struct str text) {
    struct letter *l = malloc(sizeof *l + text.n);
    if (!l)
        return NULL;
    *l = (struct letter){.n = text.n};
    if (text.n)
        memcpy(l->text, text.p, text.n);
    return l;
}

static struct letter *letter_brief(const struct frame *frame) {
    struct buf text;
    struct letter *l = NULL;
    buf_init(&text, BRIEF_MAX_BYTES);
    row_put_stored(&text, frame_json(frame), frame->created_at_ms);
    if (buf_rc(&text) == RC_OK)
        l = letter_of_text(buf_str(&text));
    buf_done(&text);
    return l;
}

static struct letter *letter_whole(const struct frame *frame) {
    struct letter *l = letter_of_text(STR(""));
    /* The count of references is no part of what is const about a frame. */
    union {
        const struct frame *from;
        struct frame *to;
    } f = {.from = frame};
    if (l)
        l->frame = frame_ref(f.to);
    return l;
}

/* Bytes of a row that may still wait with its body. */
static size_t body_max(struct bus_letters *s, size_t max_bytes) {
    pthread_mutex_lock(&s->lock);
    bool is_crowded = s->bytes > max_bytes / 4 * 3;
    pthread_mutex_unlock(&s->lock);
    return is_crowded ? BRIEF_MAX_BYTES : ROW_BUS_MAX_BYTES;
}

enum rc bus_letters_put(struct bus_letters *s, const struct handle *to, const struct frame *frame,
                        size_t max_bytes) {
    bool is_brief = frame->json_n > body_max(s, max_bytes);
    struct letter *l = is_brief ? letter_brief(frame) : letter_whole(frame);
    if (!l)
        return RC_NO_MEMORY;
    l->to = *to;
    l->epoch_tag = frame->epoch_tag;
    pthread_mutex_lock(&s->lock);
    bool is_full = s->bytes + size_of(l) > max_bytes;
    if (!is_full) {
        s->count++;
        s->bytes += size_of(l);
        list_add(&s->waiting, &l->link);
    }
    pthread_mutex_unlock(&s->lock);
    if (is_full)
        letter_free(l);
    return is_full ? RC_FULL : RC_OK;
}

bool bus_letters_is_empty(struct bus_letters *s) {
    pthread_mutex_lock(&s->lock);
    bool is_empty = s->count == 0;
    pthread_mutex_unlock(&s->lock);
    return is_empty;
}

/* Moves what waits to `sent`, as much as one round takes. */
static void take_round(struct bus_letters *s) {
    size_t rows = 0, bytes = 0;
    pthread_mutex_lock(&s->lock);
    while (rows < ROUND_ROWS && bytes < ROUND_BYTES && !list_is_empty(&s->waiting)) {
        struct letter *l = container_of(list_pop(&s->waiting), struct letter, link);
        list_add(&s->sent, &l->link);
        rows++;
        bytes += size_of(l);
    }
    pthread_mutex_unlock(&s->lock);
    s->sent_on = 0;
}

/* The letter is in `sent` or, at the end, in `waiting`. */
static void finish(struct bus_letters *s, struct letter *l, bool is_published) {
    if (is_published)
        stats_add(bus_published, 1);
    else
        stats_add(bus_publish_failed, 1);
    pthread_mutex_lock(&s->lock);
    list_remove(&l->link);
    s->count--;
    s->bytes -= size_of(l);
    pthread_mutex_unlock(&s->lock);
    letter_free(l);
}

static void finish_all(struct bus_letters *s, struct list *in, bool is_published) {
    while (!list_is_empty(in))
        finish(s, container_of(in->next, struct letter, link), is_published);
}

static enum rc publish(struct bus_link *link, const struct letter *l) {
    char subject[BUS_SUBJECT_MAX + 1];
    struct str row = l->frame ? frame_json(l->frame) : (struct str){l->text, l->n};
    bus_subject_print(l->to.text, subject);
    return bus_link_publish(link, subject, row, l->epoch_tag);
}

enum rc bus_letters_send(struct bus_letters *s, struct bus_link *link, uint64_t connection) {
    if (list_is_empty(&s->sent))
        take_round(s);
    if (s->sent_on == connection)
        return RC_OK;
    for (struct list *at = s->sent.next, *next; at != &s->sent; at = next) {
        next = at->next;
        struct letter *l = container_of(at, struct letter, link);
        enum rc rc = publish(link, l);
        if (rc == RC_UNAVAILABLE)
            return rc;
        if (rc != RC_OK)
            finish(s, l, false);
    }
    s->sent_on = connection;
    return RC_OK;
}

void bus_letters_sent(struct bus_letters *s) { finish_all(s, &s->sent, true); }

void bus_letters_done(struct bus_letters *s) {
    finish_all(s, &s->sent, false);
    finish_all(s, &s->waiting, false);
    pthread_mutex_destroy(&s->lock);
}
