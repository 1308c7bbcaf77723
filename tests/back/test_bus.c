/* tests/back/test_bus.c -- rows between two buses on a real nats-server that behaves.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/bus.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "core/stats.h"
#include "support/ear.h"
#include "support/natsd.h"
#include "support/proc.h"

enum { MANY = 10000, JOINS = 400 };

static struct natsd *nats;

static int start_nats(void **state) {
    (void)state;
    nats = natsd_start(0);
    return 0;
}

static int stop_nats(void **state) {
    (void)state;
    natsd_stop(nats);
    return 0;
}

static void start_two(struct ear *a, struct ear *b) {
    ear_start(a, natsd_url(nats), NULL);
    ear_start(b, natsd_url(nats), NULL);
    ear_wait_up(a);
    ear_wait_up(b);
}

static void stop_two(struct ear *a, struct ear *b) {
    ear_stop(a);
    ear_stop(b);
}

static void a_row_reaches_the_other_bus_and_not_its_own(void **state) {
    (void)state;
    struct ear a, b;
    start_two(&a, &b);
    ear_listen(&a, "alice");
    ear_listen(&b, "alice");
    ear_say(&a, "alice", 1);
    ear_wait_rows(&b, 1);
    assert_int_equal(b.last_seq, 1);
    assert_string_equal(b.last_to.text, "alice");
    assert_string_equal(b.last_json, "{\"seq\":1,\"type\":\"chatmessage.new\",\"from\":\"carol\","
                                     "\"envelope\":{\"a\":\"x\"},"
                                     "\"created_at\":\"2026-05-26T23:06:17.123Z\"}");
    /* An echo of row 1 would have come before row 2. */
    ear_say(&b, "alice", 2);
    ear_wait_rows(&a, 1);
    assert_int_equal(a.last_seq, 2);
    assert_int_equal(ear_rows(&b), 1);
    stop_two(&a, &b);
    assert_string_equal(a.states, "U");
}

static void rows_of_one_handle_keep_their_order(void **state) {
    (void)state;
    enum { ROWS = 5000 };
    struct ear a, b;
    start_two(&a, &b);
    ear_listen(&b, "alice");
    int64_t published = atomic_load(&stats.bus_published);
    for (uint64_t seq = 1; seq <= ROWS; seq++) {
        ear_say(&a, "alice", seq);
        /* In order, the last seq is the number of rows, whenever one looks. */
        pthread_mutex_lock(&b.lock);
        assert_int_equal(b.rows, b.last_seq);
        pthread_mutex_unlock(&b.lock);
    }
    ear_wait_rows(&b, ROWS);
    assert_int_equal(ear_last_seq(&b), ROWS);
    ear_stop(&a);
    assert_int_equal(atomic_load(&stats.bus_published) - published, ROWS);
    ear_stop(&b);
}

struct join {
    struct ear *speaker;
    struct handle handle;
    uint64_t seq;
};

/* On the bus's own thread, at the earliest moment that a shard could know of the barrier. */
static void speak_at_once(struct ear *e, void *arg) {
    (void)e;
    const struct join *j = arg;
    ear_say(j->speaker, j->handle.text, j->seq);
}

static void after_a_barrier_nothing_is_missed(void **state) {
    (void)state;
    struct ear a, b;
    start_two(&a, &b);
    struct join join = {.speaker = &b};
    a.on_good_arg = &join;
    a.on_good = speak_at_once;
    for (uint64_t i = 1; i <= JOINS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "user%ju", (uintmax_t)i);
        join.handle = ear_handle(name);
        join.seq = i;
        assert_int_equal(bus_subscribe(a.bus, &join.handle), RC_OK);
        assert_true(ear_barrier(&a, i));
        ear_wait_rows(&a, i);
        assert_int_equal(ear_last_seq(&a), i);
        assert_string_equal(a.last_to.text, name);
    }
    stop_two(&a, &b);
}

/* How many flushes the histogram has counted. */
static long flushes(void) {
    static const char name[] = "kez_bus_flush_seconds_count ";
    struct buf text;
    buf_init(&text, 1 << 20);
    stats_put(&text);
    assert_int_equal(buf_rc(&text), RC_OK);
    const char *at = strstr(buf_cstr(&text), name);
    assert_non_null(at);
    long count = strtol(at + sizeof name - 1, NULL, 10);
    buf_done(&text);
    return count;
}

