/* wire/forwarded.c -- whom a proxy says that it speaks for.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/forwarded.h"

#include <string.h>

enum { QUOTED_MAX = 128 }; /* bytes of a quoted text that are kept; an address has fewer */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static struct str trim(struct str s) {
    while (s.n && is_blank(s.p[0]))
        s = str_from(s, 1);
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

static void add(struct hops *hops, const struct hop *hop) {
    if (hops->n == FORWARDED_HOPS_MAX) {
        hops->n--;
        memmove(hops->at, hops->at + 1, hops->n * sizeof *hops->at);
    }
    hops->at[hops->n++] = *hop;
}

/* An address with or without a port (RFC 7239, 6); all else, "unknown" and "_hidden" too, is an
 * unknown hop. The port is not looked at. */
static struct hop read_node(struct str node) {
    struct hop hop = {.is_known = false};
    struct str address = node, rest;
    if (node.n && node.p[0] == '[') {
        if (!str_cut(str_from(node, 1), ']', &address, &rest) || (rest.n && rest.p[0] != ':'))
            return hop;
    } else if (node.n && memchr(node.p, '.', node.n) && !memchr(node.p, ']', node.n)) {
        const char *colon = memchr(node.p, ':', node.n);
        const char *dot = memchr(node.p, '.', node.n);
        if (colon && colon > dot) /* IPv4 and a port, not the tail of an IPv6 */
            address.n = (size_t)(colon - node.p);
    }
    hop.is_known = address_read(address, &hop.address) == RC_OK;
    return hop;
}

void forwarded_add_for(struct hops *hops, struct str field) {
    bool more;
    do {
        struct str one;
        more = str_cut(field, ',', &one, &field);
        struct hop hop = read_node(trim(one));
        add(hops, &hop);
    } while (more);
}

/* ---- RFC 7239 ---- */

/* RFC 9110, 5.6.2. */
static bool is_token_byte(char c) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static struct str cut_while(struct str *s, bool (*is_one)(char c)) {
    struct str head = *s;
    head.n = 0;
    while (head.n < s->n && is_one(s->p[head.n]))
        head.n++;
    *s = str_from(*s, head.n);
    return head;
}

static bool is_value_byte(char c) { return is_token_byte(c) || c == ':' || c == '[' || c == ']'; }

/* A quoted-string (RFC 9110, 5.6.4) without its quotes and backslashes, in `room`; what does not
 * fit there is cut, and the text is too long for a node then. False: not closed. */
static bool cut_quoted(struct str *s, char room[QUOTED_MAX + 1], struct str *value) {
    size_t n = 0, i = 1;
    while (i < s->n && s->p[i] != '"') {
        if (s->p[i] == '\\' && ++i == s->n)
            return false;
        if (n <= QUOTED_MAX)
            room[n++] = s->p[i];
        i++;
    }
    if (i >= s->n)
        return false;
    *value = (struct str){room, n};
    *s = str_from(*s, i + 1);
    return true;
}

/* What an element has said so far. */
struct element {
    struct hop hop;
    bool has_for, is_empty;
};

/* name=value, or nothing (RFC 7239, 4). False: malformed. */
static bool read_pair(struct str *s, struct element *e) {
    char room[QUOTED_MAX + 1];
    struct str value, name = cut_while(s, is_token_byte);
    if (name.n == 0)
        return true;
    e->is_empty = false;
    if (s->n == 0 || s->p[0] != '=')
        return false;
    *s = str_from(*s, 1);
    if (s->n && s->p[0] == '"') {
        if (!cut_quoted(s, room, &value))
            return false;
    } else {
        value = cut_while(s, is_value_byte);
        if (value.n == 0)
            return false;
    }
    if (!str_eq_nocase(name, STR("for")))
        return true;
    if (e->has_for)
        return false;
    e->has_for = true;
    e->hop = read_node(value);
    return true;
}

/* Pairs, ';' between them. False: malformed. */
static bool read_element(struct str *s, struct element *e) {
    *e = (struct element){.is_empty = true};
    for (;;) {
        (void)cut_while(s, is_blank);
        if (!read_pair(s, e))
            return false;
        (void)cut_while(s, is_blank);
        if (s->n == 0 || s->p[0] != ';')
            return true;
        e->is_empty = false;
        *s = str_from(*s, 1);
    }
}

enum rc forwarded_add(struct hops *hops, struct str field) {
    for (;;) {
        struct element e;
        if (!read_element(&field, &e))
            return RC_MALFORMED;
        if (!e.is_empty) /* RFC 9110, 5.6.1.2: empty elements of a list are passed over */
            add(hops, &e.hop);
        if (field.n == 0)
            return RC_OK;
        if (field.p[0] != ',')
            return RC_MALFORMED;
        field = str_from(field, 1);
    }
}

struct address forwarded_client(const struct hops *hops, const struct networks *trusted,
                                const struct address *peer) {
    struct address client = *peer;
    for (size_t i = hops->n; i > 0 && networks_have(trusted, &client); i--) {
        if (!hops->at[i - 1].is_known)
            break;
        client = hops->at[i - 1].address;
    }
    return client;
}
