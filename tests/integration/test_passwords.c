/* tests/integration/test_passwords.c -- what is secret in the settings never gets into the log:
 * read at the start and again, right and wrong, with the store gone and back; nor what comes by the
 * events socket.
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

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/proc.h"
#include "support/site.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define TOKEN "tOkEn-0123456789"

enum { TEXT_MAX = 1 << 20, EVENT_MS = 60000 };

static struct site site;
static char token_path[256];

static int start(void **state) {
    (void)state;
    (void)snprintf(token_path, sizeof token_path, "%s/token", proc_temp_dir(NULL));
    FILE *f = fopen(token_path, "we");
    assert_non_null(f);
    assert_true(fputs(TOKEN "\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    site_start(&site, BUILD_DIR "/kez-chat-server", 0, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

static void register_with_token(struct node *n, const struct signer *s) {
    struct http_client *c = http_client_new(node_port(n));
    struct buf body;
    buf_init(&body, TEXT_MAX);
    signer_put_registration(s, &body, NODE_SERVER);
    http_expect(c,
                &(struct http_case){"with the token", "POST", "/v1/register",
                                    "Authorization: Bearer " TOKEN "\r\n", buf_cstr(&body), 201,
                                    NULL},
                NULL);
    buf_done(&body);
    http_client_free(c);
}

/* One request to the events socket, and whatever comes first. */
static void say_to_socket(const char *path, const char *request) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = EVENT_MS / 1000};
    char answer[4096];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    assert_true(recv(fd, answer, sizeof answer, 0) > 0);
    close(fd);
}

/* With a signature, which is told. */
static void say_secrets_to_socket(const char *path, const struct signer *alice, char sig[129]) {
    struct buf value;
    char request[1024];
    buf_init(&value, TEXT_MAX);
    signer_put_events_value(alice, &value, NODE_SERVER, alice->primary);
    (void)snprintf(sig, 129, "%s", buf_cstr(&value) + value.n - 128);
    (void)snprintf(request, sizeof request,
                   "GET /any/prefix?sOcKeT=1 HTTP/1.1\r\nHost: x\r\nX-Public-Key: %s\r\n"
                   "X-KEZ-Auth: %s\r\n\r\n",
                   alice->primary, buf_cstr(&value));
    say_to_socket(path, request);
    (void)snprintf(request, sizeof request,
                   "GET /?public_key=%s&auth=%s HTTP/1.1\r\nHost: x\r\n\r\n", alice->primary,
                   buf_cstr(&value));
    say_to_socket(path, request);
    say_to_socket(path, "GET / HTTP/1.1\r\nHost: x\r\nX-Public-Key: sOcKkEy\r\n\r\n");
    buf_done(&value);
}

static char config_path[300], socket_path[108];

/* Settings with passwords in all that can have one, and more lines. Those come instead of what they
 * name. */
static void write_settings(const char *more) {
    FILE *f = fopen(config_path, "we");
    const char *host = strchr(postgres_url(site.pg, "chat"), '@');
    assert_non_null(f);
    assert_non_null(host);
    if (!strstr(more, "database-url"))
        assert_true(fprintf(f, "database-url = postgresql://kez:dBpAsS%s\n", host) > 0);
    if (!strstr(more, "nats-url"))
        assert_true(fprintf(f, "nats-url = %s\n", natsd_url(site.nats)) > 0);
    assert_true(fprintf(f,
                        "server = " NODE_SERVER "\nlog-level = debug\ndrain-time = 0\n"
                        "registration = token\nregistration-token-file = %s\n"
                        "events-socket = %s\n%s",
                        token_path, socket_path, more) > 0);
    assert_int_equal(fclose(f), 0);
}

static void hang_up(struct node *n, const char *more) {
    write_settings(more);
    node_signal(n, SIGHUP);
}

/* Read at the start, read again, read again with faults in the very lines; with the store gone and
 * back. */