static void tickets_that_wait_share_a_flush(void **state) {
    (void)state;
    enum { TICKETS = 100 };
    struct ear a, b;
    start_two(&a, &b);
    long before = flushes();
    for (unsigned shard = 0; shard < BUS_SHARDS_MAX; shard++)
        for (uint64_t ticket = 1; ticket <= TICKETS; ticket++)
            bus_barrier(a.bus, shard, ticket);
    assert_true(ear_barrier(&a, TICKETS + 1));
    long took = flushes() - before;
    assert_true(took > 0 && took < TICKETS * BUS_SHARDS_MAX / 2);
    stop_two(&a, &b);
}

static void a_long_row_travels_without_its_body(void **state) {
    (void)state;
    struct ear a, b;
    start_two(&a, &b);
    ear_listen(&b, "alice");
    ear_say_bytes(&a, "alice", 7, ROW_BUS_MAX_BYTES);
    ear_wait_rows(&b, 1);
    assert_int_equal(b.last_seq, 7);
    assert_false(b.last_has_frame);
    ear_say_bytes(&a, "alice", 8, ROW_BUS_MAX_BYTES - 512);
    ear_wait_rows(&b, 2);
    assert_int_equal(b.last_seq, 8);
    assert_true(b.last_has_frame);
    stop_two(&a, &b);
}

static void unsubscribing_ends_delivery(void **state) {
    (void)state;
    struct ear a, b;
    start_two(&a, &b);
    ear_listen(&a, "alice");
    ear_listen(&a, "bobby");
    ear_say(&b, "alice", 1);
    ear_wait_rows(&a, 1);
    struct handle alice = ear_handle("alice");
    bus_unsubscribe(a.bus, &alice);
    assert_true(ear_barrier(&a, 10));
    ear_say(&b, "alice", 2);
    ear_say(&b, "bobby", 3);
    ear_wait_rows(&a, 2);
    assert_int_equal(ear_last_seq(&a), 3);
    /* And it can be had again, also when the courier has not seen that it was dropped. */
    struct handle bobby = ear_handle("bobby");
    bus_unsubscribe(a.bus, &bobby);
    assert_int_equal(bus_subscribe(a.bus, &bobby), RC_OK);
    ear_listen(&a, "alice");
    ear_say(&b, "alice", 4);
    ear_wait_rows(&a, 3);
    ear_say(&b, "bobby", 5);
    ear_wait_rows(&a, 4);
    assert_int_equal(ear_last_seq(&a), 5);
    stop_two(&a, &b);
}

/* Says something to NATS in its own protocol, as a stranger with the right to publish would. */
static void publish_raw(int fd, const char *subject, struct str payload) {
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_putf(&text, "PUB %s %zu\r\n", subject, payload.n);
    buf_put(&text, payload);
    buf_put(&text, STR("\r\n"));
    assert_int_equal(buf_rc(&text), RC_OK);
    assert_int_equal(send(fd, text.p, text.n, MSG_NOSIGNAL), text.n);
    buf_done(&text);
}

static int connect_raw(const char *url) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    static const char hello[] = "CONNECT {\"verbose\":false}\r\n";
    assert_int_equal(send(fd, hello, sizeof hello - 1, MSG_NOSIGNAL), sizeof hello - 1);
    return fd;
}

static void junk_is_counted_and_dropped(void **state) {
    (void)state;
#define TIME "\"created_at\":\"2026-05-26T23:06:17Z\""
    static const struct str junk[] = {
        STR_INIT(""),
        STR_INIT("{}"),
        STR_INIT("[]"),
        STR_INIT("not JSON"),
        STR_INIT("\0\xff\xfe"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage.new\",\"envelope\":{}}"),
        STR_INIT("{\"seq\":0,\"type\":\"chatmessage.new\",\"envelope\":{}," TIME "}"),
        STR_INIT("{\"seq\":-1,\"type\":\"chatmessage.new\",\"envelope\":{}," TIME "}"),
        STR_INIT("{\"seq\":1.5,\"type\":\"chatmessage.new\",\"envelope\":{}," TIME "}"),
        STR_INIT("{\"seq\":\"1\",\"type\":\"chatmessage.new\",\"envelope\":{}," TIME "}"),
        STR_INIT("{\"seq\":9007199254740992,\"type\":\"chatmessage.new\",\"envelope\":{}," TIME
                 "}"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage.old\",\"envelope\":{}," TIME "}"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage.new\",\"envelope\":{}," TIME "}x"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage.new\",\n\"envelope\":{}," TIME "}"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage.new\",\"envelope\":{\"a\":\"\xc3\"}," TIME "}"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage.new\",\"envelope\":{},"
                 "\"created_at\":\"yesterday\"}"),
    };
    enum { JUNK = sizeof junk / sizeof *junk };
    struct ear a, b;
    start_two(&a, &b);
    ear_listen(&a, "alice");
    int64_t before = atomic_load(&stats.bus_junk);
    int fd = connect_raw(natsd_url(nats));
    for (size_t i = 0; i < JUNK; i++)
        publish_raw(fd, "kez.chat.inbox.alice", junk[i]);
    publish_raw(fd, "kez.chat.inbox.alice",
                STR("{\"seq\":5,\"type\":\"chatmessage.new\",\"envelope\":{}," TIME "}"));
    ear_wait_rows(&a, 1);
    assert_int_equal(ear_last_seq(&a), 5);
    assert_int_equal(atomic_load(&stats.bus_junk) - before, JUNK);

    /* A subject that ends in no handle, had it been subscribed to. */
    ear_listen(&a, "NO");
    publish_raw(fd, "kez.chat.inbox.NO",
                STR("{\"seq\":6,\"type\":\"chatmessage.new\",\"envelope\":{}," TIME "}"));
    publish_raw(fd, "kez.chat.inbox.alice",
                STR("{\"seq\":7,\"type\":\"conversation.updated\",\"data\":{}," TIME "}"));
    ear_wait_rows(&a, 2);
    assert_int_equal(ear_last_seq(&a), 7);
    close(fd);
    stop_two(&a, &b);
    assert_int_equal(atomic_load(&stats.bus_junk) - before, JUNK + 1);
#undef TIME
}

