/* app/token_file.c -- the registration token, read from its file.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = BEARER_TOKEN_MAX + 64, WHY_MAX_BYTES = 512 };

static _Thread_local char why_text[WHY_MAX_BYTES];

static enum rc refuse(enum rc rc, const char *path, const char *what) {
    (void)snprintf(why_text, sizeof why_text, "--registration-token-file \"%.200s\": %s", path,
                   what);
    return rc;
}

/* At most `max` bytes; one more is a file that is too large. -1 and errno. */
static ssize_t read_some(const char *path, char *to, size_t max) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t n = 0;
    ssize_t got = 1;
    while (n < max && (got = read(fd, to + n, max - n)) > 0)
        n += (size_t)got;
    int error = errno;
    close(fd);
    errno = error;
    return got < 0 ? -1 : (ssize_t)n;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static struct str trim(struct str s) {
    while (s.n && is_space(s.p[0]))
        s = str_from(s, 1);
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

enum rc token_file_read(const char *path, char out[BEARER_TOKEN_MAX + 1], const char **why) {
    char text[FILE_MAX_BYTES + 1];
    *why = why_text;
    ssize_t n = read_some(path, text, sizeof text);
    if (n < 0)
        return refuse(RC_IO, path, strerror(errno));
    struct str token = trim((struct str){text, (size_t)n});
    if ((size_t)n == sizeof text || token.n < TOKEN_MIN || !bearer_is_token(token))
        return refuse(RC_MALFORMED, path,
                      "allowed: one token of 16 to 1024 letters, digits and -._~+/");
    memcpy(out, token.p, token.n);
    out[token.n] = '\0';
    return RC_OK;
}
