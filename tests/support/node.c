/* tests/support/node.c -- a real kez-chat-server of a test's own, and what its users do with it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/node.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/proc.h"
#include "wire/time.h"

enum { ARGS_MAX = NODE_FLAGS_MAX + 32, EVENT_MS = 60000, TEXT_MAX = 1 << 20, NARROW_BYTES = 32768 };

struct node {
    struct node_setup setup;
    struct proc *proc; /* NULL while killed */
    uint16_t port, admin_port;
    char bind[32], admin_bind[32], log_path[256];
};

/* ---- the process ---- */

/* Appends flags up to the NULL; how many there are then. */
static size_t append(const char *argv[ARGS_MAX], size_t argc, const char *const *flags) {
    for (size_t i = 0; flags && flags[i] && argc + 1 < ARGS_MAX; i++)
        argv[argc++] = flags[i];
    return argc;
}

static void run(struct node *n) {
    const char *argv[ARGS_MAX] = {n->setup.program, "--bind", n->bind, "--admin-bind",
                                  n->admin_bind};
    const char *const usual[] = {"--server",
                                 NODE_SERVER,
                                 "--database-url",
                                 n->setup.database_url,
                                 "--limit-register",
                                 "0",
                                 "--limit-posts-unsigned",
                                 "0",
                                 "--limit-posts-signed",
                                 "0",
                                 "--limit-stream-opens",
                                 "0",
                                 "--http-threads",
                                 "2",
                                 "--push-threads",
                                 "2",
                                 NULL};
    const char *const config[] = {"--config", n->setup.config, NULL};
    const char *const nats[] = {"--nats-url", n->setup.nats_url, NULL};
    size_t argc = append(argv, 5, n->setup.config ? config : usual);
    argc = append(argv, argc, n->setup.nats_url ? nats : NULL);
    (void)append(argv, argc, n->setup.flags);
    n->proc = proc_start(argv, n->log_path, NULL);
}

struct node *node_launch(const struct node_setup *setup) {
    struct node *n = calloc(1, sizeof *n);
    if (!n) {
        fail_msg("out of memory");
        return NULL;
    }
    n->setup = *setup;
    n->port = proc_free_port();
    n->admin_port = proc_free_port();
    (void)snprintf(n->bind, sizeof n->bind, "127.0.0.1:%u", (unsigned)n->port);
    (void)snprintf(n->admin_bind, sizeof n->admin_bind, "127.0.0.1:%u", (unsigned)n->admin_port);
    (void)snprintf(n->log_path, sizeof n->log_path, "%s/node.log", proc_temp_dir(NULL));
    run(n);
    return n;
}

struct readiness {
    struct node *node;
    bool ready;
};

static bool is_ready_as_wanted(void *arg) {
    const struct readiness *w = arg;
    struct http_client *c = http_client_new(w->node->admin_port);
    struct http_reply r;
    bool is_ready = false;
    if (http_try(c, "GET", STR("/readyz"), STR(""), STR(""), &r)) {
        is_ready = r.status == 200;
        http_reply_done(&r);
    }
    http_client_free(c);
    return is_ready == w->ready;
}

bool node_gets_ready(struct node *n, bool ready) {
    return proc_poll(is_ready_as_wanted, &(struct readiness){n, ready}, NODE_START_MS);
}

void node_wait_ready(struct node *n) {
    if (node_gets_ready(n, true))
        return;
    char *log = node_log(n);
    print_error("%s", log);
    free(log);
    fail_msg("the node does not get ready");
}

struct node *node_start(const struct node_setup *setup) {
    struct node *n = node_launch(setup);
    node_wait_ready(n);
    return n;
}

uint16_t node_port(const struct node *n) { return n->port; }
uint16_t node_admin_port(const struct node *n) { return n->admin_port; }
pid_t node_pid(const struct node *n) { return proc_pid(n->proc); }
void node_signal(struct node *n, int sig) { proc_signal(n->proc, sig); }

int node_wait(struct node *n, unsigned timeout_ms) {
    int status = 0;
    if (!proc_wait(n->proc, timeout_ms, &status))
        fail_msg("the node does not end");
    return status;
}

void node_kill(struct node *n) {
    proc_stop(n->proc);
    n->proc = NULL;
}

void node_restart(struct node *n) {
    proc_stop(n->proc);
    run(n);
    node_wait_ready(n);
}

char *node_log(struct node *n) { return proc_read_file(n->log_path); }

struct lines {
    struct node *node;
    const char *text;
    unsigned times;
};

