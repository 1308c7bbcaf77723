/* tests/integration/test_privileges.c -- a node gives up what it does not need, as the kernel tells
 * of each of its threads, and can still do what it needs: low ports, its events socket, settings
 * that are read again.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/proc.h"
#include "support/site.h"

enum { EVENT_MS = 60000, END_MS = 60000, LOW_FIRST = 600, LOW_LAST = 1023 };

static const uint64_t kept =
    1ULL << CAP_NET_BIND_SERVICE | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_DAC_READ_SEARCH;

static struct site site;
static char config_path[300], socket_path[108];

static void write_settings(const char *more) {
    FILE *f = fopen(config_path, "we");
    assert_non_null(f);
    assert_int_equal(fchmod(fileno(f), 0400), 0); /* as a file with a password has */
    assert_true(fprintf(f,
                        "server = " NODE_SERVER "\ndatabase-url = %s\nlimit-register = 0\n"
                        "drain-time = 0\nevents-socket = %s\n%s",
                        postgres_url(site.pg, "privileges"), socket_path, more) > 0);
    assert_int_equal(fclose(f), 0);
}

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", 0, NULL);
    (void)snprintf(config_path, sizeof config_path, "%s/kez.conf", proc_temp_dir(NULL));
    (void)snprintf(socket_path, sizeof socket_path, "%s/web_events.sock", proc_temp_dir(NULL));
    write_settings("");
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

/* A line of a status file in /proc, as a number. */
static uint64_t status_of(const char *path, const char *name, int base) {
    char line[256];
    uint64_t value = UINT64_MAX;
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtoull(line + strlen(name), NULL, base);
    (void)fclose(f);
    return value;
}

static void expect_status(const char *path, const char *name, int base, uint64_t want) {
    uint64_t got = status_of(path, name, base);
    if (got != want)
        fail_msg("%s: %s %jx, not %jx", path, name, (uintmax_t)got, (uintmax_t)want);
}

/* Each thread has capabilities of its own. */
static unsigned check_threads(pid_t pid) {
    char folder[64];
    unsigned n = 0;
    uint64_t own = status_of("/proc/self/status", "CapPrm:", 16);
    (void)snprintf(folder, sizeof folder, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(folder);
    assert_non_null(tasks);
    for (struct dirent *e; (e = readdir(tasks));) {
        char path[400];
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s/status", folder, e->d_name);
        expect_status(path, "NoNewPrivs:", 10, 1);
        expect_status(path, "CapEff:", 16, own & kept);
        expect_status(path, "CapPrm:", 16, own & kept);
        expect_status(path, "CapInh:", 16, 0);
        expect_status(path, "CapAmb:", 16, 0);
        if (own & 1ULL << CAP_SETPCAP)
            assert_int_equal(status_of(path, "CapBnd:", 16) & ~kept, 0);
        n++;
    }
    closedir(tasks);
    return n;
}

/* Whether this test itself may listen at a port below 1024 of 127.0.0.1, and one that is free. */
static bool find_low_port(uint16_t *port) {
    for (*port = LOW_FIRST; *port < LOW_LAST; ++*port)
        if (proc_claim_port(*port))
            return true;
    return proc_claim_port(*port);
}

static void end(struct node *n) {
    node_signal(n, SIGTERM);
    int status = node_wait(n, END_MS);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    node_stop(n);
}

static void every_thread_has_given_up_what_it_does_not_need(void **state) {
    (void)state;
    struct node *n =
        node_start(&(struct node_setup){.program = site.program, .config = config_path});
    assert_true(check_threads(node_pid(n)) > 5);
    char *log = node_log(n);
    bool is_content = !strstr(log, "keeps the privileges");
    free(log);
    assert_true(is_content);
    end(n);
}

static void settings_and_socket_are_still_its_own(void **state) {
    (void)state;
    struct stat st;
    struct node *n =
        node_start(&(struct node_setup){.program = site.program, .config = config_path});
    assert_int_equal(lstat(socket_path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0660);
    write_settings("require-signed-posts = yes\n");
    node_signal(n, SIGHUP);
    node_expect_log(n, "node has read its settings again", 1);
    write_settings("");
    node_signal(n, SIGHUP);
    node_expect_log(n, "node has read its settings again", 2);
    /* One that died leaves its socket behind; the next takes its place. */
    node_kill(n);
    assert_int_equal(lstat(socket_path, &st), 0);
    node_restart(n);
    assert_int_equal(lstat(socket_path, &st), 0);
    end(n);
    assert_int_not_equal(lstat(socket_path, &st), 0);
}

/* As much as who started it may: no less for what was given up, and no more. */
static void low_ports_are_had_by_who_may(void **state) {
    (void)state;
    uint16_t port = 0;
    char bind_to[32];
    bool is_allowed = find_low_port(&port);
    (void)snprintf(bind_to, sizeof bind_to, "127.0.0.1:%u", (unsigned)port);
    const char *const flags[] = {"--bind", bind_to, NULL}; /* the last one of a kind holds */
    struct node *n = node_launch(
        &(struct node_setup){.program = site.program, .config = config_path, .flags = flags});
    if (is_allowed) {
        node_wait_ready(n);
        struct http_client *c = http_client_new(port);
        http_expect(c, &(struct http_case){"low", "GET", "/v1/healthz", NULL, NULL, 200, NULL},
                    NULL);
        http_client_free(c);
        end(n);
        return;
    }
    int status = node_wait(n, END_MS);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), 0);
    node_expect_log(n, "Permission denied", 1);
    node_stop(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_has_given_up_what_it_does_not_need),
        cmocka_unit_test(settings_and_socket_are_still_its_own),
        cmocka_unit_test(low_ports_are_had_by_who_may),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
