/* wire/json_names.c -- a set of (object, name) pairs with open addressing.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/json_names.h"

#include <stdlib.h>

#include "base/hash.h"
#include "wire/json_span.h"

void json_names_init(struct json_names *names, size_t text_bytes) {
    *names = (struct json_names){.mask = JSON_NAMES_SMALL - 1};
    names->slots = names->small;
    buf_init(&names->decoded, text_bytes);
}

void json_names_done(struct json_names *names) {
    if (names->slots != names->small)
        free(names->slots);
    buf_done(&names->decoded);
}

/* The slot that holds the pair, or the empty one where it belongs. */
static struct json_name_slot *find(struct json_name_slot *slots, size_t mask,
                                   const struct json_name_slot *wanted) {
    size_t i = wanted->hash & mask;
    while (!str_is_absent(slots[i].name) &&
           !(slots[i].hash == wanted->hash && slots[i].object == wanted->object &&
             str_eq(slots[i].name, wanted->name)))
        i = (i + 1) & mask;
    return &slots[i];
}

static enum rc grow(struct json_names *names) {
    size_t size = (names->mask + 1) * 2;
    struct json_name_slot *slots = calloc(size, sizeof *slots);
    if (!slots)
        return RC_NO_MEMORY;
    for (size_t i = 0; i <= names->mask; i++)
        if (!str_is_absent(names->slots[i].name))
            *find(slots, size - 1, &names->slots[i]) = names->slots[i];
    if (names->slots != names->small)
        free(names->slots);
    names->slots = slots;
    names->mask = size - 1;
    return RC_OK;
}

/* Room for all names is made at once, so that what was handed out stays where it is. */
static enum rc decode(struct json_names *names, struct str raw, struct str *name) {
    struct buf *to = &names->decoded;
    if (to->n == 0 && !buf_reserve(to, to->max_bytes))
        return buf_rc(to);
    size_t at = to->n;
    (void)json_decode(raw, to);
    if (buf_rc(to) != RC_OK)
        return buf_rc(to);
    *name = (struct str){to->p + at, to->n - at};
    return RC_OK;
}

enum rc json_names_add(struct json_names *names, uint64_t object, struct str raw, bool escaped,
                       struct str *name) {
    struct json_name_slot added = {.name = {raw.p + 1, raw.n - 2}, .object = object};
    enum rc rc = escaped ? decode(names, raw, &added.name) : RC_OK;
    if (rc == RC_OK && names->n * 2 > names->mask)
        rc = grow(names);
    if (rc != RC_OK)
        return rc;
    /* Objects are numbered in order: an odd factor spreads one name of many objects evenly. */
    added.hash = hash_str(added.name) + object * 0x9e3779b97f4a7c15u;
    struct json_name_slot *slot = find(names->slots, names->mask, &added);
    if (!str_is_absent(slot->name))
        return RC_CONFLICT;
    *slot = added;
    names->n++;
    *name = added.name;
    return RC_OK;
}
