/* tests/sim/history.h -- what happened, for whoever has to find out why.
 *
 * A run is written down only when it is run again after a fault: a seed decides everything.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_HISTORY_H
#define SIM_HISTORY_H

#include "sim/world.h"

struct history_log *history_new(void);
void history_free(struct history_log *log);
/* `inbox` -1: it concerns all. */
void history_note(struct world *w, int inbox, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Prints the last lines that concern the inbox (-1: all lines). */
void history_print(const struct history_log *log, int inbox, unsigned lines);

#define note(w, ...)                                                                               \
    do {                                                                                           \
        if ((w)->log)                                                                              \
            history_note((w), __VA_ARGS__);                                                        \
    } while (0)

#endif
