/* http/head.c -- what the head of a request says besides its target.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/head.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "http/site.h"

/* The fields that are looked at. Those of the protocol are kept; all may be there once only. */
enum field {
    FIELD_AUTH,
    FIELD_AUTH_HANDLE,
    FIELD_PUBLIC_KEY,
    FIELD_LAST_EVENT_ID,
    FIELD_HOST,
    FIELD_LENGTH,
    FIELD_CODING,
    FIELD_EXPECT,
    FIELD_COUNT
};

static const struct {
    struct str name;
    const char *twice;
} fields[FIELD_COUNT] = {
    [FIELD_AUTH] = {STR_INIT("X-KEZ-Auth"), "Send X-KEZ-Auth once."},
    [FIELD_AUTH_HANDLE] = {STR_INIT("X-KEZ-Handle"), "Send X-KEZ-Handle once."},
    [FIELD_PUBLIC_KEY] = {STR_INIT("X-Public-Key"), "Send X-Public-Key once."},
    [FIELD_LAST_EVENT_ID] = {STR_INIT("Last-Event-ID"), "Send Last-Event-ID once."},
    [FIELD_HOST] = {STR_INIT("Host"), "Send Host once."},
    [FIELD_LENGTH] = {STR_INIT("Content-Length"), "Send Content-Length once."},
    [FIELD_CODING] = {STR_INIT("Transfer-Encoding"), "Send Transfer-Encoding once."},
    [FIELD_EXPECT] = {STR_INIT("Expect"), NULL}, /* a list may come in several lines */
};

struct seen {
    struct str value[FIELD_COUNT]; /* absent: not there */
    unsigned count[FIELD_COUNT];
};

/* Without the optional white space around it (RFC 9110, 5.5); never absent. */
static struct str trimmed(const char *p, size_t n) {
    struct str s = {p ? p : "", p ? n : 0};
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = str_from(s, 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static enum MHD_Result on_field(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_n,
                                const char *value, size_t value_n) {
    struct seen *seen = arg;
    (void)kind;
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!str_eq_nocase((struct str){name, name_n}, fields[i].name))
            continue;
        if (seen->count[i]++ == 0)
            seen->value[i] = trimmed(value, value_n);
        break;
    }
    return MHD_YES;
}

/* RFC 9112, 6.3. The length was read by libmicrohttpd, too; it answers what is no number. */
static enum rc read_framing(const struct seen *seen, const char *version, struct head *out,
                            const char **advice) {
    out->expects_continue = str_eq_nocase(seen->value[FIELD_EXPECT], STR("100-continue"));
    out->is_unframed = true;
    bool has_length = seen->count[FIELD_LENGTH] > 0;
    if (seen->count[FIELD_CODING] > 0) {
        *advice = "Send the body either with Content-Length or with Transfer-Encoding: chunked.";
        if (has_length || seen->count[FIELD_CODING] > 1 ||
            !str_eq_nocase(seen->value[FIELD_CODING], STR("chunked")) ||
            strcmp(version, "HTTP/1.0") == 0)
            return RC_MALFORMED;
        out->is_chunked = true;
    } else if (has_length) {
        *advice = "Send one Content-Length, in decimal digits.";
        struct str digits = seen->value[FIELD_LENGTH];
        while (digits.n > 1 && digits.p[0] == '0')
            digits = str_from(digits, 1);
        if (seen->count[FIELD_LENGTH] > 1 || str_read_u64(digits, INT64_MAX, &out->length) != RC_OK)
            return RC_MALFORMED;
    }
    out->is_unframed = false;
    return RC_OK;
}

/* An address as far as limits by address tell clients apart: all of IPv4, the /64 of IPv6. */
static void read_client(struct MHD_Connection *c, struct exchange *ex) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *from = info ? info->client_addr : NULL;
    const char *bytes = "";
    size_t n = 0;
    if (from && from->sa_family == AF_INET) {
        bytes = (const char *)&((const struct sockaddr_in *)(const void *)from)->sin_addr;
        n = 4;
    } else if (from && from->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(v6);
        bytes = (const char *)v6 + (is_mapped ? 12 : 0);
        n = is_mapped ? 4 : 8;
        ex->client_exempt = IN6_IS_ADDR_LOOPBACK(v6);
    }
    if (n == 4 && bytes[0] == 127)
        ex->client_exempt = true;
    ex->client = hash_str((struct str){bytes, n});
}

enum rc head_read(struct MHD_Connection *c, const char *version, struct exchange *ex,
                  struct head *out, const char **advice) {
    struct seen seen = {.count = {0}};
    *out = (struct head){.length = 0};
    (void)MHD_get_connection_values_n(c, MHD_HEADER_KIND, on_field, &seen);
    ex->auth = seen.value[FIELD_AUTH];
    ex->auth_handle = seen.value[FIELD_AUTH_HANDLE];
    ex->public_key = seen.value[FIELD_PUBLIC_KEY];
    ex->last_event_id = seen.value[FIELD_LAST_EVENT_ID];
    read_client(c, ex);

    enum rc rc = read_framing(&seen, version, out, advice);
    for (int i = 0; rc == RC_OK && i < FIELD_COUNT; i++)
        if (seen.count[i] > 1 && fields[i].twice) {
            *advice = fields[i].twice;
            rc = RC_MALFORMED;
        }
    if (rc == RC_OK && seen.count[FIELD_HOST] == 0 && strcmp(version, "HTTP/1.0") != 0) {
        *advice = "Send the Host header field.";
        rc = RC_MALFORMED;
    }
    return rc;
}

struct wanted {
    const char *etag;
    bool is_listed;
};

static enum MHD_Result on_condition(void *arg, enum MHD_ValueKind kind, const char *name,
                                    size_t name_n, const char *value, size_t value_n) {
    struct wanted *wanted = arg;
    (void)kind;
    if (str_eq_nocase((struct str){name, name_n}, STR("If-None-Match")) &&
        site_etag_is_listed(trimmed(value, value_n), wanted->etag))
        wanted->is_listed = true;
    return MHD_YES;
}

bool head_has_etag(struct MHD_Connection *c, const char *etag) {
    struct wanted wanted = {etag, false};
    (void)MHD_get_connection_values_n(c, MHD_HEADER_KIND, on_condition, &wanted);
    return wanted.is_listed;
}
