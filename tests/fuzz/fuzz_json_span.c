/* fuzz_json_span -- jansson and we agree on what JSON is, and on which members are there twice.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json_span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

/* Whether there is an escape that may be U+0000 or a surrogate. */
static bool has_odd_escape(struct str text) {
    for (size_t i = 0; i + 5 < text.n; i++) {
        const char *p = text.p + i;
        if (p[0] != '\\' || p[1] != 'u')
            continue;
        if (memcmp(p + 2, "0000", 4) == 0 || ((p[2] | 0x20) == 'd' && p[3] > '7'))
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str text = {(const char *)data, size}, none = {NULL, 0};
    json_error_t error;
    json_t *theirs = json_loadb(text.p, text.n, JSON_DECODE_ANY, &error);
    json_t *unique = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    bool ours = json_check(text) == RC_OK;
    size_t brackets = 0;
    for (size_t i = 0; i < size; i++)
        brackets += data[i] == '[' || data[i] == '{';
    /* jansson goes 2048 deep and takes a NUL for the end; it refuses U+0000, lone surrogates, and
     * numbers beyond 64 bits or a double. */
    must(ours || !theirs || brackets > JSON_MAX_DEPTH || memchr(data, '\0', size));
    must(!ours || theirs || json_error_code(&error) == json_error_numeric_overflow ||
         has_odd_escape(text));
    if (ours && json_is_object(theirs))
        must((json_split(text, none, NULL, 0) == RC_OK) == (unique != NULL));
    json_decref(theirs);
    json_decref(unique);
    return 0;
}
