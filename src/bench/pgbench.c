/* bench/pgbench.c -- runs pgbench and reads its figure.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/pgbench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/ask.h"
#include "bench/poller.h"

enum { SAID_MAX = 64 * 1024, SCRIPT_MAX = ASK_BODY_MAX + 4096 };

/* To connect, to make and to drop a table, to wind up. */
enum { SLACK_S = 60 };

/* The columns and the keys of the nodes' own table of rows, without the heads that they keep. */
#define MAKE_TABLE                                                                                 \
    "SET client_min_messages = warning; DROP TABLE IF EXISTS kez_bench_scratch; "                  \
    "CREATE TABLE kez_bench_scratch (inbox bigint NOT NULL, seq bigint NOT NULL, "                 \
    "created_at timestamptz(3) NOT NULL, type smallint NOT NULL, sender text NOT NULL, id text, "  \
    "envelope text NOT NULL, PRIMARY KEY (inbox, seq)); "                                          \
    "ALTER TABLE kez_bench_scratch ALTER envelope SET STORAGE EXTERNAL; "                          \
    "CREATE UNIQUE INDEX ON kez_bench_scratch (inbox, sender, id) WHERE id IS NOT NULL"
#define DROP_TABLE "DROP TABLE IF EXISTS kez_bench_scratch"

void pgbench_put_script(struct buf *out, const struct pgbench *p) {
    struct mark mark = {.sent_ns = 123456789012345, .handle = 1, .post = 1};
    /* Both random: (inbox, seq) are new each time, as a new row's are. */
    buf_putf(out, "\\set inbox random(1, %" PRIu64 ")\n\\set seq random(1, 9007199254740991)\n",
             p->inboxes);
    buf_put(out,
            STR("INSERT INTO kez_bench_scratch (inbox, seq, created_at, type, sender, envelope) "
                "VALUES (:inbox, :seq, now(), 0, '', '"));
    ask_put_envelope(out, &mark, (size_t)p->body_bytes);
    buf_put(out, STR("');\n"));
}

enum rc pgbench_read_tps(struct str text, double *tps) {
    static const char label[] = "\ntps = ";
    const char *at = text.n ? memmem(text.p, text.n, label, sizeof label - 1) : NULL;
    if (!at)
        return RC_MALFORMED;
    struct str number = str_from(text, (size_t)(at - text.p) + sizeof label - 1), rest;
    (void)str_cut(number, ' ', &number, &rest);
    char digits[32];
    if (number.n == 0 || number.n >= sizeof digits)
        return RC_MALFORMED;
    memcpy(digits, number.p, number.n);
    digits[number.n] = '\0';
    char *end;
    double value = strtod(digits, &end);
    if (*end != '\0' || !(value >= 0))
        return RC_MALFORMED;
    *tps = value;
    return RC_OK;
}

/* The child: standard output into the pipe, signals as a program expects them. */
static _Noreturn void become(const char *const argv[], int out_fd) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(out_fd, STDOUT_FILENO);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Appends what a pipe brings, to its end. False: it had not come when the time was up. */
static bool read_all(int fd, struct buf *out, uint64_t end_ns) {
    char bytes[4096];
    for (;;) {
        uint64_t now = poller_now_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (now >= end_ns || poll(&p, 1, (int)((end_ns - now) / 1000000) + 1) == 0)
            return false;
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n == 0)
            return true;
        if (n > 0)
            buf_put(out, (struct str){bytes, (size_t)n});
    }
}

/* Runs a program to its end, or kills it after so long; what it prints goes to `said`. */
static enum rc run(const char *const argv[], uint64_t seconds, struct buf *said) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return RC_IO;
    pid_t pid = fork();
    if (pid == 0)
        become(argv, fds[1]);
    close(fds[1]);
    if (pid > 0 && !read_all(fds[0], said, poller_now_ns() + seconds * SECOND_NS))
        kill(pid, SIGKILL);
    close(fds[0]);
    int status = -1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status == 0 ? RC_OK : RC_IO;
}

static enum rc run_sql(const char *url, const char *sql) {
    const char *const argv[] = {"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, url, NULL};
    struct buf said;
    buf_init(&said, SAID_MAX);
    enum rc rc = run(argv, SLACK_S, &said);
    buf_done(&said);
    return rc;
}

/* A new file with the script; the caller unlinks it. */
static enum rc write_script(const struct pgbench *p, char *path, size_t room) {
    const char *dir = getenv("TMPDIR");
    struct buf script;
    if ((size_t)snprintf(path, room, "%s/kez-bench-XXXXXX", dir ? dir : "/tmp") >= room)
        return RC_TOO_LARGE;
    buf_init(&script, SCRIPT_MAX);
    pgbench_put_script(&script, p);
    enum rc rc = buf_rc(&script);
    int fd = rc == RC_OK ? mkstemp(path) : -1;
    if (fd < 0) {
        buf_done(&script);
        return rc == RC_OK ? RC_IO : rc;
    }
    if (write(fd, script.p, script.n) != (ssize_t)script.n)
        rc = RC_IO;
    close(fd);
    buf_done(&script);
    if (rc != RC_OK)
        unlink(path);
    return rc;
}

static enum rc run_script(const struct pgbench *p, const char *path, double *rows_per_s) {
    char clients[24], seconds[24];
    snprintf(clients, sizeof clients, "%" PRIu64, p->connections);
    snprintf(seconds, sizeof seconds, "%" PRIu64, p->seconds);
    const char *const argv[] = {"pgbench", "-n", "-M",    "prepared", "-c", clients,         "-j",
                                "2",       "-T", seconds, "-f",       path, p->database_url, NULL};
    struct buf said;
    buf_init(&said, SAID_MAX);
    enum rc rc = run(argv, p->seconds + SLACK_S, &said);
    if (rc == RC_OK)
        rc = pgbench_read_tps(buf_str(&said), rows_per_s);
    buf_done(&said);
    return rc;
}

enum rc pgbench_run(const struct pgbench *p, double *rows_per_s) {
    char path[256];
    enum rc rc = run_sql(p->database_url, MAKE_TABLE);
    if (rc != RC_OK)
        return rc;
    rc = write_script(p, path, sizeof path);
    if (rc == RC_OK) {
        rc = run_script(p, path, rows_per_s);
        unlink(path);
    }
    enum rc dropped = run_sql(p->database_url, DROP_TABLE);
    return rc == RC_OK ? dropped : rc;
}
