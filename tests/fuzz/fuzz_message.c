/* fuzz_message -- a kept envelope is compact JSON that reads back as itself; so are proofs.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include "wire/json_span.h"
#include "wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str body = {(const char *)data, size};
    struct message m;
    struct buf again;
    const char *advice = NULL;
    buf_init(&again, PROOFS_ARRAY_MAX + MESSAGE_ENVELOPE_MAX);
    enum rc rc = message_read(body, &m, &advice);
    must((rc == RC_OK) == (advice == NULL));
    if (rc == RC_OK) {
        must(json_check(buf_str(&m.envelope)) == RC_OK && m.envelope.n <= MESSAGE_ENVELOPE_MAX);
        json_compact(buf_str(&m.envelope), &again);
        must(str_eq(buf_str(&again), buf_str(&m.envelope)));
        message_done(&m);
    }
    buf_clear(&again);
    if (proofs_read(body, &again, &advice) == RC_OK)
        must(again.n <= PROOFS_ARRAY_MAX && json_check(buf_str(&again)) == RC_OK);
    buf_done(&again);
    return 0;
}
