/* wire/json_span.c -- questions about JSON texts, answered from the tokens.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/json_span.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json_names.h"

enum rc json_check(struct str text) {
    struct json_scan scan;
    json_scan_init(&scan, text);
    enum json_token token;
    do
        token = json_scan_next(&scan);
    while (token != SCAN_BAD && token != SCAN_DONE);
    return token == SCAN_DONE ? RC_OK : RC_MALFORMED;
}

/* A split under way. */
struct split {
    struct json_scan scan;
    struct json_names names;
    struct str opaque;
    struct json_member *members;
    size_t n;
    bool in_opaque;
    bool value_follows;          /* the last token was the name of an outermost member */
    const char *value;           /* where its value begins */
    struct json_member *current; /* whose value that is; NULL when the caller does not know it */
    uint64_t objects;            /* opened so far */
    uint64_t object[JSON_MAX_DEPTH]; /* by depth: the number of the open object */
};

static enum rc take_name(struct split *s) {
    if (s->in_opaque && s->scan.depth > 1)
        return RC_OK;
    struct str name;
    enum rc rc = json_names_add(&s->names, s->object[s->scan.depth - 1], s->scan.raw,
                                s->scan.escaped, &name);
    if (rc == RC_CONFLICT)
        return RC_MALFORMED;
    if (rc != RC_OK || s->scan.depth > 1)
        return rc;
    s->in_opaque = !str_is_absent(s->opaque) && str_eq(name, s->opaque);
    s->value_follows = true;
    s->current = NULL;
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(name, s->members[i].name))
            s->current = &s->members[i];
    return RC_OK;
}

static void take_value(struct split *s, enum json_token token) {
    if (token == SCAN_OBJECT)
        s->object[s->scan.depth - 1] = ++s->objects;
    if (s->value_follows) {
        s->value = s->scan.raw.p;
        s->value_follows = false;
    }
    bool is_whole = s->scan.depth == 1 && token != SCAN_OBJECT && token != SCAN_ARRAY;
    if (is_whole && s->current)
        s->current->value = (struct str){s->value, (size_t)(s->scan.p - s->value)};
}

static enum rc split_tokens(struct split *s) {
    if (json_scan_next(&s->scan) != SCAN_OBJECT)
        return RC_MALFORMED;
    for (;;) {
        enum json_token token = json_scan_next(&s->scan);
        enum rc rc = RC_OK;
        if (token == SCAN_BAD)
            return RC_MALFORMED;
        if (token == SCAN_DONE)
            return RC_OK;
        if (token == SCAN_NAME)
            rc = take_name(s);
        else
            take_value(s, token);
        if (rc != RC_OK)
            return rc;
    }
}

enum rc json_split(struct str text, struct str opaque, struct json_member *members, size_t n) {
    struct split s = {.opaque = opaque, .members = members, .n = n};
    for (size_t i = 0; i < n; i++)
        members[i].value = (struct str){NULL, 0};
    json_scan_init(&s.scan, text);
    json_names_init(&s.names, text.n);
    enum rc rc = split_tokens(&s);
    json_names_done(&s.names);
    for (size_t i = 0; rc != RC_OK && i < n; i++)
        members[i].value = (struct str){NULL, 0};
    return rc;
}

/* Behind the closing quote of the string that opens at p: the first one with an even number of
 * backslashes before it. */
static const char *end_of_string(const char *p, const char *end) {
    for (const char *from = p + 1;;) {
        const char *quote = memchr(from, '"', (size_t)(end - from)), *run = quote;
        if (!quote)
            return end;
        while (run > from && run[-1] == '\\')
            run--;
        if ((quote - run) % 2 == 0)
            return quote + 1;
        from = quote + 1;
    }
}

void json_compact(struct str text, struct buf *out) {
    const char *p = text.p, *end = p + text.n, *run = p;
    while (p < end) {
        if (*p == '"') {
            p = end_of_string(p, end);
        } else if (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') {
            buf_put(out, (struct str){run, (size_t)(p - run)});
            run = ++p;
        } else {
            p++;
        }
    }
    buf_put(out, (struct str){run, (size_t)(end - run)});
}

