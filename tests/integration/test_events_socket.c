/* tests/integration/test_events_socket.c -- events for a router on the same machine, by the Unix
 * socket: who is believed there, and what becomes of its file.
 *
 * Source: protocol, section 7; README, "When --events-trust-peer is safe".
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/proc.h"
#include "support/signed.h"
#include "support/site.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { TEXT_MAX = 1 << 20, EVENT_MS = 60000, WAIT_S = 60 };

static struct site site;
static struct signer alice, bobby, carol;
static char socket_path[108];

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", 1, NULL);
    struct signer *const all[] = {&alice, &bobby, &carol};
    static const char *const names[] = {"alice", "bobby", "carol"};
    for (size_t i = 0; i < COUNT(all); i++) {
        signer_init(all[i], names[i]);
        node_register(site.nodes[0], all[i]);
    }
    (void)snprintf(socket_path, sizeof socket_path, "%s/web_events.sock", proc_temp_dir(NULL));
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

/* Sends a request and reads until the text comes; what came, for the caller to free. */
static char *hear_local(const char *target, const char *headers, const char *until, int *fd) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = WAIT_S};
    char request[2048];
    size_t n = 0;
    ssize_t got;
    char *text = calloc(1, TEXT_MAX);
    assert_non_null(text);
    memcpy(at.sun_path, socket_path, strlen(socket_path));
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(*fd, (struct sockaddr *)&at, sizeof at), 0);
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
                          target, headers);
    assert_int_equal(send(*fd, request, (size_t)length, MSG_NOSIGNAL), length);
    while (!strstr(text, until) && (got = recv(*fd, text + n, TEXT_MAX - 1 - n, 0)) > 0)
        n += (size_t)got;
    if (!strstr(text, until))
        fail_msg("%s: %s", target, text);
    return text;
}

static bool has_heard_of_carol(void *path) {
    if (access(path, F_OK) != 0)
        return false;
    char *text = proc_read_file(path);
    bool has = strstr(text, "retry: 3000\n\n") && strstr(text, "\"handle\":\"carol\"");
    free(text);
    return has;
}

static void a_router_mounts_the_socket_anywhere(void **state) {
    (void)state;
    char uid[32], out[512];
    (void)snprintf(uid, sizeof uid, "%u", (unsigned)getuid());
    const char *const flags[] = {"--events-socket", socket_path, "--events-trust-peer", uid, NULL};
    struct node *n = site_node(&site, flags);
    struct buf headers;
    int fd;
    buf_init(&headers, TEXT_MAX);
    signed_put_events(&headers, &alice, &alice);
    char *text = hear_local("/", buf_cstr(&headers), "event: ready", &fd);
    assert_non_null(strstr(text, "\"handle\":\"alice\""));
    free(text);

    /* The router has made sure who it is: no signature. */
    buf_clear(&headers);
    signed_put_events(&headers, &bobby, NULL);
    int vouched;
    text = hear_local("/prefix/of/a/router?x=1", buf_cstr(&headers), "event: ready", &vouched);
    assert_non_null(strstr(text, "\"handle\":\"bobby\""));
    free(text);

    /* curl sees what a router sees, though the stream goes on; 22: an answer of 400 or above. */
    char key[128];
    (void)snprintf(out, sizeof out, "%s.out", socket_path);
    (void)snprintf(key, sizeof key, "X-Public-Key: %s", carol.primary);
    const char *const curl[] = {"curl", "-sN", "--unix-socket",     socket_path, "-H", key,
                                "-o",   out,   "http://localhost/", NULL};
    struct proc *listening = proc_start(curl, "/dev/null", NULL);
    assert_true(proc_poll(has_heard_of_carol, out, EVENT_MS));
    assert_false(proc_wait(listening, 0, NULL));
    proc_stop(listening);
    const char *const nobody[] = {"curl", "-sf", "--unix-socket", socket_path, "http://localhost/",
                                  NULL};
    assert_int_equal(proc_run(nobody, "/dev/null", NULL, EVENT_MS), 22);

    /* The streams are as alive as others. */
    (void)node_post(site.nodes[0], "alice", NULL, "{\"by\":\"socket\"}");
    char got[8192];
    size_t had = 0;
    ssize_t more;
    got[0] = '\0';
    while (!strstr(got, "\"by\":\"socket\"") &&
           (more = recv(fd, got + had, sizeof got - 1 - had, 0)) > 0) {
        had += (size_t)more;
        got[had] = '\0';
    }
    assert_non_null(strstr(got, "data: {\"type\":\"chatmessage.new\",\"data\":{"));
    close(fd);
    close(vouched);
    node_stop(n);
    buf_done(&headers);
}

