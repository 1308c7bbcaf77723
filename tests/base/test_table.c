/* tests/base/test_table.c -- the intrusive hash table: growth, collisions, removal.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { NODES = 5000 };

struct thing {
    uint64_t before; /* so that the node is not first */
    struct table_node node;
    uint64_t name;
};

static struct thing things[NODES];

static bool is_named(const struct table_node *node, const void *name) {
    return container_of(node, const struct thing, node)->name == *(const uint64_t *)name;
}

static struct thing *find(const struct table *t, uint64_t hash, uint64_t name) {
    struct table_node *node = table_find(t, hash, is_named, &name);
    return node ? container_of(node, struct thing, node) : NULL;
}

/* Puts all in under the hash that `spread` makes of the name, takes the odd ones out again. */
static void check_with(uint64_t (*spread)(uint64_t name), size_t nodes) {
    struct table t;
    assert_int_equal(table_init(&t, 0), RC_OK);
    for (uint64_t i = 0; i < nodes; i++) {
        things[i].name = i;
        table_add(&t, spread(i), &things[i].node);
        assert_int_equal(t.n, i + 1);
    }
    for (uint64_t i = 0; i < nodes; i++)
        assert_ptr_equal(find(&t, spread(i), i), &things[i]);
    assert_null(find(&t, spread(nodes), nodes));
    for (uint64_t i = 1; i < nodes; i += 2)
        table_remove(&t, &things[i].node);
    for (uint64_t i = 0; i < nodes; i++)
        assert_ptr_equal(find(&t, spread(i), i), i % 2 ? NULL : &things[i]);
    assert_int_equal(t.n, (nodes + 1) / 2);
    table_done(&t);
}

static uint64_t multiplied(uint64_t name) { return name * 0x9e3779b97f4a7c15u; }
static uint64_t itself(uint64_t name) { return name; }
static uint64_t high_bits(uint64_t name) { return name << 40; }
static uint64_t always_the_same(uint64_t name) {
    (void)name;
    return 7;
}

static void what_is_in_is_found_and_nothing_else(void **state) {
    (void)state;
    check_with(multiplied, NODES);
    check_with(itself, NODES);
}

static void names_of_one_bucket_are_told_apart(void **state) {
    (void)state;
    check_with(high_bits, 300);
    check_with(always_the_same, 300);
}

static void the_buckets_grow_with_the_nodes(void **state) {
    (void)state;
    struct table t;
    assert_int_equal(table_init(&t, 0), RC_OK);
    for (uint64_t i = 0; i < NODES; i++) {
        table_add(&t, multiplied(i), &things[i].node);
        assert_true(t.n <= t.mask + 1);
    }
    assert_true(t.mask < 2 * NODES);
    table_done(&t);
}

static void expected_nodes_fit_before_the_first_growth(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 15, 16, 17, 1000, 1024};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        struct table t;
        assert_int_equal(table_init(&t, sizes[k]), RC_OK);
        size_t mask = t.mask;
        for (uint64_t i = 0; i < sizes[k]; i++)
            table_add(&t, multiplied(i), &things[i].node);
        assert_int_equal(t.mask, mask);
        table_done(&t);
    }
}

static void an_impossible_size_is_refused(void **state) {
    (void)state;
    struct table t;
    assert_int_equal(table_init(&t, SIZE_MAX), RC_NO_MEMORY);
    table_done(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_is_found_and_nothing_else),
        cmocka_unit_test(names_of_one_bucket_are_told_apart),
        cmocka_unit_test(the_buckets_grow_with_the_nodes),
        cmocka_unit_test(expected_nodes_fit_before_the_first_growth),
        cmocka_unit_test(an_impossible_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
