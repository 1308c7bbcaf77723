/* tests/support/natsd.c -- a real nats-server of a test's own, on a free port.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/natsd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/http_client.h"
#include "support/proc.h"

enum {
    START_MS = 60000,
    ANSWER_MS = 500,
    CHANGE_MS = 60000,
    PATH_BYTES = 256,
    SUBJECT_BYTES = 256
};

struct natsd {
    struct proc *proc; /* NULL while killed */
    uint16_t port, monitor_port;
    bool with_auth;
    char url[64];
    char log_path[PATH_BYTES];
};

/* Debian puts it where an ordinary user's PATH does not look. */
const char *natsd_program(void) {
    static const char elsewhere[] = "/usr/sbin/nats-server";
    return access(elsewhere, X_OK) == 0 ? elsewhere : "nats-server";
}

/* A NATS server speaks first: "INFO {…}". */
static bool answers(void *arg) {
    const struct natsd *n = arg;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(n->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval patience = {.tv_usec = ANSWER_MS * 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    char said[5] = "";
    bool ok = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
              connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 &&
              recv(fd, said, sizeof said, MSG_WAITALL) == (ssize_t)sizeof said &&
              memcmp(said, "INFO ", sizeof said) == 0;
    (void)close(fd);
    return ok;
}

void natsd_resume(struct natsd *n) {
    char port[8], monitor_port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)n->port);
    (void)snprintf(monitor_port, sizeof monitor_port, "%u", (unsigned)n->monitor_port);
    const char *argv[] = {natsd_program(), "-a", "127.0.0.1", "-p",     port,     "-m",
                          monitor_port,    NULL, "node",      "--pass", "secret", NULL};
    if (n->with_auth)
        argv[7] = "--user";
    n->proc = proc_start(argv, n->log_path, NULL);
    if (!proc_poll(answers, n, START_MS))
        fail_msg("nats-server does not answer on port %s; see %s", port, n->log_path);
}

struct natsd *natsd_start(int with_auth) {
    struct natsd *n = calloc(1, sizeof *n);
    if (!n) {
        fail_msg("out of memory");
        return NULL;
    }
    n->with_auth = with_auth != 0;
    n->port = proc_free_port();
    n->monitor_port = proc_free_port();
    (void)snprintf(n->url, sizeof n->url, "nats://%s127.0.0.1:%u", with_auth ? "node:secret@" : "",
                   (unsigned)n->port);
    int wrote = snprintf(n->log_path, sizeof n->log_path, "%s/nats.log", proc_temp_dir(NULL));
    if (wrote < 0 || (size_t)wrote >= sizeof n->log_path)
        fail_msg("the path of the temporary directory is too long");
    natsd_resume(n);
    return n;
}

const char *natsd_url(struct natsd *n) { return n->url; }

void natsd_kill(struct natsd *n) {
    proc_stop(n->proc);
    n->proc = NULL;
}

void natsd_freeze(struct natsd *n) { proc_freeze(proc_pid(n->proc)); }

void natsd_thaw(struct natsd *n) { proc_signal(n->proc, SIGCONT); }

char *natsd_log(struct natsd *n) { return proc_read_file(n->log_path); }

/* ---- its monitoring ---- */

unsigned natsd_subscriptions(const struct natsd *n, const char *subject, bool is_whole) {
    char text[SUBJECT_BYTES];
    int wrote = snprintf(text, sizeof text, "\"subject\": \"%s%s", subject, is_whole ? "\"" : "");
    if (wrote < 0 || (size_t)wrote >= sizeof text)
        fail_msg("%s is too long", subject);
    struct http_client *c = http_client_new(n->monitor_port);
    struct http_reply r;
    http_ask(c, "GET", STR("/subsz?subs=1&limit=1000000"), STR(""), STR(""), &r);
    unsigned count = 0;
    const char *at = r.body.p, *end = at + r.body.n;
    while ((at = memmem(at, (size_t)(end - at), text, (size_t)wrote)) != NULL) {
        count++;
        at += wrote;
    }
    if (r.status != 200)
        fail_msg("nats-server's monitoring: %d", r.status);
    http_reply_done(&r);
    http_client_free(c);
    return count;
}

struct wanted {
    const struct natsd *natsd;
    const char *subject;
    bool is_whole;
    unsigned count;
};

static bool has_as_many(void *arg) {
    const struct wanted *w = arg;
    return natsd_subscriptions(w->natsd, w->subject, w->is_whole) == w->count;
}

void natsd_await_subscriptions(const struct natsd *n, const char *subject, bool is_whole,
                               unsigned count) {
    if (!proc_poll(has_as_many, &(struct wanted){n, subject, is_whole, count}, CHANGE_MS))
        fail_msg("%s: %u subscriptions and not %u", subject,
                 natsd_subscriptions(n, subject, is_whole), count);
}

void natsd_stop(struct natsd *n) {
    if (!n)
        return;
    proc_stop(n->proc);
    free(n);
}
