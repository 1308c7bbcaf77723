/* tests/wire/test_json_names.c -- the set of names: exact, whatever the number of names and
 * objects.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/json_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static enum rc add(struct json_names *names, uint64_t object, struct str raw, bool escaped) {
    struct str name;
    return json_names_add(names, object, raw, escaped, &name);
}

static void a_name_is_there_once_for_each_object(void **state) {
    (void)state;
    struct json_names names;
    json_names_init(&names, 100);
    assert_int_equal(add(&names, 1, STR("\"a\""), false), RC_OK);
    assert_int_equal(add(&names, 1, STR("\"b\""), false), RC_OK);
    assert_int_equal(add(&names, 1, STR("\"\""), false), RC_OK);
    assert_int_equal(add(&names, 2, STR("\"a\""), false), RC_OK);
    assert_int_equal(add(&names, 1, STR("\"\""), false), RC_CONFLICT);
    assert_int_equal(add(&names, 1, STR("\"a\""), false), RC_CONFLICT);
    assert_int_equal(add(&names, 2, STR("\"a\""), false), RC_CONFLICT);
    json_names_done(&names);
}

static void names_are_compared_decoded_and_told_decoded(void **state) {
    (void)state;
    struct json_names names;
    struct str name;
    json_names_init(&names, 100);
    assert_int_equal(json_names_add(&names, 1, STR("\"\\u0061\\n\""), true, &name), RC_OK);
    assert_true(str_eq(name, STR("a\n")));
    assert_int_equal(add(&names, 1, STR("\"\\u0061\\u000a\""), true), RC_CONFLICT);
    assert_int_equal(add(&names, 1, STR("\"a\\n\""), true), RC_CONFLICT);
    assert_int_equal(add(&names, 1, STR("\"\\u0061\""), true), RC_OK);
    assert_int_equal(add(&names, 1, STR("\"a\""), false), RC_CONFLICT);
    assert_true(str_eq(name, STR("a\n"))); /* it stays where it is */
    json_names_done(&names);
}

static void many_names_of_many_objects_are_all_told_apart(void **state) {
    (void)state;
    enum { OBJECTS = 100, NAMES = 100, RAW_MAX = 8 };
    static char raw[NAMES][RAW_MAX];
    struct json_names names;
    json_names_init(&names, OBJECTS * sizeof raw);
    for (int i = 0; i < NAMES; i++)
        (void)snprintf(raw[i], RAW_MAX, "\"%d\"", i);
    for (uint64_t object = 0; object < OBJECTS; object++)
        for (int i = 0; i < NAMES; i++)
            assert_int_equal(add(&names, object, str_of(raw[i]), false), RC_OK);
    for (uint64_t object = 0; object < OBJECTS; object++)
        for (int i = 0; i < NAMES; i++)
            assert_int_equal(add(&names, object, str_of(raw[i]), false), RC_CONFLICT);
    assert_int_equal(names.n, OBJECTS * NAMES);
    json_names_done(&names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_there_once_for_each_object),
        cmocka_unit_test(names_are_compared_decoded_and_told_decoded),
        cmocka_unit_test(many_names_of_many_objects_are_all_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
