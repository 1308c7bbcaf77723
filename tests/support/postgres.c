/* tests/support/postgres.c -- a real PostgreSQL of a test's own: new data directory, free port.
 *
 * The server is a child in the foreground; psql asks it. PostgreSQL refuses to run as root, so all
 * of it runs as the user `postgres` then.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/proc.h"

enum {
    START_MS = 60000, /* also crash recovery after "immediate" */
    STOP_MS = 60000,
    RUN_MS = 60000,
    AWAIT_MS = 60000, /* what is waited for has come by then */
    PATH_BYTES = 256,
    URL_BYTES = 192,
    DATABASES_MAX = 16,
    CHILDREN_MAX = 512,
    TEXT_MAX = 64 * 1024 * 1024, /* of a log or a value */
};

static const char user[] = "postgres";

struct postgres {
    struct postgres *next; /* of all, for thaw_all() */
    struct proc *proc;     /* NULL while halted */
    bool frozen;
    bool follows; /* a standby, not promoted */
    char port[8];
    char bin[PATH_BYTES]; /* the programs' directory */
    char dir[PATH_BYTES]; /* data/, log, out and the socket */
    struct {
        char name[64], url[URL_BYTES];
    } databases[DATABASES_MAX];
    size_t n;
    char pair_url[URL_BYTES];
};

/* A frozen child would outlive its killed server. Tests are one thread where this is used. */
static struct postgres *all;

static void print(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void print(char *out, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out, size, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= size)
        fail_msg("a path or a name is too long: %s", out);
}

static char *read_file(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size > TEXT_MAX)
        fail_msg("cannot read %s", path);
    size_t size = (size_t)st.st_size, n = 0;
    char *text = calloc(1, size + 1);
    assert_non_null(text);
    for (ssize_t got; n < size && (got = read(fd, text + n, size - n)) > 0;)
        n += (size_t)got;
    (void)close(fd);
    return text;
}

/* Debian keeps each major version's programs in a directory of their own; the newest is taken. */
static void find_programs(struct postgres *pg) {
    glob_t found = {0};
    long best = -1;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        fail_msg("no PostgreSQL server under /usr/lib/postgresql");
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *path = found.gl_pathv[i];
        long version = strtol(path + strlen("/usr/lib/postgresql/"), NULL, 10);
        if (version <= best)
            continue;
        best = version;
        print(pg->bin, sizeof pg->bin, "%.*s", (int)(strrchr(path, '/') - path), path);
    }
    globfree(&found);
}

/* ---- asking ---- */

/* psql's output in a new file; the caller frees *out (NULL when out is). */
static int psql(struct postgres *pg, const char *database, const char *sql, char **out) {
    char program[2 * PATH_BYTES], log[2 * PATH_BYTES];
    print(program, sizeof program, "%s/psql", pg->bin);
    print(log, sizeof log, "%s/out", pg->dir);
    (void)unlink(log);
    const char *const argv[] = {
        program, "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", pg->port,
        "-U",    "kez",   "-d", database,          "-c", sql,         NULL};
    int code = proc_run(argv, log, user, RUN_MS);
    if (out)
        *out = read_file(log);
    return code;
}

/* And has recovered, or follows. */
static bool answers(void *arg) {
    char *out = NULL;
    const struct postgres *pg = arg;
    bool ok = psql(arg, "postgres", "SELECT pg_is_in_recovery()", &out) == 0 &&
              out[0] == (pg->follows ? 't' : 'f');
    free(out);
    return ok;
}

char *postgres_value(struct postgres *pg, const char *database, const char *sql) {
    char *out = NULL;
    (void)postgres_url(pg, database);
    if (psql(pg, database, sql, &out) != 0)
        fail_msg("SQL failed: %s\n%s", sql, out);
    out[strcspn(out, "\n")] = '\0';
    return out;
}

bool postgres_says(struct postgres *pg, const char *database, const char *sql) {
    char *got = postgres_value(pg, database, sql);
    bool yes = strcmp(got, "t") == 0;
    free(got);
    return yes;
}

