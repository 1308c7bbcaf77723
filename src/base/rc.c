/* base/rc.c -- names and texts of the results.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/rc.h"

#include <stddef.h>

static const struct {
    const char *name, *text;
} results[] = {
#define X(name, text) {"RC_" #name, text},
    RC_LIST(X)
#undef X
};

const char *rc_name(enum rc rc) {
    return (size_t)rc < sizeof results / sizeof *results ? results[rc].name : "RC_?";
}

const char *rc_text(enum rc rc) {
    return (size_t)rc < sizeof results / sizeof *results ? results[rc].text : "unknown result";
}
