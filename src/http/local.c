/* http/local.c -- listening Unix sockets: their files, and who is at the other end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/local.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 1024, /* connections not yet accepted */
    WHY_MAX_BYTES = 512,
};

static _Thread_local char why_text[WHY_MAX_BYTES];

static_assert(sizeof((struct sockaddr_un *)0)->sun_path == LOCAL_PATH_MAX + 1,
              "LOCAL_PATH_MAX is not this system's");

static enum rc refuse(enum rc rc, const char *path, const char *advice) {
    (void)snprintf(why_text, sizeof why_text, "cannot listen at \"%.120s\": %s", path, advice);
    return rc;
}

static int new_socket(void) {
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path));
    return at;
}

/* The folder, locked until it is closed. -1 and errno. */
static int lock_folder(const char *path) {
    char folder[LOCAL_PATH_MAX + 1];
    const char *end = strrchr(path, '/');
    size_t n = end ? (size_t)(end - path) : 0;
    memcpy(folder, path, n);
    folder[n] = '\0';
    const char *name = n ? folder : end ? "/" : ".";
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Makes sure that nothing is at the path. */
static enum rc clear_path(const char *path) {
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? RC_OK : refuse(RC_IO, path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return refuse(RC_MALFORMED, path,
                      "there is a file that is no socket; remove it, or choose another path");
    struct sockaddr_un at = address_of(path);
    int fd = new_socket();
    if (fd < 0)
        return refuse(RC_IO, path, strerror(errno));
    bool is_answered = connect(fd, (const struct sockaddr *)&at, sizeof at) == 0;
    int error = errno;
    close(fd);
    if (is_answered || error == EAGAIN) /* EAGAIN: its backlog is full */
        return refuse(RC_CONFLICT, path,
                      "another process listens there; stop it, or choose another path");
    if (error != ECONNREFUSED && error != ENOENT)
        return refuse(RC_IO, path, strerror(error));
    if (unlink(path) != 0 && errno != ENOENT)
        return refuse(RC_IO, path, strerror(errno));
    return RC_OK;
}

/* The file gets its mode from the unbound socket, so it never has a wider one; what the process's
 * mask took away is put back. */
static enum rc bind_at(const char *path, struct local_file *file, int *fd) {
    struct sockaddr_un at = address_of(path);
    struct stat st;
    int got = new_socket();
    if (got >= 0 && fchmod(got, LOCAL_MODE) == 0 &&
        bind(got, (const struct sockaddr *)&at, sizeof at) == 0) {
        if (chmod(path, LOCAL_MODE) == 0 && lstat(path, &st) == 0 && listen(got, BACKLOG) == 0) {
            *file = (struct local_file){.device = st.st_dev, .inode = st.st_ino};
            memcpy(file->path, path, strlen(path) + 1);
            *fd = got;
            return RC_OK;
        }
        int error = errno;
        (void)unlink(path);
        errno = error;
    }
    enum rc rc = refuse(RC_IO, path, strerror(errno));
    if (got >= 0)
        close(got);
    return rc;
}

enum rc local_listen(const char *path, struct local_file *file, int *fd, const char **why) {
    *why = why_text;
    if (*path == '\0' || strlen(path) > LOCAL_PATH_MAX)
        return refuse(RC_MALFORMED, path,
                      "a socket's path has 1 to 107 bytes; choose a shorter one");
    int folder = lock_folder(path);
    if (folder < 0)
        return refuse(RC_IO, path, strerror(errno));
    enum rc rc = clear_path(path);
    if (rc == RC_OK)
        rc = bind_at(path, file, fd);
    close(folder);
    return rc;
}

void local_remove(struct local_file *file) {
    struct stat st;
    if (file->path[0] && lstat(file->path, &st) == 0 && st.st_dev == file->device &&
        st.st_ino == file->inode)
        (void)unlink(file->path);
    file->path[0] = '\0';
}

enum rc local_read_peers(struct str text, struct local_peers *out) {
    struct local_peers peers = {0};
    bool more;
    do {
        struct str one;
        uint64_t uid;
        more = str_cut(text, ',', &one, &text);
        /* The highest number is "none" (setuid(2)). */
        if (peers.n == LOCAL_PEERS_MAX || str_read_u64(one, UINT32_MAX - 1, &uid) != RC_OK)
            return RC_MALFORMED;
        peers.uid[peers.n++] = (uint32_t)uid;
    } while (more);
    *out = peers;
    return RC_OK;
}

bool local_peer_is(int fd, const struct local_peers *peers) {
    struct ucred who;
    socklen_t size = sizeof who;
    if (peers->n == 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
        return false;
    for (size_t i = 0; i < peers->n; i++)
        if (peers->uid[i] == who.uid)
            return true;
    return false;
}
