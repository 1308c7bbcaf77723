/* core/history.h -- what this node has seen of the store's histories, so that it knows one that
 * went back when nothing else tells: a backup of the data directory, or an older copy of its disk,
 * put in its place.
 *
 * The log of a database only grows, and what of it reached the disk is there after a crash. So a
 * server that was started again begins behind all that was seen on the disk before; one that begins
 * ahead of it has lost that, and what is written there since is another history under the name
 * (generation) of the one that clients have seen.
 *
 * Source: postgresql.org/docs/15/wal-internals.html; functions-admin.html,
 * pg_current_wal_flush_lsn().
 * Threads: any; one lock inside, held for a look.
 * Memory: fixed; of more than HISTORY_MAX histories the one that was entered longest ago is
 * forgotten.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CORE_HISTORY_H
#define CORE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

enum { HISTORY_MAX = 8, HISTORY_GENERATION_MAX = 32 };

/* A server as a new connection finds it. Positions are bytes of its log. */
struct sighting {
    char generation[HISTORY_GENERATION_MAX + 1];
    uint32_t timeline;
    uint64_t started_us; /* by its own clock: another value, another start */
    uint64_t checkpoint; /* of the last one; there is one at each start, behind all that it found */
    uint64_t flushed;    /* what is on the disk */
};

struct history;

/* NULL: no memory. */
struct history *history_new(void);
/* NULL-safe. */
void history_free(struct history *h);

struct history_seen {
    char generation[HISTORY_GENERATION_MAX + 1];
    uint32_t timeline;
    uint64_t number; /* from 1; 0: nothing was seen */
    uint64_t started_us;
    uint64_t flushed; /* the most */
};
struct history_view {
    struct history_seen seen[HISTORY_MAX];
};
/* What was seen so far, to compare with what is looked at after this call. */
void history_view(struct history *h, struct history_view *out);

/* Whether the server that was looked at has lost what had been seen of its generation before, or
 * is of a timeline that this generation had left. */
bool history_went_back(const struct history_view *before, const struct sighting *now);

/* Remembers the server. A number for history_reached(). */
uint64_t history_enter(struct history *h, const struct sighting *now);
/* So much is on its disk by now. A number that was forgotten is let pass. */
void history_reached(struct history *h, uint64_t number, uint64_t flushed);

#endif
