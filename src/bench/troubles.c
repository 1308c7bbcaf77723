/* bench/troubles.c -- what went wrong, each kind once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/troubles.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void troubles_add(struct troubles *t, const char *format, ...) {
    char text[TROUBLES_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?'; /* parts of it may be a server's words */
    t->all++;
    for (unsigned i = 0; i < t->kinds; i++) {
        if (strcmp(t->at[i].text, text) == 0) {
            t->at[i].times++;
            return;
        }
    }
    if (t->kinds == TROUBLES_KINDS)
        return;
    t->at[t->kinds].times = 1;
    memcpy(t->at[t->kinds++].text, text, sizeof text);
}
