/* tests/http/test_pages.c -- what a server tells besides the API: the admin listener, the document,
 * the web client.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

/* ---- the admin listener ---- */

static const struct {
    const char *request;
    int status;
    const char *body, *header;
} admin_rows[] = {
    {"GET /livez HTTP/1.1\r\n" END, 200, "{\"status\":\"ok\"}", "Content-Type: application/json"},
    {"GET /readyz HTTP/1.1\r\n" END, 200, "{\"store\":\"up\"}", "Content-Type: application/json"},
    {"HEAD /readyz HTTP/1.1\r\n" END, 200, NULL, "Content-Length: 14"},
    {"GET /v1/healthz HTTP/1.1\r\n" END, 200, "\"server\":\"kez.example\"",
     "Access-Control-Allow-Origin:"},
    {"GET /metrics HTTP/1.1\r\n" END, 200, "# TYPE kez_streams gauge",
     "Content-Type: text/plain; version=0.0.4; charset=utf-8"},
    {"HEAD /metrics HTTP/1.1\r\n" END, 200, NULL, NULL},
    {"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n" END, 405, NULL, "Allow: GET, HEAD, OPTIONS"},
    {"OPTIONS /metrics HTTP/1.1\r\n" END, 204, NULL, "Allow: GET, HEAD, OPTIONS"},
    {"OPTIONS /v1/handles/alice HTTP/1.1\r\n" END, 204, NULL, "Access-Control-Allow-Origin:"},
    {"GET / HTTP/1.1\r\n" END, 404, "not_found", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\n" END, 404, "not_found", NULL},
    {"POST /v1/messages HTTP/1.1\r\nContent-Length: 0\r\n" END, 404, "not_found", NULL},
    {"GET /%00 HTTP/1.1\r\n" END, 400, "bad_request", NULL},
};

static void the_admin_listener_tells_how_it_goes(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < COUNT(admin_rows); i++) {
        struct answer a = ask(rig->admin_port, admin_rows[i].request);
        if (a.status != admin_rows[i].status)
            fail_msg("%s: %d %s", admin_rows[i].request, a.status, a.body);
        if (admin_rows[i].body && !strstr(a.body, admin_rows[i].body))
            fail_msg("%s: %s", admin_rows[i].request, a.body);
        if (admin_rows[i].header)
            hold_header(&a, admin_rows[i].header, admin_rows[i].request);
        forget(&a);
    }
    atomic_store(&rig->is_ready, false);
    struct answer a = ask(rig->admin_port, "GET /readyz HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 503);
    assert_non_null(strstr(a.body, "\"status\":503,"));
    assert_non_null(strstr(a.body, "\"code\":\"unavailable\",\"store\":\"up\"}"));
    hold_header(&a, "Content-Type: application/problem+json", "not ready");
    hold_header(&a, "Retry-After: 2", "not ready");
    forget(&a);
}

/* ---- the document ---- */

static bool is_method(const char *line, char method[16]) {
    return sscanf(line, "    %15[a-z]:", method) == 1 && line[4] != ' ' &&
           (strcmp(method, "get") == 0 || strcmp(method, "post") == 0 ||
            strcmp(method, "put") == 0 || strcmp(method, "patch") == 0 ||
            strcmp(method, "delete") == 0);
}

/* One request for each operation of the document: none is unknown here. */
static void what_the_document_names_is_there(void **state) {
    struct rig *rig = *state;
    char path[256] = "", method[16], request[512];
    unsigned operations = 0;
    struct answer doc = ask(rig->port, "GET /openapi.yaml HTTP/1.1\r\n" END);
    for (char *line = strtok(doc.body, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "  /", 3) == 0) {
            size_t n = 0;
            for (const char *from = line + 2; *from != ':'; from++)
                if (*from == '{')
                    from = strchr(from, '}'), path[n++] = 'a';
                else
                    path[n++] = *from;
            path[n] = '\0';
        }
        if (strcmp(line, "components:") == 0)
            break;
        if (!is_method(line, method))
            continue;
        bool is_admin = (strstr("/livez /readyz /metrics", path) && path[1]) ||
                        strncmp(path, "/v1/handles/", 12) == 0;
        for (char *c = method; *c; c++)
            *c = (char)(*c - 'a' + 'A');
        (void)snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nContent-Length: 0\r\n" END,
                       method, path);
        struct answer a = ask(is_admin ? rig->admin_port : rig->port, request);
        if (a.status != 200)
            fail_msg("%s %s: %d", method, path, a.status);
        forget(&a);
        operations++;
    }
    assert_true(operations >= 27);
    forget(&doc);
}

/* ---- static files ---- */

static void the_web_client_is_served(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    char path[512];
    const char *dir = proc_temp_dir(NULL);
    (void)snprintf(path, sizeof path, "%s/index.html", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("<p>web client</p>", f) >= 0);
    assert_int_equal(fclose(f), 0);
    rig->config.web_dir = dir;
    rig_start(rig);

    struct answer a = ask(rig->port, "GET / HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "<p>web client</p>");
    hold_header(&a, "Content-Type: text/html; charset=utf-8", "/");
    hold_header(&a, "Cache-Control: no-cache", "/");
    assert_non_null(strstr(header(&a, "Content-Security-Policy"), "script-src 'self'"));
    char request[512], tag[64];
    (void)snprintf(tag, sizeof tag, "%.63s", header(&a, "ETag"));
    forget(&a);

    (void)snprintf(request, sizeof request, "GET / HTTP/1.1\r\nIf-None-Match: \"x\", %s\r\n" END,
                   tag);
    a = ask(rig->port, request);
    assert_int_equal(a.status, 304);
    assert_string_equal(header(&a, "ETag"), tag);
    forget(&a);
    (void)snprintf(request, sizeof request, "GET / HTTP/1.1\r\nIf-None-Match: \"x\"\r\n" END);
    a = ask(rig->port, request);
    assert_int_equal(a.status, 200);
    forget(&a);

    a = ask(rig->port, "HEAD /some/route HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 200);
    hold_header(&a, "Content-Length: 17", "HEAD");
    forget(&a);
    a = ask(rig->port, "POST /index.html HTTP/1.1\r\nContent-Length: 0\r\n" END);
    assert_int_equal(a.status, 405);
    hold_header(&a, "ETag:", "POST");
    forget(&a);
    a = ask(rig->port, "OPTIONS /index.html HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 204);
    forget(&a);
    a = ask(rig->port, "GET /v1/nothing HTTP/1.1\r\n" END); /* no client routes in the API */
    assert_int_equal(a.status, 404);
    forget(&a);
    a = ask(rig->port, "GET /.well-known/nothing HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 404);
    forget(&a);
    rig_stop(rig);
}

int main(void) {
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        RIG_TEST(the_admin_listener_tells_how_it_goes),
        RIG_TEST(what_the_document_names_is_there),
        cmocka_unit_test(the_web_client_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
