/* back/store_epoch.h -- which server a connection leads to, and whether its history is the one that
 * clients know.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_STORE_EPOCH_H
#define BACK_STORE_EPOCH_H

#include "core/history.h"
#include "store_parts.h"

/* What the server is; three of it as text. The positions of its log are 0 on a standby. */
struct server {
    bool is_standby, is_read_only, is_utf8, has_schema;
    char system_identifier[24], timeline[12], database_oid[12];
    uint64_t started_us, checkpoint, flushed; /* as in struct sighting */
};

/* Runs one statement with parameters and results in text. RC_IO when it fails, or gives no row. */
MUST_CHECK enum rc store_ask(struct link *l, const char *sql, size_t n, const char *const params[],
                             struct pg_result **out);

MUST_CHECK enum rc epoch_look(struct link *l, struct server *out);
/* On a schema that is ready: notes what the server is, with a new generation where the history may
 * have gone back, and remembers it. `before`: what this node had seen before it looked. The link's
 * note names the server and its history afterwards, its number is for history_reached(). */
MUST_CHECK enum rc epoch_check(struct store *s, struct link *l, const struct server *now,
                               const struct history_view *before);
/* Gives a new generation. */
MUST_CHECK enum rc epoch_renew(struct link *l, const struct server *now);

#endif