static void without_trust_the_socket_wants_signatures(void **state) {
    (void)state;
    const char *const flags[] = {"--events-socket", socket_path, NULL};
    struct node *n = site_node(&site, flags);
    struct buf headers;
    int fd;
    buf_init(&headers, TEXT_MAX);
    signed_put_events(&headers, &bobby, NULL);
    free(hear_local("/", buf_cstr(&headers), "HTTP/1.1 401", &fd));
    close(fd);
    buf_clear(&headers);
    signed_put_events(&headers, &bobby, &bobby);
    free(hear_local("/", buf_cstr(&headers), "event: ready", &fd));
    close(fd);
    struct stat st;
    assert_int_equal(stat(socket_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    node_kill(n);
    assert_int_equal(access(socket_path, F_OK), 0); /* stale */
    node_restart(n);
    node_wait_ready(n);
    free(hear_local("/", buf_cstr(&headers), "event: ready", &fd));
    close(fd);
    buf_done(&headers);
    node_signal(n, SIGTERM);
    assert_int_equal(node_wait(n, EVENT_MS), 0);
    assert_int_equal(access(socket_path, F_OK), -1);
    node_stop(n);
}

/* However it is told to end: once, by either signal, or twice while a stream is still there. */
static void its_file_goes_with_the_node(void **state) {
    (void)state;
    static const struct {
        int first, second; /* 0: none */
        int code;
    } rows[] = {{SIGTERM, 0, 0}, {SIGINT, 0, 0}, {SIGINT, SIGINT, 1}, {SIGTERM, SIGINT, 1}};
    const char *const flags[] = {"--events-socket", socket_path, "--drain-time", "600", NULL};
    struct node *n = site_node(&site, flags);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sse_reader r;
        if (i > 0)
            node_restart(n);
        assert_int_equal(access(socket_path, F_OK), 0);
        if (rows[i].second) {
            signed_open_events(n, &alice, "", &r);
            (void)node_expect_ready(&r);
        }
        node_signal(n, rows[i].first);
        if (rows[i].second) {
            node_expect_log(n, "node drains", (unsigned)i + 1);
            node_signal(n, rows[i].second);
        }
        int status = node_wait(n, EVENT_MS);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), rows[i].code);
        assert_int_equal(access(socket_path, F_OK), -1);
        if (rows[i].second)
            sse_done(&r);
    }
    node_stop(n);
}

static void wrong_lists_of_peers_are_said_at_the_start(void **state) {
    (void)state;
    static const char *const lists[] = {
        "root", "1,", "1, 2", "-1", "4294967295", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
    char out[512];
    (void)snprintf(out, sizeof out, "%s.said", socket_path);
    for (size_t i = 0; i <= COUNT(lists); i++) {
        bool is_alone = i == COUNT(lists); /* good, but for what? */
        const char *const argv[] = {site.program,
                                    "--check-config",
                                    "--server",
                                    NODE_SERVER,
                                    "--database-url",
                                    "postgresql://x@127.0.0.1:1/x",
                                    "--events-trust-peer",
                                    is_alone ? "1" : lists[i],
                                    is_alone ? NULL : "--events-socket",
                                    socket_path,
                                    NULL};
        (void)unlink(out);
        assert_int_equal(proc_run(argv, out, NULL, EVENT_MS), 2);
        char *said = proc_read_file(out);
        if (!strstr(said, "--events-trust-peer") || !strstr(said, "allowed: ") ||
            strchr(said, '\n') != said + strlen(said) - 1)
            fail_msg("%s: %s", argv[7], said);
        free(said);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_router_mounts_the_socket_anywhere),
        cmocka_unit_test(without_trust_the_socket_wants_signatures),
        cmocka_unit_test(its_file_goes_with_the_node),
        cmocka_unit_test(wrong_lists_of_peers_are_said_at_the_start),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
