/* http/local.h -- listening Unix sockets: their files, and who is at the other end.
 *
 * The file of a socket outlives its process. One that nobody listens on any more is replaced; one
 * that is alive is left alone, and so is a file that is no socket. Starts in one folder take turns
 * (a lock on the folder), so two of them cannot both find the same file stale.
 *
 * Source: unix(7): SO_PEERCRED; connect(2): ECONNREFUSED.
 * Threads: any.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_LOCAL_H
#define HTTP_LOCAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

enum {
    LOCAL_PATH_MAX = 107, /* bytes: what sockaddr_un has room for, with a NUL */
    LOCAL_MODE = 0660,    /* of the file */
    LOCAL_PEERS_MAX = 16,
};

/* A socket's file, to be removed by who made it. Path "": none. */
struct local_file {
    char path[LOCAL_PATH_MAX + 1];
    dev_t device;
    ino_t inode;
};

/* Opens a non-blocking listening socket at `path`. RC_MALFORMED: the path is too long, or names a
 * file that is no socket; RC_CONFLICT: somebody listens there; RC_IO. *why is a sentence then,
 * valid until the next call on this thread. */
MUST_CHECK enum rc local_listen(const char *path, struct local_file *file, int *fd,
                                const char **why);
/* Removes the file unless it is another's by now. While the socket still listens, or another start
 * may have replaced it. Fine for none. */
void local_remove(struct local_file *file);

/* User ids. */
struct local_peers {
    size_t n;
    uint32_t uid[LOCAL_PEERS_MAX];
};

/* "UID,UID": decimal, 1 to LOCAL_PEERS_MAX of them. RC_MALFORMED. */
MUST_CHECK enum rc local_read_peers(struct str text, struct local_peers *out);
/* Whether the process that connected runs under one of these ids. */
bool local_peer_is(int fd, const struct local_peers *peers);

#endif