struct wish {
    struct postgres *pg;
    const char *database, *sql;
};

static bool is_fulfilled(void *arg) {
    const struct wish *w = arg;
    return postgres_says(w->pg, w->database, w->sql);
}

void postgres_await(struct postgres *pg, const char *database, const char *sql) {
    if (!proc_poll(is_fulfilled, &(struct wish){pg, database, sql}, AWAIT_MS))
        fail_msg("never true: %s", sql);
}

void postgres_expect(struct postgres *pg, const char *database, const char *sql, const char *want) {
    char *got = postgres_value(pg, database, sql);
    if (strcmp(got, want) != 0)
        fail_msg("%s instead of %s: %s", got, want, sql);
    free(got);
}

void postgres_exec(struct postgres *pg, const char *database, const char *sql) {
    free(postgres_value(pg, database, sql));
}

const char *postgres_url(struct postgres *pg, const char *database) {
    for (size_t i = 0; i < pg->n; i++)
        if (strcmp(pg->databases[i].name, database) == 0)
            return pg->databases[i].url;
    if (pg->n == DATABASES_MAX)
        fail_msg("more than %d databases in one test", DATABASES_MAX);
    char sql[URL_BYTES], *out = NULL;
    print(sql, sizeof sql, "CREATE DATABASE \"%s\" TEMPLATE template0", database);
    if (strcmp(database, "postgres") != 0 && psql(pg, "postgres", sql, &out) != 0)
        fail_msg("cannot make database %s: %s", database, out);
    free(out);
    print(pg->databases[pg->n].name, sizeof pg->databases[0].name, "%s", database);
    print(pg->databases[pg->n].url, URL_BYTES, "postgresql://kez@127.0.0.1:%s/%s", pg->port,
          database);
    return pg->databases[pg->n++].url;
}

char *postgres_socket_url(struct postgres *pg, const char *database) {
    char url[2 * PATH_BYTES];
    (void)postgres_url(pg, database);
    print(url, sizeof url, "postgresql:///%s?host=%s&port=%s&user=kez", database, pg->dir,
          pg->port);
    return strdup(url);
}

char *postgres_log(struct postgres *pg) {
    char path[2 * PATH_BYTES];
    print(path, sizeof path, "%s/log", pg->dir);
    return read_file(path);
}

/* ---- starting and stopping ---- */

void postgres_resume(struct postgres *pg) {
    char program[2 * PATH_BYTES], data[2 * PATH_BYTES], log[2 * PATH_BYTES];
    print(program, sizeof program, "%s/postgres", pg->bin);
    print(data, sizeof data, "%s/data", pg->dir);
    print(log, sizeof log, "%s/log", pg->dir);
    const char *const argv[] = {program,
                                "-D",
                                data,
                                "-p",
                                pg->port,
                                "-k",
                                pg->dir,
                                "-c",
                                "listen_addresses=127.0.0.1",
                                "-c",
                                "fsync=off",
                                "-c",
                                "log_min_messages=warning",
                                NULL};
    pg->proc = proc_start(argv, log, user);
    if (!proc_poll(answers, pg, START_MS))
        fail_msg("PostgreSQL does not answer on port %s: %s", pg->port, postgres_log(pg));
}

void postgres_halt(struct postgres *pg, const char *mode) {
    int status;
    postgres_thaw(pg);
    proc_signal(pg->proc, strcmp(mode, "immediate") == 0 ? SIGQUIT : SIGINT);
    if (!proc_wait(pg->proc, STOP_MS, &status))
        fail_msg("PostgreSQL does not stop");
    proc_stop(pg->proc);
    pg->proc = NULL;
}

/* The state of a process and its parent's number; '\0' when there is none. */
static char state_of(long pid, long *parent) {
    char path[64], line[512] = "";
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        (void)close(fd);
    /* pid (name) state parent …; the name may hold anything. */
    const char *end = got > 0 ? strrchr(line, ')') : NULL;
    if (!end || strlen(end) <= 4)
        return '\0';
    *parent = strtol(end + 4, NULL, 10);
    return end[2];
}

