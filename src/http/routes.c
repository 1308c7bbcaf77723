/* http/routes.c -- which step answers which method and path, one line each.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/routes.h"

#include <string.h>

#include "http/pages.h"
#include "wire/message.h"

enum {
    NO_BODY = 4096, /* a body where none has a meaning: read, and part of what is signed */
    REGISTER_BODY = 64 * 1024,      /* the payload may have members of the client's own */
    PROOFS_BODY = 128 * 1024,       /* PROOFS_MAX strings of PROOF_MAX_BYTES, every byte escaped */
    CONVERSATION_BODY = 256 * 1024, /* two lists of PARTICIPANTS_MAX handles, likewise */
};

static const struct route public_routes[] = {
    {METHOD_POST, "/v1/register", flow_register, REGISTER_BODY, 0},
    {METHOD_GET, "/v1/u/*", flow_user, NO_BODY, 0},
    {METHOD_GET, "/v1/by-primary/*", flow_by_primary, NO_BODY, 0},
    {METHOD_PUT, "/v1/profile/*/proofs", flow_proofs, PROOFS_BODY, 0},
    {METHOD_GET, "/.well-known/webfinger", flow_webfinger, NO_BODY, 0},
    {METHOD_POST, "/v1/messages", flow_send, MESSAGE_BODY_MAX, 0},
    {METHOD_GET, "/v1/inbox/*", flow_inbox, NO_BODY, 0},
    {METHOD_DELETE, "/v1/inbox/*", flow_inbox_trim, NO_BODY, 0},
    {METHOD_GET, "/v1/inbox/*/stream", flow_inbox_stream, NO_BODY, ROUTE_STREAM},
    {METHOD_GET, "/v1/events", flow_events, NO_BODY, ROUTE_STREAM},
    {METHOD_POST, "/v1/conversations", flow_conversation_make, CONVERSATION_BODY, 0},
    {METHOD_GET, "/v1/conversations", flow_conversation_list, NO_BODY, 0},
    {METHOD_GET, "/v1/conversations/*", flow_conversation_show, NO_BODY, 0},
    {METHOD_PATCH, "/v1/conversations/*", flow_conversation_change, CONVERSATION_BODY, 0},
    {METHOD_POST, "/v1/conversations/*/messages", flow_conversation_post, MESSAGE_BODY_MAX, 0},
    {METHOD_GET, "/v1/account/export", flow_account_export, NO_BODY, 0},
    {METHOD_DELETE, "/v1/account", flow_account_delete, NO_BODY, 0},
    {METHOD_GET, "/v1/healthz", page_health, NO_BODY, 0},
    {METHOD_GET, "/openapi.yaml", page_openapi, NO_BODY, 0},
};

static const struct route admin_routes[] = {
    {METHOD_GET, "/livez", page_live, NO_BODY, 0},
    {METHOD_GET, "/readyz", page_ready, NO_BODY, 0},
    {METHOD_GET, "/metrics", page_metrics, NO_BODY, 0},
    {METHOD_GET, "/v1/healthz", page_health, NO_BODY, 0},
    {METHOD_GET, "/v1/handles/*", flow_admin_show, NO_BODY, 0},
    {METHOD_DELETE, "/v1/handles/*", flow_admin_delete, NO_BODY, 0},
    {METHOD_PUT, "/v1/handles/*/block", flow_admin_block, NO_BODY, 0},
    {METHOD_DELETE, "/v1/handles/*/block", flow_admin_block, NO_BODY, 0},
};

/* Whatever the path is: a router has stripped what prefix it likes. */
static const struct route events_routes[] = {
    {METHOD_GET, "/", flow_events, NO_BODY, ROUTE_STREAM},
};

#define TABLE(routes)                                                                              \
    { routes, sizeof(routes) / sizeof *(routes) }
static const struct {
    const struct route *routes;
    size_t n;
} tables[LISTENER_COUNT] = {
    [LISTENER_PUBLIC] = TABLE(public_routes),
    [LISTENER_ADMIN] = TABLE(admin_routes),
    [LISTENER_EVENTS] = TABLE(events_routes),
};

static const struct {
    struct str text;
    enum method method;
} names[] = {
    {STR_INIT("GET"), METHOD_GET},         {STR_INIT("HEAD"), METHOD_HEAD},
    {STR_INIT("POST"), METHOD_POST},       {STR_INIT("PUT"), METHOD_PUT},
    {STR_INIT("PATCH"), METHOD_PATCH},     {STR_INIT("DELETE"), METHOD_DELETE},
    {STR_INIT("OPTIONS"), METHOD_OPTIONS},
};
enum { NAME_COUNT = sizeof names / sizeof *names };

const methods routes_file_methods = 1U << METHOD_GET | 1U << METHOD_HEAD;

/* *arg is set when the pattern has a "*". */
static bool matches(const char *pattern, const struct target *t, struct str *arg) {
    struct str rest = str_from(str_of(pattern), 1);
    if (t->path.n == 0 || t->path.p[0] != '/')
        return false;
    for (size_t i = 0;; i++) {
        struct str want, tail;
        bool more = str_cut(rest, '/', &want, &tail);
        if (i >= t->segment_count)
            return false;
        if (str_eq(want, STR("*")))
            *arg = t->segments[i];
        else if (!str_eq(want, t->segments[i]))
            return false;
        if (!more)
            return i + 1 == t->segment_count;
        rest = tail;
    }
}

static methods methods_of(const struct route *r) {
    if (r->method == METHOD_GET && !(r->flags & ROUTE_STREAM))
        return routes_file_methods;
    return 1U << r->method;
}

const struct route *routes_find(enum listener by, const struct target *t, enum method method,
                                methods *has, struct str *arg) {
    const struct route *routes = tables[by].routes, *found = NULL;
    bool is_all = str_eq(t->path, STR("*"));
    *has = 0;
    for (size_t i = 0; i < tables[by].n; i++) {
        struct str variable = {NULL, 0};
        if (!is_all && by != LISTENER_EVENTS && !matches(routes[i].pattern, t, &variable))
            continue;
        *has |= methods_of(&routes[i]);
        if (is_all || !(methods_of(&routes[i]) & 1U << method))
            continue;
        found = &routes[i];
        *arg = variable;
    }
    return found;
}

void routes_print(methods has, char out[ROUTES_ALLOW_MAX]) {
    char *to = out;
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (names[i].method != METHOD_OPTIONS && !(has & 1U << names[i].method))
            continue;
        if (to > out) {
            *to++ = ',';
            *to++ = ' ';
        }
        memcpy(to, names[i].text.p, names[i].text.n);
        to += names[i].text.n;
    }
    *to = '\0';
}

enum method routes_method(struct str text) {
    for (size_t i = 0; i < NAME_COUNT; i++)
        if (str_eq(text, names[i].text))
            return names[i].method;
    return METHOD_OTHER;
}

const char *routes_method_name(enum method method) {
    for (size_t i = 0; i < NAME_COUNT; i++)
        if (names[i].method == method)
            return names[i].text.p;
    return "OTHER";
}
