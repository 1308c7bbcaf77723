/* http/site.h -- the static files of the web client.
 *
 * Only regular files inside the folder are served; a symbolic link may point elsewhere inside, and
 * never out of it. Names that begin with a dot are not there.
 *
 * Threads: any, after site_open().
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_SITE_H
#define HTTP_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "wire/target.h"

struct site {
    int root_fd;        /* -1: there is no folder */
    char *root_path;    /* resolved */
    uint32_t max_bytes; /* a larger file is not served */
    bool lacks_openat2; /* an old kernel or a strict sandbox: the path is checked after opening */
};

enum { SITE_ETAG_MAX = 48 };

struct site_file {
    int fd; /* the caller closes */
    uint64_t size;
    const char *type;         /* static */
    char etag[SITE_ETAG_MAX]; /* with its quotes */
};

/* NULL or "": no folder. RC_MALFORMED: not a folder that can be opened; *why is a sentence then,
 * valid until the next call on this thread. */
MUST_CHECK enum rc site_open(struct site *s, const char *dir, uint32_t max_bytes, const char **why);
/* Fine for a zeroed one. */
void site_close(struct site *s);

/* The file of this path: index.html for "/", and for a path whose last segment has no dot and is no
 * file (routes of the client itself). RC_NOT_FOUND. RC_FULL: no room for another descriptor. */
MUST_CHECK enum rc site_find(const struct site *s, const struct target *t, struct site_file *out);

/* Whether an If-None-Match field names this ETag (RFC 9110, 13.1.2: weak comparison). */
bool site_etag_is_listed(struct str field, const char *etag);

#endif
