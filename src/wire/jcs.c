/* wire/jcs.c -- one pass over the tokens; an object's members are put in order when it closes.
 *
 * Until then they stand in `out` as they came, each `"name":value` in canonical form, with nothing
 * between them. So no tree is built, and a byte is moved once for each object around it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/jcs.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json_span.h"
#include "wire/shortest.h"

struct member {
    struct str name; /* decoded; in jcs.names */
    size_t at, n;    /* where its text stands in `out` */
};

struct level {
    size_t at;           /* where the container's first byte stands in `out` */
    size_t first_member; /* in jcs.members */
    bool has_item;       /* an array that had a value already */
};

struct jcs {
    struct json_scan scan;
    struct buf *out;
    struct buf names;  /* room for all is made at once: members point into it */
    struct buf string; /* the string at hand, decoded; then an object put in order */
    struct member *members;
    size_t n, cap;
    struct level levels[JSON_MAX_DEPTH];
};

/* UTF-16 code unit order of two UTF-8 texts (3.2.3): the order of their bytes, but that characters
 * beyond U+FFFF (lead bytes f0 and up) come before U+E000 to U+FFFF (lead bytes ee and ef). */
static int compare_names(struct str a, struct str b) {
    size_t shorter = a.n < b.n ? a.n : b.n, i = 0;
    while (i < shorter && a.p[i] == b.p[i])
        i++;
    if (i == shorter)
        return (a.n > b.n) - (a.n < b.n);
    unsigned char x = (unsigned char)a.p[i], y = (unsigned char)b.p[i];
    if (x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0))
        return x >= 0xf0 ? -1 : 1;
    return x < y ? -1 : 1;
}

static int compare_members(const void *a, const void *b) {
    return compare_names(((const struct member *)a)->name, ((const struct member *)b)->name);
}

/* The member at hand of this object ends where `out` ends. */
static void end_member(struct jcs *j, const struct level *object) {
    if (j->n > object->first_member)
        j->members[j->n - 1].n = j->out->n - j->members[j->n - 1].at;
}

static enum rc add_member(struct jcs *j, struct str name) {
    if (j->n == j->cap) {
        size_t cap = j->cap ? 2 * j->cap : 16;
        struct member *members = realloc(j->members, cap * sizeof *members);
        if (!members)
            return RC_NO_MEMORY;
        j->members = members;
        j->cap = cap;
    }
    j->members[j->n++] = (struct member){.name = name, .at = j->out->n};
    return RC_OK;
}

static enum rc put_name(struct jcs *j) {
    size_t at = j->names.n;
    if (at == 0 && !buf_reserve(&j->names, j->names.max_bytes))
        return buf_rc(&j->names);
    if (json_decode(j->scan.raw, &j->names) & JSON_HAS_LONE_SURROGATE)
        return RC_MALFORMED;
    struct str name = {j->names.p + at, j->names.n - at};
    end_member(j, &j->levels[j->scan.depth - 1]);
    enum rc rc = add_member(j, name);
    json_put_string(j->out, name);
    buf_put_byte(j->out, ':');
    return rc;
}

static enum rc put_string(struct jcs *j) {
    buf_clear(&j->string);
    if (json_decode(j->scan.raw, &j->string) & JSON_HAS_LONE_SURROGATE)
        return RC_MALFORMED;
    json_put_string(j->out, buf_str(&j->string));
    return buf_rc(&j->string);
}

static enum rc put_number(struct jcs *j) {
    double value;
    enum rc rc = json_number(j->scan.raw, &value);
    if (rc == RC_OK)
        jcs_put_number(j->out, value);
    return rc;
}

/* A value follows in the container at this depth. */
static void put_comma(struct jcs *j, size_t depth) {
    if (depth == 0 || (j->scan.in_object >> (depth - 1) & 1))
        return;
    if (j->levels[depth - 1].has_item)
        buf_put_byte(j->out, ',');
    j->levels[depth - 1].has_item = true;
}

static void open_container(struct jcs *j) {
    put_comma(j, j->scan.depth - 1);
    j->levels[j->scan.depth - 1] = (struct level){.at = j->out->n, .first_member = j->n};
    buf_put(j->out, j->scan.raw);
}