static void settings_with_passwords_are_never_logged(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "database-url postgresql://kez:nOeQuAlS@127.0.0.1/x\n",
        "nats-url = http://u:nOtNaTs@127.0.0.1\n",
        "database-url = mysql://u:nOtPg@127.0.0.1\n",
        "registration-token = tOkEnSeTtInG-0123456789\n",
    };
    struct signer gwen;
    char sig[129];
    (void)snprintf(config_path, sizeof config_path, "%s/kez.conf", proc_temp_dir(NULL));
    (void)snprintf(socket_path, sizeof socket_path, "%s/web_events.sock", proc_temp_dir(NULL));
    write_settings("");
    struct node *n =
        node_start(&(struct node_setup){.program = site.program, .config = config_path});
    node_expect_log(n, "bus connected", 1);
    signer_init(&gwen, "gwen");
    register_with_token(n, &gwen);
    say_secrets_to_socket(socket_path, &gwen, sig);
    hang_up(n, "require-signed-posts = yes\n");
    node_expect_log(n, "node has read its settings again", 1);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        hang_up(n, wrong[i]);
        node_expect_log(n, "node keeps its settings", (unsigned)i + 1);
    }
    postgres_halt(site.pg, "immediate");
    assert_true(node_gets_ready(n, false));
    postgres_resume(site.pg);
    assert_true(node_gets_ready(n, true));
    node_signal(n, SIGTERM);
    assert_int_equal(node_wait(n, EVENT_MS), 0);
    const char *const said[] = {"dBpAsS",  "node:secret", "secret@",      "nOeQuAlS",
                                "nOtNaTs", "nOtPg",       "tOkEnSeTtInG", TOKEN,
                                "sOcKeT",  "sOcKkEy",     gwen.primary,   sig};
    char *log = node_log(n);
    assert_non_null(strstr(log, "node ended"));
    assert_non_null(strstr(log, "http request method=GET path=\"/any/prefix\""));
    for (size_t i = 0; i < COUNT(said); i++)
        if (strstr(log, said[i]))
            fail_msg("the log has %s", said[i]);
    free(log);
    node_stop(n);
}

/* What cannot start says why, and not with what. */
static void a_start_that_fails_tells_no_password(void **state) {
    (void)state;
    static const char *const urls[] = {
        "postgresql://kez:sTaRtPaSs@[::1/x",
        "postgresql://kez:sTaRtPaSs%ZZ@127.0.0.1:1/x",
        "postgresql://kez:sTaRtPaSs@127.0.0.1:99999/x",
        "host=127.0.0.1 password=sTaRtPaSs user",
        "host=127.0.0.1 password='sTaRtPaSs",
        "mysql://kez:sTaRtPaSs@127.0.0.1/x",
    };
    char log_path[300];
    (void)snprintf(log_path, sizeof log_path, "%s/start.log", proc_temp_dir(NULL));
    for (size_t i = 0; i < COUNT(urls); i++) {
        const char *const argv[] = {
            site.program,  "--server",       NODE_SERVER,   "--log-level",
            "debug",       "--bind",         "127.0.0.1:0", "--admin-bind",
            "127.0.0.1:0", "--database-url", urls[i],       "--check-config",
            NULL};
        const char *const start[] = {site.program,  "--server",       NODE_SERVER,   "--log-level",
                                     "debug",       "--bind",         "127.0.0.1:0", "--admin-bind",
                                     "127.0.0.1:0", "--database-url", urls[i],       "--new-epoch",
                                     NULL};
        (void)proc_run(argv, log_path, NULL, EVENT_MS);
        assert_int_not_equal(proc_run(start, log_path, NULL, EVENT_MS), 0);
    }
    char *log = proc_read_file(log_path);
    bool is_told = strstr(log, "database-url") != NULL, is_secret = !strstr(log, "sTaRtPaSs");
    if (!is_told || !is_secret)
        print_error("%s", log);
    free(log);
    assert_true(is_told && is_secret);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_with_passwords_are_never_logged),
        cmocka_unit_test(a_start_that_fails_tells_no_password),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
