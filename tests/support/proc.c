/* tests/support/proc.c -- child processes of a test: started, watched, and gone when the test is.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/proc.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    LOOK_US = 1000,         /* first pause between two looks; doubles up to LOOK_MAX_US */
    LOOK_MAX_US = 10000,    /* and stays there */
    KILL_WAIT_MS = 60000,   /* a SIGKILLed child is gone by then, or the machine is ill */
    PORT_FIRST = 10240,     /* below the kernel's range for outgoing connections, so that nobody */
    PORT_END = 32000,       /* takes the port of a server that is down for a while */
    REMOVE_DESCRIPTORS = 16 /* that nftw() may hold open */
};

struct proc {
    struct proc *next;
    pid_t pid;
    bool ended; /* reaped; `status` holds */
    int status;
};

struct temp_dir {
    struct temp_dir *next;
    char path[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the four below */
static struct proc *procs;
static struct temp_dir *dirs;
static bool exit_is_arranged;
static uint16_t next_port;

/* ---- the end of the program ---- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)kind, (void)at;
    (void)remove(path);
    return 0;
}

static void clean_up(void) {
    for (struct proc *p = procs; p; p = p->next)
        if (!p->ended)
            (void)kill(-p->pid, SIGKILL);
    for (struct proc *p = procs; p; p = p->next)
        if (!p->ended)
            (void)waitpid(p->pid, NULL, 0);
    for (struct temp_dir *d = dirs; d; d = d->next)
        (void)nftw(d->path, remove_one, REMOVE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

/* Holds `lock`. */
static void arrange_exit(void) {
    if (!exit_is_arranged && atexit(clean_up) == 0)
        exit_is_arranged = true;
}

/* ---- starting ---- */

struct identity {
    bool change;
    uid_t uid;
    gid_t gid;
};

static struct identity identity_of(const char *user) {
    struct identity id = {0};
    if (!user || geteuid() != 0)
        return id;
    const struct passwd *pw = getpwnam(user);
    if (!pw)
        fail_msg("there is no user %s to run a test's program as", user);
    else
        id = (struct identity){true, pw->pw_uid, pw->pw_gid};
    return id;
}

/* Runs between fork and exec: only calls that are safe there. Returns on failure only, errno
 * set. `report` is closed by a successful exec. */
static void become(const char *const argv[], int log, int report, struct identity id,
                   pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (setpgid(0, 0) != 0)
        return;
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0)
        return;
    /* What the test has open is none of the program's business. */
    if (report > STDERR_FILENO + 1)
        (void)close_range(STDERR_FILENO + 1, (unsigned)report - 1, 0);
    (void)close_range((unsigned)report + 1, ~0U, 0);
    if (id.change && (setgroups(1, &id.gid) != 0 || setgid(id.gid) != 0 || setuid(id.uid) != 0))
        return;
    /* After setuid(), which forgets it. A parent that died before is noticed by its number. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        return;
    /* execvp() takes no const for history's sake and writes nothing. */
    union {
        const char *const *from;
        char *const *to;
    } args = {.from = argv};
    (void)execvp(argv[0], args.to);
}

/* 0, or the errno of what failed. */
static int spawn(const char *const argv[], int log, struct identity id, pid_t *out) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return errno;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        become(argv, log, report[1], id, parent);
        int why = errno ? errno : ECANCELED;
        ssize_t ignored = write(report[1], &why, sizeof why);
        (void)ignored;
        _exit(127);
    }
    int why = pid < 0 ? errno : 0;
    (void)close(report[1]);
    if (pid > 0) {
        ssize_t n;
        do
            n = read(report[0], &why, sizeof why);
        while (n < 0 && errno == EINTR);
        if (n == (ssize_t)sizeof why)
            (void)waitpid(pid, NULL, 0);
        else
            why = 0;
    }
    (void)close(report[0]);
    *out = pid;
    return why;
}

struct proc *proc_start(const char *const argv[], const char *log_path, const char *user) {
    struct identity id = identity_of(user);
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    struct proc *p = calloc(1, sizeof *p);
    if (log < 0 || !p) {
        if (log >= 0)
            (void)close(log);
        free(p);
        fail_msg("cannot open %s: %s", log_path, strerror(errno));
        return NULL;
    }
    int why = spawn(argv, log, id, &p->pid);
    (void)close(log);
    if (why) {
        free(p);
        fail_msg("cannot start %s: %s", argv[0], strerror(why));
        return NULL;
    }
    pthread_mutex_lock(&lock);
    arrange_exit();
    p->next = procs;
    procs = p;
    pthread_mutex_unlock(&lock);
    return p;
}

/* ---- watching ---- */

pid_t proc_pid(const struct proc *p) { return p->pid; }

void proc_signal(struct proc *p, int sig) {
    if (!p->ended && kill(p->pid, sig) != 0)
        fail_msg("cannot send signal %d to process %d: %s", sig, (int)p->pid, strerror(errno));
}

