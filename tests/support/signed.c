/* tests/support/signed.c -- requests signed with the general text (protocol, section 2).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/signed.h"

#include <stdio.h>
#include <string.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { HEADERS_MAX = 4096 };

bool signed_try(struct http_client *c, const struct signer *s, const char *method,
                const char *target, const char *body, struct http_reply *out) {
    struct buf headers;
    buf_init(&headers, HEADERS_MAX);
    signer_put_request(s, &headers, method, NODE_SERVER, str_of(target), str_of(body));
    bool came = http_try(c, method, str_of(target), buf_str(&headers), str_of(body), out);
    buf_done(&headers);
    return came;
}

void signed_ask(struct http_client *c, const struct signer *s, const char *method,
                const char *target, const char *body, struct http_reply *out) {
    if (!signed_try(c, s, method, target, body, out))
        fail_msg("%s %s of %s is not answered", method, target, s->handle.text);
}

void signed_expect(struct http_client *c, const struct signer *s, const char *method,
                   const char *target, const char *body, int status, const char *has) {
    struct http_reply r;
    signed_ask(c, s, method, target, body, &r);
    if (r.status != status || (has && !memmem(r.body.p, r.body.n, has, strlen(has))))
        fail_msg("%s: %s %s %.200s: %d and not %d: %.*s", s->handle.text, method, target, body,
                 r.status, status, STR_ARG(r.body));
    http_reply_done(&r);
}

/* ---- events ---- */

void signed_put_events(struct buf *out, const struct signer *named, const struct signer *signer) {
    if (named)
        buf_putf(out, "X-Public-Key: %s\r\n", named->primary);
    if (signer) {
        buf_put(out, STR("X-KEZ-Auth: "));
        signer_put_events_value(signer, out, NODE_SERVER, named ? named->primary : signer->primary);
        buf_put(out, STR("\r\n"));
    }
}

void signed_open_events(struct node *n, const struct signer *s, const char *query,
                        struct sse_reader *r) {
    struct buf headers, target;
    buf_init(&headers, HEADERS_MAX);
    buf_init(&target, HEADERS_MAX);
    signed_put_events(&headers, s, s);
    buf_putf(&target, "/v1/events%s", query);
    sse_init(r);
    sse_open(r, node_port(n), buf_str(&target), buf_str(&headers));
    buf_done(&headers);
    buf_done(&target);
}

void signed_expect_tagged(struct sse_reader *r, uint64_t seq, const char *beginning,
                          const char *has) {
    struct sse_event *e = sse_next(r, SSE_WAIT_MS);
    char id[24];
    assert_non_null(e);
    (void)snprintf(id, sizeof id, "%ju", (uintmax_t)seq);
    if (strcmp(e->type, "message") != 0 || strcmp(e->id, id) != 0 ||
        strncmp(e->data, beginning, strlen(beginning)) != 0 || !strstr(e->data, has))
        fail_msg("row %s is wanted, \"%s\" with \"%s\": %s %s: %.400s", id, beginning, has, e->type,
                 e->id, e->data);
    sse_event_free(e);
}

struct place signed_place(unsigned number) {
    struct place p;
    (void)snprintf(p.sid, sizeof p.sid, "01ARZ3NDEKTSV4RRFF%08u", number);
    (void)snprintf(p.itself, sizeof p.itself, "/v1/conversations/%s", p.sid);
    (void)snprintf(p.messages, sizeof p.messages, "/v1/conversations/%s/messages", p.sid);
    return p;
}
