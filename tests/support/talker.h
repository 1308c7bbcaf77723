/* tests/support/talker.h -- short forms of the store's jobs about conversations, on an asker.
 *
 * Conversations are named by numbers here. For programs that link the floor `back`.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_TALKER_H
#define SUPPORT_TALKER_H

#include "back/conversations.h"
#include "support/asker.h"

/* Sorts as its number does. */
struct sid talker_sid(unsigned number);

/* Some users, or handles that nobody has. */
struct handles talker_handles(const struct user *users, size_t n);

/* Makes a conversation; `json`, unless NULL, gets it, and is the caller's to free. */
enum rc talker_make(struct asker *a, const struct user *caller, unsigned number, const char *title,
                    const struct user *users, size_t n, char **json);

/* A change; what is left out stays as it is. */
struct talker_change {
    unsigned number;
    uint64_t version;
    const char *title;
    const struct user *add, *remove;
    size_t n_add, n_remove;
};
/* `json` and `missing` may be NULL. */
enum rc talker_change(struct asker *a, const struct user *caller,
                      const struct talker_change *change, char **json, struct handle *missing);

/* NULL: RC_NOT_FOUND. The caller frees. */
char *talker_show(struct asker *a, const struct user *caller, unsigned number);
/* before: 0 for none. */
enum rc talker_list(struct asker *a, const struct user *caller, unsigned before, uint32_t limit,
                    char **json);

struct conversation_post *talker_post_new(const struct user *sender, unsigned number,
                                          const char *id, const char *envelope);
void talker_post_free(struct conversation_post *p);
/* Posts and waits; seq in *seq unless NULL. */
enum rc talker_post(struct asker *a, const struct user *sender, unsigned number, const char *id,
                    const char *envelope, uint64_t *seq);

#endif
