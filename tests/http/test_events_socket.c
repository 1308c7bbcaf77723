/* tests/http/test_events_socket.c -- the Unix socket that answers with events at every path.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

static char path[LOCAL_PATH_MAX + 1];

static struct rig *new_rig(void) {
    struct rig *rig = rig_new();
    (void)snprintf(path, sizeof path, "%s/web_events.sock", proc_temp_dir(NULL));
    rig->config.events_socket = path;
    return rig;
}

static int setup(void **state) {
    struct rig *rig = new_rig();
    rig_start(rig);
    *state = rig;
    return 0;
}

/* -1: nobody is there. */
static int dial_local(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = WAIT_MS / 1000};
    memcpy(at.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static struct answer ask_local(const char *request) {
    struct answer a;
    int fd = dial_local();
    assert_true(fd >= 0);
    assert_true(say(fd, request));
    if (!hear(fd, strncmp(request, "HEAD ", 5) == 0, &a))
        fail_msg("no answer to: %.80s", request);
    close(fd);
    return a;
}

static const struct {
    const char *request;
    int status;
    const char *body, *allow; /* NULL: nothing is asked */
} rows[] = {
    {"GET /?echo HTTP/1.1\r\n" END, 200, "story=flow_events", NULL},
    {"GET /v1/events?echo HTTP/1.1\r\n" END, 200, "raw=[/v1/events?echo]", NULL},
    {"GET /whatever/prefix/?echo HTTP/1.1\r\n" END, 200, "story=flow_events", NULL},
    {"GET /a/b/c/d/e/f/g/h/i/j/k/l?echo HTTP/1.1\r\n" END, 200,
     "raw=[/a/b/c/d/e/f/g/h/i/j/k/l?echo]", NULL},
    {"GET //?echo HTTP/1.1\r\n" END, 200, "story=flow_events", NULL},
    {"GET http://localhost/sock?echo HTTP/1.1\r\n" END, 200, "raw=[/sock?echo]", NULL},
    {"GET http://localhost?echo HTTP/1.1\r\n" END, 200, "story=flow_events", NULL},
    {"GET /v1/messages?echo HTTP/1.1\r\n" END, 200, "story=flow_events", NULL},
    {"GET /metrics?echo HTTP/1.1\r\n" END, 200, "story=flow_events", NULL},
    {"GET /?echo HTTP/1.1\r\nX-Public-Key: k\r\nX-KEZ-Auth: a\r\nLast-Event-ID: 3\r\n" END, 200,
     "auth=[a]\nhandle=absent\nkey=[k]\nlast=[3]", NULL},
    {"GET /?echo HTTP/1.1\r\n" END, 200, "exempt=1 trusted=0", NULL},
    {"HEAD / HTTP/1.1\r\n" END, 405, NULL, "GET, OPTIONS"},
    {"HEAD /a/b/c/d/e/f/g/h/i/j HTTP/1.1\r\n" END, 405, NULL, "GET, OPTIONS"},
    {"POST /v1/messages HTTP/1.1\r\nContent-Length: 2\r\n" END "{}", 405, "method_not_allowed",
     "GET, OPTIONS"},
    {"PUT / HTTP/1.1\r\nContent-Length: 0\r\n" END, 405, "method_not_allowed", "GET, OPTIONS"},
    {"PATCH / HTTP/1.1\r\nContent-Length: 0\r\n" END, 405, "method_not_allowed", "GET, OPTIONS"},
    {"DELETE / HTTP/1.1\r\n" END, 405, "method_not_allowed", "GET, OPTIONS"},
    {"BREW / HTTP/1.1\r\n" END, 405, "method_not_allowed", "GET, OPTIONS"},
    {"OPTIONS / HTTP/1.1\r\n" END, 204, NULL, "GET, OPTIONS"},
    {"OPTIONS /any HTTP/1.1\r\n" END, 204, NULL, "GET, OPTIONS"},
    {"OPTIONS * HTTP/1.1\r\n" END, 204, NULL, "GET, OPTIONS"},
    {"CONNECT / HTTP/1.1\r\n" END, 405, "method_not_allowed", "GET, OPTIONS"},
    {"TRACE / HTTP/1.1\r\n" END, 405, "method_not_allowed", "GET, OPTIONS"},
    {"GET * HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /a/../b HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /a/b/c/d/e/f/g/h/i/%2e%2e HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /%00 HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET / HTTP/1.1\r\nX-Public-Key: k\r\nX-Public-Key: k\r\n" END, 400, "X-Public-Key once",
     NULL},
};

static void each_path_is_the_events(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer a = ask_local(rows[i].request);
        if (a.status != rows[i].status || (rows[i].body && !strstr(a.body, rows[i].body)))
            fail_msg("%s: %d %s", rows[i].request, a.status, a.body);
        const char *allow = header(&a, "Allow");
        if (rows[i].allow && (!allow || strcmp(allow, rows[i].allow) != 0))
            fail_msg("%s: Allow: %s", rows[i].request, allow ? allow : "(none)");
        assert_string_equal(header(&a, "Access-Control-Allow-Origin"), "*");
        assert_string_equal(header(&a, "X-Content-Type-Options"), "nosniff");
        forget(&a);
    }
}

