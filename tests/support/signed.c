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

struct place signed_place(unsigned number) {
    struct place p;
    (void)snprintf(p.sid, sizeof p.sid, "01ARZ3NDEKTSV4RRFF%08u", number);
    (void)snprintf(p.itself, sizeof p.itself, "/v1/conversations/%s", p.sid);
    (void)snprintf(p.messages, sizeof p.messages, "/v1/conversations/%s/messages", p.sid);
    return p;
}
