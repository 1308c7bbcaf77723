/* tests/integration/inject/wraps.c -- the calls that may fail, each behind a wrapper of the linker.
 *
 * ld --wrap sends the program's own calls here; a library's calls of its own stay as they are. The
 * list is repeated in tests/CMakeLists.txt. What a failed call does is what the library says that
 * it does; calls that cannot fail by themselves (PQgetResult(), MHD_resume_connection()) are none.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <errno.h>
#include <libpq-fe.h>
#include <microhttpd.h>
#include <nats/nats.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "integration/inject/sites.h"

/* PARAMS and ARGS in parentheses; FAILURE is a statement. */
#define WRAP(TYPE, NAME, PARAMS, ARGS, FAILURE)                                                    \
    TYPE __real_##NAME PARAMS;                                                                     \
    TYPE __wrap_##NAME PARAMS;                                                                     \
    TYPE __wrap_##NAME PARAMS {                                                                    \
        if (sites_fails(#NAME, __builtin_frame_address(0))) {                                      \
            FAILURE;                                                                               \
        }                                                                                          \
        return __real_##NAME ARGS;                                                                 \
    }
#define FAIL_ERRNO(ERROR, VALUE)                                                                   \
    do {                                                                                           \
        errno = (ERROR);                                                                           \
        return (VALUE);                                                                            \
    } while (0)

/* ---- memory ---- */

WRAP(void *, malloc, (size_t n), (n), FAIL_ERRNO(ENOMEM, NULL))
WRAP(void *, calloc, (size_t n, size_t m), (n, m), FAIL_ERRNO(ENOMEM, NULL))
WRAP(void *, realloc, (void *p, size_t n), (p, n), FAIL_ERRNO(ENOMEM, NULL))
WRAP(void *, reallocarray, (void *p, size_t n, size_t m), (p, n, m), FAIL_ERRNO(ENOMEM, NULL))
WRAP(char *, strdup, (const char *s), (s), FAIL_ERRNO(ENOMEM, NULL))
WRAP(char *, strndup, (const char *s, size_t n), (s, n), FAIL_ERRNO(ENOMEM, NULL))

/* ---- the kernel ---- */

WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags),
     FAIL_ERRNO(ECONNRESET, -1))
WRAP(ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags),
     FAIL_ERRNO(ECONNRESET, -1))
WRAP(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), FAIL_ERRNO(EINTR, -1))
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), FAIL_ERRNO(EINTR, -1))
/* EPOLL_CTL_DEL of what was added needs no memory. */
WRAP(int, epoll_ctl, (int ep, int op, int fd, struct epoll_event *e), (ep, op, fd, e),
     if (op != EPOLL_CTL_DEL) FAIL_ERRNO(ENOMEM, -1))
WRAP(int, epoll_wait, (int ep, struct epoll_event *e, int n, int ms), (ep, e, n, ms),
     FAIL_ERRNO(EINTR, -1))
WRAP(int, poll, (struct pollfd * p, nfds_t n, int ms), (p, n, ms), FAIL_ERRNO(EINTR, -1))
WRAP(int, setsockopt, (int fd, int level, int name, const void *p, socklen_t n),
     (fd, level, name, p, n), FAIL_ERRNO(ENOBUFS, -1))
WRAP(int, shutdown, (int fd, int how), (fd, how), FAIL_ERRNO(ENOTCONN, -1))
WRAP(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags),
     FAIL_ERRNO(EMFILE, -1))

/* The last argument is a number or nothing in all our calls. */
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
    va_list args;
    va_start(args, command);
    long value = va_arg(args, long);
    va_end(args);
    if (sites_fails("fcntl", __builtin_frame_address(0)))
        FAIL_ERRNO(EMFILE, -1);
    return __real_fcntl(fd, command, value);
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...) {
    va_list args;
    va_start(args, request);
    void *value = va_arg(args, void *);
    va_end(args);
    if (sites_fails("ioctl", __builtin_frame_address(0)))
        FAIL_ERRNO(EINVAL, -1);
    return __real_ioctl(fd, request, value);
}

/* ---- libpq ---- */

WRAP(PGconn *, PQconnectStartParams, (const char *const *k, const char *const *v, int expand),
     (k, v, expand), return NULL)
WRAP(PostgresPollingStatusType, PQconnectPoll, (PGconn * c), (c), return PGRES_POLLING_FAILED)
WRAP(int, PQsetnonblocking, (PGconn * c, int on), (c, on), return -1)
WRAP(int, PQenterPipelineMode, (PGconn * c), (c), return 0)
WRAP(int, PQexitPipelineMode, (PGconn * c), (c), return 0)
WRAP(int, PQsendQuery, (PGconn * c, const char *q), (c, q), return 0)
WRAP(int, PQsendPrepare, (PGconn * c, const char *name, const char *q, int n, const Oid *types),
     (c, name, q, n, types), return 0)