static bool are_in_log(void *arg) {
    const struct lines *l = arg;
    char *log = node_log(l->node);
    unsigned n = 0;
    for (const char *at = log; (at = strstr(at, l->text)) != NULL; at++)
        n++;
    free(log);
    return n >= l->times;
}

void node_expect_log(struct node *n, const char *text, unsigned times) {
    if (!proc_poll(are_in_log, &(struct lines){n, text, times}, NODE_START_MS))
        fail_msg("the log does not say \"%s\" %u times", text, times);
}

/* A node that was built with a sanitizer tells its findings in its log. */
static void check_log(struct node *n) {
    char *log = node_log(n);
    bool is_clean = !strstr(log, "Sanitizer") && !strstr(log, "runtime error:");
    if (!is_clean)
        print_error("%s", log);
    free(log);
    if (!is_clean)
        fail_msg("a sanitizer complains");
}

void node_stop(struct node *n) {
    if (!n)
        return;
    proc_stop(n->proc);
    check_log(n);
    free(n);
}

/* ---- metrics ---- */

double node_metric(struct node *n, const char *name) {
    struct http_client *c = http_client_new(n->admin_port);
    struct http_reply r;
    double value = 0;
    http_ask(c, "GET", STR("/metrics"), STR(""), STR(""), &r);
    struct str line, rest = r.body;
    size_t length = strlen(name);
    while (!str_is_absent(rest)) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (str_starts_with(line, str_of(name)) && line.n > length && line.p[length] == ' ')
            value = strtod(line.p + length, NULL);
    }
    http_reply_done(&r);
    http_client_free(c);
    return value;
}

struct metric {
    struct node *node;
    const char *name;
    double value;
};

static bool has_value(void *arg) {
    const struct metric *m = arg;
    double value = node_metric(m->node, m->name);
    return !(value < m->value) && !(value > m->value);
}

bool node_metric_becomes(struct node *n, const char *name, double value) {
    return proc_poll(has_value, &(struct metric){n, name, value}, EVENT_MS);
}

/* ---- what users do ---- */

void node_register(struct node *n, const struct signer *s) {
    struct http_client *c = http_client_new(n->port);
    struct http_reply r;
    struct buf body;
    buf_init(&body, TEXT_MAX);
    signer_put_registration(s, &body, NODE_SERVER);
    http_ask(c, "POST", STR("/v1/register"), STR(""), buf_str(&body), &r);
    if (r.status != 201 && r.status != 200)
        fail_msg("registering %s: %d %.*s", s->handle.text, r.status, STR_ARG(r.body));
    http_reply_done(&r);
    buf_done(&body);
    http_client_free(c);
}

void node_check_record(const struct http_reply *r, const struct signer *s, const char *proofs) {
    char url[160];
    int64_t at_ms;
    (void)snprintf(url, sizeof url, "https://" NODE_SERVER "/v1/sigchains/%.7s/%s", s->primary,
                   s->primary + 8);
    assert_true(str_eq(http_header(r, "Content-Type"), STR("application/json")));
    assert_string_equal(http_text(r, "handle"), s->handle.text);
    assert_string_equal(http_text(r, "server"), NODE_SERVER);
    assert_string_equal(http_text(r, "primary"), s->primary);
    assert_string_equal(http_text(r, "sigchain_url"), url);
    assert_int_equal(time_read(str_of(http_text(r, "registered_at")), &at_ms), RC_OK);
    assert_int_equal(strlen(http_text(r, "registered_at")), strlen("2026-05-26T23:06:17.123Z"));
    assert_true(str_eq(http_member(r, "proofs"), str_of(proofs)));
}

struct signer node_newcomer(struct node *n, const char *handle, unsigned rows) {
    struct signer s;
    signer_init(&s, handle);
    node_register(n, &s);
    for (unsigned i = 0; i < rows; i++)
        assert_int_equal(node_post(n, handle, NULL, "{\"a\":1}"), i + 1);
    return s;
}

uint64_t node_post(struct node *n, const char *to, const char *id, const char *envelope) {
    struct http_client *c = http_client_new(n->port);
    struct http_reply r;
    struct buf body;
    buf_init(&body, TEXT_MAX);
    buf_putf(&body, "{\"to\":\"%s\",\"envelope\":%s", to, envelope);
    if (id)
        buf_putf(&body, ",\"id\":\"%s\"", id);
    buf_put_byte(&body, '}');
    http_ask(c, "POST", STR("/v1/messages"), STR(""), buf_str(&body), &r);
    if (r.status != 201)
        fail_msg("posting to %s: %d %.*s", to, r.status, STR_ARG(r.body));
    uint64_t seq = http_number(&r, "seq");
    http_reply_done(&r);
    buf_done(&body);
    http_client_free(c);
    return seq;
}

