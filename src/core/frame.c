/* core/frame.c -- rows made ready for streams.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/frame.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const struct str tail = STR_INIT("\n\n");

/* A frame of these bytes whose JSON stands from json_at up to json_end. */
static struct frame *frame_of_bytes(struct str bytes, size_t json_at, size_t json_end) {
    if (bytes.n > FRAME_MAX_BYTES)
        return NULL;
    struct frame *f = malloc(sizeof *f + bytes.n);
    if (!f)
        return NULL;
    *f = (struct frame){
        .n = (uint32_t)bytes.n,
        .json_at = (uint32_t)json_at,
        .json_n = (uint32_t)(json_end - json_at),
    };
    atomic_init(&f->refs, 1);
    atomic_init(&f->tagged, NULL);
    if (bytes.n)
        memcpy(f->bytes, bytes.p, bytes.n);
    return f;
}

/* What a row's JSON and the frame around it take beside envelope and data; a guess, so that the
 * buffer seldom grows twice. */
enum { USUAL_REST_BYTES = 320 };

/* `id: <seq>\ndata: `; where the JSON begins. payload_n: bytes that are known to follow. */
static size_t begin(struct buf *b, uint64_t seq, size_t payload_n) {
    buf_init(b, FRAME_MAX_BYTES);
    if (payload_n < FRAME_MAX_BYTES - USUAL_REST_BYTES)
        (void)buf_reserve(b, payload_n + USUAL_REST_BYTES);
    buf_put(b, STR("id: "));
    buf_put_u64(b, seq);
    buf_put(b, STR("\ndata: "));
    return b->n;
}

/* Ends the frame that `b` holds, and frees `b`. */
static struct frame *finish(struct buf *b, size_t json_at, const struct row_head *head) {
    size_t json_end = b->n;
    struct frame *f = NULL;
    buf_put(b, tail);
    if (buf_rc(b) == RC_OK)
        f = frame_of_bytes(buf_str(b), json_at, json_end);
    if (f) {
        f->type = head->type;
        f->seq = head->seq;
        f->created_at_ms = head->created_at_ms;
    }
    buf_done(b);
    return f;
}

struct frame *frame_new(const struct row *row) {
    struct row_head head = {
        .seq = row->seq, .type = row->type, .created_at_ms = row->created_at_ms};
    struct buf b;
    size_t json_at = begin(&b, row->seq, row->envelope.n + row->data.n);
    row_put(&b, row);
    return finish(&b, json_at, &head);
}

/* Of the two numbers in a frame, and of what stands around them. */
enum { SEQ_DIGITS_MAX = 20 };
static const struct str before_id = STR_INIT("id: "), before_json = STR_INIT("\ndata: "),
                        before_seq = STR_INIT("{\"seq\":");

static struct str print(uint64_t number, char out[SEQ_DIGITS_MAX]) {
    size_t at = SEQ_DIGITS_MAX;
    do {
        out[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return (struct str){out + at, SEQ_DIGITS_MAX - at};
}

static char *put(char *to, struct str bytes) {
    memcpy(to, bytes.p, bytes.n);
    return to + bytes.n;
}

struct frame *frame_with_seq(const struct frame *f, uint64_t seq) {
    char digits[SEQ_DIGITS_MAX], old_digits[SEQ_DIGITS_MAX];
    struct str number = print(seq, digits), old = print(f->seq, old_digits);
    size_t json_at = before_id.n + number.n + before_json.n;
    struct str rest = str_from((struct str){f->bytes, f->n}, f->json_at + before_seq.n + old.n);
    size_t n = json_at + before_seq.n + number.n + rest.n;
    struct frame *made = n <= FRAME_MAX_BYTES ? malloc(sizeof *made + n) : NULL;
    if (!made)
        return NULL;
    *made = (struct frame){.n = (uint32_t)n,
                           .json_at = (uint32_t)json_at,
                           .json_n = (uint32_t)(n - json_at - tail.n),
                           .type = f->type,
                           .seq = seq,
                           .created_at_ms = f->created_at_ms};
    atomic_init(&made->refs, 1);
    atomic_init(&made->tagged, NULL);
    char *to = put(put(put(made->bytes, before_id), number), before_json);
    (void)put(put(put(to, before_seq), number), rest);
    return made;
}

struct frame *frame_of_json(const struct row_head *head, struct str json) {
    struct buf b;
    size_t json_at = begin(&b, head->seq, json.n);
    buf_put(&b, json);
    return finish(&b, json_at, head);
}

struct frame *frame_of_event(uint64_t seq, struct str bytes) {
    struct frame *f = frame_of_bytes(bytes, 0, 0);
    if (f)
        f->seq = seq;
    return f;
}

struct frame *frame_tagged(struct frame *f) {
    struct frame *made = atomic_load_explicit(&f->tagged, memory_order_acquire), *none = NULL;
    if (made)
        return made;
    struct row_head head = {.seq = f->seq, .type = f->type, .created_at_ms = f->created_at_ms};
    struct buf b;
    size_t json_at = begin(&b, f->seq, f->json_n);
    row_put_tagged(&b, f->type, frame_json(f));
    made = finish(&b, json_at, &head);
    if (!made)
        return NULL;
    made->epoch_tag = f->epoch_tag;
    if (atomic_compare_exchange_strong_explicit(&f->tagged, &none, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    frame_unref(made); /* another thread was first */
    return none;
}

struct frame *frame_ref(struct frame *f) {
    /* Relaxed: who refs holds a reference already. */
    (void)atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void frame_unref(struct frame *f) {
    /* The last one must see what the others did before they let go. */
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    frame_unref(atomic_load_explicit(&f->tagged, memory_order_acquire));
    free(f);
}

struct str frame_json(const struct frame *f) {
    return (struct str){f->bytes + f->json_at, f->json_n};
}
