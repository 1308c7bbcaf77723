/* tests/support/hall.c -- where tests of conversations in the store meet.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/hall.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { TEXT_BYTES = 128 * 1024 };

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

/* ---- rows, and the conversation as JSON ---- */

uint64_t hall_head(const struct user *user) { return asker_head(hall.asker, user->inbox).head; }

void hall_assert_updated(const struct user *user, unsigned number, const char *data) {
    char want[TEXT_BYTES];
    uint64_t head = hall_head(user);
    (void)snprintf(want, sizeof want,
                   "{\"seq\":%llu,\"type\":\"conversation.updated\",\"conversation\":\"%s\","
                   "\"data\":%s",
                   (unsigned long long)head, talker_sid(number).text, data);
    char *got = talker_row_without_time(hall.asker, user, head),
         *whole = talker_row(hall.asker, user, head);
    char *told = asker_last_row(hall.asker, &user->handle);
    assert_string_equal(got, want);
    assert_string_equal(told, whole);
    free(got);
    free(whole);
    free(told);
}

static void put_participant(struct buf *out, const struct user *user) {
    buf_putf(out, "{\"handle\":\"%s\",\"primary\":\"ed25519:", user->handle.text);
    buf_put_hex(out, user->primary.bytes, KEY_BYTES);
    buf_put(out, STR("\"}"));
}

void hall_assert_json(const char *got, unsigned number, const char *title, const char *creator,
                      const struct user *users, size_t n, unsigned version) {
    static const char time_form[] = "\"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
                                    "\\.[0-9]{3}Z\"";
    char form[256], text[TEXT_BYTES];
    struct buf want;
    regex_t regex;
    regmatch_t m;
    buf_init(&want, TEXT_BYTES);
    buf_putf(&want, "{\"sid\":\"%s\",\"title\":%s,\"creator\":\"%s\",\"participants\":[",
             talker_sid(number).text, title, creator);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_byte(&want, ',');
        put_participant(&want, &users[i]);
    }
    buf_putf(&want, "],,\"version\":%u}", version);
    (void)snprintf(form, sizeof form, "\"created_at\":%s,\"updated_at\":%s", time_form, time_form);
    assert_int_equal(regcomp(&regex, form, REG_EXTENDED), 0);
    assert_int_equal(regexec(&regex, got, 1, &m, 0), 0);
    (void)snprintf(text, sizeof text, "%.*s%s", (int)m.rm_so, got, got + m.rm_eo);
    assert_string_equal(text, buf_cstr(&want));
    regfree(&regex);
    buf_done(&want);
}
