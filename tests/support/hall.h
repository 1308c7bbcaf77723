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

void hall_exec(const char *sql);
/* The first column of the first row is this. */
void hall_assert_sql(const char *sql, const char *want);
/* `sql` has one %s, where the sid goes. */
void hall_assert_sql_of(unsigned number, const char *sql, const char *want);

#endif
