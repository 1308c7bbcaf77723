/* http/pages.c -- the answers that this floor gives by itself.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/pages.h"

#include "http/openapi.h"
#include "http/request.h"
#include "wire/json_span.h"

static const char plain_page[] = "<!doctype html>\n"
                                 "<html lang=\"en\">\n"
                                 "<head><meta charset=\"utf-8\"><title>kez-chat</title></head>\n"
                                 "<body>\n"
                                 "<h1>kez-chat</h1>\n"
                                 "<p>This is a kez-chat home server. Its interface is described in "
                                 "<a href=\"/openapi.yaml\">openapi.yaml</a>.</p>\n"
                                 "</body>\n"
                                 "</html>\n";

enum step page_health(struct flow *flow, struct exchange *ex) {
    buf_put(&ex->out, STR("{\"status\":\"ok\",\"server\":"));
    json_put_string(&ex->out, flow->server);
    buf_put_byte(&ex->out, '}');
    return exchange_answer(ex, 200, "application/json");
}

enum step page_live(struct flow *flow, struct exchange *ex) {
    (void)flow;
    buf_put(&ex->out, STR("{\"status\":\"ok\"}"));
    return exchange_answer(ex, 200, "application/json");
}

enum step page_openapi(struct flow *flow, struct exchange *ex) {
    (void)flow;
    buf_put(&ex->out, (struct str){(const char *)openapi_yaml, openapi_yaml_bytes});
    return exchange_answer(ex, 200, "application/yaml"); /* RFC 9512 */
}

/* An error like any other, whose further members (RFC 9457, 3.2) are the state that is in ex->out.
 */
static enum step not_ready(struct exchange *ex) {
    buf_put(&ex->work, buf_str(&ex->out));
    (void)exchange_fail(ex, RC_UNAVAILABLE,
                        "Send requests to another node: this one drains, or has no store.");
    if (ex->out.n > 0 && ex->work.n > 1) {
        ex->out.n--; /* the closing brace */
        buf_put_byte(&ex->out, ',');
        buf_put(&ex->out, str_from(buf_str(&ex->work), 1));
    }
    return STEP_ANSWERED;
}

enum step page_ready(struct flow *flow, struct exchange *ex) {
    const struct http_admin *admin = request_of(ex)->server->admin;
    (void)flow;
    if (admin->is_ready(admin->arg, &ex->out))
        return exchange_answer(ex, 200, "application/json");
    return not_ready(ex);
}

enum step page_metrics(struct flow *flow, struct exchange *ex) {
    const struct http_admin *admin = request_of(ex)->server->admin;
    (void)flow;
    admin->put_metrics(admin->arg, &ex->out);
    return exchange_answer(ex, 200, "text/plain; version=0.0.4; charset=utf-8");
}

enum step page_options(struct flow *flow, struct exchange *ex) {
    (void)flow;
    return exchange_answer(ex, 204, NULL);
}

enum step page_plain(struct flow *flow, struct exchange *ex) {
    (void)flow;
    buf_put(&ex->out, (struct str){plain_page, sizeof plain_page - 1});
    return exchange_answer(ex, 200, "text/html; charset=utf-8");
}

enum step page_file(struct flow *flow, struct exchange *ex) {
    const struct request *r = request_of(ex);
    (void)flow;
    if (head_has_etag(r->connection, r->file.etag))
        return exchange_answer(ex, 304, NULL);
    return exchange_answer(ex, 200, r->file.type);
}
