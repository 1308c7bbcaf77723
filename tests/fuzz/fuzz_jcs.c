/* fuzz_jcs -- the canonical form means the same as the text, and is its own canonical form.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>

#include "wire/jcs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

static json_t *load(struct str text) {
    /* A name with a NUL in it is beyond jansson, and so never compared. */
    return json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL,
                      NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str text = {(const char *)data, size};
    struct buf once, twice;
    buf_init(&once, size * JCS_MAX_GROWTH);
    buf_init(&twice, size * JCS_MAX_GROWTH);
    enum rc rc = jcs_put(text, &once);
    must(rc == RC_OK || rc == RC_MALFORMED);
    if (rc == RC_OK) {
        must(jcs_put(buf_str(&once), &twice) == RC_OK);
        must(str_eq(buf_str(&once), buf_str(&twice)));
        json_t *before = load(text), *after = load(buf_str(&once));
        must(!before == !after && (!before || json_equal(before, after)));
        json_decref(before);
        json_decref(after);
    }
    buf_done(&once);
    buf_done(&twice);
    return 0;
}
