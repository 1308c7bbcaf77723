/* tests/sim/talk_row.h -- what a row of an inbox says of a conversation, read as a client would.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_TALK_ROW_H
#define SIM_TALK_ROW_H

#include "sim/fake_talks.h"

enum talk_row_kind { TALK_ROW_OTHER, TALK_ROW_POST, TALK_ROW_UPDATE };

struct talk_row {
    enum talk_row_kind kind; /* OTHER: it is of no conversation */
    unsigned talk;
    int64_t created_at_ms;
    /* Of a post. */
    uint64_t number;
    bool is_other;
    int from; /* inbox */
    /* Of an update: the conversation as it was then. */
    struct str data; /* in the row */
    uint64_t version;
    int64_t begun_ms; /* when it was made */
    int creator, title;
    uint64_t in[INBOXES_MAX]; /* who has the inbox; 0: not in it */
};

/* False: not as the protocol has it (section 4 and 6). */
bool talk_row_read(const struct frame *row, struct talk_row *out);
/* The same for a conversation alone, in an answer. */
bool talk_row_read_data(struct str data, struct talk_row *out);

#endif
