/* wire/conversation.c -- the bodies of requests about conversations.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/conversation.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "wire/json_span.h"
#include "wire/sse.h"

static const char body_advice[] = "The body must be one JSON object in UTF-8, without doubled "
                                  "members, at most 64 deep.";
static const char memory_advice[] = "The server is short of memory; try again later.";

static enum rc refuse(const char **advice, enum rc rc, const char *text) {
    *advice = rc == RC_NO_MEMORY ? memory_advice : text;
    return rc;
}

/* ---- sids ---- */

enum rc sid_read(struct str text, struct sid *out) {
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    if (text.n != SID_LEN || text.p[0] > '7') /* 26 digits are 130 bits, a ULID has 128 */
        return RC_MALFORMED;
    for (size_t i = 0; i < SID_LEN; i++)
        if (!memchr(digits, text.p[i], sizeof digits - 1))
            return RC_MALFORMED;
    memcpy(out->text, text.p, SID_LEN);
    out->text[SID_LEN] = '\0';
    return RC_OK;
}

static enum rc read_sid(struct str value, struct sid *out) {
    struct buf text;
    buf_init(&text, value.n);
    enum rc rc = json_utf8(value, &text);
    if (rc == RC_OK)
        rc = sid_read(buf_str(&text), out);
    buf_done(&text);
    return rc;
}

/* ---- titles ---- */

/* C0, DEL and C1 (Unicode's Cc); the text is valid UTF-8. */
static bool has_control(struct str text) {
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < 0x20 || c == 0x7f)
            return true;
        if (c == 0xc2 && i + 1 < text.n && (unsigned char)text.p[i + 1] < 0xa0)
            return true;
    }
    return false;
}

static enum rc read_title(struct str value, struct conversation_draft *out) {
    struct buf text;
    if (str_is_absent(value))
        return RC_OK;
    buf_init(&text, value.n);
    enum rc rc = json_utf8(value, &text);
    if (rc == RC_OK && (text.n > TITLE_MAX || has_control(buf_str(&text))))
        rc = RC_MALFORMED;
    if (rc == RC_OK) {
        out->has_title = true;
        memcpy(out->title, buf_str(&text).p, text.n);
        out->title[text.n] = '\0';
    }
    buf_done(&text);
    return rc;
}

/* ---- lists of handles ---- */

void handles_done(struct handles *h) {
    free(h->at);
    *h = (struct handles){0};
}

bool handles_have(const struct handles *h, const struct handle *one) {
    for (size_t i = 0; i < h->n; i++)
        if (handle_eq(&h->at[i], one))
            return true;
    return false;
}

enum { SLOTS = 4 * PARTICIPANTS_MAX }; /* a power of two */

/* A list while it is read, and where each of its handles stands: a body has room for tens of
 * thousands of names, and each is looked for. */
struct roll {
    struct handles *handles;
    uint16_t slots[SLOTS]; /* a handle's number in the list, from 1; 0: free */
};

/* The slot of the handle, or the free one where it belongs. */
static uint16_t *find(struct roll *roll, const struct handle *one) {
    size_t i = (size_t)hash_str(handle_str(one)) % SLOTS;
    while (roll->slots[i] && !handle_eq(&roll->handles->at[roll->slots[i] - 1], one))
        i = (i + 1) % SLOTS;
    return &roll->slots[i];
}

/* Adds the handle whose raw text is `value`, unless it is there. RC_FULL: PARTICIPANTS_MAX are. */
static enum rc add_handle(struct roll *roll, struct str value, const char **advice) {
    struct handles *h = roll->handles;
    struct handle one;
    struct buf text;
    buf_init(&text, value.n);
    enum rc rc = json_utf8(value, &text);
    if (rc == RC_OK) {
        rc = handle_read(buf_str(&text), &one);
        if (rc != RC_OK)
            *advice = handle_advice(rc);
    }
    buf_done(&text);
    if (rc != RC_OK)
        return rc == RC_NO_MEMORY ? rc : RC_MALFORMED;
    uint16_t *slot = find(roll, &one);
    if (*slot)
        return RC_OK;
    if (h->n == PARTICIPANTS_MAX)
        return RC_FULL;
    h->at[h->n++] = one;
    *slot = (uint16_t)h->n;
    return RC_OK;
}

/* An array of strings; absent: empty. */
static enum rc read_handles(struct str value, struct handles *out, const char **advice) {
    struct roll roll = {.handles = out};
    struct json_scan scan;
    if (str_is_absent(value))
        return RC_OK;
    *advice = "The participants must be an array of handles.";
    json_scan_init(&scan, value);
    if (json_scan_next(&scan) != SCAN_ARRAY)
        return RC_MALFORMED;
    out->at = calloc(PARTICIPANTS_MAX, sizeof *out->at);
    if (!out->at)
        return refuse(advice, RC_NO_MEMORY, "");
    while (json_scan_next(&scan) == SCAN_STRING) {
        enum rc rc = add_handle(&roll, scan.raw, advice);
        if (rc == RC_FULL)
            return refuse(advice, RC_MALFORMED, "A conversation has at most 256 participants.");
        if (rc != RC_OK)
            return refuse(advice, rc, *advice);
    }
    return json_scan_next(&scan) == SCAN_DONE ? RC_OK : RC_MALFORMED;
}