void node_poll(struct node *n, const struct signer *s, const char *query, uint64_t since,
               struct http_reply *out) {
    struct http_client *c = http_client_new(n->port);
    struct buf headers, target;
    buf_init(&headers, TEXT_MAX);
    buf_init(&target, TEXT_MAX);
    signer_put_poll(s, &headers, s->handle.text, since);
    buf_putf(&target, "/v1/inbox/%s%s", s->handle.text, query);
    http_expect(c,
                &(struct http_case){"a poll", "GET", buf_cstr(&target), buf_cstr(&headers), NULL,
                                    200, NULL},
                out);
    buf_done(&headers);
    buf_done(&target);
    http_client_free(c);
}

void node_trim(struct node *n, const struct signer *s, uint64_t upto) {
    struct http_client *c = http_client_new(n->port);
    struct buf headers;
    char target[96];
    buf_init(&headers, TEXT_MAX);
    (void)snprintf(target, sizeof target, "/v1/inbox/%s?upto=%ju", s->handle.text, (uintmax_t)upto);
    signer_put_request(s, &headers, "DELETE", NODE_SERVER, str_of(target), STR(""));
    http_expect(
        c, &(struct http_case){"a trim", "DELETE", target, buf_cstr(&headers), NULL, 204, NULL},
        NULL);
    buf_done(&headers);
    http_client_free(c);
}

static void open_with(struct node *n, const struct signer *s, const char *query, const char *header,
                      struct sse_reader *r) {
    struct buf target, headers;
    buf_init(&target, TEXT_MAX);
    buf_init(&headers, TEXT_MAX);
    buf_putf(&target, "/v1/inbox/%s/stream%s", s->handle.text, query);
    buf_putf(&headers, "%s", header);
    signer_put_stream(s, &headers, s->handle.text);
    sse_open(r, n->port, buf_str(&target), buf_str(&headers));
    buf_done(&target);
    buf_done(&headers);
}

void node_open(struct node *n, const struct signer *s, const char *query, struct sse_reader *r) {
    sse_init(r);
    open_with(n, s, query, "", r);
}

void node_open_narrow(struct node *n, const struct signer *s, struct sse_reader *r) {
    sse_init(r);
    r->receive_bytes = NARROW_BYTES;
    open_with(n, s, "", "", r);
}

void node_resume(struct node *n, const struct signer *s, uint64_t last_id, struct sse_reader *r) {
    char header[64];
    (void)snprintf(header, sizeof header, "Last-Event-ID: %ju\r\n", (uintmax_t)last_id);
    sse_init(r);
    open_with(n, s, "", header, r);
}

static struct sse_event *expect(struct sse_reader *r, const char *type) {
    struct sse_event *e = sse_next(r, EVENT_MS);
    if (!e)
        fail_msg("no event of type %s came", type);
    else if (strcmp(e->type, type) != 0)
        fail_msg("%s came instead of %s: %s", e->type, type, e->data);
    return e;
}

void node_expect_row(struct sse_reader *r, uint64_t seq) {
    struct sse_event *e = expect(r, "message");
    char id[24];
    (void)snprintf(id, sizeof id, "%ju", (uintmax_t)seq);
    if (sse_number(e, "seq") != seq || strcmp(e->id, id) != 0)
        fail_msg("row %s came and not %s: %s", e->id, id, e->data);
    sse_event_free(e);
}

uint64_t node_expect_ready(struct sse_reader *r) {
    struct sse_event *e = expect(r, "ready");
    uint64_t seq = sse_number(e, "seq");
    assert_int_equal(strtoull(e->id, NULL, 10), seq);
    sse_event_free(e);
    return seq;
}

void node_expect_rows(struct sse_reader *r, uint64_t from, uint64_t to) {
    for (uint64_t seq = from; seq <= to; seq++)
        node_expect_row(r, seq);
}

void node_expect_resync(struct sse_reader *r, const char *reason, uint64_t seq, uint64_t missed) {
    struct sse_event *e = expect(r, "resync");
    assert_string_equal(sse_text(e, "reason"), reason);
    assert_int_equal(sse_number(e, "seq"), seq);
    assert_int_equal(sse_number(e, "missed"), missed);
    assert_true(sse_text(e, "epoch")[0] != '\0');
    assert_int_equal(strtoull(e->id, NULL, 10), seq);
    sse_event_free(e);
}

void node_finish(struct sse_reader *r) {
    assert_int_equal(r->oddities, 0);
    assert_null(r->first);
    sse_done(r);
}
