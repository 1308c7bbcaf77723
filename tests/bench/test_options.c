/* tests/bench/test_options.c -- the command line: defaults, values, and what is wrong with it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

enum { WORDS_MAX = 24, SAY_MAX = 64 * 1024 };

static struct options o;
static struct buf said;

static int set_up(void **state) {
    (void)state;
    buf_init(&said, SAY_MAX);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    buf_done(&said);
    return 0;
}

/* Splits at spaces; the words live until the next call. */
static enum rc read_line(const char *line) {
    static char text[512];
    char *argv[WORDS_MAX + 2] = {text}, *rest = text;
    int argc = 0;
    buf_clear(&said);
    strncpy(text, line, sizeof text - 1);
    for (char *word; argc < WORDS_MAX && (word = strsep(&rest, " ")) != NULL;)
        argv[argc++] = word;
    return options_read(argc, argv, &o, &said);
}

static void each_scenario_has_defaults_of_its_own(void **state) {
    (void)state;
    assert_int_equal(read_line("kez-bench idle"), RC_OK);
    assert_int_equal(o.scenario, SCENARIO_IDLE);
    assert_int_equal(o.streams, 9000);
    assert_int_equal(o.handles, 9000);
    assert_int_equal(o.seconds, 0);
    assert_int_equal(o.posts, 0);
    assert_int_equal(o.hold_s, 5);
    assert_int_equal(read_line("kez-bench fanout"), RC_OK);
    assert_int_equal(o.streams, 9000);
    assert_int_equal(o.handles, 100);
    assert_int_equal(o.body_bytes, 200);
    assert_true(o.seconds > 0 && o.warmup_s > 0 && o.window > 0);
    assert_int_equal(read_line("kez-bench posts"), RC_OK);
    assert_int_equal(o.streams, 0);
    assert_int_equal(o.handles, 9000);
    assert_int_equal(o.connections, 32);
    assert_int_equal(read_line("kez-bench latency"), RC_OK);
    assert_int_equal(o.rate, 1000);
    assert_null(o.database_url);
    assert_string_equal(o.nodes.at[0], "http://127.0.0.1:6969");
}

static void a_conversation_has_a_stream_for_each_participant(void **state) {
    (void)state;
    assert_int_equal(read_line("kez-bench conversation"), RC_OK);
    assert_int_equal(o.handles, 100);
    assert_int_equal(o.streams, 100);
    assert_int_equal(o.fanout_streams, 9000);
    assert_int_equal(o.window, 0);
    assert_true(o.fanout_window > 0);
    assert_int_equal(read_line("kez-bench conversation --handles 256 --window 8"), RC_OK);
    assert_int_equal(o.streams, 256);
    assert_int_equal(o.window, 8);
    assert_int_equal(o.fanout_window, 8);
    assert_int_equal(read_line("kez-bench conversation --handles 257"), RC_MALFORMED);
    assert_int_equal(read_line("kez-bench conversation --dialect nchan"), RC_MALFORMED);
    assert_int_equal(read_line("kez-bench conversation --streams 0"), RC_MALFORMED);
}

static void idle_streams_have_a_handle_each(void **state) {
    (void)state;
    assert_int_equal(read_line("kez-bench idle --streams 12"), RC_OK);
    assert_int_equal(o.handles, 12);
    assert_int_equal(read_line("kez-bench idle --streams 12 --handles 3"), RC_OK);
    assert_int_equal(o.handles, 3);
}

static void a_number_of_posts_replaces_the_time(void **state) {
    (void)state;
    assert_int_equal(read_line("kez-bench fanout --posts 5"), RC_OK);
    assert_int_equal(o.posts, 5);
    assert_int_equal(o.seconds, 0);
    assert_int_equal(o.warmup_s, 0);
    assert_int_equal(read_line("kez-bench fanout --posts 5 --seconds 7"), RC_OK);
    assert_int_equal(o.seconds, 7);
}

static void flags_are_read_in_both_forms(void **state) {
    (void)state;
    assert_int_equal(read_line("kez-bench run --streams=7 --server chat.example --json --body 333 "
                               "--pid 12 --node-pid=13 --signed-posts --dialect nchan"),
                     RC_OK);
    assert_int_equal(o.streams, 7);
    assert_string_equal(o.server, "chat.example");
    assert_int_equal(o.body_bytes, 333);
    assert_true(o.json && o.signed_posts && !o.quiet && !o.ids);
    assert_int_equal(o.n_pids, 2);
    assert_int_equal(o.pids[1], 13);
    assert_int_equal(o.dialect, DIALECT_NCHAN);
    assert_true(o.no_register);
}

