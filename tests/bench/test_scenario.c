/* tests/bench/test_scenario.c -- whole runs against a node that is good, or has one known fault.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/fake_node.h"

enum { WORDS_MAX = 32, SAY_MAX = 64 * 1024 };
enum { STREAMS = 8, HANDLES = 2, POSTS = 40, SPREAD = STREAMS / HANDLES };

static struct fake_node node;
static struct result result;

/* Runs kez-bench with these words; `{}` is the node's URL. */
static enum rc bench(const char *line) {
    char text[512], url[64], *argv[WORDS_MAX], *rest = text;
    int argc = 0;
    struct options o;
    struct buf say;
    snprintf(text, sizeof text, "%s", line);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", node.port);
    for (char *word; argc < WORDS_MAX && (word = strsep(&rest, " ")) != NULL;)
        argv[argc++] = strcmp(word, "{}") == 0 ? url : word;
    buf_init(&say, SAY_MAX);
    enum rc rc = options_read(argc, argv, &o, &say);
    if (rc == RC_OK)
        rc = scenario_run(&o, &result, &say);
    buf_done(&say);
    return rc;
}

#define RUN "kez-bench run --quiet --node {} --streams 8 --handles 2 --connections 1 "
#define PATIENT RUN "--timeout 60 " /* for what comes, however slow the machine is */

static void run_against(struct fake_node with, const char *line) {
    node = with;
    fake_start(&node);
    enum rc rc = bench(line);
    fake_stop(&node);
    assert_int_equal(rc, RC_OK);
}

static void a_good_node_is_found_good(void **state) {
    (void)state;
    static const struct fake_node forms[] = {{.is_chunked = false},
                                             {.is_chunked = true},
                                             {.drips = true},
                                             {.is_chunked = true, .drips = true}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        run_against(forms[i], PATIENT "--posts 40");
        if (!result_is_good(&result))
            fail_msg("form %zu: %s", i, result.troubles.at[0].text);
        assert_int_equal(result.handles_made, HANDLES);
        assert_int_equal(result.streams_ready, STREAMS);
        assert_int_equal(result.posts, POSTS);
        assert_int_equal(result.rows.delivered, POSTS * SPREAD);
        assert_int_equal(result.delivery.n, POSTS * SPREAD);
        assert_int_equal(result.post.n, POSTS);
        assert_true(result.deliveries_per_s > 0 && result.posts_per_s > 0);
        assert_true(result.bytes_per_frame > 200);
    }
}

static void a_second_run_finds_its_users_again(void **state) {
    (void)state;
    node = (struct fake_node){0};
    fake_start(&node);
    assert_int_equal(bench(PATIENT "--posts 3"), RC_OK);
    assert_int_equal(result.handles_made, HANDLES);
    assert_int_equal(bench(PATIENT "--posts 3 --signed-posts --connections 4"), RC_OK);
    fake_stop(&node);
    assert_int_equal(result.handles_made, 0);
    assert_int_equal(result.rows.delivered, 3 * SPREAD);
    assert_true(result_is_good(&result));
}

/* What each fault must be seen as. One connection, so that the fifth post is the third of the first
 * handle, and later ones follow. */
static const struct {
    const char *name;
    struct fake_node node;
    uint64_t delivered, lost, repeated, out_of_order, stray, resyncs, ended, refused, unknown,
        doubled;
} faults[] = {
    {"a row lost", {.fault = FAULT_LOSE}, .delivered = 156, .lost = 4},
    {"the last row lost",
     {.fault = FAULT_LOSE_LAST, .last_post = POSTS},
     .delivered = 156,
     .lost = 4},
    {"a row repeated", {.fault = FAULT_REPEAT}, .delivered = 160, .repeated = 4},
    {"a row for another",
     {.fault = FAULT_STRAY},
     .delivered = 160,
     .repeated = 4, /* its seq comes again with the row that it belongs to */
     .stray = 4},
    {"a stream hung up on",
     {.fault = FAULT_HANG_UP},
     .delivered = 143,
     .lost = 17, /* the 17 posts to that handle after it */
     .ended = 1},
    {"a resync", {.fault = FAULT_RESYNC}, .delivered = 156, .lost = 4, .resyncs = 4},
    {"a post refused", {.fault = FAULT_REFUSE}, .delivered = 156, .refused = 1},
    {"a post not answered", {.fault = FAULT_SAY_NOTHING}, .delivered = 160, .unknown = 1},
    {"a seq answered twice", {.fault = FAULT_SAME_SEQ}, .delivered = 160, .doubled = 1},
};

enum { FAULTS = sizeof faults / sizeof *faults };