WRAP(int, PQsendQueryParams,
     (PGconn * c, const char *q, int n, const Oid *types, const char *const *values,
      const int *lengths, const int *formats, int format),
     (c, q, n, types, values, lengths, formats, format), return 0)
WRAP(int, PQsendQueryPrepared,
     (PGconn * c, const char *name, int n, const char *const *values, const int *lengths,
      const int *formats, int format),
     (c, name, n, values, lengths, formats, format), return 0)
WRAP(int, PQpipelineSync, (PGconn * c), (c), return 0)
WRAP(int, PQsendFlushRequest, (PGconn * c), (c), return 0)
WRAP(int, PQflush, (PGconn * c), (c), return -1)
WRAP(int, PQconsumeInput, (PGconn * c), (c), return 0)

/* ---- nats.c ---- */

WRAP(natsStatus, natsConnection_Connect, (natsConnection * *c, natsOptions *o), (c, o),
     return NATS_NO_SERVER)
WRAP(natsStatus, natsConnection_PublishMsg, (natsConnection * c, natsMsg *m), (c, m),
     return NATS_NO_MEMORY)
WRAP(natsStatus, natsConnection_Publish,
     (natsConnection * c, const char *subject, const void *p, int n), (c, subject, p, n),
     return NATS_NO_MEMORY)
WRAP(natsStatus, natsConnection_Subscribe,
     (natsSubscription * *s, natsConnection *c, const char *subject, natsMsgHandler cb, void *arg),
     (s, c, subject, cb, arg), return NATS_NO_MEMORY)
WRAP(natsStatus, natsConnection_FlushTimeout, (natsConnection * c, int64_t ms), (c, ms),
     return NATS_TIMEOUT)
WRAP(natsStatus, natsMsg_Create,
     (natsMsg * *m, const char *subject, const char *reply, const char *p, int n),
     (m, subject, reply, p, n), return NATS_NO_MEMORY)
WRAP(natsStatus, natsMsgHeader_Set, (natsMsg * m, const char *key, const char *value),
     (m, key, value), return NATS_NO_MEMORY)
WRAP(natsStatus, natsMsgHeader_Get, (natsMsg * m, const char *key, const char **value),
     (m, key, value), return NATS_NO_MEMORY)
WRAP(natsStatus, natsSubscription_SetPendingLimits, (natsSubscription * s, int n, int bytes),
     (s, n, bytes), return NATS_INVALID_SUBSCRIPTION)
WRAP(natsStatus, natsSubscription_SetOnCompleteCB,
     (natsSubscription * s, natsOnCompleteCB cb, void *arg), (s, cb, arg), return NATS_NO_MEMORY)

/* ---- libmicrohttpd ---- */

/* Which closes the socket in any case. */
WRAP(enum MHD_Result, MHD_add_connection,
     (struct MHD_Daemon * d, int fd, const struct sockaddr *a, socklen_t n), (d, fd, a, n),
     (void)close(fd);
     return MHD_NO)

/* Our calls give flags alone. */
enum MHD_Result __real_MHD_set_response_options(struct MHD_Response *r, enum MHD_ResponseFlags f,
                                                ...);
enum MHD_Result __wrap_MHD_set_response_options(struct MHD_Response *r, enum MHD_ResponseFlags f,
                                                ...);
enum MHD_Result __wrap_MHD_set_response_options(struct MHD_Response *r, enum MHD_ResponseFlags f,
                                                ...) {
    if (sites_fails("MHD_set_response_options", __builtin_frame_address(0)))
        return MHD_NO;
    return __real_MHD_set_response_options(r, f, MHD_RO_END);
}

WRAP(struct MHD_Response *, MHD_create_response_from_buffer,
     (size_t n, void *p, enum MHD_ResponseMemoryMode mode), (n, p, mode), return NULL)
WRAP(struct MHD_Response *, MHD_create_response_from_callback,
     (uint64_t n, size_t block, MHD_ContentReaderCallback read, void *arg,
      MHD_ContentReaderFreeCallback done),
     (n, block, read, arg, done), return NULL)
WRAP(enum MHD_Result, MHD_add_response_header,
     (struct MHD_Response * r, const char *name, const char *value), (r, name, value),
     return MHD_NO)
WRAP(enum MHD_Result, MHD_queue_response,
     (struct MHD_Connection * c, unsigned status, struct MHD_Response *r), (c, status, r),
     return MHD_NO)
