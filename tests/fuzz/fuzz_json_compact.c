/* fuzz_json_compact -- compact JSON is JSON, stays as it is, and is what a second, byte by byte way
 * leaves: everything but the white space outside of strings.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include "wire/json_span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

static void compact_slowly(struct str text, struct buf *out) {
    bool in_string = false, escaped = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (in_string || (c != ' ' && c != '\t' && c != '\n' && c != '\r'))
            buf_put_byte(out, c);
        if (c == '"' && !escaped)
            in_string = !in_string;
        escaped = in_string && c == '\\' && !escaped;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str text = {(const char *)data, size};
    if (json_check(text) != RC_OK)
        return 0;
    struct buf once, twice, slowly;
    buf_init(&once, size);
    buf_init(&twice, size);
    buf_init(&slowly, size);
    json_compact(text, &once);
    json_compact(buf_str(&once), &twice);
    compact_slowly(text, &slowly);
    must(buf_rc(&once) == RC_OK && json_check(buf_str(&once)) == RC_OK);
    must(str_eq(buf_str(&once), buf_str(&twice)));
    must(str_eq(buf_str(&once), buf_str(&slowly)));
    buf_done(&slowly);
    buf_done(&once);
    buf_done(&twice);
    return 0;
}
