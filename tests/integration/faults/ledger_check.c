/* tests/integration/faults/ledger_check.c -- the oracle is shown every kind of fault, and finds it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "integration/faults/ledger.h"

enum kind { CLEAN, LOST, REPEATED, DISORDERED, OTHER };

/* Rows 1 to 3 of poster 0 in inbox 0, as they should be. */
static void tell_well(struct ledger *l) {
    for (unsigned n = 1; n <= 3; n++) {
        ledger_acked(l, 0, 0, n, n);
        for (int stream = 0; stream < 2; stream++)
            ledger_told(l, 0, n - 1, n, 0, n);
    }
}

static void tell_twice(struct ledger *l) { ledger_told(l, 0, 3, 3, 0, 3); }
static void store_twice(struct ledger *l) { ledger_told(l, 0, 3, 4, 0, 3); }
static void answer_twice(struct ledger *l) { ledger_acked(l, 0, 0, 2, 5); }
static void leave_out(struct ledger *l) {
    ledger_acked(l, 0, 1, 1, 4);
    ledger_acked(l, 0, 1, 2, 5);
    ledger_told(l, 0, 3, 5, 1, 2);
}
static void never_tell(struct ledger *l) { ledger_acked(l, 0, 1, 1, 4); }
static void never_tell_others(struct ledger *l) { ledger_acked(l, 1, 1, 1, 0); }
static void tell_others_otherwise(struct ledger *l) {
    ledger_acked(l, 0, 1, 1, 4);
    ledger_told(l, 0, 3, 4, 1, 1);
    ledger_told(l, 0, 1, 2, 1, 1);
}
static void answer_another(struct ledger *l) {
    ledger_acked(l, 0, 1, 1, 5);
    ledger_told(l, 0, 3, 4, 1, 1);
}
static void swap(struct ledger *l) {
    ledger_acked(l, 0, 1, 1, 0);
    ledger_acked(l, 0, 1, 2, 0);
    ledger_told(l, 0, 3, 4, 1, 2);
    ledger_told(l, 0, 4, 5, 1, 1);
}
static void invent(struct ledger *l) { ledger_told(l, 0, 3, 4, 2, 1); }
static void do_well(struct ledger *l) { (void)l; }

static enum kind kind_of(const struct verdict *v) {
    return v->lost         ? LOST
           : v->repeated   ? REPEATED
           : v->disordered ? DISORDERED
           : v->others     ? OTHER
                           : CLEAN;
}

bool ledger_finds_faults(void) {
    static const struct {
        const char *what;
        void (*plant)(struct ledger *l);
        enum kind kind;
    } rows[] = {
        {"nothing wrong", do_well, CLEAN},
        {"a row told twice", tell_twice, REPEATED},
        {"a row stored twice", store_twice, REPEATED},
        {"a row answered with two seqs", answer_twice, REPEATED},
        {"a row left out", leave_out, LOST},
        {"a row never told", never_tell, LOST},
        {"a row that one participant never gets", never_tell_others, LOST},
        {"two streams that differ", tell_others_otherwise, DISORDERED},
        {"a row that comes at another seq", answer_another, DISORDERED},
        {"two rows swapped", swap, DISORDERED},
        {"a row that nobody posted", invent, OTHER},
    };
    bool all = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ledger *l = ledger_new();
        ledger_set_quiet(l);
        tell_well(l);
        rows[i].plant(l);
        struct verdict v = ledger_close(l);
        ledger_free(l);
        if (kind_of(&v) == rows[i].kind)
            continue;
        printf("WRONG: the oracle does not find %s\n", rows[i].what);
        all = false;
    }
    return all;
}
