/* tests/integration/test_assembly.c -- the largest conversation there may be, with the largest
 * envelopes: 256 people on two nodes, each with an open stream, and nothing but NATS between them.
 *
 * Source: protocol, sections 6 and 8.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "support/crowd.h"
#include "support/proc.h"
#include "support/signed.h"
#include "support/site.h"
#include "wire/conversation.h"

enum {
    NODES = 2,
    PEOPLE = PARTICIPANTS_MAX,
    POSTS = 6,
    VOICES = 64,
    BODY_MAX = 128 * 1024,
};

static struct site site;
static struct signer people[PEOPLE];
static struct http_client *clients[NODES];

/* Nobody looks into the store by himself: what NATS does not bring does not come in time. */
static const char *const flags[] = {
    "--sweep-up", "600000", "--look-again-first", "60000", "--look-again-second", "60000", NULL};

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", NODES, flags);
    for (unsigned i = 0; i < NODES; i++)
        clients[i] = http_client_new(node_port(site.nodes[i]));
    for (unsigned i = 0; i < PEOPLE; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "person-%03u", i);
        signer_init(&people[i], name);
        node_register(site.nodes[i % NODES], &people[i]);
    }
    return 0;
}

static int stop(void **state) {
    (void)state;
    for (unsigned i = 0; i < NODES; i++)
        http_client_free(clients[i]);
    site_stop(&site);
    return 0;
}

static void make(const struct place *p) {
    struct buf body;
    buf_init(&body, BODY_MAX);
    buf_putf(&body, "{\"sid\":\"%s\",\"participants\":[", p->sid);
    for (unsigned i = 0; i < PEOPLE; i++)
        buf_putf(&body, "%s\"%s\"", i ? "," : "", people[i].handle.text);
    buf_put(&body, STR("]}"));
    signed_expect(clients[0], &people[0], "POST", "/v1/conversations", buf_cstr(&body), 201, NULL);
    buf_done(&body);
}

/* A body with an envelope of `bytes` compact bytes. */
static void put_post(struct buf *out, unsigned number, size_t bytes) {
    buf_putf(out, "{\"id\":\"%u\",\"envelope\":{\"a\":\"", number);
    for (size_t i = strlen("{'a':''}"); i < bytes; i++)
        buf_put_byte(out, 'e');
    buf_put(out, STR("\"}}"));
}

static void post(const struct place *p, unsigned number, size_t bytes) {
    struct buf body;
    buf_init(&body, BODY_MAX);
    put_post(&body, number, bytes);
    signed_expect(clients[number % NODES], &people[number % PEOPLE], "POST", p->messages,
                  buf_cstr(&body), 201, NULL);
    buf_done(&body);
}

static long peak_kib(const struct node *n) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)node_pid(n));
    char *status = proc_read_file(path);
    const char *at = strstr(status, "VmHWM:");
    long kib = at ? strtol(at + strlen("VmHWM:"), NULL, 10) : 0;
    free(status);
    return kib;
}

static void await_all(struct follower *followers, uint64_t *heads) {
    for (unsigned i = 0; i < PEOPLE; i++)
        follower_await(&followers[i], ++heads[i]);
}

/* One after the other, so that none can be found in the store because a later one came. */
static void everybody_hears(size_t bytes, unsigned number) {
    static struct follower followers[PEOPLE];
    static uint64_t heads[PEOPLE];
    struct place p = signed_place(number);
    for (unsigned i = 0; i < PEOPLE; i++) {
        follower_open(&followers[i], site.nodes[i / NODES % NODES], &people[i]);
        heads[i] = node_expect_ready(&followers[i].stream);
        followers[i].last = heads[i];
        followers[i].has_start = followers[i].is_ready = true;
    }
    uint64_t began = clock_mono_ms(clock_system());
    make(&p);
    await_all(followers, heads);
    uint64_t made = clock_mono_ms(clock_system());
    for (unsigned n = 0; n < POSTS; n++) {
        post(&p, n, bytes);
        await_all(followers, heads);
    }
    uint64_t heard = clock_mono_ms(clock_system());
    print_message("%zu bytes: made in %ju ms, %d posts in %ju ms; the nodes had at most %ld and "
                  "%ld KiB\n",
                  bytes, (uintmax_t)(made - began), POSTS, (uintmax_t)(heard - made),
                  peak_kib(site.nodes[0]), peak_kib(site.nodes[1]));
    for (unsigned i = 0; i < PEOPLE; i++)
        follower_close(&followers[i]);
    for (unsigned i = 0; i < NODES; i++)
        assert_true(node_metric(site.nodes[i], "kez_bus_publish_failed_total") == 0);
}

