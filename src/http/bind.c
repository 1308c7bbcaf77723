/* http/bind.c -- from "host:port" to a listening socket.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/bind.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 4096, /* connections not yet accepted; the kernel's own limit may be lower */
    WHY_MAX_BYTES = 512,
    PORT_MAX = 65535,
    PORT_DIGITS = 5,
};

static _Thread_local char why_text[WHY_MAX_BYTES];

enum rc bind_read(struct str text, struct bind_address *out) {
    struct str host, port;
    if (text.n && text.p[0] == '[') {
        if (!str_cut(str_from(text, 1), ']', &host, &port) || host.n == 0 || port.n == 0 ||
            port.p[0] != ':')
            return RC_MALFORMED;
        port = str_from(port, 1);
    } else if (!str_cut(text, ':', &host, &port)) {
        return RC_MALFORMED;
    }
    uint64_t number;
    if (host.n > BIND_HOST_MAX || port.n > PORT_DIGITS ||
        str_read_u64(port, PORT_MAX, &number) != RC_OK || (host.n && memchr(host.p, 0, host.n)))
        return RC_MALFORMED;
    if (host.n)
        memcpy(out->host, host.p, host.n);
    out->host[host.n] = '\0';
    out->port = (uint16_t)number;
    return RC_OK;
}

static int set_on(int fd, int level, int option, int on) {
    return setsockopt(fd, level, option, &on, sizeof on);
}

/* -1 and errno when the address cannot be had. */
static int listen_at(const struct sockaddr *address, socklen_t size) {
    int family = address->sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool is_any =
        family == AF_INET6 &&
        IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    if (set_on(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 &&
        (family != AF_INET6 || set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, !is_any) == 0) &&
        bind(fd, address, size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Both families by one socket; without IPv6, IPv4. */
static int listen_at_any(uint16_t port) {
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT};
    int fd = listen_at((const struct sockaddr *)&v6, sizeof v6);
    if (fd >= 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
        return fd;
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    return listen_at((const struct sockaddr *)&v4, sizeof v4);
}

/* The first of the host's addresses that can be had. */
static enum rc listen_at_host(const struct bind_address *at, int *fd) {
    char port[PORT_DIGITS + 1];
    (void)snprintf(port, sizeof port, "%u", (unsigned)at->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int failed = getaddrinfo(at->host, port, &hints, &list);
    if (failed) {
        (void)snprintf(why_text, sizeof why_text, "%s has no address: %s", at->host,
                       gai_strerror(failed));
        return RC_IO;
    }
    *fd = -1;
    for (const struct addrinfo *i = list; i && *fd < 0; i = i->ai_next)
        *fd = listen_at(i->ai_addr, i->ai_addrlen);
    int error = errno;
    freeaddrinfo(list);
    if (*fd >= 0)
        return RC_OK;
    (void)snprintf(why_text, sizeof why_text, "cannot listen on %s, port %u: %s", at->host,
                   (unsigned)at->port, strerror(error));
    return RC_IO;
}

static uint16_t port_of(int fd) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {.v6 = {.sin6_port = 0}};
    socklen_t size = sizeof at;
    if (getsockname(fd, &at.any, &size))
        return 0;
    return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

enum rc bind_listen(const char *text, int *fd, uint16_t *port, const char **why) {
    struct bind_address at;
    *why = why_text;
    if (bind_read(str_of(text), &at) != RC_OK) {
        (void)snprintf(why_text, sizeof why_text,
                       "\"%.100s\" is not of the form host:port, [v6]:port or :port", text);
        return RC_MALFORMED;
    }
    int got = -1;
    if (at.host[0] && strcmp(at.host, "::") != 0) {
        enum rc rc = listen_at_host(&at, &got);
        if (rc != RC_OK)
            return rc;
    } else {
        got = listen_at_any(at.port);
        if (got < 0) {
            (void)snprintf(why_text, sizeof why_text, "cannot listen on port %u: %s",
                           (unsigned)at.port, strerror(errno));
            return RC_IO;
        }
    }
    *fd = got;
    *port = port_of(got);
    return RC_OK;
}
