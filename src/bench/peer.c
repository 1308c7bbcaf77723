/* bench/peer.c -- a node as the bench reaches it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* `host`, `host:port`, `[v6]` or `[v6]:port` into two NUL-terminated texts. */
static enum rc split(struct str authority, char host[PEER_HOST_MAX + 1], char port[8]) {
    struct str name = authority, rest = STR("");
    if (str_starts_with(authority, STR("["))) {
        if (!str_cut(str_from(authority, 1), ']', &name, &rest))
            return RC_MALFORMED;
        if (rest.n > 0 && rest.p[0] != ':')
            return RC_MALFORMED;
        rest = rest.n > 0 ? str_from(rest, 1) : STR("80");
    } else if (!str_cut(authority, ':', &name, &rest)) {
        rest = STR("80");
    }
    uint64_t number;
    if (name.n == 0 || name.n > PEER_HOST_MAX || str_read_u64(rest, 65535, &number) != RC_OK ||
        number == 0)
        return RC_MALFORMED;
    memcpy(host, name.p, name.n);
    host[name.n] = '\0';
    snprintf(port, 8, "%u", (unsigned)number);
    return RC_OK;
}

static enum rc look_up(const char *host, const char *port, struct peer *out) {
    struct addrinfo *found = NULL;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return RC_NOT_FOUND;
    memcpy(&out->address, found->ai_addr, found->ai_addrlen);
    out->address_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return RC_OK;
}

enum rc peer_read(struct str url, struct peer *out, const char **why) {
    struct str scheme = STR("http://"), authority, path;
    char host[PEER_HOST_MAX + 1], port[8];
    *why = "a node is http://host:port";
    if (!str_starts_with(url, scheme))
        return RC_MALFORMED;
    if (str_cut(str_from(url, scheme.n), '/', &authority, &path) && path.n > 0)
        return RC_MALFORMED;
    if (authority.n > PEER_HOST_MAX || split(authority, host, port) != RC_OK)
        return RC_MALFORMED;
    *why = "no such host";
    enum rc rc = look_up(host, port, out);
    if (rc == RC_OK)
        snprintf(out->host, sizeof out->host, "%.*s", STR_ARG(authority));
    return rc;
}

void peer_loopback(unsigned short port, struct peer *out) {
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *out = (struct peer){.address_bytes = sizeof in};
    memcpy(&out->address, &in, sizeof in);
    snprintf(out->host, sizeof out->host, "127.0.0.1:%u", port);
}

int peer_connect(const struct peer *p) {
    int fd = socket(p->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (const struct sockaddr *)&p->address, p->address_bytes) == 0 ||
        errno == EINPROGRESS)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}
