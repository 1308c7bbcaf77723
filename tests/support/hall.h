/* tests/support/hall.h -- where tests of conversations in the store meet: a PostgreSQL, one or two
 * stores on it, as of two nodes, and people and conversations with rising numbers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_HALL_H
#define SUPPORT_HALL_H

#include "support/postgres.h"
#include "support/talker.h"

struct hall {
    struct postgres *pg;
    const char *database, *url;
    struct asker *asker, *other; /* other is NULL in a hall of one store */
    unsigned next_user, next_sid;
};
/* The one of the test program. */
extern struct hall hall;

void hall_open(const char *database, unsigned stores);
/* Fits cmocka's group teardown. */
int hall_close(void **state);

void hall_users(struct user *users, size_t n);
/* A conversation of all of these, made by the first; its number. */
unsigned hall_talk(const struct user *users, size_t n);

uint64_t hall_head(const struct user *user);
/* The last row of the inbox, as stored and as last told of, is of this conversation and has this as
 * its data. */
void hall_assert_updated(const struct user *user, unsigned number, const char *data);
/* `got` is this conversation as JSON: all of it, the two times by their form. title: as JSON. */
void hall_assert_json(const char *got, unsigned number, const char *title, const char *creator,
                      const struct user *users, size_t n, unsigned version);

void hall_exec(const char *sql);
/* The first column of the first row is this. */
void hall_assert_sql(const char *sql, const char *want);
/* `sql` has one %s, where the sid goes. */
void hall_assert_sql_of(unsigned number, const char *sql, const char *want);

#endif
