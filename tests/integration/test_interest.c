/* tests/integration/test_interest.c -- a node is subscribed to a handle exactly while it serves a
 * stream of it: nats-server itself is asked what it knows.
 *
 * Source: protocol, section 8.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/signed.h"
#include "support/site.h"

#define ALL "kez.chat.inbox."

enum { NODES = 2, PEOPLE = 20, OPENS = 1000, TABS = 16, TEXT_MAX = 512 };

static struct site site;
static struct signer people[PEOPLE];

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", NODES, NULL);
    for (unsigned i = 0; i < PEOPLE; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "person-%02u", i);
        signer_init(&people[i], name);
        node_register(site.nodes[0], &people[i]);
    }
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

/* So many nodes are subscribed to this person. */
static void expect_nodes(const struct signer *s, unsigned count) {
    char subject[64];
    (void)snprintf(subject, sizeof subject, ALL "%s", s->handle.text);
    natsd_await_subscriptions(site.nats, subject, true, count);
}

static void expect_all(unsigned count) { natsd_await_subscriptions(site.nats, ALL, false, count); }

/* A stream of one format or the other, which is live when this returns. */
static void open_one(struct sse_reader *r, unsigned node, const struct signer *s, bool is_events) {
    if (is_events)
        signed_open_events(site.nodes[node], s, "", r);
    else
        node_open(site.nodes[node], s, "", r);
    (void)node_expect_ready(r);
}

static void streams_of_a_handle_share_one_subscription(void **state) {
    (void)state;
    struct sse_reader tabs[TABS], other;
    expect_all(0);
    for (unsigned i = 0; i < TABS; i++) {
        open_one(&tabs[i], 0, &people[0], i % 2);
        expect_nodes(&people[0], 1);
    }
    open_one(&other, 1, &people[0], true);
    expect_nodes(&people[0], 2);
    for (unsigned i = 0; i < TABS; i++) {
        expect_nodes(&people[0], 2);
        sse_done(&tabs[i]);
    }
    expect_nodes(&people[0], 1);
    sse_done(&other);
    expect_all(0);
}

/* Whoever does not get a stream brings no subscription. */
static void refused_streams_subscribe_to_nothing(void **state) {
    (void)state;
    static const char *const targets[] = {"/v1/inbox/person-01/stream", "/v1/events",
                                          "/v1/inbox/nobody1/stream"};
    struct sse_reader r;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        struct buf headers;
        buf_init(&headers, TEXT_MAX);
        signer_put_stream(&people[2], &headers, "person-02");
        sse_init(&r);
        assert_true(sse_send(&r, node_port(site.nodes[0]), str_of(targets[i]), buf_str(&headers)));
        assert_in_range(sse_await_head(&r), 400, 404);
        sse_done(&r);
        buf_done(&headers);
    }
    open_one(&r, 0, &people[2], false);
    expect_nodes(&people[2], 1);
    expect_all(1);
    sse_done(&r);
    expect_all(0);
}

/* Of all people, on both nodes, in both formats, in an order of their own. */
static void after_a_thousand_opens_and_closes_nothing_is_left(void **state) {
    (void)state;
    static struct sse_reader readers[2 * NODES * PEOPLE];
    enum { AT_ONCE = sizeof readers / sizeof *readers };
    unsigned opened = 0, dice = 1;
    bool is_open[AT_ONCE] = {false};
    while (opened < OPENS) {
        dice = dice * 1103515245 + 12345;
        unsigned i = (dice >> 8) % AT_ONCE;
        if (is_open[i])
            sse_done(&readers[i]);
        else
            open_one(&readers[i], i % NODES, &people[i / NODES % PEOPLE], i / (NODES * PEOPLE));
        is_open[i] = !is_open[i];
        opened += is_open[i];
    }
    for (unsigned i = 0; i < NODES * PEOPLE; i += NODES) {
        unsigned nodes = 0;
        for (unsigned n = i; n < i + NODES; n++)
            nodes += is_open[n] || is_open[n + NODES * PEOPLE];
        expect_nodes(&people[i / NODES], nodes);
    }
    for (unsigned i = 0; i < AT_ONCE; i++)
        if (is_open[i])
            sse_done(&readers[i]);
    expect_all(0);
    for (unsigned i = 0; i < NODES; i++)
        assert_true(node_metric_becomes(site.nodes[i], "kez_handles_subscribed", 0));
}

static void await_bus(double up) {
    for (unsigned i = 0; i < NODES; i++)
        assert_true(node_metric_becomes(site.nodes[i], "kez_bus_up", up));
}

static void a_restarted_nats_knows_the_same_again(void **state) {
    (void)state;
    enum { STAYS = 5, GOES = 10, COMES = 15 };
    struct sse_reader readers[NODES][COMES];
    for (unsigned n = 0; n < NODES; n++)
        for (unsigned i = 0; i < GOES; i++)
            open_one(&readers[n][i], n, &people[i], n);
    expect_all(NODES * GOES);
    for (unsigned round = 0; round < 2; round++) {
        natsd_kill(site.nats);
        await_bus(0);
        if (round == 0)
            for (unsigned n = 0; n < NODES; n++) {
                for (unsigned i = STAYS; i < GOES; i++)
                    sse_done(&readers[n][i]);
                for (unsigned i = GOES; i < COMES; i++)
                    open_one(&readers[n][i], n, &people[i], n);
                assert_true(node_metric_becomes(site.nodes[n], "kez_streams", GOES));
            }
        natsd_resume(site.nats);
        await_bus(1);
        for (unsigned i = 0; i < COMES; i++)
            expect_nodes(&people[i], i < STAYS || i >= GOES ? NODES : 0);
        expect_all(NODES * GOES);
    }
    /* And they hear. */
    for (unsigned i = 0; i < COMES; i++)
        if (i < STAYS || i >= GOES) {
            uint64_t seq = node_post(site.nodes[i % NODES], people[i].handle.text, NULL, "{}");
            for (unsigned n = 0; n < NODES; n++) {
                struct sse_event *e = sse_next(&readers[n][i], SSE_WAIT_MS);
                assert_non_null(e);
                assert_int_equal(strtoull(e->id, NULL, 10), seq);
                sse_event_free(e);
                sse_done(&readers[n][i]);
            }
        }
    expect_all(0);
}

/* A node that is killed leaves nothing behind, and one that drains gives all back. */
static void a_node_that_ends_takes_its_subscriptions_along(void **state) {
    (void)state;
    static const char *const flags[] = {"--drain-time", "0", NULL};
    struct node *n = site_node(&site, flags);
    struct sse_reader readers[PEOPLE];
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < PEOPLE; i++) {
            node_open(n, &people[i], "", &readers[i]);
            (void)node_expect_ready(&readers[i]);
        }
        expect_all(PEOPLE);
        if (round == 0) {
            node_kill(n);
            expect_all(0);
            node_restart(n);
        } else {
            node_signal(n, SIGTERM);
            assert_int_equal(node_wait(n, 60000), 0);
            expect_all(0);
        }
        for (unsigned i = 0; i < PEOPLE; i++)
            sse_done(&readers[i]);
    }
    node_stop(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_of_a_handle_share_one_subscription),
        cmocka_unit_test(refused_streams_subscribe_to_nothing),
        cmocka_unit_test(after_a_thousand_opens_and_closes_nothing_is_left),
        cmocka_unit_test(a_restarted_nats_knows_the_same_again),
        cmocka_unit_test(a_node_that_ends_takes_its_subscriptions_along),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