struct wanted {
    struct push *push;
    unsigned opened;
};

static bool has_opened(void *arg) {
    const struct wanted *w = arg;
    pthread_mutex_lock(&w->push->lock);
    bool is_so = w->push->opened >= w->opened;
    pthread_mutex_unlock(&w->push->lock);
    return is_so;
}

static void expect_bytes(int fd, const char *want) {
    char got[256];
    size_t n = 0, wanted = strlen(want);
    while (n < wanted) {
        ssize_t more = take(fd, got + n, wanted - n);
        assert_true(more > 0);
        n += (size_t)more;
    }
    got[n] = '\0';
    assert_string_equal(got, want);
}

static void streams_leave_for_the_shards_as_on_tcp(void **state) {
    struct rig *rig = *state;
    enum { STREAMS = 200 }; /* more than may be connected and no stream */
    int clients[STREAMS];
    for (unsigned i = 0; i < STREAMS; i++) {
        struct answer a;
        clients[i] = dial_local();
        assert_true(clients[i] >= 0);
        assert_true(say(clients[i], "GET / HTTP/1.1\r\n" HOST "\r\n"));
        assert_true(hear(clients[i], false, &a));
        assert_int_equal(a.status, 200);
        assert_string_equal(header(&a, "Content-Type"), "text/event-stream");
        assert_string_equal(header(&a, "Cache-Control"), "no-store");
        assert_string_equal(header(&a, "X-Accel-Buffering"), "no");
        forget(&a);
        expect_bytes(clients[i], "retry: 3000\n\n");
        assert_true(proc_poll(has_opened, &(struct wanted){&rig->push, i + 1}, WAIT_MS));
    }
    assert_int_equal(rig->push.released, 0);
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_true(say(rig->push.fds[i], "data: 1\n\n"));
        assert_int_equal(shutdown(rig->push.fds[i], SHUT_WR), 0);
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        expect_bytes(clients[i], "data: 1\n\n");
        assert_true(is_over(clients[i]));
        close(clients[i]);
    }
}