/* Numbers of the server's children; each is a session of its own, so no signal reaches them all. */
static size_t children_of(pid_t server, pid_t out[CHILDREN_MAX]) {
    DIR *proc = opendir("/proc");
    size_t n = 0;
    assert_non_null(proc);
    for (struct dirent *e; (e = readdir(proc)) && n < CHILDREN_MAX;) {
        long pid = strtol(e->d_name, NULL, 10), parent = 0;
        if (pid > 0 && state_of(pid, &parent) != '\0' && parent == server)
            out[n++] = (pid_t)pid;
    }
    (void)closedir(proc);
    return n;
}

void postgres_freeze(struct postgres *pg) {
    pid_t children[CHILDREN_MAX], server = proc_pid(pg->proc);
    proc_freeze(server); /* first: it makes no more children then */
    size_t n = children_of(server, children);
    for (size_t i = 0; i < n; i++)
        proc_freeze(children[i]);
    pg->frozen = true;
}

void postgres_thaw(struct postgres *pg) {
    if (!pg->frozen)
        return;
    pid_t children[CHILDREN_MAX], server = proc_pid(pg->proc);
    size_t n = children_of(server, children);
    for (size_t i = 0; i < n; i++)
        (void)kill(children[i], SIGCONT);
    (void)kill(server, SIGCONT);
    pg->frozen = false;
}

struct processes {
    pid_t pids[CHILDREN_MAX];
    size_t n;
};

static bool are_gone(void *arg) {
    const struct processes *p = arg;
    for (size_t i = 0; i < p->n; i++) {
        long ignored;
        char state = state_of(p->pids[i], &ignored);
        if (state != '\0' && state != 'Z' && state != 'X')
            return false;
    }
    return true;
}

void postgres_crash(struct postgres *pg) {
    static struct processes children;
    postgres_freeze(pg); /* or some would see others die, and say so in the log */
    children.n = children_of(proc_pid(pg->proc), children.pids);
    (void)kill(proc_pid(pg->proc), SIGKILL);
    for (size_t i = 0; i < children.n; i++) /* who have another parent now */
        (void)kill(children.pids[i], SIGKILL);
    if (!proc_wait(pg->proc, STOP_MS, NULL) || !proc_poll(are_gone, &children, STOP_MS))
        fail_msg("PostgreSQL does not die");
    proc_stop(pg->proc);
    pg->proc = NULL;
    pg->frozen = false;
}

void postgres_hold_log(struct postgres *pg) {
    char *pids = postgres_value(pg, "postgres",
                                "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity"
                                " WHERE backend_type IN ('walwriter', 'background writer',"
                                " 'checkpointer', 'autovacuum launcher')");
    pg->frozen = true;
    for (char *at = pids, *end; *at; at = end) {
        long pid = strtol(at, &end, 10);
        if (pid <= 0)
            fail_msg("no numbers of PostgreSQL's processes: %s", pids);
        proc_freeze((pid_t)pid);
    }
    free(pids);
}

/* When the test program exits before the support code of proc.c kills the servers. */
static void thaw_all(void) {
    for (struct postgres *pg = all; pg; pg = pg->next)
        postgres_thaw(pg);
}

/* One with a directory and a port of its own, and nothing in them yet. */
static struct postgres *make(void) {
    static bool arranged;
    struct postgres *pg = calloc(1, sizeof *pg);
    assert_non_null(pg);
    find_programs(pg);
    print(pg->dir, sizeof pg->dir, "%s", proc_temp_dir(user));
    print(pg->port, sizeof pg->port, "%u", (unsigned)proc_free_port());
    if (!arranged && atexit(thaw_all) != 0)
        fail_msg("atexit");
    arranged = true;
    pg->next = all;
    all = pg;
    return pg;
}

/* Runs a program of PostgreSQL's, or another, to its end; fails the test when it fails. */
static void run_program(struct postgres *pg, const char *const argv[]) {
    char log[2 * PATH_BYTES];
    print(log, sizeof log, "%s/tool", pg->dir);
    if (proc_run(argv, log, user, RUN_MS) != 0)
        fail_msg("%s failed: %s", argv[0], read_file(log));
}