char json_kind(struct str value) {
    if (value.n == 0)
        return 0;
    return *value.p == '-' || (*value.p >= '0' && *value.p <= '9') ? '0' : *value.p;
}

static uint32_t hex4(const char *p) {
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        char lower = (char)(p[i] | 0x20);
        unit = unit * 16 + (uint32_t)(lower >= 'a' ? lower - 'a' + 10 : lower - '0');
    }
    return unit;
}

static void put_utf8(struct buf *out, uint32_t c) {
    char bytes[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)(lead[n] | c);
    buf_put(out, (struct str){bytes, n});
}

static bool is_high(uint32_t unit) { return unit >= 0xd800 && unit <= 0xdbff; }
static bool is_low(uint32_t unit) { return unit >= 0xdc00 && unit <= 0xdfff; }

/* p is at the backslash of a \u escape; returns what follows it, or it and the low surrogate that
 * belongs to it. */
static const char *decode_unit(const char *p, const char *end, struct buf *out, unsigned *met) {
    uint32_t c = hex4(p + 2);
    p += 6;
    if (is_high(c) && end - p >= 6 && p[0] == '\\' && p[1] == 'u' && is_low(hex4(p + 2))) {
        c = 0x10000 + ((c - 0xd800) << 10) + (hex4(p + 2) - 0xdc00);
        p += 6;
    } else if (is_high(c) || is_low(c)) {
        *met |= JSON_HAS_LONE_SURROGATE;
    }
    if (c == 0)
        *met |= JSON_HAS_NUL;
    put_utf8(out, c);
    return p;
}

unsigned json_decode(struct str raw, struct buf *out) {
    static const char letters[] = "bfnrt", controls[] = "\b\f\n\r\t";
    const char *p = raw.p + 1, *end = raw.p + raw.n - 1;
    unsigned met = 0;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        const char *to = escape ? escape : end;
        buf_put(out, (struct str){p, (size_t)(to - p)});
        p = to;
        if (p == end)
            break;
        if (p[1] == 'u') {
            p = decode_unit(p, end, out, &met);
        } else {
            const char *letter = strchr(letters, p[1]);
            buf_put_byte(out, letter ? controls[letter - letters] : p[1]);
            p += 2;
        }
    }
    return met;
}

enum rc json_utf8(struct str value, struct buf *out) {
    if (json_kind(value) != '"')
        return RC_MALFORMED;
    if (json_decode(value, out) != 0)
        return RC_MALFORMED;
    return buf_rc(out);
}

enum rc json_u64(struct str value, uint64_t max, uint64_t *out) {
    return str_read_u64(value, max, out);
}

enum rc json_number(struct str value, double *out) {
    if (json_kind(value) != '0')
        return RC_MALFORMED;
    struct buf text;
    buf_init(&text, value.n);
    buf_put(&text, value);
    /* strtod() wants a NUL, and a number may be as long as the whole text. */
    double number = strtod(buf_cstr(&text), NULL);
    enum rc rc = buf_rc(&text);
    buf_done(&text);
    if (rc == RC_OK && !isfinite(number))
        rc = RC_MALFORMED;
    if (rc == RC_OK)
        *out = number;
    return rc;
}

static void put_escape(struct buf *out, unsigned char c) {
    static const char letters[] = "btnfr", controls[] = "\b\t\n\f\r";
    const char *control = c ? strchr(controls, c) : NULL;
    if (control || c == '"' || c == '\\') {
        buf_put_byte(out, '\\');
        buf_put_byte(out, control ? letters[control - controls] : (char)c);
    } else {
        buf_putf(out, "\\u%04x", c);
    }
}

void json_put_text(struct buf *out, struct str text) {
    size_t run = 0;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_put(out, (struct str){text.p + run, i - run});
        put_escape(out, c);
        run = i + 1;
    }
    buf_put(out, str_from(text, run));
}

void json_put_string(struct buf *out, struct str text) {
    buf_put_byte(out, '"');
    json_put_text(out, text);
    buf_put_byte(out, '"');
}