/* Whether the state in a `stat` file of /proc is that of a thread that runs no more. */
static bool is_stopped(const char *stat_path) {
    char line[512] = "";
    int fd = open(stat_path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        (void)close(fd);
    const char *end = got > 0 ? strrchr(line, ')') : NULL; /* pid (name) state … */
    return !end || strlen(end) < 3 || strchr("TtZX", end[2]);
}

static bool has_no_running_thread(void *arg) {
    const pid_t *pid = arg;
    char folder[64], path[400];
    (void)snprintf(folder, sizeof folder, "/proc/%d/task", (int)*pid);
    DIR *tasks = opendir(folder);
    bool none = true;
    for (struct dirent *e; tasks && none && (e = readdir(tasks));) {
        (void)snprintf(path, sizeof path, "%s/%s/stat", folder, e->d_name);
        none = e->d_name[0] == '.' || is_stopped(path);
    }
    if (tasks)
        (void)closedir(tasks);
    return none;
}

void proc_freeze(pid_t pid) {
    if (kill(pid, SIGSTOP) != 0 || !proc_poll(has_no_running_thread, &pid, KILL_WAIT_MS))
        fail_msg("process %d does not stop", (int)pid);
}

static bool has_ended(void *arg) {
    struct proc *p = arg;
    if (!p->ended && waitpid(p->pid, &p->status, WNOHANG) == p->pid)
        p->ended = true;
    return p->ended;
}

bool proc_wait(struct proc *p, unsigned timeout_ms, int *status) {
    if (!proc_poll(has_ended, p, timeout_ms))
        return false;
    if (status)
        *status = p->status;
    return true;
}

static void forget(struct proc *p) {
    pthread_mutex_lock(&lock);
    struct proc **at = &procs;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    pthread_mutex_unlock(&lock);
}

void proc_stop(struct proc *p) {
    if (!p)
        return;
    /* The group: what the child started and left behind goes with it. */
    if (!p->ended)
        (void)kill(-p->pid, SIGKILL);
    if (!proc_poll(has_ended, p, KILL_WAIT_MS))
        fail_msg("process %d does not die", (int)p->pid);
    forget(p);
    free(p);
}

int proc_run(const char *const argv[], const char *log_path, const char *user,
             unsigned timeout_ms) {
    struct proc *p = proc_start(argv, log_path, user);
    int status = 0;
    bool ended = proc_wait(p, timeout_ms, &status);
    proc_stop(p);
    if (!ended)
        fail_msg("%s did not end within %u ms", argv[0], timeout_ms);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- ports, directories, waiting ---- */

static bool port_is_free(uint16_t port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool is_free = bind(fd, (const struct sockaddr *)&to, sizeof to) == 0;
    (void)close(fd);
    return is_free;
}

/* Its name is this program's from now on to its end; false: it is another's. Between two looks, and
 * while a server is down, nothing but its name says whose a port is. Names of such sockets are of
 * the network namespace, as ports are, and go with the program, however it ends; tests/browser uses
 * the same ones, with zeros to their end. */
static bool has_claimed(uint16_t port) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "kez-test-port-%u", (unsigned)port);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail_msg("no socket to claim a port with: %s", strerror(errno));
    if (bind(fd, (const struct sockaddr *)&name, sizeof name) == 0)
        return true; /* it stays open */
    (void)close(fd);
    return false;
}

bool proc_claim_port(uint16_t port) { return port_is_free(port) && has_claimed(port); }

/* Holds `lock`. Test programs that run side by side begin at different places. */
static uint16_t draw_port(void) {
    uint16_t drawn = 0;
    if (next_port == 0) {
        if (getrandom(&drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn)
            drawn = (uint16_t)getpid();
        next_port = (uint16_t)(PORT_FIRST + drawn % (PORT_END - PORT_FIRST));
    } else if (++next_port >= PORT_END) {
        next_port = PORT_FIRST;
    }
    return next_port;
}

uint16_t proc_free_port(void) {
    for (unsigned tries = 0; tries < PORT_END - PORT_FIRST; tries++) {
        pthread_mutex_lock(&lock);
        uint16_t port = draw_port();
        pthread_mutex_unlock(&lock);
        if (proc_claim_port(port))
            return port;
    }
    fail_msg("no free port from %d to %d", PORT_FIRST, PORT_END - 1);
    return 0;
}

const char *proc_temp_dir(const char *user) {
    static const char tail[] = "/kez-test-XXXXXX";
    struct identity id = identity_of(user);
    const char *base = getenv("TMPDIR");
    if (!base || !*base)
        base = "/tmp";
    size_t room = strlen(base) + sizeof tail;
    struct temp_dir *d = calloc(1, sizeof *d + room);
    if (!d) {
        fail_msg("out of memory");
        return NULL;
    }
    (void)snprintf(d->path, room, "%s%s", base, tail);
    if (!mkdtemp(d->path) || (id.change && chown(d->path, id.uid, id.gid) != 0)) {
        int why = errno;
        free(d);
        fail_msg("cannot make a directory under %s: %s", base, strerror(why));
        return NULL;
    }
    pthread_mutex_lock(&lock);
    arrange_exit();
    d->next = dirs;
    dirs = d;
    pthread_mutex_unlock(&lock);
    return d->path;
}

char *proc_read_file(const char *path) {
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t n = 0, got = 0, room = 0;
    do {
        n += got;
        if (n + 1 >= room) {
            room = room ? 2 * room : 4096;
            char *larger = realloc(text, room);
            if (!larger)
                fail_msg("out of memory");
            text = larger;
        }
        got = file ? fread(text + n, 1, room - n - 1, file) : 0;
    } while (got > 0);
    if (!file || ferror(file))
        fail_msg("cannot read %s: %s", path, strerror(errno));
    if (file)
        (void)fclose(file);
    text[n] = '\0';
    return text;
}

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

bool proc_poll(bool (*is_so)(void *arg), void *arg, unsigned timeout_ms) {
    uint64_t until = now_us() + (uint64_t)timeout_ms * 1000;
    long pause_us = LOOK_US;
    for (;;) {
        /* The time is taken before the look: the last look comes after the deadline. */
        bool is_last = now_us() >= until;
        if (is_so(arg))
            return true;
        if (is_last)
            return false;
        struct timespec pause = {.tv_nsec = pause_us * 1000};
        (void)nanosleep(&pause, NULL);
        pause_us = pause_us * 2 > LOOK_MAX_US ? LOOK_MAX_US : pause_us * 2;
    }
}
