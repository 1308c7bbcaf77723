/* wire/target.c -- splits and decodes the request target.
 *
 * First the whole target is held against the grammar, then it is split; so the second half need not
 * doubt what it sees.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/target.h"

#include <string.h>

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* unreserved and sub-delims: RFC 3986, 2.2 and 2.3. */
static bool is_plain(char c) { return is_alnum(c) || (c && strchr("-._~!$&'()*+,;=", c)); }

static int nibble(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte that the percent-encoding at s[i] stands for; -1 when it is none. */
static int decoded_byte(struct str s, size_t i) {
    if (s.n - i < 3)
        return -1;
    int high = nibble(s.p[i + 1]), low = nibble(s.p[i + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* pchar and the bytes of `more`; no encoded NUL, and no encoded byte `refused` (RFC 3986, 3.3). */
static bool is_made_of_pchar(struct str s, const char *more, int refused) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            int byte = decoded_byte(s, i);
            if (byte <= 0 || byte == refused)
                return false;
            i += 2;
        } else if (!is_plain(c) && c != ':' && c != '@' && !(c && strchr(more, c))) {
            return false;
        }
    }
    return true;
}

/* The length of the host that s begins with; 0 when there is none (RFC 3986, 3.2.2). */
static size_t host_length(struct str s) {
    size_t n = 0;
    if (s.n && s.p[0] == '[') {
        for (n = 1; n < s.n && (is_plain(s.p[n]) || s.p[n] == ':'); n++)
            ;
        return n < s.n && s.p[n] == ']' ? n + 1 : 0;
    }
    while (n < s.n && s.p[n] != ':' && s.p[n] != '@')
        n++;
    return is_made_of_pchar((struct str){s.p, n}, "", '/') ? n : 0;
}

/* host [":" port], without userinfo, which RFC 9110, 4.2.4 tells to treat as an error. */
static bool authority_is_sound(struct str s) {
    size_t i = host_length(s);
    if (i == 0 || (i < s.n && s.p[i++] != ':'))
        return false;
    for (; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

/* Cuts "http://host" off an absolute form (RFC 9112, 3.2.2). False: neither form. */
static bool reduce_to_origin_form(struct str *raw) {
    static const struct str schemes[] = {STR_INIT("http://"), STR_INIT("https://")};
    if (raw->n && raw->p[0] == '/')
        return true;
    for (size_t k = 0; k < sizeof schemes / sizeof *schemes; k++) {
        size_t from = schemes[k].n, i = from;
        if (raw->n < from || !str_eq_nocase((struct str){raw->p, from}, schemes[k]))
            continue;
        while (i < raw->n && raw->p[i] != '/' && raw->p[i] != '?')
            i++;
        if (!authority_is_sound((struct str){raw->p + from, i - from}))
            return false;
        *raw = str_from(*raw, i);
        return true;
    }
    return false;
}

/* Decodes a sound text; room is taken only by what holds an encoding. */
static struct str decode(struct str s, struct target *out, size_t *used) {
    if (s.n == 0 || !memchr(s.p, '%', s.n))
        return s;
    char *to = out->room + *used;
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%') {
            to[n++] = (char)decoded_byte(s, i);
            i += 2;
        } else {
            to[n++] = s.p[i];
        }
    }
    *used += n;
    return (struct str){to, n};
}

static enum rc split_path(struct str path, struct target *out, size_t *used) {
    struct str rest = str_from(path, 1);
    if (rest.n == 0)
        return RC_OK;
    for (bool more = true; more;) {
        struct str head, tail;
        more = str_cut(rest, '/', &head, &tail);
        struct str segment = decode(head, out, used);
        if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
            return RC_MALFORMED;
        if (out->segment_count < TARGET_MAX_SEGMENTS)
            out->segments[out->segment_count++] = segment;
        else
            out->is_deep = true;
        rest = tail;
    }
    return RC_OK;
}

static enum rc split_query(struct str query, struct target *out, size_t *used) {
    for (bool more = query.n > 0; more;) {
        struct str piece, tail, name, value;
        more = str_cut(query, '&', &piece, &tail);
        query = tail;
        if (!str_cut(piece, '=', &name, &value))
            value = STR("");
        if (name.n == 0)
            continue;
        if (out->param_count == TARGET_MAX_PARAMS)
            return RC_TOO_LARGE;
        struct target_param *p = &out->params[out->param_count++];
        p->name = decode(name, out, used);
        p->value = decode(value, out, used);
    }
    return RC_OK;
}

enum rc target_read(struct str raw, struct target *out) {
    if (raw.n > TARGET_MAX_BYTES)
        return RC_TOO_LARGE;
    out->segment_count = out->param_count = 0;
    out->is_deep = false;
    if (str_eq(raw, STR("*"))) { /* RFC 9112, 3.2.4: OPTIONS of the whole server */
        out->raw = out->path = raw;
        out->query = (struct str){NULL, 0};
        return RC_OK;
    }
    if (!reduce_to_origin_form(&raw))
        return RC_MALFORMED;
    out->raw = raw;
    (void)str_cut(raw, '?', &out->path, &out->query);
    if (out->path.n == 0)
        out->path = STR("/"); /* "http://host": RFC 9110, 4.2.3 */
    if (!is_made_of_pchar(out->path, "/", '/') || !is_made_of_pchar(out->query, "/?", 0))
        return RC_MALFORMED;

    size_t used = 0;
    enum rc rc = split_path(out->path, out, &used);
    return rc == RC_OK ? split_query(out->query, out, &used) : rc;
}

enum rc target_param(const struct target *t, struct str name, struct str *value) {
    const struct target_param *found = NULL;
    for (size_t i = 0; i < t->param_count; i++) {
        if (!str_eq(t->params[i].name, name))
            continue;
        if (found)
            return RC_MALFORMED;
        found = &t->params[i];
    }
    if (!found)
        return RC_NOT_FOUND;
    *value = found->value;
    return RC_OK;
}

enum rc target_param_u64(const struct target *t, struct str name, uint64_t max, uint64_t *out) {
    struct str value;
    enum rc rc = target_param(t, name, &value);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    return rc == RC_OK ? str_read_u64(value, max, out) : rc;
}
