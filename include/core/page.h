/* core/page.h -- what one read of an inbox gave: its head, and rows in order.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CORE_PAGE_H
#define CORE_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "core/frame.h"

/* An epoch names one history of one inbox (protocol, section 1). */
enum { EPOCH_MAX = 47 };
struct epoch {
    char text[EPOCH_MAX + 1]; /* "" when none */
};

/* A word that stands for the epoch, the same in every process, so that it may travel with a row;
 * 0 only for "". */
uint64_t epoch_tag(const struct epoch *e);

/* The state of an inbox as one statement of the store saw it. */
struct inbox_head {
    uint64_t head;  /* seq of the newest row, 0 when there never was one */
    uint64_t first; /* lowest seq kept; head + 1 when none */
    struct epoch epoch;
};

struct page {
    struct inbox_head at;
    size_t n;
    struct frame **rows; /* ascending; the page holds a reference of each */
};

/* Drops the references and the array. */
void page_done(struct page *p);
/* Appends "messages":[…],"seq":…,"first":…,"epoch":"…": members of an answer, without its braces.
 */
void page_put(struct buf *out, const struct page *p);
/* Appends a row; the page takes over the reference (also when it fails). RC_NO_MEMORY. */
MUST_CHECK enum rc page_add_take(struct page *p, struct frame *f);

#endif
