/* core/directory.h -- who is who: a bounded cache of handles, their primaries and inbox ids.
 *
 * Only hits are kept: a handle's primary never changes while the handle exists. But it may be
 * deleted or blocked by another node, so a hit holds for a while only.
 *
 * Threads: any; one lock inside, held for a look-up.
 * Memory: at most `max_entries` (0 counts as 1) of 112 bytes, and 16 to 32 of index each; one that
 * was not used lately makes room for a new one (second chance).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CORE_DIRECTORY_H
#define CORE_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/handle.h"
#include "wire/key.h"

struct user {
    struct handle handle;
    struct key primary;
    uint64_t inbox;  /* the store's id, never 0 */
    bool is_blocked; /* by who runs the server: may do nothing, and gets nothing */
};

struct directory;

/* max_age_ms: how long a hit holds, to a tenth of a second; 0: for ever. NULL: no memory. */
struct directory *directory_new(size_t max_entries, uint64_t max_age_ms);
/* NULL-safe. */
void directory_free(struct directory *d);

/* True and a copy in *out when the directory knows. now_ms: monotonic. */
bool directory_by_handle(struct directory *d, const struct handle *h, uint64_t now_ms,
                         struct user *out);
bool directory_by_primary(struct directory *d, const struct key *k, uint64_t now_ms,
                          struct user *out);
/* The same, however old that is: for what the store itself refuses to those who are gone. */
bool directory_recall(struct directory *d, const struct handle *h, struct user *out);
/* Keeps a hit that the store gave; replaces what it held of that handle or that primary. */
void directory_put(struct directory *d, const struct user *u, uint64_t now_ms);
/* The handle was found to be gone. */
void directory_forget(struct directory *d, const struct handle *h);

#endif
