/* tests/back/test_bus_trouble.c -- a bus whose nats-server is away, killed, frozen or says no.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/bus.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "core/stats.h"
#include "support/ear.h"
#include "support/natsd.h"
#include "support/proc.h"

enum { MANY = 2000 };

struct saying {
    struct ear *from, *to;
    const char *handle;
    uint64_t seq, rows;
};

static bool is_heard(void *arg) {
    struct saying *s = arg;
    ear_say(s->from, s->handle, s->seq++);
    (void)ear_barrier(s->from, s->from->answered + 1);
    (void)ear_barrier(s->to, s->to->answered + 1);
    return ear_rows(s->to) > s->rows;
}

/* A row said by one until the other has it: what was lost on the way is said again. */
static void say_until_heard(struct ear *from, struct ear *to, const char *handle) {
    struct saying s = {from, to, handle, 1, ear_rows(to)};
    if (!proc_poll(is_heard, &s, EAR_WAIT_MS))
        fail_msg("%s is not heard", handle);
}

static bool is_good(void *arg) {
    struct ear *e = arg;
    return ear_barrier(e, e->answered + 1);
}

/* For one that is impatient, and may give up a server that is slow. */
static void listen_at_last(struct ear *e, const char *handle) {
    struct handle h = ear_handle(handle);
    assert_int_equal(bus_subscribe(e->bus, &h), RC_OK);
    assert_true(proc_poll(is_good, e, EAR_WAIT_MS));
}

static void a_killed_server_is_down_and_then_up_with_all_interest(void **state) {
    (void)state;
    struct natsd *nats = natsd_start(0);
    struct ear a, b;
    ear_start(&a, natsd_url(nats), NULL);
    ear_start(&b, natsd_url(nats), NULL);
    ear_wait_up(&a);
    ear_wait_up(&b);
    for (unsigned i = 0; i < MANY; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "user%u", i);
        struct handle h = ear_handle(name);
        assert_int_equal(bus_subscribe(a.bus, &h), RC_OK);
    }
    assert_true(ear_barrier(&a, 1));
    int64_t reconnects = atomic_load(&stats.bus_reconnects);

    natsd_kill(nats);
    ear_wait_down(&a);
    ear_wait_down(&b);
    assert_false(ear_barrier(&a, 2));
    /* What is asked for, and given up, while it is away. */
    struct handle late = ear_handle("late"), gone = ear_handle("gone"), first = ear_handle("user0");
    assert_int_equal(bus_subscribe(a.bus, &late), RC_OK);
    assert_int_equal(bus_subscribe(a.bus, &gone), RC_OK);
    bus_unsubscribe(a.bus, &gone);
    bus_unsubscribe(a.bus, &first);

    natsd_resume(nats);
    ear_wait_states(&a, "UDU");
    ear_wait_states(&b, "UDU");
    /* UP says that the interest is there: no barrier is needed. */
    ear_say(&b, "late", 1);
    ear_wait_rows(&a, 1);
    ear_say(&b, "gone", 2);
    ear_say(&b, "user0", 3);
    ear_say(&b, "user1999", 4);
    ear_wait_rows(&a, 2);
    assert_int_equal(ear_last_seq(&a), 4);
    assert_true(ear_barrier(&a, 3));
    assert_int_equal(atomic_load(&stats.bus_reconnects) - reconnects, 2);
    ear_stop(&a);
    ear_stop(&b);
    natsd_stop(nats);
}

static void a_bus_starts_without_its_server_and_finds_it_later(void **state) {
    (void)state;
    struct natsd *nats = natsd_start(0);
    natsd_kill(nats);
    struct ear a, b;
    int64_t failed = atomic_load(&stats.bus_publish_failed);
    int64_t published = atomic_load(&stats.bus_published);
    ear_start(&a, natsd_url(nats), NULL);
    ear_start(&b, natsd_url(nats), NULL);
    struct handle alice = ear_handle("alice");
    assert_int_equal(bus_subscribe(b.bus, &alice), RC_OK);
    assert_false(ear_barrier(&b, 1));
    ear_say(&a, "alice", 1);
    assert_false(bus_is_up(a.bus));
    assert_string_equal(a.states, "");
    natsd_resume(nats);
    ear_wait_states(&a, "U");
    ear_wait_states(&b, "U");
    ear_say(&a, "alice", 2);
    say_until_heard(&a, &b, "alice");
    ear_stop(&a);
    ear_stop(&b);
    /* The row of before was kept and published, too. */
    assert_true(atomic_load(&stats.bus_published) - published >= 3);
    assert_int_equal(atomic_load(&stats.bus_publish_failed), failed);
    natsd_stop(nats);
}

