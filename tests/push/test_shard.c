/* tests/push/test_shard.c -- the life of a stream, one rule at a time; chance and all the rest is
 * in the simulation.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdatomic.h>

#include "push/stand.h"

static struct stand st;

static int set_up(void **state) {
    (void)state;
    stand_init(&st);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    stand_done(&st);
    return 0;
}

/* ---- start ---- */

static void a_stream_is_subscribed_before_it_reads_and_ready_after(void **state) {
    (void)state;
    struct push_open open = stand_after(3);
    stand_open(&st, &open, 0);
    assert_int_equal(st.subscribed, 1);
    assert_true(st.ticket > 0);
    stand_wait(&st, 100);
    assert_int_equal(st.reads_n, 0);
    shard_barrier_done(st.sh, st.ticket);
    stand_pass(&st, 0);
    assert_int_equal(st.reads_n, 1);
    assert_int_equal(st.reads[0]->inbox, 7);
    assert_int_equal(st.reads[0]->after, 3);
    stand_answer(&st, 1, 4, "e1");
    char want[600];
    (void)snprintf(want, sizeof want,
                   "%sevent: ready\nid: 4\n"
                   "data: {\"handle\":\"alice\",\"seq\":4,\"first\":1,\"epoch\":\"e1\"}\n\n",
                   stand_text_of(4));
    stand_expect(&st, 0, want);
    assert_int_equal(shard_streams(st.sh), 1);
}

static void a_stream_from_now_names_the_head_it_read(void **state) {
    (void)state;
    struct push_open open = {.user = {.handle = {"alice"}, .inbox = 7}};
    stand_open(&st, &open, 0);
    shard_barrier_done(st.sh, st.ticket);
    stand_pass(&st, 0);
    assert_true(st.reads[0]->after == UINT64_MAX);
    /* What comes while the answer is on its way follows. */
    stand_hear(&st, 10, "e1");
    stand_answer(&st, 1, 9, "e1");
    assert_int_equal(st.reads_n, 0);
    assert_int_equal(strncmp(st.sockets[0].text, "event: ready\nid: 9\n", 19), 0);
    assert_non_null(strstr(st.sockets[0].text, stand_text_of(10)));
}

static void a_backlog_comes_in_pages_as_fast_as_the_socket_drains(void **state) {
    (void)state;
    struct push_open open = stand_after(0);
    stand_open(&st, &open, 0);
    shard_barrier_done(st.sh, st.ticket);
    stand_pass(&st, 0);
    for (uint64_t page = 0; page < 3; page++) {
        assert_int_equal(st.reads[0]->after, 4 * page);
        stand_answer(&st, 1, 10, "e1");
    }
    stand_expect(&st, 1, "");
    for (uint64_t seq = 1; seq <= 10; seq++)
        assert_non_null(strstr(st.sockets[0].text, stand_text_of(seq)));
    assert_non_null(strstr(st.sockets[0].text, "event: ready\nid: 10\n"));
    assert_int_equal(st.reads_n, 0);
}

static void rows_that_pass_while_a_page_is_under_way_are_not_read_again(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    struct push_open open = stand_after(5);
    stand_open(&st, &open, 1);
    assert_int_equal(st.reads_n, 1);
    stand_hear(&st, 6, "e1");
    stand_hear(&st, 7, "e1");
    stand_answer(&st, 1, 5, "e1");
    assert_int_equal(st.reads_n, 0);
    char *ready = strstr(st.sockets[1].text, "event: ready\nid: 5\n");
    assert_non_null(ready);
    assert_non_null(strstr(ready, stand_text_of(6)));
    assert_non_null(strstr(ready, stand_text_of(7)));
}

/* ---- what cannot be continued ---- */