static void pend_little(struct bus_config *c) { c->pending_messages = 16; }

static void a_slow_taker_is_told_that_rows_were_dropped(void **state) {
    (void)state;
    struct ear a, b;
    ear_start(&a, natsd_url(nats), pend_little);
    ear_start(&b, natsd_url(nats), NULL);
    ear_wait_up(&a);
    ear_wait_up(&b);
    ear_listen(&a, "alice");
    ear_hold(&a);
    int64_t before = atomic_load(&stats.bus_slow);
    for (uint64_t seq = 1; seq <= 1000; seq++)
        ear_say(&b, "alice", seq);
    ear_wait_states(&a, "US");
    ear_release(&a);
    assert_true(atomic_load(&stats.bus_slow) > before);
    /* It goes on: what comes now is taken. */
    uint64_t seq = 2000;
    while (ear_last_seq(&a) < 2000) {
        ear_say(&b, "alice", seq++);
        assert_true(ear_barrier(&b, seq));
        assert_true(ear_barrier(&a, seq));
        assert_true(seq < 4000);
    }
    stop_two(&a, &b);
}

static long resident_kib(void) {
    char *status = proc_read_file("/proc/self/status");
    const char *at = strstr(status, "VmRSS:");
    long kib = at ? strtol(at + strlen("VmRSS:"), NULL, 10) : 0;
    free(status);
    return kib;
}

static struct handle nth(unsigned i) {
    char name[16];
    (void)snprintf(name, sizeof name, "user%u", i);
    return ear_handle(name);
}

static void ten_thousand_handles_are_served(void **state) {
    (void)state;
    struct ear a, b;
    start_two(&a, &b);
    long before = resident_kib();
    for (unsigned i = 0; i < MANY; i++) {
        struct handle h = nth(i);
        assert_int_equal(bus_subscribe(a.bus, &h), RC_OK);
    }
    assert_true(ear_barrier(&a, 1));
    print_message("%ld bytes of process memory for each subscription\n",
                  (resident_kib() - before) * 1024 / MANY);
    for (unsigned i = 0; i < MANY; i++)
        ear_say(&b, nth(i).text, i + 1);
    ear_wait_rows(&a, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        struct handle h = nth(i);
        bus_unsubscribe(a.bus, &h);
    }
    assert_true(ear_barrier(&a, 2));
    ear_say(&b, nth(7).text, 1);
    ear_listen(&a, "alice");
    ear_say(&b, "alice", 99);
    ear_wait_rows(&a, MANY + 1);
    assert_int_equal(ear_last_seq(&a), 99);
    stop_two(&a, &b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_reaches_the_other_bus_and_not_its_own),
        cmocka_unit_test(rows_of_one_handle_keep_their_order),
        cmocka_unit_test(after_a_barrier_nothing_is_missed),
        cmocka_unit_test(tickets_that_wait_share_a_flush),
        cmocka_unit_test(a_long_row_travels_without_its_body),
        cmocka_unit_test(unsubscribing_ends_delivery),
        cmocka_unit_test(junk_is_counted_and_dropped),
        cmocka_unit_test(a_slow_taker_is_told_that_rows_were_dropped),
        cmocka_unit_test(ten_thousand_handles_are_served),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, start_nats, stop_nats);
}
