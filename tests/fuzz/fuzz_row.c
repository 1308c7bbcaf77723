/* fuzz_row -- a row that is taken from NATS is one line of JSON, and its head is in range.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str json = {(const char *)data, size};
    struct row_head head, again;
    if (row_read_head(json, &head) != RC_OK)
        return 0;
    must(json_check(json) == RC_OK);
    must(!memchr(json.p, '\n', size) && !memchr(json.p, '\r', size));
    must(head.seq >= 1 && head.seq <= SEQ_MAX);

    struct row row = {.seq = head.seq, .type = head.type, .created_at_ms = head.created_at_ms};
    struct buf out;
    buf_init(&out, 256);
    row_put_stored(&out, &row);
    must(row_read_head(buf_str(&out), &again) == RC_OK && again.stored && again.seq == head.seq);
    must(again.type == head.type && again.created_at_ms == head.created_at_ms);
    buf_done(&out);
    return 0;
}
