/* fuzz_json_compact -- compact JSON is JSON, is not longer, and stays as it is.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include "wire/json_span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str text = {(const char *)data, size};
    if (json_check(text) != RC_OK)
        return 0;
    struct buf once, twice;
    buf_init(&once, size);
    buf_init(&twice, size);
    json_compact(text, &once);
    json_compact(buf_str(&once), &twice);
    must(buf_rc(&once) == RC_OK && json_check(buf_str(&once)) == RC_OK);
    must(str_eq(buf_str(&once), buf_str(&twice)));
    buf_done(&once);
    buf_done(&twice);
    return 0;
}