/* Runs in programs of their own, all at once: many of them wait for what does not come, and each
 * has the patience that a slow machine needs for what does. */
static struct result *run_all_faults(void) {
    struct result *results = mmap(NULL, FAULTS * sizeof *results, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(results, MAP_FAILED);
    for (size_t i = 0; i < FAULTS; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid > 0)
            continue;
        node = faults[i].node;
        fake_start(&node);
        enum rc rc = bench(RUN "--timeout 10 --posts 40");
        results[i] = result;
        _exit(rc == RC_OK ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    for (size_t i = 0; i < FAULTS; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    }
    return results;
}

static void each_fault_is_found_and_named(void **state) {
    (void)state;
    struct result *results = run_all_faults();
    for (size_t i = 0; i < FAULTS; i++) {
        const struct result *r = &results[i];
        const struct ledger *l = &r->rows;
        if (result_is_good(r))
            fail_msg("%s: found good", faults[i].name);
        if (l->delivered != faults[i].delivered || l->lost != faults[i].lost ||
            l->repeated != faults[i].repeated || l->out_of_order != faults[i].out_of_order ||
            r->stray != faults[i].stray || r->resyncs != faults[i].resyncs ||
            r->streams_ended != faults[i].ended || r->posts_refused != faults[i].refused ||
            r->posts_unknown != faults[i].unknown || r->seqs_doubled != faults[i].doubled)
            fail_msg("%s: delivered %d, lost %d, repeated %d, out of order %d, stray %d, "
                     "resyncs %d, ended %d, refused %d, unknown %d, doubled %d",
                     faults[i].name, (int)l->delivered, (int)l->lost, (int)l->repeated,
                     (int)l->out_of_order, (int)r->stray, (int)r->resyncs, (int)r->streams_ended,
                     (int)r->posts_refused, (int)r->posts_unknown, (int)r->seqs_doubled);
    }
    assert_int_equal(munmap(results, FAULTS * sizeof *results), 0);
}

static void rows_that_change_places_are_out_of_order(void **state) {
    (void)state;
    run_against((struct fake_node){.fault = FAULT_SWAP},
                "kez-bench run --quiet --node {} --streams 4 --handles 1 --connections 1 "
                "--timeout 60 --posts 20");
    assert_int_equal(result.rows.delivered, 80);
    assert_int_equal(result.rows.out_of_order, 4);
    assert_int_equal(result.rows.lost, 0);
    assert_false(result_is_good(&result));
}

static void streams_that_do_not_open_are_told_why(void **state) {
    (void)state;
    run_against((struct fake_node){.fault = FAULT_REFUSE_STREAMS}, PATIENT "--posts 5");
    assert_int_equal(result.streams_ready, 0);
    assert_string_equal(result.troubles.at[0].text, "stream not opened: answered 401");
    assert_int_equal(result.troubles.at[0].times, STREAMS);
    assert_int_equal(result.posts, 0);
    run_against((struct fake_node){.fault = FAULT_NEVER_READY}, RUN "--timeout 5 --posts 5");
    assert_string_equal(result.troubles.at[0].text, "stream not opened: not ready in time");
    assert_false(result_is_good(&result));
}

static void users_that_cannot_be_made_end_the_run(void **state) {
    (void)state;
    run_against((struct fake_node){.fault = FAULT_REFUSE_HANDLES}, PATIENT "--posts 5");
    assert_int_equal(result.streams_ready, 0);
    assert_string_equal(result.troubles.at[0].text,
                        "registration: answered 403: choose another handle");
    assert_false(result_is_good(&result));
}

static void a_node_that_is_not_there_is_a_trouble(void **state) {
    (void)state;
    /* The port is held: another program's could be there else. */
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &bytes), 0);
    node = (struct fake_node){.port = ntohs(in.sin_port)};
    assert_int_equal(bench(PATIENT "--posts 5"), RC_OK);
    close(fd);
    assert_string_equal(result.troubles.at[0].text, "registration: Connection refused");
    assert_int_equal(result.troubles.at[0].times, HANDLES);
}

static void a_rate_is_kept(void **state) {
    (void)state;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    run_against((struct fake_node){0}, PATIENT "--posts 40 --rate 200");
    clock_gettime(CLOCK_MONOTONIC, &after);
    double s =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    assert_true(s >= 39.0 / 200); /* the 40th is due 39 intervals after the first */
    assert_int_equal(result.posts, POSTS);
    assert_true(result_is_good(&result));
}

