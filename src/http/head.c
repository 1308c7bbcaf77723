/* http/head.c -- what the head of a request says besides its target.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/head.h"

#include <microhttpd.h>
#include <string.h>

#include "http/client.h"
#include "http/site.h"

/* The fields that are looked at. Those of the protocol are kept, and may be there once only. */
enum field {
    FIELD_AUTH,
    FIELD_AUTH_HANDLE,
    FIELD_PUBLIC_KEY,
    FIELD_LAST_EVENT_ID,
    FIELD_HOST,
    FIELD_LENGTH,
    FIELD_CODING,
    FIELD_EXPECT,
    FIELD_AUTHORIZATION,
    FIELD_FORWARDED_FOR,
    FIELD_FORWARDED,
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
    [FIELD_AUTHORIZATION] = {STR_INIT("Authorization"), "Send Authorization once."},
    /* Lists may come in several lines. */
    [FIELD_EXPECT] = {STR_INIT("Expect"), NULL},
    [FIELD_FORWARDED_FOR] = {STR_INIT("X-Forwarded-For"), NULL},
    [FIELD_FORWARDED] = {STR_INIT("Forwarded"), NULL},
};

enum {
    GAP_MAX = 1024, /* bytes of white space that may stand between name, value and next name */
    LINE_END = 2,   /* CR LF */
};

struct seen {
    struct str value[FIELD_COUNT]; /* absent: not there */
    unsigned count[FIELD_COUNT];
    const char *end; /* of the last field's value, or of the request line before the first one */
    size_t tail;     /* bytes that belong to its line behind that, at least */
    bool is_unsound; /* a field is not as it was sent */
    bool is_proxied; /* a trusted proxy sent it */
    struct client_said said;
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

/* RFC 9110, 5.6.2. */
static bool is_token(struct str s) {
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_alnum && !memchr(marks, c, sizeof marks - 1))
            return false;
    }
    return s.n > 0;
}

static bool is_gap_byte(char c) {
    return c == '\0' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Whether nothing but white space, and what libmicrohttpd put over delimiters, is there: at_least
 * so many bytes of it. */
static bool is_gap(const char *from, const char *to, size_t at_least) {
    if ((uintptr_t)to < (uintptr_t)from || (uintptr_t)to - (uintptr_t)from > GAP_MAX ||
        (uintptr_t)to - (uintptr_t)from < at_least)
        return false;
    while (from < to)
        if (!is_gap_byte(*from++))
            return false;
    return true;
}

/* Whether a field is as it was sent. libmicrohttpd 0.9.75 takes white space before the colon for a
 * part of the name, puts a folded line behind the name instead of the value, ends a value at a NUL,
 * passes over a line that is nothing but a colon and a value, and takes a lone LF for the end of a
 * line and a lone CR for a part of it: each may hide a field from it, or from a proxy before it.
 * Name, value and the next name stand in the buffer as they came, so what is between them tells; a
 * name that it has put together stands elsewhere. (1.0 is told to refuse all these itself.) */
static bool is_as_sent(const struct seen *seen, struct str name, struct str value) {
    return is_token(name) && is_gap(seen->end, name.p, seen->tail) &&
           (value.n == 0 || is_gap(name.p + name.n, value.p, 1)) &&
           (value.n == 0 || !memchr(value.p, '\r', value.n));
}

static enum MHD_Result on_field(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_n,
                                const char *value, size_t value_n) {
    struct seen *seen = arg;
    struct str field = {name, name_n};
    (void)kind;
    if (!is_as_sent(seen, field, (struct str){value, value_n}))
        seen->is_unsound = true;
    seen->end = value_n ? value + value_n : name + name_n; /* an empty one may stand anywhere */
    seen->tail = value_n ? LINE_END : 1 + LINE_END;        /* behind its colon */
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!str_eq_nocase(field, fields[i].name))
            continue;
        struct str text = trimmed(value, value_n);
        if (seen->count[i]++ == 0)
            seen->value[i] = text;
        if (seen->is_proxied && i == FIELD_FORWARDED_FOR)
            client_say_for(&seen->said, text);
        if (seen->is_proxied && i == FIELD_FORWARDED)
            client_say_rfc(&seen->said, text);
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
    if (seen->is_unsound) {
        *advice = "A header field is malformed: it may not be folded, nor hold a NUL or have white "
                  "space before its colon, and each line must end in CR LF (RFC 9112, 2.2 and 5).";
        return RC_MALFORMED;
    }
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

/* Behind the last value come its own end of line and an empty one, and there the head ends. */
static bool ends_well(struct MHD_Connection *c, const char *method, const struct seen *seen) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info && is_gap(seen->end, method + info->header_size, seen->tail + LINE_END);
}

/* The address at the other end; false on a Unix socket. */
static bool read_peer(struct MHD_Connection *c, struct address *peer) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return client_peer(info ? info->client_addr : NULL, peer);
}

/* Loopback is exempt from limits by address, and so is the Unix socket; but a proxy speaks for
 * others, wherever it runs. */
static void keep_client(struct exchange *ex, const struct seen *seen,
                        const struct networks *trusted, const struct address *peer) {
    struct address client = *peer;
    if (seen->is_proxied)
        client = client_address(&seen->said, trusted, peer);
    ex->client_exempt = !seen->is_proxied && address_is_loopback(peer);
    ex->client = address_key(&client);
}

enum rc head_read(struct MHD_Connection *c, const char *method, const char *version,
                  const struct networks *trusted, struct exchange *ex, struct head *out,
                  const char **advice) {
    struct seen seen = {.end = version + strlen(version), .tail = LINE_END};
    struct address peer;
    bool has_peer = read_peer(c, &peer);
    *out = (struct head){.length = 0};
    seen.is_proxied = has_peer && networks_have(trusted, &peer);
    (void)MHD_get_connection_values_n(c, MHD_HEADER_KIND, on_field, &seen);
    if (!ends_well(c, method, &seen))
        seen.is_unsound = true;
    ex->auth = seen.value[FIELD_AUTH];
    ex->auth_handle = seen.value[FIELD_AUTH_HANDLE];
    ex->public_key = seen.value[FIELD_PUBLIC_KEY];
    ex->last_event_id = seen.value[FIELD_LAST_EVENT_ID];
    ex->authorization = seen.value[FIELD_AUTHORIZATION];
    ex->host = seen.value[FIELD_HOST];
    ex->client_exempt = true;
    if (has_peer)
        keep_client(ex, &seen, trusted, &peer);

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
