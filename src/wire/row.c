/* wire/row.c -- rows of an inbox as JSON.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/row.h"

#include <string.h>

#include "wire/json_span.h"
#include "wire/sse.h"
#include "wire/time.h"

static const struct str type_names[] = {
    [ROW_MESSAGE] = STR_INIT("chatmessage.new"),
    [ROW_CONVERSATION] = STR_INIT("conversation.updated"),
};

static void put_string(struct buf *out, const char *member, struct str text) {
    if (str_is_absent(text))
        return;
    buf_putf(out, ",\"%s\":", member);
    json_put_string(out, text);
}

static void put_json(struct buf *out, const char *member, struct str json) {
    if (str_is_absent(json))
        return;
    buf_putf(out, ",\"%s\":", member);
    buf_put(out, json);
}

static void put_head(struct buf *out, const struct row *row) {
    buf_put(out, STR("{\"seq\":"));
    buf_put_u64(out, row->seq);
    put_string(out, "type", type_names[row->type]);
    put_string(out, "id", row->id);
    put_string(out, "from", row->from);
    put_string(out, "conversation", row->conversation);
}

static void put_created_at(struct buf *out, int64_t ms) {
    buf_put(out, STR(",\"created_at\":\""));
    time_put(out, ms);
    buf_put_byte(out, '"');
}

void row_put(struct buf *out, const struct row *row) {
    put_head(out, row);
    put_json(out, "envelope", row->envelope);
    put_json(out, "data", row->data);
    put_created_at(out, row->created_at_ms);
    buf_put_byte(out, '}');
}

/* Reads over the value whose first token comes next. */
static void skip_value(struct json_scan *scan) {
    size_t depth = scan->depth;
    do {
        if (json_scan_next(scan) == SCAN_BAD)
            return;
    } while (scan->depth > depth);
}

/* Whether the name that the scan has just read is one of those that row_put() writes behind the
 * head. */
static bool is_behind_head(const struct json_scan *scan) {
    return str_eq(scan->raw, STR("\"envelope\"")) || str_eq(scan->raw, STR("\"data\"")) ||
           str_eq(scan->raw, STR("\"created_at\""));
}

void row_put_stored(struct buf *out, struct str json, int64_t created_at_ms) {
    struct json_scan scan;
    json_scan_init(&scan, json);
    (void)json_scan_next(&scan); /* the object */
    const char *end = scan.p;
    while (json_scan_next(&scan) == SCAN_NAME && !is_behind_head(&scan)) {
        skip_value(&scan);
        end = scan.p;
    }
    buf_put(out, (struct str){json.p, (size_t)(end - json.p)});
    put_created_at(out, created_at_ms);
    buf_put(out, STR(",\"stored\":true}"));
}

/* The scan has just read a name. Only an escape can hide a name from a comparison of raw bytes. */
static bool is_type(const struct json_scan *scan) {
    struct buf name;
    if (!scan->escaped)
        return str_eq(scan->raw, STR("\"type\""));
    buf_init(&name, scan->raw.n);
    (void)json_decode(scan->raw, &name);
    bool is = str_eq(buf_str(&name), STR("type"));
    buf_done(&name);
    return is;
}

void row_put_tagged(struct buf *out, enum row_type type, struct str json) {
    struct json_scan scan;
    bool first = true;
    buf_put(out, STR("{\"type\":"));
    json_put_string(out, type_names[type]);
    buf_put(out, STR(",\"data\":{"));
    json_scan_init(&scan, json);
    (void)json_scan_next(&scan); /* the object */
    while (json_scan_next(&scan) == SCAN_NAME) {
        const char *begin = scan.raw.p;
        bool skip = is_type(&scan);
        skip_value(&scan);
        if (skip)
            continue;
        if (!first)
            buf_put_byte(out, ',');
        first = false;
        buf_put(out, (struct str){begin, (size_t)(scan.p - begin)});
    }
    buf_put(out, STR("}}"));
}

/* A raw string value that is one of a few words, written without escapes or with. */
static enum rc read_type(struct str value, enum row_type *out) {
    struct buf text;
    buf_init(&text, value.n);
    enum rc rc = json_utf8(value, &text);
    if (rc == RC_OK) {
        rc = RC_MALFORMED;
        for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
            if (str_eq(buf_str(&text), type_names[i])) {
                *out = (enum row_type)i;
                rc = RC_OK;
            }
    }
    buf_done(&text);
    return rc;
}

static enum rc read_time(struct str value, int64_t *out) {
    struct buf text;
    buf_init(&text, value.n);
    enum rc rc = json_utf8(value, &text);
    if (rc == RC_OK)
        rc = time_read(buf_str(&text), out);
    buf_done(&text);
    return rc;
}

static enum rc read_stored(struct str value, bool *out) {
    *out = str_eq(value, STR("true"));
    return *out || str_is_absent(value) || str_eq(value, STR("false")) ? RC_OK : RC_MALFORMED;
}

static bool is_text_or_absent(struct str value) {
    return str_is_absent(value) || json_kind(value) == '"';
}

enum rc row_read_head(struct str json, struct row_head *out) {
    enum { SEQ, TYPE, CREATED_AT, STORED, ENVELOPE, DATA, ID, FROM, CONVERSATION, KNOWN };
    struct json_member m[KNOWN] = {
        [SEQ] = {.name = STR("seq")},
        [TYPE] = {.name = STR("type")},
        [CREATED_AT] = {.name = STR("created_at")},
        [STORED] = {.name = STR("stored")},
        [ENVELOPE] = {.name = STR("envelope")},
        [DATA] = {.name = STR("data")},
        [ID] = {.name = STR("id")},
        [FROM] = {.name = STR("from")},
        [CONVERSATION] = {.name = STR("conversation")},
    };
    if (json.n == 0 || memchr(json.p, '\n', json.n) || memchr(json.p, '\r', json.n))
        return RC_MALFORMED;
    struct row_head head = {0};
    enum rc rc = json_split(json, STR("envelope"), m, KNOWN);
    if (rc == RC_OK)
        rc = json_u64(m[SEQ].value, SEQ_MAX, &head.seq);
    if (rc == RC_OK)
        rc = read_type(m[TYPE].value, &head.type);
    if (rc == RC_OK)
        rc = read_time(m[CREATED_AT].value, &head.created_at_ms);
    if (rc == RC_OK)
        rc = read_stored(m[STORED].value, &head.stored);
    if (rc != RC_OK)
        return rc == RC_NO_MEMORY ? rc : RC_MALFORMED;
    struct str content = m[head.type == ROW_MESSAGE ? ENVELOPE : DATA].value;
    if (head.seq == 0 || (!head.stored && json_kind(content) != '{'))
        return RC_MALFORMED;
    for (int i = ID; i <= CONVERSATION; i++)
        if (!is_text_or_absent(m[i].value))
            return RC_MALFORMED;
    *out = head;
    return RC_OK;
}
