/* base/log.c -- one line per event to the log sink.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static atomic_int sink_fd = STDERR_FILENO;
static atomic_int least_level = LOG_INFO;
static const char *const names[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level least) { atomic_store(&least_level, (int)least); }

void log_set_fd(int fd) { atomic_store(&sink_fd, fd); }

bool log_is_on(enum log_level level) { return (int)level >= atomic_load(&least_level); }

enum rc log_read_level(struct str text, enum log_level *out) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eq(text, str_of(names[i]))) {
            *out = (enum log_level)i;
            return RC_OK;
        }
    return RC_MALFORMED;
}

void log_line(enum log_level level, const char *format, ...) {
    if (!log_is_on(level))
        return;
    char line[LOG_LINE_MAX];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03dZ %s ", (int)(now.tv_nsec / 1000000),
                          names[level]);

    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(line + n, sizeof line - n - 1, format, args);
    va_end(args);
    if (wrote > 0)
        n += (size_t)wrote < sizeof line - n - 1 ? (size_t)wrote : sizeof line - n - 2;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[n++] = '\n';
    ssize_t ignored = write(atomic_load(&sink_fd), line, n);
    (void)ignored;
}