/* Puts the members of the object in order and commas between them. */
static enum rc close_object(struct jcs *j) {
    const struct level *object = &j->levels[j->scan.depth];
    end_member(j, object);
    if (buf_rc(j->out) != RC_OK)
        return buf_rc(j->out);
    size_t n = j->n - object->first_member;
    if (n == 0) {
        buf_put_byte(j->out, '}');
        return RC_OK;
    }
    struct member *members = j->members + object->first_member;
    qsort(members, n, sizeof *members, compare_members);
    buf_clear(&j->string);
    buf_put_byte(&j->string, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && compare_members(&members[i - 1], &members[i]) == 0)
            return RC_MALFORMED;
        if (i > 0)
            buf_put_byte(&j->string, ',');
        buf_put(&j->string, (struct str){j->out->p + members[i].at, members[i].n});
    }
    buf_put_byte(&j->string, '}');
    j->n = object->first_member;
    j->out->n = object->at;
    buf_put(j->out, buf_str(&j->string));
    return buf_rc(&j->string);
}

static enum rc put_token(struct jcs *j, enum json_token token) {
    switch (token) {
    case SCAN_OBJECT:
    case SCAN_ARRAY:
        open_container(j);
        return RC_OK;
    case SCAN_OBJECT_END:
        return close_object(j);
    case SCAN_ARRAY_END:
        buf_put_byte(j->out, ']');
        return RC_OK;
    case SCAN_NAME:
        return put_name(j);
    case SCAN_STRING:
        put_comma(j, j->scan.depth);
        return put_string(j);
    case SCAN_NUMBER:
        put_comma(j, j->scan.depth);
        return put_number(j);
    case SCAN_LITERAL:
        put_comma(j, j->scan.depth);
        buf_put(j->out, j->scan.raw);
        return RC_OK;
    case SCAN_BAD:
    case SCAN_DONE:
        break;
    }
    return RC_MALFORMED;
}

enum rc jcs_put(struct str json, struct buf *out) {
    struct jcs j = {.out = out};
    json_scan_init(&j.scan, json);
    buf_init(&j.names, json.n);
    buf_init(&j.string, out->max_bytes);
    enum rc rc = RC_OK;
    enum json_token token;
    while (rc == RC_OK && (token = json_scan_next(&j.scan)) != SCAN_DONE) {
        rc = put_token(&j, token);
        if (rc == RC_OK)
            rc = buf_rc(out);
    }
    free(j.members);
    buf_done(&j.string);
    buf_done(&j.names);
    return rc;
}

static void put_zeros(struct buf *out, int n) {
    while (n-- > 0)
        buf_put_byte(out, '0');
}

void jcs_put_number(struct buf *out, double value) {
    /* Below 2^53 every whole number is a double of its own, so all its digits count. (-0 is 0.) */
    if (fabs(value) < 9007199254740992.0 && value == (double)(int64_t)value) {
        buf_put_i64(out, (int64_t)value);
        return;
    }
    if (value < 0)
        buf_put_byte(out, '-');
    struct decimal d = shortest_decimal(fabs(value));
    char text[24];
    int k = snprintf(text, sizeof text, "%llu", (unsigned long long)d.digits);
    struct str digits = {text, (size_t)k};
    int point = k + d.exponent; /* the "n" of the standard: 0.digits * 10^point */
    if (point > 21 || point <= -6) {
        buf_put(out, (struct str){text, 1});
        if (k > 1)
            buf_put_byte(out, '.');
        buf_put(out, str_from(digits, 1));
        buf_putf(out, "e%c%d", point > 0 ? '+' : '-', abs(point - 1));
    } else if (point >= k) {
        buf_put(out, digits);
        put_zeros(out, point - k);
    } else if (point > 0) {
        buf_put(out, (struct str){text, (size_t)point});
        buf_put_byte(out, '.');
        buf_put(out, str_from(digits, (size_t)point));
    } else {
        buf_put(out, STR("0."));
        put_zeros(out, -point);
        buf_put(out, digits);
    }
}