static void short_ones_reach_all(void **state) {
    (void)state;
    everybody_hears(300, 1);
}

/* 256 of these are more than may wait for NATS. */
static void those_that_just_travel_whole_reach_all(void **state) {
    (void)state;
    everybody_hears(60 * 1024, 2);
}

static void the_longest_reach_all(void **state) {
    (void)state;
    everybody_hears(CONVERSATION_ENVELOPE_MAX, 3);
}

/* ---- all at once ---- */

/* A post of its own on a thread of its own. */
struct voice {
    const struct place *place;
    unsigned number;
    size_t bytes;
    struct http_client *client;
    pthread_t thread;
    int status;
};

static void *speak(void *arg) {
    struct voice *v = arg;
    struct buf body;
    struct http_reply r;
    buf_init(&body, BODY_MAX);
    put_post(&body, v->number, v->bytes);
    if (signed_try(v->client, &people[v->number % PEOPLE], "POST", v->place->messages,
                   buf_cstr(&body), &r)) {
        v->status = r.status;
        http_reply_done(&r);
    }
    buf_done(&body);
    return NULL;
}

static void speak_all(const struct place *p, struct voice *voices, unsigned n, size_t bytes) {
    for (unsigned i = 0; i < n; i++)
        voices[i] = (struct voice){.place = p,
                                   .number = i,
                                   .bytes = bytes,
                                   .client = http_client_new(node_port(site.nodes[i % NODES]))};
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(pthread_create(&voices[i].thread, NULL, speak, &voices[i]), 0);
    for (unsigned i = 0; i < n; i++) {
        pthread_join(voices[i].thread, NULL);
        http_client_free(voices[i].client);
        assert_int_equal(voices[i].status, 201);
    }
}

/* The ids of the rows after `head`, one after the other. */
static void hear_order(struct sse_reader *r, uint64_t head, unsigned n, struct buf *order) {
    for (unsigned i = 1; i <= n; i++) {
        struct sse_event *e = sse_next(r, SSE_WAIT_MS);
        if (!e || strcmp(e->type, "message") != 0 || sse_number(e, "seq") != head + i)
            fail_msg("%ju is wanted: %.100s", (uintmax_t)head + i, e ? e->data : "nothing came");
        buf_putf(order, "%s,", sse_text(e, "id"));
        sse_event_free(e);
    }
}

static void all_see_one_order(unsigned number, unsigned n, size_t bytes) {
    static struct sse_reader streams[PEOPLE];
    static uint64_t heads[PEOPLE];
    static struct voice voices[VOICES];
    struct place p = signed_place(number);
    struct buf orders[2];
    buf_init(&orders[0], BODY_MAX);
    buf_init(&orders[1], BODY_MAX);
    make(&p);
    for (unsigned i = 0; i < PEOPLE; i++) {
        node_open(site.nodes[i % NODES], &people[i], "", &streams[i]);
        heads[i] = node_expect_ready(&streams[i]);
    }
    speak_all(&p, voices, n, bytes);
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct buf *order = &orders[i > 0];
        buf_clear(order);
        buf_put_byte(order, ',');
        hear_order(&streams[i], heads[i], n, order);
        assert_string_equal(buf_cstr(order), buf_cstr(&orders[0]));
        node_finish(&streams[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, ",%u,", i);
        assert_non_null(strstr(buf_cstr(&orders[0]), id));
    }
    print_message("%u posts of %zu bytes at once; the nodes had at most %ld and %ld KiB\n", n,
                  bytes, peak_kib(site.nodes[0]), peak_kib(site.nodes[1]));
    buf_done(&orders[0]);
    buf_done(&orders[1]);
}

static void of_64_posts_at_once_all_see_one_order(void **state) {
    (void)state;
    all_see_one_order(4, VOICES, 300);
}

static void long_ones_at_once_reach_all_in_one_order(void **state) {
    (void)state;
    all_see_one_order(5, VOICES / 4, CONVERSATION_ENVELOPE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_ones_reach_all),
        cmocka_unit_test(those_that_just_travel_whole_reach_all),
        cmocka_unit_test(the_longest_reach_all),
        cmocka_unit_test(of_64_posts_at_once_all_see_one_order),
        cmocka_unit_test(long_ones_at_once_reach_all_in_one_order),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
