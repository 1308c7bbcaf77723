/* tests/bench/test_report.c -- the verdict, and both forms of the report.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "wire/json_span.h"

static struct result good(void) {
    struct result r = {.scenario = SCENARIO_FANOUT,
                       .handles = 100,
                       .streams = 9000,
                       .streams_ready = 9000,
                       .posts = 1234567,
                       .rows = {.delivered = 111},
                       .posts_per_s = 1999.6,
                       .deliveries_per_s = 150000.4,
                       .sendloop_ratio = 0.875,
                       .fanout = {.before = 2000, .after = 4000, .ratio = 0.625},
                       .delivery = {.n = 5, .p50_us = 1500, .max_us = 2500}};
    return r;
}

static void every_fault_spoils_the_verdict(void **state) {
    (void)state;
    struct result r = good();
    assert_true(result_is_good(&r));
#define SPOIL(field)                                                                               \
    r = good();                                                                                    \
    r.field = 1;                                                                                   \
    assert_false(result_is_good(&r))
    SPOIL(rows.lost);
    SPOIL(rows.repeated);
    SPOIL(rows.out_of_order);
    SPOIL(stray);
    SPOIL(disagreed);
    SPOIL(resyncs);
    SPOIL(drains);
    SPOIL(posts_refused);
    SPOIL(posts_unknown);
    SPOIL(seqs_doubled);
    SPOIL(seqs_unanswered);
    SPOIL(streams_ready);
    SPOIL(streams_ended);
    SPOIL(troubles.all);
    SPOIL(is_interrupted);
#undef SPOIL
}

static void the_table_has_the_figures_a_person_wants(void **state) {
    (void)state;
    struct buf b;
    struct result r = good();
    buf_init(&b, 1 << 16);
    report_put_table(&b, &r);
    const char *const parts[] = {"  ratio to it         0.62\n",
                                 "fan-out, after        4,000/s",
                                 "fanout\n",
                                 "1,234,567 stored",
                                 "150,000/s",
                                 "2,000/s",
                                 "lost",
                                 "p50 1.50 ms",
                                 "max 2.50 ms",
                                 "9,000 ready of 9,000",
                                 "0.88\n",
                                 "\n  good\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(buf_cstr(&b), parts[i]))
            fail_msg("no \"%s\" in %s", parts[i], buf_cstr(&b));
    assert_null(strstr(buf_cstr(&b), "pgbench"));
    assert_null(strstr(buf_cstr(&b), "private memory"));
    troubles_add(&r.troubles, "stream ended: %s", "x");
    troubles_add(&r.troubles, "stream ended: %s", "x");
    buf_clear(&b);
    report_put_table(&b, &r);
    assert_non_null(strstr(buf_cstr(&b), "trouble, 2 times: stream ended: x"));
    assert_non_null(strstr(buf_cstr(&b), "not good"));
    buf_done(&b);
}

static void the_json_is_one_flat_object(void **state) {
    (void)state;
    struct buf b;
    struct result r = good();
    struct json_member members[] = {
        {.name = STR_INIT("scenario")},          {.name = STR_INIT("good")},
        {.name = STR_INIT("delivered")},         {.name = STR_INIT("deliveries_per_s")},
        {.name = STR_INIT("latency_p50_us")},    {.name = STR_INIT("troubles")},
        {.name = STR_INIT("memory_per_stream")}, {.name = STR_INIT("fanout_ratio")}};
    troubles_add(&r.troubles, "it said \"no\" \x01\xff");
    r.has_memory = true;
    r.memory_per_stream = 640.5;
    buf_init(&b, 1 << 16);
    report_put_json(&b, &r);
    assert_int_equal(json_split(buf_str(&b), (struct str){0}, members, 8), RC_OK);
    assert_true(str_eq(members[0].value, STR("\"fanout\"")));
    assert_true(str_eq(members[1].value, STR("false")));
    assert_true(str_eq(members[2].value, STR("111")));
    assert_true(str_eq(members[3].value, STR("150000.400")));
    assert_true(str_eq(members[4].value, STR("1500.000")));
    assert_true(str_eq(members[5].value, STR("[\"it said \\\"no\\\" ??\"]")));
    assert_true(str_eq(members[6].value, STR("640.500")));
    assert_true(str_eq(members[7].value, STR("0.625")));
    buf_done(&b);
}

static void kinds_of_trouble_are_bounded_and_all_are_counted(void **state) {
    (void)state;
    struct troubles t = {0};
    for (int i = 0; i < TROUBLES_KINDS + 5; i++)
        troubles_add(&t, "kind %d", i);
    troubles_add(&t, "kind %d", 3);
    assert_int_equal(t.kinds, TROUBLES_KINDS);
    assert_int_equal(t.all, TROUBLES_KINDS + 6);
    assert_int_equal(t.at[3].times, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_spoils_the_verdict),
        cmocka_unit_test(the_table_has_the_figures_a_person_wants),
        cmocka_unit_test(the_json_is_one_flat_object),
        cmocka_unit_test(kinds_of_trouble_are_bounded_and_all_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
