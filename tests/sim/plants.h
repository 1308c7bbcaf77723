/* tests/sim/plants.h -- faults that are planted to show that the oracle finds them.
 *
 * Some live in the fakes of the simulation. The others are changes of single lines of push/, core/
 * and wire/: plants.cmake writes changed copies of those sources, which ask plant_is() at these
 * lines, and they are linked into a second program, sim-planted. The sources themselves know
 * nothing of it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_PLANTS_H
#define SIM_PLANTS_H

#include <stdbool.h>

/* X(NAME, "name", what it is, whether it needs the changed sources) */
#define PLANT_LIST(X)                                                                              \
    X(NO_DEDUPE, "no-dedupe", "a row that comes twice goes to the streams twice", true)            \
    X(NO_HOLE_READ, "no-hole-read", "nobody reads the row that an early one shows missing", true)  \
    X(NO_SWEEP, "no-sweep", "heads are not compared with cursors", false)                          \
    X(NO_LOOK, "no-look", "no look at the head 0.25 s after subscribing", false)                   \
    X(LIVE_AT_PAGE_END, "live-at-page-end", "a stream is live when its page ends", true)           \
    X(NO_POSITION_CHECK, "no-position-check", "a live row goes to every stream", true)             \
    X(AHEAD_OF_NOW, "ahead-of-now", "`ahead` by the cursor of now", true)                          \
    X(EPOCH_KEPT, "epoch-kept", "a restored store keeps its epoch", false)                         \
    X(ROWS_SWAPPED, "rows-swapped", "two rows change places on their way to a socket", false)      \
    X(NO_TAGS, "no-tags", "rows do not say which epoch they are of", false)                        \
    X(OLD_ANSWERS, "old-answers", "an answer of before a change of epoch is believed", true)       \
    X(NO_RECENT, "no-recent", "rows that pass while a page is under way are forgotten", true)      \
    X(ROW_LEFT_OUT, "row-left-out", "the row of one participant is left out", false)               \
    X(REMOVED_GETS_ONE, "removed-gets-one", "who was removed gets the next post", false)           \
    X(POSTS_CROSS, "posts-cross", "two posts stand the other way round in one inbox", false)       \
    X(UPDATE_AS_MESSAGE, "update-as-message", "a tagged update has the type of a message", true)   \
    X(ID_STORES_AGAIN, "id-stores-again", "a repeat of an id stores the post again", false)

enum plant {
    PLANT_NONE,
#define X(id, name, what, sources) PLANT_##id,
    PLANT_LIST(X)
#undef X
        PLANT_COUNT
};

/* The one of this process; set once at the start. */
extern enum plant plant_now;

static inline bool plant_is(enum plant p) { return plant_now == p; }

const char *plant_name(enum plant p);
const char *plant_text(enum plant p);
/* It works only in the program that has the changed sources. */
bool plant_needs_sources(enum plant p);
/* False: there is none of this name. */
bool plant_find(const char *name, enum plant *out);

#endif
