/* tests/support/asker.h -- a store under test: started, asked and waited for, its events watched.
 *
 * For programs that link the floor `back`.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_ASKER_H
#define SUPPORT_ASKER_H

#include "back/store.h"

struct asker;

/* Values that suit a test: patient with a busy machine. */
struct store_config asker_config(const char *url);
/* Starts a store without waiting for it. */
struct asker *asker_start_with(const struct store_config *config);
/* The same with asker_config(), and waits until it is up. */
struct asker *asker_start(const char *url);
void asker_stop(struct asker *a);
struct store *asker_store(struct asker *a);

/* Waits until the store is up (or down), and was told so; fails the test otherwise. */
void asker_wait_up(struct asker *a, bool up, unsigned timeout_ms);
bool asker_gets_up(struct asker *a, unsigned timeout_ms);

/* Rows told of by events.row, of all handles; out of order is counted by itself. */
unsigned asker_rows_told(struct asker *a);
unsigned asker_rows_out_of_order(struct asker *a);
/* JSON of the last row told of a handle; the caller frees; NULL when none. */
char *asker_last_row(struct asker *a, const struct handle *h);

/* Submits and waits; what submit said, if that was not RC_OK, else the job's rc. */
enum rc asker_ask(struct asker *a, struct store_job *job);
/* The same, again and again for a while as long as it is RC_UNAVAILABLE. */
enum rc asker_insist(struct asker *a, struct store_job *job);
/* Submits; the job is waited for by asker_wait(). */
enum rc asker_begin(struct asker *a, struct store_job *job);
enum rc asker_wait(struct store_job *job);

/* Short forms. */
struct handle asker_handle(const char *text);
struct key asker_key(unsigned number);
enum rc asker_register(struct asker *a, const char *handle, unsigned key, struct user *out);
/* Registers "name<number>" with key `number`; insists. */
struct user asker_user(struct asker *a, unsigned number);
/* A post; id "" for none, sender NULL for unsigned. asker_post_done() frees it. */
struct store_post *asker_post_new(const struct user *to, const char *sender, const char *id,
                                  const char *envelope);
void asker_post_free(struct store_post *p);
/* Posts and waits; seq in *seq unless NULL. */
enum rc asker_post(struct asker *a, const struct user *to, const char *sender, const char *id,
                   const char *envelope, uint64_t *seq);
/* page_done() by the caller. */
enum rc asker_read(struct asker *a, uint64_t inbox, uint64_t after, uint32_t limit,
                   struct page *out);
/* Insists. */
struct inbox_head asker_head(struct asker *a, uint64_t inbox);
enum rc asker_trim(struct asker *a, uint64_t inbox, uint64_t upto);

#endif
