/* tests/sim/sse_reader.c -- the five shapes of a frame, to the letter.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/sse_reader.h"

#include <stdio.h>
#include <string.h>

#include "wire/json_span.h"
#include "wire/sse.h"

const char *const resync_names[RESYNC_REASONS] = {"trimmed", "ahead", "epoch"};

void sse_reader_reset(struct sse_reader *r, bool tagged) {
    r->n = 0;
    r->tagged = tagged;
}

bool sse_reader_feed(struct sse_reader *r, const char *bytes, size_t n) {
    if (n > sizeof r->bytes - r->n)
        return false;
    memcpy(r->bytes + r->n, bytes, n);
    r->n += n;
    return true;
}

void sse_reader_take(struct sse_reader *r, size_t used) {
    memmove(r->bytes, r->bytes + used, r->n - used);
    r->n -= used;
}

/* Takes `field` and its value off the front of the frame. */
static bool take_line(struct str *frame, struct str field, struct str *value) {
    struct str line;
    if (!str_starts_with(*frame, field) || !str_cut(*frame, '\n', &line, frame))
        return false;
    *value = str_from(line, field.n);
    return true;
}

static bool take_id(struct str *frame, uint64_t *id) {
    struct str value;
    return take_line(frame, STR("id: "), &value) && sse_read_last_id(value, id) == RC_OK;
}

/* The last line of a frame. */
static bool take_data(struct str *frame, struct str *data) {
    return take_line(frame, STR("data: "), data) && frame->n == 0;
}

static bool read_text(struct str value, char *out, size_t max) {
    if (value.n < 2 || value.n - 2 > max || value.p[0] != '"')
        return false;
    memcpy(out, value.p + 1, value.n - 2);
    out[value.n - 2] = '\0';
    return true;
}

/* {"type","data"}: the row without its type, which is of another form than one from the bus. */
static bool is_tagged_row(struct str data, uint64_t seq) {
    struct json_member m[] = {{.name = STR("type")}, {.name = STR("data")}};
    struct json_member in[] = {{.name = STR("seq")},
                               {.name = STR("type")},
                               {.name = STR("envelope")},
                               {.name = STR("data")}};
    uint64_t said;
    if (json_split(data, STR("data"), m, 2) != RC_OK ||
        json_split(m[1].value, STR("envelope"), in, 4) != RC_OK ||
        json_u64(in[0].value, SEQ_MAX, &said) != RC_OK || said != seq ||
        !str_is_absent(in[1].value))
        return false;
    if (str_eq(m[0].value, STR("\"chatmessage.new\"")))
        return !str_is_absent(in[2].value) && str_is_absent(in[3].value);
    return str_eq(m[0].value, STR("\"conversation.updated\"")) && str_is_absent(in[2].value) &&
           !str_is_absent(in[3].value);
}

static bool read_row(struct str frame, bool tagged, struct sse_event *out) {
    struct row_head head;
    out->kind = SSE_ROW;
    if (!take_id(&frame, &out->id) || !take_data(&frame, &out->data))
        return false;
    if (tagged)
        return is_tagged_row(out->data, out->id);
    return row_read_head(out->data, &head) == RC_OK && head.seq == out->id && !head.stored;
}

/* The members that ready and resync share. */
static bool read_place(struct str data, struct json_member *more, size_t n, struct sse_event *out) {
    struct json_member m[4] = {{.name = STR("seq")}, {.name = STR("epoch")}};
    uint64_t seq;
    for (size_t i = 0; i < n; i++)
        m[2 + i] = more[i];
    if (json_split(data, (struct str){NULL, 0}, m, 2 + n) != RC_OK)
        return false;
    for (size_t i = 0; i < n; i++)
        more[i] = m[2 + i];
    return json_u64(m[0].value, SEQ_MAX, &seq) == RC_OK && seq == out->id &&
           read_text(m[1].value, out->epoch.text, EPOCH_MAX);
}

static bool read_ready(struct str frame, struct sse_event *out) {
    struct json_member m[] = {{.name = STR("handle")}, {.name = STR("first")}};
    struct str data;
    out->kind = SSE_READY;
    if (!take_id(&frame, &out->id) || !take_data(&frame, &data) || !read_place(data, m, 2, out))
        return false;
    out->handle = m[0].value;
    return json_u64(m[1].value, SEQ_MAX, &out->first) == RC_OK;
}

static bool read_resync(struct str frame, struct sse_event *out) {
    struct json_member m[] = {{.name = STR("reason")}, {.name = STR("missed")}};
    struct str data;
    char reason[16];
    out->kind = SSE_RESYNC;
    if (!take_id(&frame, &out->id) || !take_data(&frame, &data) || !read_place(data, m, 2, out) ||
        !read_text(m[0].value, reason, sizeof reason - 1) ||
        json_u64(m[1].value, SEQ_MAX, &out->missed) != RC_OK)
        return false;
    for (enum resync_reason r = 0; r < RESYNC_REASONS; r++)
        if (strcmp(reason, resync_names[r]) == 0) {
            out->reason = r;
            return true;
        }
    return false;
}

static bool read_drain(struct str frame, struct sse_event *out) {
    struct str retry, data;
    char want[64];
    out->kind = SSE_DRAIN;
    if (!take_line(&frame, STR("retry: "), &retry) || !take_data(&frame, &data))
        return false;
    (void)snprintf(want, sizeof want, "{\"retry_ms\":%.*s}", STR_ARG(retry));
    return str_eq(data, str_of(want));
}

static bool read_frame(struct str frame, bool tagged, struct sse_event *out) {
    struct str rest = frame, event;
    *out = (struct sse_event){.kind = SSE_COMMENT};
    if (str_eq(frame, STR(": keep-alive\n")))
        return true;
    if (!take_line(&rest, STR("event: "), &event))
        return read_row(frame, tagged, out);
    if (str_eq(event, STR("ready")))
        return read_ready(rest, out);
    if (str_eq(event, STR("resync")))
        return read_resync(rest, out);
    return str_eq(event, STR("drain")) && read_drain(rest, out);
}

int sse_reader_next(struct sse_reader *r, struct sse_event *out, size_t *used) {
    for (size_t i = 1; i < r->n; i++)
        if (r->bytes[i] == '\n' && r->bytes[i - 1] == '\n') {
            *used = i + 1;
            return read_frame((struct str){r->bytes, i}, r->tagged, out) ? 1 : -1;
        }
    return 0;
}