static void idle_streams_are_weighed(void **state) {
    (void)state;
    char line[256];
    snprintf(line, sizeof line,
             "kez-bench idle --quiet --node {} --streams 8 --hold 0 --pid %d --timeout 60",
             (int)getpid());
    run_against((struct fake_node){0}, line);
    assert_true(result.has_memory);
    assert_true(result.memory_start > 0 && result.memory_idle > 0);
    assert_int_equal(result.handles, STREAMS);
    assert_int_equal(result.posts, 0);
    assert_true(result_is_good(&result));
}

static void a_fan_out_is_set_beside_the_bare_loop(void **state) {
    (void)state;
    node = (struct fake_node){0};
    assert_int_equal(bench("kez-bench sendloop --quiet --streams 20 --seconds 1"), RC_OK);
    assert_true(result.sendloop_before > 0);
    assert_true(result_is_good(&result));
    run_against((struct fake_node){0}, "kez-bench fanout --quiet --node {} --streams 8 --handles 2 "
                                       "--posts 200 --no-compare --timeout 60");
    assert_int_equal(result.rows.delivered, 200 * SPREAD);
    assert_true(result_is_good(&result));
}

#define CONVERSATION "kez-bench conversation --quiet --node {} --handles 6 --posts 40 --timeout 60 "

static void a_conversation_is_counted_at_every_participant(void **state) {
    (void)state;
    run_against((struct fake_node){0}, CONVERSATION "--fanout-streams 12 --connections 4");
    if (!result_is_good(&result))
        fail_msg("%s", result.troubles.at[0].text);
    assert_int_equal(result.streams_ready, 6);
    assert_int_equal(result.posts, 40);
    assert_int_equal(result.rows.delivered, 40 * 6);
    assert_true(result.fanout.before > 0 && result.fanout.after > 0);
    assert_true(result.fanout_few.before > 0 && result.fanout_few.after > 0);
    assert_true(result.fanout.ratio > 0 && result.fanout_few.ratio > 0);
    run_against((struct fake_node){0}, CONVERSATION "--no-compare");
    assert_true(result_is_good(&result));
    assert_true(result.fanout.before == 0 && result.fanout.ratio == 0);
}

static void a_faulty_conversation_is_found_out(void **state) {
    (void)state;
    run_against((struct fake_node){.fault = FAULT_OTHER_ORDER}, CONVERSATION "--no-compare");
    assert_int_equal(result.rows.delivered, 40 * 6);
    /* In each of two places one of six saw another row than the rest: who is read first is right,
     * so one disagrees, or five do. */
    assert_true(result.disagreed == 2 || result.disagreed == 6 || result.disagreed == 10);
    assert_false(result_is_good(&result));
    run_against((struct fake_node){.fault = FAULT_REFUSE_CONVERSATION},
                CONVERSATION "--no-compare");
    assert_string_equal(result.troubles.at[0].text, "conversation: answered 403: not now");
    assert_int_equal(result.posts, 0);
    assert_false(result_is_good(&result));
}

static void ctrl_c_ends_it_with_what_it_has(void **state) {
    (void)state;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    node = (struct fake_node){0};
    fake_start(&node);
    raise(SIGINT); /* waits until the run looks */
    assert_int_equal(bench(PATIENT "--seconds 3600"), RC_OK);
    fake_stop(&node);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    assert_true(result.is_interrupted);
    assert_false(result_is_good(&result));
}

static void what_does_not_fit_is_said_before_anything_is_done(void **state) {
    (void)state;
    assert_int_equal(bench("kez-bench run --quiet --streams 1000000 --posts 1"), RC_MALFORMED);
    assert_int_equal(bench("kez-bench run --quiet --node https://a --posts 1"), RC_MALFORMED);
    assert_int_equal(bench("kez-bench run --quiet --pid 2147483647 --posts 1"), RC_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_node_is_found_good),
        cmocka_unit_test(a_second_run_finds_its_users_again),
        cmocka_unit_test(each_fault_is_found_and_named),
        cmocka_unit_test(rows_that_change_places_are_out_of_order),
        cmocka_unit_test(streams_that_do_not_open_are_told_why),
        cmocka_unit_test(users_that_cannot_be_made_end_the_run),
        cmocka_unit_test(a_node_that_is_not_there_is_a_trouble),
        cmocka_unit_test(a_rate_is_kept),
        cmocka_unit_test(idle_streams_are_weighed),
        cmocka_unit_test(a_fan_out_is_set_beside_the_bare_loop),
        cmocka_unit_test(a_conversation_is_counted_at_every_participant),
        cmocka_unit_test(a_faulty_conversation_is_found_out),
        cmocka_unit_test(ctrl_c_ends_it_with_what_it_has),
        cmocka_unit_test(what_does_not_fit_is_said_before_anything_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