static void nodes_serve_posts_and_streams_unless_said_otherwise(void **state) {
    (void)state;
    assert_int_equal(read_line("kez-bench run --node http://a --node http://b"), RC_OK);
    assert_int_equal(o.post_nodes.n, 2);
    assert_int_equal(o.stream_nodes.n, 2);
    assert_int_equal(read_line("kez-bench run --node http://a --post-node http://b"), RC_OK);
    assert_string_equal(o.post_nodes.at[0], "http://b");
    assert_string_equal(o.stream_nodes.at[0], "http://a");
    assert_int_equal(o.post_nodes.n, 1);
}

static void latency_posts_on_one_node_and_listens_on_the_others(void **state) {
    (void)state;
    assert_int_equal(read_line("kez-bench latency --node http://a --node http://b"), RC_OK);
    assert_int_equal(o.post_nodes.n, 1);
    assert_string_equal(o.post_nodes.at[0], "http://a");
    assert_int_equal(o.stream_nodes.n, 1);
    assert_string_equal(o.stream_nodes.at[0], "http://b");
    assert_int_equal(read_line("kez-bench latency --node http://a"), RC_OK);
    assert_string_equal(o.stream_nodes.at[0], "http://a");
}

static const char *const wrong[][2] = {
    {"kez-bench", "scenarios:"},
    {"kez-bench tea", "no such scenario"},
    {"kez-bench run --tea", "no such flag"},
    {"kez-bench run tea", "no such flag"},
    {"kez-bench run --streams", "needs a value"},
    {"kez-bench run --streams x", "a number from 0 to 1000000"},
    {"kez-bench run --streams 1000001", "a number from 0 to 1000000"},
    {"kez-bench run --streams -1", "a number"},
    {"kez-bench run --handles 0", "a number from 1"},
    {"kez-bench run --body 79", "a number from 80"},
    {"kez-bench run --json=yes", "takes no value"},
    {"kez-bench run --pid 0", "a number from 1"},
    {"kez-bench run --prefix Bench", "--prefix"},
    {"kez-bench run --prefix aaaaaaaaaaaaaaaaaaaaaaaaaaa", "--prefix"},
    {"kez-bench run --server=", "not empty"},
    {"kez-bench run --dialect tea", "kez or nchan"},
    {"kez-bench idle --streams 0", "at least 1"},
    {"kez-bench sendloop --streams 0", "at least 1"},
};

static void a_wrong_line_is_answered_with_what_is_allowed(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(read_line(wrong[i][0]), RC_MALFORMED);
        if (!strstr(buf_cstr(&said), wrong[i][1]))
            fail_msg("%s: %s", wrong[i][0], buf_cstr(&said));
    }
}

static void a_flag_may_be_given_only_so_often(void **state) {
    (void)state;
    char *argv[2 + OPTIONS_LIST_MAX + 1], pid[] = "--pid=7", node[] = "--node=http://a";
    char name[] = "kez-bench", scenario[] = "run";
    for (int turn = 0; turn < 2; turn++) {
        argv[0] = name;
        argv[1] = scenario;
        for (int i = 0; i <= OPTIONS_LIST_MAX; i++)
            argv[2 + i] = turn == 0 ? pid : node;
        assert_int_equal(options_read(2 + OPTIONS_LIST_MAX, argv, &o, &said), RC_OK);
        assert_int_equal(options_read(3 + OPTIONS_LIST_MAX, argv, &o, &said), RC_MALFORMED);
    }
}

static void help_names_every_flag_and_scenario(void **state) {
    (void)state;
    const char *const names[] = {"idle",     "fanout",  "posts",          "latency", "sendloop",
                                 "--window", "--quiet", "--database-url", "--pid"};
    assert_int_equal(read_line("kez-bench run --help"), RC_CLOSED);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_non_null(strstr(buf_cstr(&said), names[i]));
    assert_int_equal(read_line("kez-bench --version"), RC_CLOSED);
    assert_non_null(strstr(buf_cstr(&said), KEZ_VERSION));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_scenario_has_defaults_of_its_own),
        cmocka_unit_test(a_conversation_has_a_stream_for_each_participant),
        cmocka_unit_test(idle_streams_have_a_handle_each),
        cmocka_unit_test(a_number_of_posts_replaces_the_time),
        cmocka_unit_test(flags_are_read_in_both_forms),
        cmocka_unit_test(nodes_serve_posts_and_streams_unless_said_otherwise),
        cmocka_unit_test(latency_posts_on_one_node_and_listens_on_the_others),
        cmocka_unit_test(a_wrong_line_is_answered_with_what_is_allowed),
        cmocka_unit_test(a_flag_may_be_given_only_so_often),
        cmocka_unit_test(help_names_every_flag_and_scenario),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
