/* wire/message.c -- two bodies of requests.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/message.h"

#include <string.h>

#include "wire/json_span.h"

static const char body_advice[] = "The body must be one JSON object in UTF-8, without doubled "
                                  "members, at most 64 deep.";
static const char memory_advice[] = "The server is short of memory; try again later.";

static enum rc refuse(const char **advice, enum rc rc, const char *text) {
    *advice = rc == RC_NO_MEMORY ? memory_advice : text;
    return rc;
}

static enum rc read_to(struct str value, struct handle *out, const char **advice) {
    struct buf text;
    buf_init(&text, value.n);
    enum rc rc = json_utf8(value, &text);
    if (rc != RC_OK) {
        (void)refuse(advice, rc, "\"to\" must be a handle as a string.");
    } else {
        rc = handle_read(buf_str(&text), out);
        if (rc != RC_OK)
            *advice = handle_advice(rc);
    }
    buf_done(&text);
    return rc;
}

static bool is_id_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* `out` is zeroed. */
static enum rc copy_id(struct str id, char out[MESSAGE_ID_MAX + 1]) {
    if (id.n == 0 || id.n > MESSAGE_ID_MAX)
        return RC_MALFORMED;
    for (size_t i = 0; i < id.n; i++)
        if (!is_id_byte(id.p[i]))
            return RC_MALFORMED;
    memcpy(out, id.p, id.n);
    return RC_OK;
}

enum rc message_read_id(struct str value, char out[MESSAGE_ID_MAX + 1], const char **advice) {
    if (str_is_absent(value))
        return RC_OK;
    struct buf text;
    buf_init(&text, value.n);
    enum rc rc = json_utf8(value, &text);
    if (rc == RC_OK)
        rc = copy_id(buf_str(&text), out);
    buf_done(&text);
    if (rc != RC_OK)
        return refuse(advice, rc, "\"id\" must be a string of 1 to 64 of A-Z, a-z, 0-9, _ and -.");
    return RC_OK;
}

enum rc message_read_envelope(struct str value, struct buf *out, const char **advice) {
    if (json_kind(value) != '{')
        return refuse(advice, RC_MALFORMED, "\"envelope\" must be a JSON object.");
    json_compact(value, out);
    if (buf_rc(out) == RC_TOO_LARGE)
        return refuse(advice, RC_OVERSIZE,
                      "\"envelope\" is too large: its compact JSON may have 262144 bytes, or 65536 "
                      "in a conversation.");
    return buf_rc(out) == RC_OK ? RC_OK : refuse(advice, buf_rc(out), memory_advice);
}

enum rc message_read(struct str body, struct message *out, const char **advice) {
    enum { TO, ENVELOPE, ID, KNOWN };
    struct json_member m[KNOWN] = {[TO] = {.name = STR("to")},
                                   [ENVELOPE] = {.name = STR("envelope")},
                                   [ID] = {.name = STR("id")}};
    enum rc rc = json_split(body, STR("envelope"), m, KNOWN);
    if (rc != RC_OK)
        return refuse(advice, rc, body_advice);
    struct message message = {0};
    buf_init(&message.envelope, MESSAGE_ENVELOPE_MAX);
    rc = read_to(m[TO].value, &message.to, advice);
    if (rc == RC_OK)
        rc = message_read_id(m[ID].value, message.id, advice);
    if (rc == RC_OK)
        rc = message_read_envelope(m[ENVELOPE].value, &message.envelope, advice);
    if (rc == RC_OK)
        *out = message;
    else
        message_done(&message);
    return rc;
}

void message_done(struct message *m) { buf_done(&m->envelope); }

/* Appends the proof whose raw text is `value`. */
static enum rc put_proof(struct str value, struct buf *array) {
    struct buf text;
    buf_init(&text, value.n);
    enum rc rc = json_utf8(value, &text);
    if (rc == RC_OK && text.n > PROOF_MAX_BYTES)
        rc = RC_MALFORMED;
    if (rc == RC_OK)
        json_put_string(array, buf_str(&text));
    buf_done(&text);
    return rc;
}

static enum rc put_proofs(struct str value, struct buf *array) {
    struct json_scan scan;
    json_scan_init(&scan, value);
    if (json_scan_next(&scan) != SCAN_ARRAY)
        return RC_MALFORMED;
    buf_put_byte(array, '[');
    size_t n = 0;
    while (json_scan_next(&scan) == SCAN_STRING) {
        if (n == PROOFS_MAX)
            return RC_MALFORMED;
        if (n++ > 0)
            buf_put_byte(array, ',');
        enum rc rc = put_proof(scan.raw, array);
        if (rc != RC_OK)
            return rc;
    }
    buf_put_byte(array, ']');
    /* The loop ended at the array's end, or at something that is no string. */
    return json_scan_next(&scan) == SCAN_DONE ? buf_rc(array) : RC_MALFORMED;
}

enum rc proofs_read(struct str body, struct buf *array, const char **advice) {
    struct json_member proofs = {.name = STR("proofs")};
    enum rc rc = json_split(body, (struct str){NULL, 0}, &proofs, 1);
    if (rc != RC_OK)
        return refuse(advice, rc, body_advice);
    rc = str_is_absent(proofs.value) ? RC_MALFORMED : put_proofs(proofs.value, array);
    if (rc != RC_OK)
        return refuse(advice, rc,
                      "\"proofs\" must be an array of at most 64 strings of at most 256 bytes.");
    return RC_OK;
}