/* ---- bodies ---- */

void conversation_draft_done(struct conversation_draft *d) {
    handles_done(&d->add);
    handles_done(&d->remove);
}

static enum rc finish(enum rc rc, struct conversation_draft *draft,
                      struct conversation_draft *out) {
    if (rc == RC_OK)
        *out = *draft;
    else
        conversation_draft_done(draft);
    return rc;
}

static const char title_advice[] =
    "\"title\" must be a string of at most 256 bytes without control characters.";

enum rc conversation_read_made(struct str body, struct conversation_draft *out,
                               const char **advice) {
    enum { SID, TITLE, PARTICIPANTS, KNOWN };
    struct json_member m[KNOWN] = {[SID] = {.name = STR("sid")},
                                   [TITLE] = {.name = STR("title")},
                                   [PARTICIPANTS] = {.name = STR("participants")}};
    struct conversation_draft draft = {0};
    enum rc rc = json_split(body, (struct str){NULL, 0}, m, KNOWN);
    if (rc != RC_OK)
        return refuse(advice, rc, body_advice);
    rc = read_sid(m[SID].value, &draft.sid);
    if (rc != RC_OK)
        return refuse(advice, rc, "\"sid\" must be a ULID: 26 upper-case digits of base32.");
    rc = read_title(m[TITLE].value, &draft);
    if (rc != RC_OK)
        return refuse(advice, rc, title_advice);
    rc = read_handles(m[PARTICIPANTS].value, &draft.add, advice);
    if (rc == RC_OK && draft.add.n == 0)
        rc = refuse(advice, RC_MALFORMED, "\"participants\" must name at least one handle.");
    return finish(rc, &draft, out);
}

static bool share_one(const struct handles *a, const struct handles *b) {
    for (size_t i = 0; i < a->n; i++)
        if (handles_have(b, &a->at[i]))
            return true;
    return false;
}

/* Any number: one that no conversation has is stale or ahead, which the store finds. */
static enum rc read_version(struct str value, uint64_t *out) {
    enum rc rc = json_u64(value, SEQ_MAX, out);
    if (rc != RC_TOO_LARGE)
        return rc;
    *out = SEQ_MAX;
    return RC_OK;
}

enum rc conversation_read_change(struct str body, struct conversation_draft *out,
                                 const char **advice) {
    enum { SEEN, TITLE, ADD, REMOVE, KNOWN };
    struct json_member m[KNOWN] = {[SEEN] = {.name = STR("version")},
                                   [TITLE] = {.name = STR("title")},
                                   [ADD] = {.name = STR("add")},
                                   [REMOVE] = {.name = STR("remove")}};
    struct conversation_draft draft = {0};
    enum rc rc = json_split(body, (struct str){NULL, 0}, m, KNOWN);
    if (rc != RC_OK)
        return refuse(advice, rc, body_advice);
    rc = read_version(m[SEEN].value, &draft.version);
    if (rc != RC_OK)
        return refuse(advice, rc,
                      "\"version\" must be the number that the conversation had when you saw it.");
    rc = read_title(m[TITLE].value, &draft);
    if (rc != RC_OK)
        return refuse(advice, rc, title_advice);
    rc = read_handles(m[ADD].value, &draft.add, advice);
    if (rc == RC_OK)
        rc = read_handles(m[REMOVE].value, &draft.remove, advice);
    if (rc == RC_OK && share_one(&draft.add, &draft.remove))
        rc = refuse(advice, RC_MALFORMED, "The same handle cannot be added and removed at once.");
    return finish(rc, &draft, out);
}

enum rc conversation_read_post(struct str body, struct message *out, const char **advice) {
    enum { ENVELOPE, ID, KNOWN };
    struct json_member m[KNOWN] = {
        [ENVELOPE] = {.name = STR("envelope")}, [ID] = {.name = STR("id")}};
    enum rc rc = json_split(body, STR("envelope"), m, KNOWN);
    if (rc != RC_OK)
        return refuse(advice, rc, body_advice);
    struct message message = {0};
    buf_init(&message.envelope, CONVERSATION_ENVELOPE_MAX);
    rc = str_is_absent(m[ID].value)
             ? refuse(advice, RC_MALFORMED, "\"id\" is needed, so that a replay stores nothing.")
             : message_read_id(m[ID].value, message.id, advice);
    if (rc == RC_OK)
        rc = message_read_envelope(m[ENVELOPE].value, &message.envelope, advice);
    if (rc == RC_OK)
        *out = message;
    else
        message_done(&message);
    return rc;
}
