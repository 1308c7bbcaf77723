/* fuzz_row -- a row that is taken from NATS is one line of JSON, its head is in range and is what
 * jansson reads, and as a tagged event it is the same but for the place of its type.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json_span.h"
#include "wire/row.h"
#include "wire/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

/* What jansson can read (no doubled members, whose last one it would take) is the same in both. */
static void check_tagged(struct str json, const struct row_head *head) {
    struct buf out;
    buf_init(&out, json.n + 64);
    row_put_tagged(&out, head->type, json);
    must(buf_rc(&out) == RC_OK && !memchr(out.p, '\n', out.n));
    json_t *row = json_loadb(json.p, json.n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    json_t *event = json_loadb(out.p, out.n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    must(!row == !event);
    if (row) {
        json_t *type = json_object_get(row, "type");
        must((uint64_t)json_integer_value(json_object_get(row, "seq")) == head->seq);
        must(json_equal(type, json_object_get(event, "type")));
        (void)json_object_del(row, "type");
        must(json_object_size(event) == 2 && json_equal(row, json_object_get(event, "data")));
    }
    json_decref(row);
    json_decref(event);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str json = {(const char *)data, size};
    struct row_head head, again;
    if (row_read_head(json, &head) != RC_OK)
        return 0;
    must(json_check(json) == RC_OK);
    must(!memchr(json.p, '\n', size) && !memchr(json.p, '\r', size));
    must(head.seq >= 1 && head.seq <= SEQ_MAX);
    check_tagged(json, &head);

    struct row row = {.seq = head.seq,
                      .type = head.type,
                      .envelope = json, /* any object will do */
                      .created_at_ms = head.created_at_ms};
    struct buf whole, out;
    buf_init(&whole, size + 256);
    buf_init(&out, 256);
    row_put(&whole, &row);
    row_put_stored(&out, buf_str(&whole), head.created_at_ms);
    must(row_read_head(buf_str(&out), &again) == RC_OK && again.stored && again.seq == head.seq);
    must(again.type == head.type && again.created_at_ms == head.created_at_ms);
    buf_done(&whole);
    buf_done(&out);
    return 0;
}