static void breaks_are_told(void **state) {
    (void)state;
    static const struct {
        bool has_after;
        uint64_t after;
        const char *epoch; /* NULL: not said */
        uint64_t first, head;
        const char *want;
    } rows[] = {
        {true, 2, NULL, 6, 9, "{\"reason\":\"trimmed\",\"seq\":5,\"missed\":3,\"epoch\":\"e1\"}"},
        {true, 0, NULL, 10, 9, "{\"reason\":\"trimmed\",\"seq\":9,\"missed\":9,\"epoch\":\"e1\"}"},
        {true, 5, NULL, 6, 9, NULL},
        {true, 9, NULL, 6, 9, NULL},
        {true, 10, NULL, 6, 9, "{\"reason\":\"ahead\",\"seq\":5,\"missed\":0,\"epoch\":\"e1\"}"},
        {true, 10, "e0", 6, 9, "{\"reason\":\"epoch\",\"seq\":5,\"missed\":0,\"epoch\":\"e1\"}"},
        {true, 7, "", 1, 9, "{\"reason\":\"epoch\",\"seq\":0,\"missed\":0,\"epoch\":\"e1\"}"},
        {false, 0, "e0", 3, 9, "{\"reason\":\"epoch\",\"seq\":2,\"missed\":0,\"epoch\":\"e1\"}"},
        {false, 0, "e1", 3, 9, NULL},
        {true, 7, "e1", 6, 9, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = (int)i;
        struct push_open open = stand_after(rows[i].after);
        open.has_after = rows[i].has_after;
        open.has_epoch = rows[i].epoch != NULL;
        (void)snprintf(open.epoch.text, EPOCH_MAX, "%s", rows[i].epoch ? rows[i].epoch : "");
        stand_open(&st, &open, fd);
        shard_barrier_done(st.sh, st.ticket);
        stand_pass(&st, 0);
        while (st.reads_n > 0)
            stand_answer(&st, rows[i].first, rows[i].head, "e1");
        const char *text = st.sockets[fd].text, *resync = strstr(text, "event: resync\n");
        assert_int_equal(resync != NULL, rows[i].want != NULL);
        if (resync) {
            assert_non_null(strstr(resync, rows[i].want));
            assert_ptr_equal(resync, text);
        }
        assert_non_null(strstr(text, "event: ready\nid: 9\n"));
        shard_hangup(st.sh, st.sockets[fd].id);
    }
}

static void a_live_stream_is_told_of_another_epoch_by_the_sweep(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    stand_wait(&st, 5000);
    stand_answer_heads(&st, 1, 3, "e2");
    assert_int_equal(st.reads_n, 1);
    stand_answer(&st, 1, 3, "e2");
    stand_answer(&st, 1, 3, "e2");
    char want[1000];
    int n = snprintf(want, sizeof want,
                     "event: resync\nid: 0\n"
                     "data: {\"reason\":\"epoch\",\"seq\":0,\"missed\":0,\"epoch\":\"e2\"}\n\n");
    for (uint64_t seq = 1; seq <= 3; seq++)
        n += snprintf(want + n, sizeof want - (size_t)n, "%s", stand_text_of(seq));
    stand_expect(&st, 0, want);
}

static void an_answer_of_before_the_change_of_epoch_is_asked_for_again(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    struct push_open open = stand_after(5);
    stand_open(&st, &open, 1);
    assert_int_equal(st.reads_n, 1); /* under way while the epoch changes */
    shard_look_at_all(st.sh);
    stand_pass(&st, 0);
    stand_answer_heads(&st, 1, 2, "e2");
    stand_answer(&st, 1, 5, "e1");
    stand_expect(&st, 1, "");
    assert_int_equal(st.reads_n, 2);
}

static void a_row_of_another_epoch_is_not_handed_on_but_looked_into(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    stand_hear(&st, 6, "e0");
    stand_expect(&st, 0, "");
    assert_int_equal(st.heads_n, 1);
    stand_answer_heads(&st, 1, 5, "e1");
    stand_hear(&st, 6, "e1");
    stand_expect(&st, 0, stand_text_of(6));
}

/* ---- live ---- */

static void a_live_row_goes_out_once(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    stand_hear(&st, 6, "e1");
    stand_hear(&st, 6, "e1");
    stand_hear(&st, 2, "e1");
    stand_expect(&st, 0, stand_text_of(6));
}

/* Who cannot send it yet holds it: the same one as all others. */
static void streams_of_one_format_share_one_frame(void **state) {
    (void)state;
    enum { PLAIN = 30, TAGGED = 20 };
    for (int fd = 0; fd < PLAIN + TAGGED; fd++) {
        stand_open_live_as(&st, fd, 5, fd >= PLAIN);
        st.sockets[fd].room = 3;
    }
    assert_int_equal(st.subscribed, 1);
    struct frame *f = stand_row(6, "e1");
    shard_row(st.sh, &(struct handle){"alice"}, 6, f);
    stand_pass(&st, 0);
    assert_int_equal(atomic_load(&f->refs), 1 + PLAIN);
    struct frame *tagged = atomic_load(&f->tagged);
    assert_non_null(tagged);
    assert_int_equal(atomic_load(&tagged->refs), 1 + TAGGED);
    frame_unref(f);
}

static void a_hole_is_read_from_the_store_once_for_all_streams(void **state) {
    (void)state;
    char both[400];
    stand_open_live(&st, 0, 5);
    stand_open_live(&st, 1, 5);
    int n = snprintf(both, sizeof both, "%s", stand_text_of(6));
    (void)snprintf(both + n, sizeof both - (size_t)n, "%s", stand_text_of(7));
    stand_hear(&st, 7, "e1");
    stand_wait(&st, 19);
    assert_int_equal(st.reads_n, 0);
    stand_wait(&st, 1);
    assert_int_equal(st.reads_n, 1);
    stand_answer(&st, 1, 7, "e1");
    stand_expect(&st, 0, both);
    stand_expect(&st, 1, both);
}

static void a_row_without_its_body_is_read_at_once(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    shard_row(st.sh, &(struct handle){"alice"}, 6, NULL);
    stand_pass(&st, 0);
    stand_answer(&st, 1, 6, "e1");
    stand_expect(&st, 0, stand_text_of(6));
}

static void a_lost_row_is_found_by_the_looks_and_by_the_sweep(void **state) {
    (void)state;
    static const uint64_t after_ms[] = {250, 1750, 3000};
    uint64_t head = 5;
    stand_open_live(&st, 0, head);
    stand_answer_heads(&st, 1, head, "e1"); /* of the sweep that began with the first topic */
    for (size_t i = 0; i < sizeof after_ms / sizeof *after_ms; i++) {
        stand_wait(&st, after_ms[i] - 1);
        assert_int_equal(st.heads_n, 0);
        stand_wait(&st, 1);
        assert_int_equal(st.heads_n, 1);
        stand_answer_heads(&st, 1, ++head, "e1");
        stand_answer(&st, 1, head, "e1");
        stand_expect(&st, 0, stand_text_of(head));
    }
}

static void a_store_that_refuses_is_asked_again(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    st.refusal = RC_FULL;
    shard_row(st.sh, &(struct handle){"alice"}, 6, NULL);
    stand_wait(&st, 1000);
    assert_int_equal(st.reads_n, 0);
    st.refusal = RC_OK;
    stand_wait(&st, 200);
    assert_int_equal(st.reads_n, 1);
    stand_fail_read(&st, RC_UNAVAILABLE);
    assert_int_equal(st.reads_n, 0);
    stand_wait(&st, 200);
    stand_answer(&st, 1, 6, "e1");
    stand_expect(&st, 0, stand_text_of(6));
}

/* ---- slow and silent clients ---- */

static void a_full_socket_leaves_the_live_path_and_reads_on_when_it_drains(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    st.sockets[0].room = 3;
    stand_hear(&st, 6, "e1");
    assert_true(st.sockets[0].wants_write);
    for (uint64_t seq = 7; seq <= 20; seq++)
        stand_hear(&st, seq, "e1");
    assert_int_equal(st.reads_n, 0); /* not while it is full */
    st.sockets[0].room = STAND_TEXT;
    shard_writable(st.sh, st.sockets[0].id);
    stand_pass(&st, 0);
    assert_false(st.sockets[0].wants_write);
    stand_expect(&st, 0, stand_text_of(6)); /* begun, so it came whole */
    assert_int_equal(st.reads[0]->after, 6);
    while (st.reads_n > 0)
        stand_answer(&st, 1, 20, "e1");
    for (uint64_t seq = 7; seq <= 20; seq++)
        assert_non_null(strstr(st.sockets[0].text, stand_text_of(seq)));
    stand_hear(&st, 21, "e1");
    assert_non_null(strstr(st.sockets[0].text, stand_text_of(21)));
}

static void a_socket_that_has_room_is_found_though_nobody_says_so(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    st.sockets[0].room = 3;
    st.sockets[0].untaken = 5000;
    stand_hear(&st, 6, "e1");
    assert_true(st.sockets[0].wants_write);
    st.sockets[0].room = STAND_TEXT;
    st.sockets[0].untaken = 0;
    stand_wait(&st, 2000);
    assert_false(st.sockets[0].wants_write);
    assert_non_null(strstr(st.sockets[0].text, stand_text_of(6)));
}

static void a_reader_that_takes_nothing_is_closed_and_a_slow_one_is_not(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    stand_open_live(&st, 1, 5);
    st.sockets[0].room = st.sockets[1].room = 3;
    st.sockets[0].untaken = st.sockets[1].untaken = 5000;
    stand_hear(&st, 6, "e1");
    for (int i = 0; i < 29; i++) {
        stand_wait(&st, 2000);
        st.sockets[1].untaken -= 10; /* what it has in its own socket */
    }
    assert_false(st.sockets[0].is_closed);
    stand_wait(&st, 4000);
    assert_true(st.sockets[0].is_closed);
    assert_false(st.sockets[1].is_closed);
    stand_wait(&st, 62500);
    assert_true(st.sockets[1].is_closed);
    assert_int_equal(st.released, 2);
    assert_int_equal(st.unsubscribed, 1);
}

static void a_thousand_stalled_readers_delay_nobody(void **state) {
    (void)state;
    enum { STALLED = 1000 };
    for (int fd = 0; fd <= STALLED; fd++)
        stand_open_live(&st, fd, 5);
    for (int fd = 0; fd < STALLED; fd++) {
        st.sockets[fd].room = 0;
        st.sockets[fd].sends = 0;
        st.sockets[fd].untaken = 1;
    }
    for (uint64_t seq = 6; seq < 100; seq++) {
        stand_hear(&st, seq, "e1");
        stand_expect(&st, STALLED, stand_text_of(seq));
    }
    for (int fd = 0; fd < STALLED; fd++)
        assert_int_equal(st.sockets[fd].sends, 1); /* it was tried once, and not again */
    assert_int_equal(st.reads_n, 0);
}

static void a_silent_stream_is_kept_awake(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    stand_wait(&st, 12900);
    stand_expect(&st, 0, "");
    stand_wait(&st, 4100);
    stand_expect(&st, 0, ": keep-alive\n\n");
    stand_wait(&st, 8900);
    stand_expect(&st, 0, "");
}

/* ---- ends ---- */

static void a_client_that_hangs_up_is_gone_with_its_subscription(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    stand_open_live(&st, 1, 5);
    shard_hangup(st.sh, st.sockets[0].id);
    assert_true(st.sockets[0].is_closed);
    assert_int_equal(st.unsubscribed, 0);
    st.sockets[1].is_broken = true;
    stand_hear(&st, 6, "e1");
    assert_true(st.sockets[1].is_closed);
    assert_int_equal(st.unsubscribed, 1);
    assert_int_equal(st.released, 2);
    assert_int_equal(shard_topics(st.sh), 0);
    shard_hangup(st.sh, st.sockets[0].id); /* late news of what is gone */
    shard_writable(st.sh, st.sockets[1].id);
}

/* Of the first so many sockets. */
static int count_told(int sockets) {
    int told = 0;
    for (int fd = 0; fd < sockets; fd++)
        told += st.sockets[fd].n > 0;
    return told;
}

/* Over four fifths of the time; the shard looks ten times a second. */
static void drains_are_at_even_distances(void **state) {
    (void)state;
    for (int fd = 0; fd < 10; fd++)
        stand_open_live(&st, fd, 5);
    shard_drain(st.sh, 12500);
    stand_wait(&st, 950);
    for (int told = 0; told < 10; told++) {
        assert_int_equal(count_told(10), told);
        stand_wait(&st, 200);
        assert_int_equal(count_told(10), told + 1);
        stand_wait(&st, 800);
    }
}

static void a_drain_is_said_and_then_the_stream_ends(void **state) {
    (void)state;
    for (int fd = 0; fd < 10; fd++)
        stand_open_live(&st, fd, 5);
    shard_drain(st.sh, 1000);
    stand_wait(&st, 400);
    assert_int_equal(st.sockets[9].n, 0); /* they are spread */
    stand_wait(&st, 500);
    for (int fd = 0; fd < 10; fd++) {
        unsigned retry = 0, data = 0;
        assert_int_equal(sscanf(st.sockets[fd].text,
                                "event: drain\nretry: %u\ndata: {\"retry_ms\":%u}\n\n", &retry,
                                &data),
                         2);
        assert_int_equal(retry, data);
        assert_true(retry >= 1500 && retry <= 4500);
        assert_true(st.sockets[fd].is_finished);
        if (fd % 2)
            shard_hangup(st.sh, st.sockets[fd].id);
        assert_int_equal(st.sockets[fd].is_closed, fd % 2);
    }
    struct push_open open = stand_after(5);
    stand_open(&st, &open, 10);
    assert_int_equal(strncmp(st.sockets[10].text, "event: drain\n", 13), 0);
    stand_wait(&st, 2200); /* who does not hang up is closed all the same */
    assert_int_equal(shard_streams(st.sh), 0);
    assert_int_equal(st.released, 11);
}

static void a_handle_that_is_gone_ends_its_streams(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    shard_look_at_all(st.sh);
    stand_pass(&st, 0);
    stand_answer_heads(&st, 0, 0, "");
    stand_fail_read(&st, RC_NOT_FOUND);
    assert_true(st.sockets[0].is_closed);
    assert_int_equal(shard_topics(st.sh), 0);
}

static void a_handle_made_anew_does_not_serve_those_of_the_old_one(void **state) {
    (void)state;
    stand_open_live(&st, 0, 5);
    stand_open_live(&st, 1, 5);
    struct push_open open = stand_after(0);
    open.user.inbox = 8;
    stand_open(&st, &open, 2);
    assert_true(st.sockets[0].is_closed && st.sockets[1].is_closed);
    assert_false(st.sockets[2].is_closed);
    assert_int_equal(st.subscribed, 2);
    assert_int_equal(st.unsubscribed, 1);
    shard_barrier_done(st.sh, st.ticket);
    stand_pass(&st, 0);
    assert_int_equal(st.reads[0]->inbox, 8);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_stream_is_subscribed_before_it_reads_and_ready_after),
        TEST(a_stream_from_now_names_the_head_it_read),
        TEST(a_backlog_comes_in_pages_as_fast_as_the_socket_drains),
        TEST(rows_that_pass_while_a_page_is_under_way_are_not_read_again),
        TEST(breaks_are_told),
        TEST(a_live_stream_is_told_of_another_epoch_by_the_sweep),
        TEST(an_answer_of_before_the_change_of_epoch_is_asked_for_again),
        TEST(a_row_of_another_epoch_is_not_handed_on_but_looked_into),
        TEST(a_live_row_goes_out_once),
        TEST(streams_of_one_format_share_one_frame),
        TEST(a_hole_is_read_from_the_store_once_for_all_streams),
        TEST(a_row_without_its_body_is_read_at_once),
        TEST(a_lost_row_is_found_by_the_looks_and_by_the_sweep),
        TEST(a_store_that_refuses_is_asked_again),
        TEST(a_full_socket_leaves_the_live_path_and_reads_on_when_it_drains),
        TEST(a_socket_that_has_room_is_found_though_nobody_says_so),
        TEST(a_reader_that_takes_nothing_is_closed_and_a_slow_one_is_not),
        TEST(a_thousand_stalled_readers_delay_nobody),
        TEST(a_silent_stream_is_kept_awake),
        TEST(a_client_that_hangs_up_is_gone_with_its_subscription),
        TEST(drains_are_at_even_distances),
        TEST(a_drain_is_said_and_then_the_stream_ends),
        TEST(a_handle_that_is_gone_ends_its_streams),
        TEST(a_handle_made_anew_does_not_serve_those_of_the_old_one),
    };
    return cmocka_run_group_tests_name("push/shard", tests, NULL, NULL);
}
