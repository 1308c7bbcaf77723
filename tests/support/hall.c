/* tests/support/hall.c -- where tests of conversations in the store meet.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/hall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct hall hall;

void hall_open(const char *database, unsigned stores) {
    hall =
        (struct hall){.pg = postgres_start(), .database = database, .next_user = 1, .next_sid = 1};
    hall.url = postgres_url(hall.pg, database);
    hall.asker = asker_start(hall.url);
    if (stores > 1)
        hall.other = asker_start(hall.url);
}

int hall_close(void **state) {
    (void)state;
    asker_stop(hall.asker);
    if (hall.other)
        asker_stop(hall.other);
    postgres_stop(hall.pg);
    return 0;
}

void hall_users(struct user *users, size_t n) {
    for (size_t i = 0; i < n; i++)
        users[i] = asker_user(hall.asker, hall.next_user++);
}

unsigned hall_talk(const struct user *users, size_t n) {
    assert_int_equal(talker_make(hall.asker, &users[0], hall.next_sid, NULL, users, n, NULL),
                     RC_OK);
    return hall.next_sid++;
}

void hall_exec(const char *sql) { postgres_exec(hall.pg, hall.database, sql); }

void hall_assert_sql(const char *sql, const char *want) {
    postgres_expect(hall.pg, hall.database, sql, want);
}

void hall_assert_sql_of(unsigned number, const char *sql, const char *want) {
    char text[1024];
    const char *at = strstr(sql, "%s");
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - sql), sql, talker_sid(number).text,
                   at + 2);
    hall_assert_sql(text, want);
}
