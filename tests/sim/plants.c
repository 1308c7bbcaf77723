/* tests/sim/plants.c -- the list of planted faults.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/plants.h"

#include <string.h>

enum plant plant_now = PLANT_NONE;

static const struct {
    const char *name, *text;
    bool sources;
} plants[PLANT_COUNT] = {[PLANT_NONE] = {"none", "nothing", false},
#define X(id, name, what, sources) [PLANT_##id] = {name, what, sources},
                         PLANT_LIST(X)
#undef X
};

const char *plant_name(enum plant p) { return plants[p].name; }

const char *plant_text(enum plant p) { return plants[p].text; }

bool plant_needs_sources(enum plant p) { return plants[p].sources; }

bool plant_find(const char *name, enum plant *out) {
    for (enum plant p = PLANT_NONE; p < PLANT_COUNT; p++)
        if (strcmp(plants[p].name, name) == 0) {
            *out = p;
            return true;
        }
    return false;
}