static void keep_nothing(struct bus_config *c) { c->reconnect_bytes = 0; }

static void rows_beyond_what_is_kept_are_dropped_and_counted(void **state) {
    (void)state;
    struct natsd *nats = natsd_start(0);
    natsd_kill(nats);
    struct ear a;
    ear_start(&a, natsd_url(nats), keep_nothing);
    int64_t failed = atomic_load(&stats.bus_publish_failed);
    for (uint64_t seq = 1; seq <= 10; seq++)
        ear_say(&a, "alice", seq);
    assert_int_equal(atomic_load(&stats.bus_publish_failed) - failed, 10);
    natsd_resume(nats);
    ear_wait_up(&a);
    int64_t published = atomic_load(&stats.bus_published);
    ear_say(&a, "alice", 11);
    assert_true(ear_barrier(&a, 1));
    assert_true(ear_barrier(&a, 2));
    assert_int_equal(atomic_load(&stats.bus_published) - published, 1);
    ear_stop(&a);
    natsd_stop(nats);
}

static void a_frozen_server_holds_nobody_up(void **state) {
    (void)state;
    struct natsd *nats = natsd_start(0);
    struct ear a, b;
    ear_start(&a, natsd_url(nats), ear_impatient);
    ear_start(&b, natsd_url(nats), ear_impatient);
    ear_wait_up(&a);
    ear_wait_up(&b);
    listen_at_last(&b, "alice");
    natsd_freeze(nats);
    assert_false(ear_barrier(&a, 1));
    /* More than any socket takes. Nothing thaws the server before these return. */
    struct frame *frame = ear_frame(1, 50000);
    struct handle alice = ear_handle("alice"), bobby = ear_handle("bobby");
    for (int i = 0; i < 1000; i++)
        bus_publish(a.bus, &alice, frame);
    bus_wake(a.bus);
    assert_int_equal(bus_subscribe(a.bus, &bobby), RC_OK);
    bus_unsubscribe(a.bus, &bobby);
    frame_unref(frame);
    ear_wait_down(&a); /* by its pings */
    ear_wait_down(&b);
    assert_false(ear_barrier(&a, a.answered + 1));
    natsd_thaw(nats);
    ear_wait_states(&a, "UDU");
    ear_wait_states(&b, "UDU");
    say_until_heard(&a, &b, "alice");
    ear_stop(&a);
    ear_stop(&b);
    natsd_stop(nats);
}

static void a_bus_stops_while_its_server_is_frozen(void **state) {
    (void)state;
    struct natsd *nats = natsd_start(0);
    struct ear a;
    ear_start(&a, natsd_url(nats), ear_impatient);
    ear_wait_up(&a);
    listen_at_last(&a, "alice");
    natsd_freeze(nats);
    for (uint64_t seq = 1; seq <= 100; seq++)
        ear_say_bytes(&a, "alice", seq, 50000);
    ear_stop(&a);
    natsd_thaw(nats);
    natsd_stop(nats);
}

static unsigned count(const char *text, const char *what) {
    unsigned n = 0;
    while ((text = strstr(text, what)) != NULL) {
        n++;
        text += strlen(what);
    }
    return n;
}

static bool was_refused_often(void *arg) {
    char *log = natsd_log(arg);
    bool is_so = count(log, "authentication error") >= 5;
    free(log);
    return is_so;
}

/* From here on the program's log goes to a file; its path. */
static const char *log_to_file(void) {
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/log", proc_temp_dir(NULL));
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    log_set_fd(fd);
    log_set_level(LOG_INFO);
    return path;
}

static void a_wrong_password_stays_down_and_is_said_once(void **state) {
    (void)state;
    struct natsd *nats = natsd_start(1);
    char url[64];
    (void)snprintf(url, sizeof url, "nats://node:wrongword@127.0.0.1%s",
                   strrchr(natsd_url(nats), ':'));
    const char *path = log_to_file();
    struct ear a;
    ear_start(&a, url, NULL);
    assert_true(proc_poll(was_refused_often, nats, EAR_WAIT_MS));
    assert_false(bus_is_up(a.bus));
    assert_false(ear_barrier(&a, 1));
    assert_string_equal(a.states, "");
    ear_stop(&a);
    log_set_level(LOG_ERROR);
    log_set_fd(STDERR_FILENO);
    char *log = proc_read_file(path);
    assert_int_equal(count(log, "reason=\"Auth"), 1);
    assert_int_equal(count(log, "\n"), 1);
    assert_null(strstr(log, "wrongword"));
    free(log);
    natsd_stop(nats);
}

