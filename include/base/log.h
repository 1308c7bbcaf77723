/* base/log.h -- one line per event to the log sink: time, level, what, and key=value pairs.
 *
 * A line: `2026-05-26T23:06:17.123Z info store connected host="db" ms=12`. Never a key, signature,
 * token, query string or body: the caller passes none.
 *
 * Threads: any; a line is one write().
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below `least` are dropped; the default is LOG_INFO to standard error. */
void log_set_level(enum log_level least);
void log_set_fd(int fd);
bool log_is_on(enum log_level level);
/* RC_MALFORMED unless debug, info, warn or error. */
MUST_CHECK enum rc log_read_level(struct str text, enum log_level *out);

/* Longer than LOG_LINE_MAX bytes is cut; control characters are printed as '?'. */
enum { LOG_LINE_MAX = 1024 };
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