struct postgres *postgres_start(void) {
    struct postgres *pg = make();
    char program[2 * PATH_BYTES], data[2 * PATH_BYTES];
    print(program, sizeof program, "%s/initdb", pg->bin);
    print(data, sizeof data, "%s/data", pg->dir);
    const char *const argv[] = {program, "-D", data,   "-U",         "kez",       "-A",
                                "trust", "-E", "UTF8", "--locale=C", "--no-sync", NULL};
    run_program(pg, argv);
    postgres_resume(pg);
    return pg;
}

void postgres_stop(struct postgres *pg) {
    if (!pg)
        return;
    struct postgres **at = &all;
    while (*at && *at != pg)
        at = &(*at)->next;
    if (*at)
        *at = pg->next;
    if (pg->proc)
        postgres_halt(pg, "immediate");
    free(pg);
}

/* ---- standbys and copies ---- */

struct postgres *postgres_standby(struct postgres *primary, const char *name) {
    struct postgres *pg = make();
    char program[2 * PATH_BYTES], data[2 * PATH_BYTES], from[URL_BYTES];
    print(program, sizeof program, "%s/pg_basebackup", pg->bin);
    print(data, sizeof data, "%s/data", pg->dir);
    print(from, sizeof from, "host=127.0.0.1 port=%s user=kez application_name=%s", primary->port,
          name);
    const char *const argv[] = {program, "-D",   data, "-d",     from,        "-R",
                                "-c",    "fast", "-X", "stream", "--no-sync", NULL};
    run_program(pg, argv);
    for (pg->n = 0; pg->n < primary->n; pg->n++) {
        const char *database = primary->databases[pg->n].name;
        print(pg->databases[pg->n].name, sizeof pg->databases[0].name, "%s", database);
        print(pg->databases[pg->n].url, URL_BYTES, "postgresql://kez@127.0.0.1:%s/%s", pg->port,
              database);
    }
    pg->follows = true;
    postgres_resume(pg);
    return pg;
}

void postgres_promote(struct postgres *pg) {
    pg->follows = false;
    postgres_exec(pg, "postgres", "SELECT pg_promote(false)");
    if (!proc_poll(answers, pg, START_MS))
        fail_msg("the standby is not promoted: %s", postgres_log(pg));
}

const char *postgres_pair_url(struct postgres *primary, const struct postgres *standby,
                              const char *database) {
    print(primary->pair_url, sizeof primary->pair_url,
          "postgresql://kez@127.0.0.1:%s,127.0.0.1:%s/%s?target_session_attrs=read-write",
          primary->port, standby->port, database);
    return primary->pair_url;
}

static void copy_folder(struct postgres *pg, const char *from, const char *to) {
    char source[2 * PATH_BYTES], target[2 * PATH_BYTES];
    print(source, sizeof source, "%s/%s", pg->dir, from);
    print(target, sizeof target, "%s/%s", pg->dir, to);
    const char *const clear[] = {"rm", "-rf", target, NULL};
    const char *const copy[] = {"cp", "-a", source, target, NULL};
    run_program(pg, clear);
    run_program(pg, copy);
}

void postgres_save(struct postgres *pg) { copy_folder(pg, "data", "saved"); }

void postgres_put_back(struct postgres *pg) { copy_folder(pg, "saved", "data"); }

void postgres_dump_into(struct postgres *pg, const char *from, const char *to) {
    char dump[2 * PATH_BYTES], restore[2 * PATH_BYTES], file[2 * PATH_BYTES];
    print(dump, sizeof dump, "%s/pg_dump", pg->bin);
    print(restore, sizeof restore, "%s/pg_restore", pg->bin);
    print(file, sizeof file, "%s/dump", pg->dir);
    const char *const out[] = {dump, "-Fc", "-f", file, "-d", postgres_url(pg, from), NULL};
    const char *const in[] = {restore, "-d", postgres_url(pg, to), "--exit-on-error", file, NULL};
    run_program(pg, out);
    run_program(pg, in);
}
