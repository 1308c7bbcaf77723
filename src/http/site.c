/* http/site.c -- the static files of the web client.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/site.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WHY_MAX_BYTES = 512, LINK_MAX_BYTES = 4096, INDEX_ROOM = 16 };

static _Thread_local char why_text[WHY_MAX_BYTES];

enum rc site_open(struct site *s, const char *dir, uint32_t max_bytes, const char **why) {
    *s = (struct site){.root_fd = -1, .max_bytes = max_bytes};
    if (!dir || !*dir)
        return RC_OK;
    s->root_path = realpath(dir, NULL);
    if (s->root_path)
        s->root_fd = open(s->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->root_fd >= 0)
        return RC_OK;
    (void)snprintf(why_text, sizeof why_text, "cannot open the folder %s: %s", dir,
                   strerror(errno));
    *why = why_text;
    site_close(s);
    return RC_MALFORMED;
}

void site_close(struct site *s) {
    if (s->root_path && s->root_fd >= 0)
        close(s->root_fd);
    free(s->root_path);
    *s = (struct site){.root_fd = -1};
}

static const char *type_of(struct str name) {
    static const struct {
        struct str ending;
        const char *type;
    } types[] = {
        {STR_INIT(".html"), "text/html; charset=utf-8"},
        {STR_INIT(".js"), "text/javascript; charset=utf-8"},
        {STR_INIT(".mjs"), "text/javascript; charset=utf-8"},
        {STR_INIT(".css"), "text/css; charset=utf-8"},
        {STR_INIT(".json"), "application/json"},
        {STR_INIT(".map"), "application/json"},
        {STR_INIT(".webmanifest"), "application/manifest+json"},
        {STR_INIT(".wasm"), "application/wasm"},
        {STR_INIT(".svg"), "image/svg+xml"},
        {STR_INIT(".png"), "image/png"},
        {STR_INIT(".jpg"), "image/jpeg"},
        {STR_INIT(".jpeg"), "image/jpeg"},
        {STR_INIT(".gif"), "image/gif"},
        {STR_INIT(".webp"), "image/webp"},
        {STR_INIT(".avif"), "image/avif"},
        {STR_INIT(".ico"), "image/x-icon"},
        {STR_INIT(".woff"), "font/woff"},
        {STR_INIT(".woff2"), "font/woff2"},
        {STR_INIT(".ttf"), "font/ttf"},
        {STR_INIT(".mp3"), "audio/mpeg"},
        {STR_INIT(".ogg"), "audio/ogg"},
        {STR_INIT(".txt"), "text/plain; charset=utf-8"},
        {STR_INIT(".xml"), "application/xml"},
        {STR_INIT(".pdf"), "application/pdf"},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t n = types[i].ending.n;
        if (name.n > n && str_eq_nocase(str_from(name, name.n - n), types[i].ending))
            return types[i].type;
    }
    return "application/octet-stream";
}

/* Whether an open file lies in the folder, by the name that the kernel has for it. */
static bool is_beneath(const struct site *s, int fd) {
    char link[64], path[LINK_MAX_BYTES];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path);
    size_t root = strlen(s->root_path);
    if (root == 1) /* "/" */
        return n > 0;
    return n > 0 && (size_t)n < sizeof path && (size_t)n > root &&
           memcmp(path, s->root_path, root) == 0 && path[root] == '/';
}

/* -1 and errno: not there, not inside, or no room for a descriptor. */
static int open_beneath(const struct site *s, const char *path) {
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    if (!s->lacks_openat2) {
        long fd = syscall(SYS_openat2, s->root_fd, path, &how, sizeof how);
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
            return (int)fd;
    }
    int fd = openat(s->root_fd, path, (int)how.flags);
    if (fd >= 0 && !is_beneath(s, fd)) {
        close(fd);
        errno = EXDEV;
        return -1;
    }
    return fd;
}

static enum rc open_file(const struct site *s, const char *path, struct site_file *out) {
    int fd = open_beneath(s, path);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? RC_FULL : RC_NOT_FOUND;
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < 0 ||
        (uint64_t)st.st_size > s->max_bytes) {
        close(fd);
        return RC_NOT_FOUND;
    }
    *out =
        (struct site_file){.fd = fd, .size = (uint64_t)st.st_size, .type = type_of(str_of(path))};
    (void)snprintf(out->etag, sizeof out->etag, "\"%llx-%llx-%llx\"",
                   (unsigned long long)st.st_mtim.tv_sec, (unsigned long long)st.st_mtim.tv_nsec,
                   (unsigned long long)st.st_size);
    return RC_OK;
}

/* Joins the segments. False: no file can have this name. */
static bool join(const struct target *t, char path[TARGET_MAX_BYTES + INDEX_ROOM]) {
    size_t n = 0;
    for (size_t i = 0; i < t->segment_count; i++) {
        struct str segment = t->segments[i];
        if (segment.n == 0 || segment.p[0] == '.')
            return false;
        if (i > 0)
            path[n++] = '/';
        memcpy(path + n, segment.p, segment.n);
        n += segment.n;
    }
    path[n] = '\0';
    return n > 0;
}

/* A path of the client's own making: no part of it looks like a file or is hidden. */
static bool may_be_client_route(const struct target *t) {
    struct str last = {"", 0};
    for (size_t i = 0; i < t->segment_count; i++) {
        last = t->segments[i];
        if (last.n && last.p[0] == '.')
            return false;
    }
    return last.n == 0 || !memchr(last.p, '.', last.n);
}

enum rc site_find(const struct site *s, const struct target *t, struct site_file *out) {
    if (s->root_fd < 0 || t->path.n == 0 || t->path.p[0] != '/')
        return RC_NOT_FOUND;
    char path[TARGET_MAX_BYTES + INDEX_ROOM];
    enum rc rc = join(t, path) ? open_file(s, path, out) : RC_NOT_FOUND;
    if (rc == RC_NOT_FOUND && may_be_client_route(t))
        rc = open_file(s, "index.html", out);
    return rc;
}

bool site_etag_is_listed(struct str field, const char *etag) {
    struct str wanted = str_of(etag);
    for (bool more = true; more;) {
        struct str one, rest;
        more = str_cut(field, ',', &one, &rest);
        field = rest;
        while (one.n && (one.p[0] == ' ' || one.p[0] == '\t'))
            one = str_from(one, 1);
        while (one.n && (one.p[one.n - 1] == ' ' || one.p[one.n - 1] == '\t'))
            one.n--;
        if (str_starts_with(one, STR("W/")))
            one = str_from(one, 2);
        if (str_eq(one, wanted) || str_eq(one, STR("*")))
            return true;
    }
    return false;
}
