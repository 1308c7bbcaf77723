/* wire/row.h -- a row of an inbox: its JSON, and what is read back from NATS.
 *
 * Source: protocol, sections 4 and 8:
 * {"seq","type","id"?,"from"?,"conversation"?,"envelope"?,"data"?,"created_at"}.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_ROW_H
#define WIRE_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum row_type { ROW_MESSAGE, ROW_CONVERSATION };

/* Rows whose JSON is longer travel over NATS without envelope and data, with "stored":true. */
enum { ROW_BUS_MAX_BYTES = 64 * 1024 };

struct row {
    uint64_t seq;
    enum row_type type;
    struct str id, from, conversation; /* absent: the member is left out */
    struct str envelope, data;         /* compact JSON texts; absent: left out */
    int64_t created_at_ms;
};

/* Appends the row's JSON, compact, on one line. */
void row_put(struct buf *out, const struct row *row);
/* Appends the same row without envelope and data, with "stored":true. `json` is a row as row_put()
 * writes it; the envelope is not looked at, however long it is. */
void row_put_stored(struct buf *out, struct str json, int64_t created_at_ms);

/* Appends a row as a tagged event (protocol, section 7): {"type":…,"data":{the row without its
 * type}}. `json` is a row as row_put() writes it, or one that row_read_head() took. */
void row_put_tagged(struct buf *out, enum row_type type, struct str json);

/* What a node needs of a row that came over NATS. */
struct row_head {
    uint64_t seq;
    enum row_type type;
    bool stored; /* read it from the store */
    int64_t created_at_ms;
};

/* `json` is a whole object with seq, type and created_at of the right types, and with envelope or
 * data as an object unless stored; id, from and conversation, if there, as strings; at most 64
 * deep, no member twice outside the envelope, and with LF and CR nowhere (it becomes one line of a
 * stream). RC_MALFORMED otherwise: counted and dropped. RC_NO_MEMORY. */
MUST_CHECK enum rc row_read_head(struct str json, struct row_head *out);

#endif
