/* tests/integration/test_signatures.c -- each endpoint's signature at every other, on a real node.
 *
 * Source: protocol, section 2.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "support/site.h"
#include "wire/auth.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define SID "01ARZ3NDEKTSV4RRFFQ69G5FHV"

enum { TEXT_MAX = 1 << 20 };

static struct site site;
static struct node *node;
static struct http_client *client;
static struct signer alice, bobby;

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", 1, NULL);
    node = site.nodes[0];
    client = http_client_new(node_port(node));
    signer_init(&alice, "alice");
    signer_init(&bobby, "bobby");
    node_register(node, &alice);
    node_register(node, &bobby);
    return 0;
}

static int stop(void **state) {
    (void)state;
    http_client_free(client);
    site_stop(&site);
    return 0;
}

/* What wants alice's signature, in an order in which each can be asked rightly at the end. */
static const struct {
    const char *method, *target, *body;
    const char *text; /* with %s for the time; NULL: the general one; "": that of the events */
    int good;
} endpoints[] = {
    {"GET", "/v1/inbox/alice", "", "GET\n/v1/inbox/alice\nsince=0\n%s", 200},
    {"GET", "/v1/inbox/alice?since=1", "", "GET\n/v1/inbox/alice\nsince=1\n%s", 200},
    {"GET", "/v1/inbox/alice/stream", "", "GET\n/v1/inbox/alice/stream\n%s", 200},
    {"PUT", "/v1/profile/alice/proofs", "{\"proofs\":[\"p\"]}", "PUT\n/v1/profile/alice/proofs\n%s",
     200},
    {"GET", "/v1/events", "", "", 200},
    {"POST", "/v1/messages", "{\"to\":\"alice\",\"id\":\"h1\",\"envelope\":{}}", NULL, 201},
    {"POST", "/v1/messages", "{\"to\":\"alice\",\"id\":\"h2\",\"envelope\":{}}", NULL, 201},
    {"POST", "/v1/conversations", "{\"sid\":\"" SID "\",\"participants\":[\"bobby\"]}", NULL, 201},
    {"GET", "/v1/conversations", "", NULL, 200},
    {"GET", "/v1/conversations?limit=1", "", NULL, 200},
    {"GET", "/v1/conversations/" SID, "", NULL, 200},
    {"POST", "/v1/conversations/" SID "/messages", "{\"envelope\":{},\"id\":\"h3\"}", NULL, 201},
    {"PATCH", "/v1/conversations/" SID, "{\"version\":1,\"title\":\"t\"}", NULL, 200},
    {"PATCH", "/v1/conversations/" SID, "{\"version\":2,\"remove\":[\"alice\"]}", NULL, 200},
    {"DELETE", "/v1/inbox/alice?upto=1", "", NULL, 204},
    {"GET", "/v1/account/export", "", NULL, 200},
    {"DELETE", "/v1/account", "", NULL, 204},
};

static void put_text(struct buf *out, size_t e, const char *ts) {
    if (!endpoints[e].text)
        auth_put_request(out, str_of(endpoints[e].method), STR(NODE_SERVER),
                         str_of(endpoints[e].target), str_of(endpoints[e].body), str_of(ts));
    else if (*endpoints[e].text == '\0')
        auth_put_events(out, STR(NODE_SERVER), str_of(alice.primary), str_of(ts));
    else
        for (const char *p = endpoints[e].text; *p; p++)
            if (strncmp(p, "%s", 2) == 0) {
                buf_put(out, str_of(ts));
                p++;
            } else {
                buf_put_byte(out, *p);
            }
}

/* Asks at `e` with alice's signature for `o`, and with every name that anybody could want. */
static void ask_at(size_t e, size_t o, int want) {
    struct buf text, headers;
    uint8_t sig[AUTH_SIG_BYTES];
    char ts[24];
    buf_init(&text, TEXT_MAX);
    buf_init(&headers, TEXT_MAX);
    (void)snprintf(ts, sizeof ts, "%lld", (long long)(clock_wall_ms(clock_system()) / 1000));
    put_text(&text, o, ts);
    auth_sign(alice.seed, buf_str(&text), sig);
    buf_putf(&headers, "X-KEZ-Handle: alice\r\nX-Public-Key: %s\r\nX-KEZ-Auth: %s:", alice.primary,
             ts);
    buf_put_hex(&headers, sig, sizeof sig);
    buf_put(&headers, STR("\r\n"));
    if (want == 200 && (strcmp(endpoints[e].target, "/v1/inbox/alice/stream") == 0 ||
                        strcmp(endpoints[e].target, "/v1/events") == 0)) {
        struct sse_reader r; /* it does not end by itself */
        sse_init(&r);
        sse_open(&r, node_port(node), str_of(endpoints[e].target), buf_str(&headers));
        (void)node_expect_ready(&r);
        sse_close(&r);
        sse_done(&r);
    } else {
        char what[300];
        (void)snprintf(what, sizeof what, "%s %s with the signature for %s %s", endpoints[e].method,
                       endpoints[e].target, endpoints[o].method, endpoints[o].target);
        http_expect(client,
                    &(struct http_case){what, endpoints[e].method, endpoints[e].target,
                                        buf_cstr(&headers),
                                        *endpoints[e].body ? endpoints[e].body : NULL, want,
                                        want == 401 ? "unauthorized" : NULL},
                    NULL);
    }
    buf_done(&text);
    buf_done(&headers);
}

/* Nothing of what is refused was done: so afterwards each can be asked for the first time. */
static void each_signature_opens_its_own_endpoint_and_no_other(void **state) {
    (void)state;
    for (size_t e = 0; e < COUNT(endpoints); e++)
        for (size_t o = 0; o < COUNT(endpoints); o++)
            if (e != o)
                ask_at(e, o, 401);
    for (size_t e = 0; e < COUNT(endpoints); e++)
        ask_at(e, e, endpoints[e].good);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_signature_opens_its_own_endpoint_and_no_other),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
