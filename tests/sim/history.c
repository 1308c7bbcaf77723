/* tests/sim/history.c -- a ring of lines.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/history.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINES_MAX = 20000, LINE_BYTES = 160 };

struct history_log {
    unsigned long n; /* ever written */
    struct {
        int inbox;
        char text[LINE_BYTES];
    } lines[LINES_MAX];
};

struct history_log *history_new(void) {
    return calloc(1, sizeof(struct history_log));
}

void history_free(struct history_log *log) { free(log); }

void history_note(struct world *w, int inbox, const char *format, ...) {
    struct history_log *log = w->log;
    unsigned long at = log->n++ % LINES_MAX;
    va_list args;
    log->lines[at].inbox = inbox;
    int n = snprintf(log->lines[at].text, LINE_BYTES, "%8llu ms  ", (unsigned long long)w->now_ms);
    va_start(args, format);
    (void)vsnprintf(log->lines[at].text + n, LINE_BYTES - (size_t)n, format, args);
    va_end(args);
}

static bool concerns(const struct history_log *log, unsigned long at, int inbox) {
    int of = log->lines[at % LINES_MAX].inbox;
    return inbox < 0 || of < 0 || of == inbox;
}

void history_print(const struct history_log *log, int inbox, unsigned lines) {
    unsigned long oldest = log->n > LINES_MAX ? log->n - LINES_MAX : 0, from = log->n;
    for (unsigned kept = 0; from > oldest && kept < lines;)
        kept += concerns(log, --from, inbox);
    printf("  ... %lu earlier lines left out\n", from);
    for (; from < log->n; from++)
        if (concerns(log, from, inbox))
            printf("  %s\n", log->lines[from % LINES_MAX].text);
}
