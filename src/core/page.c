/* core/page.c -- rows in order, as one read of an inbox gave them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/page.h"

#include <stdlib.h>

#include "base/hash.h"
#include "wire/json_span.h"

enum { FIRST_ROWS = 8 }; /* a power of two */

uint64_t epoch_tag(const struct epoch *e) {
    static const uint64_t key[2] = {0x6b657a2d65706f63, 0x682d7461672d7631}; /* any will do */
    struct str text = str_of(e->text);
    return text.n == 0 ? 0 : hash_bytes(key, text.p, text.n) | 1;
}

void page_done(struct page *p) {
    for (size_t i = 0; i < p->n; i++)
        frame_unref(p->rows[i]);
    free(p->rows);
    p->rows = NULL;
    p->n = 0;
}

/* The array has room for the next power of two, so it is full when n is one. */
static enum rc make_room(struct page *p) {
    if (p->n != 0 && (p->n < FIRST_ROWS || (p->n & (p->n - 1)) != 0))
        return RC_OK;
    size_t room = p->n ? 2 * p->n : FIRST_ROWS;
    struct frame **rows = reallocarray(p->rows, room, sizeof *rows);
    if (!rows)
        return RC_NO_MEMORY;
    p->rows = rows;
    return RC_OK;
}

enum rc page_add_take(struct page *p, struct frame *f) {
    enum rc rc = make_room(p);
    if (rc == RC_OK)
        p->rows[p->n++] = f;
    else
        frame_unref(f);
    return rc;
}

void page_put(struct buf *out, const struct page *p) {
    buf_put(out, STR("\"messages\":["));
    for (size_t i = 0; i < p->n; i++) {
        if (i > 0)
            buf_put_byte(out, ',');
        buf_put(out, frame_json(p->rows[i]));
    }
    buf_put(out, STR("],\"seq\":"));
    buf_put_u64(out, p->at.head);
    buf_put(out, STR(",\"first\":"));
    buf_put_u64(out, p->at.first);
    buf_put(out, STR(",\"epoch\":"));
    json_put_string(out, str_of(p->at.epoch.text));
}