static void it_counts_as_no_connection_of_the_public(void **state) {
    (void)state;
    struct answer a;
    int fd = dial_local();
    assert_true(say(fd, "GET /?echo HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(hear(fd, false, &a));
    forget(&a);
    assert_int_equal(atomic_load(&stats.connections), 0);
    close(fd);
}

static void only_processes_of_trusted_users_are_trusted(void **state) {
    (void)state;
    char us[64], not_us[64];
    (void)snprintf(us, sizeof us, "4242,%u", (unsigned)getuid());
    (void)snprintf(not_us, sizeof not_us, "%u", (unsigned)getuid() + 1);
    const char *const lists[] = {NULL, "", not_us, us};
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct rig *rig = new_rig();
        rig->config.events_trust_peers = lists[i];
        rig_start(rig);
        struct answer a = ask_local("GET /?echo HTTP/1.1\r\n" END);
        assert_non_null(strstr(a.body, lists[i] == us ? "trusted=1" : "trusted=0"));
        forget(&a);
        /* By TCP nobody is. */
        a = ask(rig->port, "GET /v1/events?echo HTTP/1.1\r\n" END);
        assert_non_null(strstr(a.body, "trusted=0"));
        forget(&a);
        rig_stop(rig);
    }
}

static void its_file_goes_with_the_server(void **state) {
    (void)state;
    struct stat st;
    struct rig *rig = new_rig();
    rig_start(rig);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    int before = dial_local();
    assert_true(before >= 0);
    http_quiesce(rig->server);
    assert_int_equal(access(path, F_OK), -1); /* gone before the end: nobody knocks in vain */
    struct answer a;
    assert_true(say(before, "GET /?echo HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(hear(before, false, &a)); /* who was in the queue is served */
    assert_string_equal(header(&a, "Connection"), "close");
    forget(&a);
    close(before);
    rig_stop(rig);

    rig = new_rig();
    rig_start(rig);
    assert_int_equal(access(path, F_OK), 0);
    rig_stop(rig);
    assert_int_equal(access(path, F_OK), -1);
}

static void what_cannot_start_says_why(void **state) {
    (void)state;
    struct rig *rig = new_rig(), *second;
    const char *why = "";
    struct http_server *s = NULL;
    static const char *const lists[] = {"root", ",", "0,", "0, 1"};
    for (size_t i = 0; i < COUNT(lists); i++) {
        rig->config.events_trust_peers = lists[i];
        assert_int_equal(http_start(&rig->config, &rig->flow, &rig->admin, &s, &why), RC_MALFORMED);
        assert_non_null(strstr(why, "user ids"));
        assert_int_equal(access(path, F_OK), -1);
    }
    rig->config.events_trust_peers = "0";
    rig->config.events_socket = NULL;
    assert_int_equal(http_start(&rig->config, &rig->flow, &rig->admin, &s, &why), RC_MALFORMED);
    assert_non_null(strstr(why, "no events socket"));
    rig->config.events_trust_peers = NULL;

    rig->config.events_socket = path;
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(http_start(&rig->config, &rig->flow, &rig->admin, &s, &why), RC_MALFORMED);
    assert_non_null(strstr(why, "remove it"));
    assert_int_equal(unlink(path), 0);

    rig_start(rig);
    second = rig_new();
    second->config.events_socket = path;
    assert_int_equal(http_start(&second->config, &second->flow, &second->admin, &s, &why),
                     RC_CONFLICT);
    assert_non_null(strstr(why, "another process listens there"));
    struct answer a =
        ask_local("GET /?echo HTTP/1.1\r\n" END); /* and the first is none the worse */
    assert_int_equal(a.status, 200);
    forget(&a);
    free(second);
    rig_stop(rig);
    assert_null(s);
}

static bool has_hello(void *path_of) {
    if (access(path_of, F_OK) != 0)
        return false;
    char *text = proc_read_file(path_of);
    bool has = strcmp(text, "retry: 3000\n\n") == 0;
    free(text);
    return has;
}

static void curl_finds_it(void **state) {
    struct rig *rig = *state;
    char out[LOCAL_PATH_MAX + 8], log[LOCAL_PATH_MAX + 8];
    (void)snprintf(out, sizeof out, "%s.out", path);
    (void)snprintf(log, sizeof log, "%s.log", path);
    const char *const get[] = {
        "curl", "-sS", "--unix-socket", path, "-o", out, "http://localhost/some/prefix?echo", NULL};
    assert_int_equal(proc_run(get, log, NULL, WAIT_MS), 0);
    char *text = proc_read_file(out);
    assert_non_null(strstr(text, "raw=[/some/prefix?echo]"));
    free(text);
    /* A stream gives what there is before its end. */
    assert_int_equal(unlink(out), 0);
    const char *const stream[] = {"curl", "-sSN", "--unix-socket",     path,
                                  "-o",   out,    "http://localhost/", NULL};
    struct proc *curl = proc_start(stream, log, NULL);
    assert_true(proc_poll(has_hello, out, WAIT_MS));
    assert_true(proc_poll(has_opened, &(struct wanted){&rig->push, 1}, WAIT_MS));
    assert_false(proc_wait(curl, 0, NULL));
    assert_int_equal(shutdown(rig->push.fds[0], SHUT_WR), 0);
    int status = -1;
    assert_true(proc_wait(curl, WAIT_MS, &status));
    assert_int_equal(status, 0);
    proc_stop(curl);
}

int main(void) {
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_path_is_the_events, setup, rig_teardown),
        cmocka_unit_test_setup_teardown(streams_leave_for_the_shards_as_on_tcp, setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(it_counts_as_no_connection_of_the_public, setup,
                                        rig_teardown),
        cmocka_unit_test(only_processes_of_trusted_users_are_trusted),
        cmocka_unit_test(its_file_goes_with_the_server),
        cmocka_unit_test(what_cannot_start_says_why),
        cmocka_unit_test_setup_teardown(curl_finds_it, setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
