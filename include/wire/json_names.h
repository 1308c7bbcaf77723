/* wire/json_names.h -- the member names met in one JSON text: has this object had this one before?
 *
 * Memory: a hash table with keyed hashing, for names that strangers choose; small texts fit in the
 * struct itself. At most one decoded copy of the names that hold escapes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_JSON_NAMES_H
#define WIRE_JSON_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { JSON_NAMES_SMALL = 32 };

struct json_name_slot {
    struct str name; /* decoded; absent in an empty slot */
    uint64_t hash;
    uint64_t object;
};

struct json_names {
    struct json_name_slot *slots; /* `small`, or on the heap */
    size_t n, mask;
    struct buf decoded;
    struct json_name_slot small[JSON_NAMES_SMALL];
};

/* text_bytes: the size of the whole text, which all its names together cannot pass. */
void json_names_init(struct json_names *names, size_t text_bytes);
void json_names_done(struct json_names *names);

/* Adds a raw name (with quotes; it outlives the set) of the object with this number, and tells what
 * it is decoded; *name is valid until json_names_done().
 * RC_CONFLICT: the object has it already. RC_NO_MEMORY. *name is set on RC_OK only. */
MUST_CHECK enum rc json_names_add(struct json_names *names, uint64_t object, struct str raw,
                                  bool escaped, struct str *name);

#endif