static void a_right_password_opens(void **state) {
    (void)state;
    struct natsd *nats = natsd_start(1);
    char urls[160];
    /* One that is not there comes first in the list: it is no hindrance. */
    (void)snprintf(urls, sizeof urls, "nats://node:secret@127.0.0.1:%u, %s",
                   (unsigned)proc_free_port(), natsd_url(nats));
    struct ear a;
    ear_start(&a, urls, NULL);
    ear_wait_up(&a);
    ear_stop(&a);
    natsd_stop(nats);
}

#define SEED "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define USER "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

static void put_file(char path[256], const char *name, const char *text) {
    (void)snprintf(path, 256, "%s/%s", proc_temp_dir(NULL), name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static char nkey_path[256];

static void use_nkey(struct bus_config *c) { c->nkey_seed_file = nkey_path; }

static void an_nkey_opens(void **state) {
    (void)state;
    char conf[256], text[256], url[64], log[300];
    uint16_t port = proc_free_port();
    (void)snprintf(text, sizeof text,
                   "listen: \"127.0.0.1:%u\"\nauthorization: { users: [ { nkey: " USER " } ] }\n",
                   (unsigned)port);
    put_file(conf, "nats.conf", text);
    put_file(nkey_path, "seed", "# the node's key\n" SEED "\n");
    (void)snprintf(url, sizeof url, "nats://127.0.0.1:%u", (unsigned)port);
    (void)snprintf(log, sizeof log, "%s.log", conf);
    const char *argv[] = {natsd_program(), "-c", conf, NULL};
    struct proc *server = proc_start(argv, log, NULL);
    struct ear a;
    ear_start(&a, url, use_nkey);
    ear_wait_up(&a);
    ear_listen(&a, "alice");
    ear_stop(&a);
    proc_stop(server);
}

static void wrong_settings_are_said_at_the_start(void **state) {
    (void)state;
    char empty[256];
    put_file(empty, "empty", "nothing here\n");
    const struct {
        struct bus_config config;
        const char *why; /* a word of it */
    } rows[] = {
        {{.urls = ""}, "begin with"},
        {{.urls = "localhost:4222"}, "begin with"},
        {{.urls = "http://localhost:4222"}, "begin with"},
        {{.urls = "nats://"}, "host"},
        {{.urls = "nats://:4222"}, "host"},
        {{.urls = "nats://user:secret@"}, "host"},
        {{.urls = "nats://user:secret@:1"}, "host"},
        {{.urls = "nats://localhost:"}, "port"},
        {{.urls = "nats://localhost:0"}, "port"},
        {{.urls = "nats://localhost:65536"}, "port"},
        {{.urls = "nats://localhost:4222x"}, "port"},
        {{.urls = "nats://[::1"}, "bracket"},
        {{.urls = "nats://[::1]4222"}, "between"},
        {{.urls = "nats://localhost/inbox"}, "path"},
        {{.urls = "nats://local host"}, "percent"},
        {{.urls = "nats://localhost,"}, "begin with"},
        {{.urls = "nats://localhost,,nats://other"}, "begin with"},
        {{.urls = "nats://localhost", .creds_file = "/nowhere/creds"}, "credentials"},
        {{.urls = "nats://localhost", .creds_file = empty}, "credentials"},
        {{.urls = "nats://localhost", .nkey_seed_file = "/nowhere/seed"}, "nkey"},
        {{.urls = "nats://localhost", .nkey_seed_file = empty}, "nkey"},
        {{.urls = "nats://localhost", .nkey_seed_file = nkey_path, .creds_file = nkey_path},
         "not both"},
        {{.urls = "tls://localhost", .ca_file = "/nowhere/ca"}, "CA"},
        {{.urls = "tls://localhost", .ca_file = empty}, "CA"},
    };
    const struct bus_events events = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bus *bus;
        const char *why = "";
        if (bus_start(&rows[i].config, &events, clock_system(), &bus, &why) != RC_MALFORMED)
            fail_msg("row %zu is taken: %s", i, rows[i].config.urls);
        if (!strstr(why, rows[i].why) || strstr(why, "secret"))
            fail_msg("row %zu: %s", i, why);
    }
    bus_stop(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_server_is_down_and_then_up_with_all_interest),
        cmocka_unit_test(a_bus_starts_without_its_server_and_finds_it_later),
        cmocka_unit_test(rows_beyond_what_is_kept_are_dropped_and_counted),
        cmocka_unit_test(a_frozen_server_holds_nobody_up),
        cmocka_unit_test(a_bus_stops_while_its_server_is_frozen),
        cmocka_unit_test(a_wrong_password_stays_down_and_is_said_once),
        cmocka_unit_test(a_right_password_opens),
        cmocka_unit_test(an_nkey_opens),
        cmocka_unit_test(wrong_settings_are_said_at_the_start),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
