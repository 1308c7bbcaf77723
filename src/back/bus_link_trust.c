/* back/bus_link_trust.c -- which servers a link to NATS may have, and how they and it show who they
 * are: URLs, credentials and certificates, read and checked before the network is touched.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus_link_trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nats/nats.h>

#include "base/buf.h"
#include "wire/auth.h"
#include "wire/nkey.h"

enum { SERVERS_MAX = 32, SECRET_FILE_MAX = 64 * 1024 };

static enum rc malformed(const char **why, const char *sentence) {
    *why = sentence;
    return RC_MALFORMED;
}

static struct str trimmed(struct str s) {
    while (s.n && strchr(" \t\r\n", s.p[0]))
        s = str_from(s, 1);
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
        s.n--;
    return s;
}

/* What stands between the scheme and the path: [user[:password]@]host[:port]. */
static enum rc check_authority(struct str s, const char **why) {
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f)
            return malformed(why, "a NATS URL holds a byte that must be percent-encoded");
    const char *at = s.n ? memrchr(s.p, '@', s.n) : NULL;
    if (at)
        s = str_from(s, (size_t)(at - s.p) + 1);
    struct str host, port;
    if (s.n && s.p[0] == '[') {
        if (!str_cut(str_from(s, 1), ']', &host, &port))
            return malformed(why, "a NATS URL has an address without its closing bracket");
        if (port.n && port.p[0] != ':')
            return malformed(why, "a NATS URL has something between its address and the port");
        port = port.n ? str_from(port, 1) : (struct str){NULL, 0};
    } else {
        (void)str_cut(s, ':', &host, &port);
    }
    uint64_t number = 1;
    if (host.n == 0)
        return malformed(why, "a NATS URL names no host");
    if (!str_is_absent(port) && str_read_u64(port, UINT16_MAX, &number) != RC_OK)
        return malformed(why, "a NATS URL has a port that is not a number up to 65535");
    return number > 0 ? RC_OK : malformed(why, "a NATS URL has port 0");
}

static enum rc check_url(struct str url, bool *has_tls, const char **why) {
    if (str_starts_with(url, STR("nats://"))) {
        url = str_from(url, strlen("nats://"));
    } else if (str_starts_with(url, STR("tls://"))) {
        url = str_from(url, strlen("tls://"));
        *has_tls = true;
    } else {
        return malformed(why, "a NATS URL must begin with nats:// or tls://");
    }
    struct str authority, path;
    if (str_cut(url, '/', &authority, &path) && path.n > 0)
        return malformed(why, "a NATS URL has no path");
    return check_authority(authority, why);
}

/* A comma separated list of nats:// and tls:// URLs. */
static enum rc check_urls(struct str urls, bool *has_tls, const char **why) {
    *has_tls = false;
    size_t count = 0;
    for (struct str url; !str_is_absent(urls);) {
        (void)str_cut(urls, ',', &url, &urls);
        if (++count > SERVERS_MAX)
            return malformed(why, "there are more than 32 NATS URLs");
        enum rc rc = check_url(trimmed(url), has_tls, why);
        if (rc != RC_OK)
            return rc;
    }
    return count ? RC_OK : malformed(why, "there is no NATS URL");
}

/* The list has been checked. nats.c copies the texts. */
static natsStatus set_servers(natsOptions *o, struct str urls) {
    const char *servers[SERVERS_MAX];
    int count = 0;
    char *copy = strndup(urls.p, urls.n);
    if (!copy)
        return NATS_NO_MEMORY;
    for (char *rest = copy, *url; (url = strsep(&rest, ",")) != NULL;) {
        struct str t = trimmed(str_of(url));
        url[(size_t)(t.p - url) + t.n] = '\0';
        servers[count++] = t.p;
    }
    natsStatus s = natsOptions_SetServers(o, servers, count);
    explicit_bzero(copy, urls.n);
    free(copy);
    return s;
}

/* Reads a whole small file that holds a secret; the caller wipes it. */
static enum rc read_secret(const char *path, struct buf *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return RC_MALFORMED;
    char *to;
    ssize_t n = -1;
    while ((to = buf_reserve(out, 4096)) != NULL) {
        n = read(fd, to, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        out->n += (size_t)n;
    }
    (void)close(fd);
    return to && n == 0 ? RC_OK : RC_MALFORMED;
}

static void wipe(struct buf *secret) {
    if (secret->p)
        explicit_bzero(secret->p, secret->cap);
    buf_done(secret);
}

/* The first line that is a user's seed. */
static enum rc find_seed(struct str text, uint8_t seed[NKEY_SEED_BYTES]) {
    for (struct str line; !str_is_absent(text);) {
        (void)str_cut(text, '\n', &line, &text);
        if (nkey_read_seed(trimmed(line), seed) == RC_OK)
            return RC_OK;
    }
    return RC_MALFORMED;
}

static enum rc set_nkey(natsOptions *o, const char *path, const char **why) {
    struct buf file;
    uint8_t seed[NKEY_SEED_BYTES];
    buf_init(&file, SECRET_FILE_MAX);
    enum rc rc = read_secret(path, &file);
    if (rc == RC_OK)
        rc = find_seed(buf_str(&file), seed);
    wipe(&file);
    if (rc != RC_OK)
        return malformed(why, "the NATS nkey file cannot be read or holds no user seed (SU...)");
    struct key key;
    char user[NKEY_USER_TEXT_LEN + 1];
    auth_key_of_seed(seed, &key);
    explicit_bzero(seed, sizeof seed);
    nkey_print_user(&key, user);
    return natsOptions_SetNKeyFromSeed(o, user, path) == NATS_OK ? RC_OK : RC_NO_MEMORY;
}

static enum rc set_creds(natsOptions *o, const char *path, const char **why) {
    struct buf file;
    buf_init(&file, SECRET_FILE_MAX);
    enum rc rc = read_secret(path, &file);
    bool is_whole = rc == RC_OK && strstr(buf_cstr(&file), "BEGIN NATS USER JWT") != NULL &&
                    strstr(buf_cstr(&file), "BEGIN USER NKEY SEED") != NULL;
    wipe(&file);
    if (!is_whole)
        return malformed(why, "the NATS credentials file cannot be read or lacks a JWT or a seed");
    natsStatus s = natsOptions_SetUserCredentialsFromFiles(o, path, NULL);
    return s == NATS_OK ? RC_OK : RC_NO_MEMORY;
}

enum rc bus_link_set_trust(void *options, const struct bus_config *c, const char **why) {
    natsOptions *o = options;
    bool has_tls;
    enum rc rc = check_urls(str_of(c->urls), &has_tls, why);
    if (rc == RC_OK && set_servers(o, str_of(c->urls)) != NATS_OK)
        rc = RC_NO_MEMORY;
    if (rc == RC_OK && has_tls && natsOptions_SetSecure(o, true) != NATS_OK)
        rc = malformed(why, "this build of nats.c knows no TLS");
    if (rc == RC_OK && c->ca_file && natsOptions_LoadCATrustedCertificates(o, c->ca_file))
        rc = malformed(why, "the NATS CA file cannot be read or holds no certificate");
    if (rc == RC_OK && c->creds_file && c->nkey_seed_file)
        rc = malformed(why, "give NATS a credentials file or an nkey file, not both");
    if (rc == RC_OK && c->creds_file)
        rc = set_creds(o, c->creds_file, why);
    if (rc == RC_OK && c->nkey_seed_file)
        rc = set_nkey(o, c->nkey_seed_file, why);
    return rc;
}
