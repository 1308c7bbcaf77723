/* tests/support/talker.h -- short forms of the store's jobs about conversations, on an asker.
 *
 * Conversations are named by numbers here. For programs that link the floor `back`.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_TALKER_H
#define SUPPORT_TALKER_H

#include "back/conversations.h"
#include "support/asker.h"
#include "support/postgres.h"

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

/* The JSON of the row with this seq, as it is stored; the caller frees. */
char *talker_row(struct asker *a, const struct user *user, uint64_t seq);
/* The same up to its `created_at`, which is the last member. */
char *talker_row_without_time(struct asker *a, const struct user *user, uint64_t seq);

struct conversation_post *talker_post_new(const struct user *sender, unsigned number,
                                          const char *id, const char *envelope);
void talker_post_free(struct conversation_post *p);
/* Posts and waits; seq in *seq unless NULL. */
enum rc talker_post(struct asker *a, const struct user *sender, unsigned number, const char *id,
                    const char *envelope, uint64_t *seq);

/* Fails the test unless what must hold in the store does, whatever happened to it; and when
 * PostgreSQL's log tells of a deadlock. For a database in which nothing was trimmed, no account was
 * deleted and no conversation ended. */
void talker_assert_sound(struct postgres *pg, const char *database);

#endif
