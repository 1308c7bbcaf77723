/* tests/sim/talk_row.c -- reads rows of conversations.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/talk_row.h"

#include <string.h>

#include "wire/json_span.h"
#include "wire/sse.h"
#include "wire/time.h"

enum { HEAD_BYTES = 160 }; /* `conversation` stands within this, if it is there */

/* The text between the quotes; there are no escapes in it. */
static struct str text_of(struct str value) {
    return value.n >= 2 ? (struct str){value.p + 1, value.n - 2} : STR("");
}

static bool read_time(struct str value, int64_t *out) {
    return time_read(text_of(value), out) == RC_OK;
}

/* A number behind a word. */
static bool read_numbered(struct str text, struct str word, uint64_t max, uint64_t *out) {
    return str_starts_with(text, word) && str_read_u64(str_from(text, word.n), max, out) == RC_OK;
}

static bool read_inbox(struct str value, int *inbox) {
    uint64_t n;
    if (!read_numbered(text_of(value), STR("user-"), INBOXES_MAX - 1, &n))
        return false;
    *inbox = (int)n;
    return true;
}

static bool read_sid(struct str value, unsigned *talk) {
    for (*talk = 0; *talk < TALKS_MAX; ++*talk) {
        struct sid sid = talk_sid(*talk);
        if (str_eq(text_of(value), str_of(sid.text)))
            return true;
    }
    return false;
}

static bool read_primary(struct str value, uint64_t *id) {
    unsigned char key[32];
    struct str text = text_of(value);
    if (!str_starts_with(text, STR("ed25519:")) ||
        str_read_hex(str_from(text, 8), key, sizeof key) != RC_OK)
        return false;
    for (size_t i = *id = 0; i < sizeof key; i++)
        *id = *id << 8 | key[i];
    return true;
}

static bool read_participant(struct str object, struct talk_row *out) {
    struct json_member m[] = {{.name = STR("handle")}, {.name = STR("primary")}};
    int inbox;
    return json_split(object, str_of(NULL), m, 2) == RC_OK && read_inbox(m[0].value, &inbox) &&
           out->in[inbox] == 0 && read_primary(m[1].value, &out->in[inbox]);
}

/* An array of flat objects. */
static bool read_participants(struct str array, struct talk_row *out) {
    struct str rest = text_of(array), one, none;
    while (rest.n > 0) {
        if (!str_cut(rest, '}', &one, &rest) ||
            !read_participant((struct str){one.p, one.n + 1}, out) ||
            (rest.n > 0 && (!str_cut(rest, ',', &none, &rest) || none.n > 0 || rest.n == 0)))
            return false;
    }
    return true;
}

bool talk_row_read_data(struct str data, struct talk_row *out) {
    struct json_member m[] = {{.name = STR("sid")},       {.name = STR("title")},
                              {.name = STR("creator")},   {.name = STR("created_at")},
                              {.name = STR("version")},   {.name = STR("participants")},
                              {.name = STR("updated_at")}};
    int64_t updated_ms;
    uint64_t title;
    out->kind = TALK_ROW_UPDATE;
    out->data = data;
    memset(out->in, 0, sizeof out->in);
    if (json_split(data, str_of(NULL), m, 7) != RC_OK || !read_sid(m[0].value, &out->talk) ||
        !read_numbered(text_of(m[1].value), STR("title-"), 100, &title) ||
        !read_inbox(m[2].value, &out->creator) || !read_time(m[3].value, &out->begun_ms) ||
        json_u64(m[4].value, SEQ_MAX, &out->version) != RC_OK ||
        !read_participants(m[5].value, out))
        return false;
    out->title = (int)title;
    return read_time(m[6].value, &updated_ms) && updated_ms >= out->begun_ms;
}

static bool read_post(struct str id, struct str from, struct str envelope, struct talk_row *out) {
    struct json_member m[] = {{.name = STR("talk")}, {.name = STR("other")}};
    uint64_t said;
    out->kind = TALK_ROW_POST;
    if (!read_inbox(from, &out->from) ||
        !read_numbered(text_of(id), STR("t"), SEQ_MAX, &out->number) ||
        json_split(envelope, str_of(NULL), m, 2) != RC_OK ||
        json_u64(m[0].value, SEQ_MAX, &said) != RC_OK)
        return false;
    out->is_other = str_eq(m[1].value, STR("true"));
    return said == out->number;
}

bool talk_row_read(const struct frame *row, struct talk_row *out) {
    static const char mark[] = "\"conversation\":";
    struct json_member m[] = {{.name = STR("conversation")}, {.name = STR("type")},
                              {.name = STR("created_at")},   {.name = STR("id")},
                              {.name = STR("from")},         {.name = STR("envelope")},
                              {.name = STR("data")}};
    struct str json = frame_json(row);
    unsigned talk;
    *out = (struct talk_row){.kind = TALK_ROW_OTHER};
    if (!memmem(json.p, json.n < HEAD_BYTES ? json.n : HEAD_BYTES, mark, sizeof mark - 1))
        return row->type == ROW_MESSAGE;
    if (json_split(json, str_of(NULL), m, 7) != RC_OK || !read_sid(m[0].value, &talk) ||
        !read_time(m[2].value, &out->created_at_ms))
        return false;
    out->talk = talk;
    if (str_eq(m[1].value, STR("\"chatmessage.new\"")))
        return str_is_absent(m[6].value) && read_post(m[3].value, m[4].value, m[5].value, out);
    return str_eq(m[1].value, STR("\"conversation.updated\"")) && str_is_absent(m[5].value) &&
           talk_row_read_data(m[6].value, out) && out->talk == talk;
}
