/* bench/answer.c -- reads HTTP/1.1 answers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/answer.h"

#include <string.h>

enum { CHUNK_MAX_DIGITS = 7 };
#define LENGTH_MAX ((uint64_t)1 << 40)

static struct str trim(struct str s) {
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = str_from(s, 1);
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

/* `HTTP/1.x nnn ...`: *version is the x. */
static enum rc read_status(struct str line, unsigned *status, unsigned *version) {
    uint64_t value, minor;
    struct str prefix = STR("HTTP/1.");
    if (line.n < prefix.n + 5 || !str_starts_with(line, prefix) || line.p[prefix.n + 1] != ' ')
        return RC_MALFORMED;
    if (str_read_u64((struct str){line.p + prefix.n, 1}, 9, &minor) != RC_OK ||
        str_read_u64((struct str){line.p + prefix.n + 2, 3}, 599, &value) != RC_OK || value < 100)
        return RC_MALFORMED;
    *status = (unsigned)value;
    *version = (unsigned)minor;
    return RC_OK;
}

static enum rc read_field(struct str line, struct answer_head *out) {
    struct str name, value;
    if (!str_cut(line, ':', &name, &value))
        return RC_MALFORMED;
    value = trim(value);
    if (str_eq_nocase(name, STR("content-length")))
        return str_read_u64(value, LENGTH_MAX, &out->length) == RC_OK ? RC_OK : RC_MALFORMED;
    if (str_eq_nocase(name, STR("transfer-encoding"))) {
        out->is_chunked = str_eq_nocase(value, STR("chunked"));
        return out->is_chunked ? RC_OK : RC_MALFORMED;
    }
    if (str_eq_nocase(name, STR("connection")))
        out->closes = str_eq_nocase(value, STR("close")) ||
                      (out->closes && !str_eq_nocase(value, STR("keep-alive")));
    return RC_OK;
}

enum rc answer_read_head(struct str bytes, struct answer_head *out) {
    const char *end = bytes.n ? memmem(bytes.p, bytes.n, "\r\n\r\n", 4) : NULL;
    if (!end)
        return RC_TOO_SHORT;
    struct answer_head head = {.length = ANSWER_NO_LENGTH, .bytes = (size_t)(end - bytes.p) + 4};
    struct str line, rest;
    unsigned version;
    (void)str_cut((struct str){bytes.p, head.bytes - 2}, '\n', &line, &rest);
    enum rc rc = read_status(line, &head.status, &version);
    head.closes = version == 0;
    while (rc == RC_OK && str_cut(rest, '\n', &line, &rest))
        rc = read_field(line, &head);
    if (rc == RC_OK)
        *out = head;
    return rc;
}

enum chunk_state {
    IN_SIZE,
    IN_EXTENSION, /* up to the LF after the size */
    IN_BYTES,
    AFTER_BYTES, /* the CRLF that ends a chunk */
    IN_TRAILER,  /* `digits` counts the bytes of this line */
    AT_END,
};

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The line of a chunk's size has ended. */
static enum rc end_size(struct chunk *c) {
    if (c->digits == 0)
        return RC_MALFORMED;
    c->state = c->left > 0 ? IN_BYTES : IN_TRAILER;
    c->digits = 0;
    return RC_OK;
}

static enum rc size_byte(struct chunk *c, char byte) {
    int digit = hex_digit(byte);
    if (byte == '\n')
        return end_size(c);
    if (byte == ';' || byte == '\r' || byte == ' ' || byte == '\t')
        c->state = IN_EXTENSION;
    else if (digit < 0 || ++c->digits > CHUNK_MAX_DIGITS)
        return RC_MALFORMED;
    else
        c->left = c->left << 4 | (uint32_t)digit;
    return RC_OK;
}

/* A byte of the framing, not of the body. */
static enum rc frame_byte(struct chunk *c, char byte) {
    switch ((enum chunk_state)c->state) {
    case IN_SIZE:
        return size_byte(c, byte);
    case IN_EXTENSION:
        return byte == '\n' ? end_size(c) : RC_OK;
    case AFTER_BYTES:
        if (byte == '\n')
            c->state = IN_SIZE;
        return byte == '\n' || byte == '\r' ? RC_OK : RC_MALFORMED;
    case IN_TRAILER:
        if (byte == '\n' && c->digits == 0)
            c->state = AT_END;
        else if (byte != '\r')
            c->digits = byte != '\n';
        return RC_OK;
    case IN_BYTES:
    case AT_END:
        break;
    }
    return RC_MALFORMED;
}

enum rc chunk_next(struct chunk *c, struct str *in, struct str *body) {
    *body = (struct str){in->p, 0};
    while (in->n > 0 && c->state != AT_END) {
        if (c->state == IN_BYTES) {
            size_t run = in->n < c->left ? in->n : c->left;
            *body = (struct str){in->p, run};
            *in = str_from(*in, run);
            c->left -= (uint32_t)run;
            if (c->left == 0)
                c->state = AFTER_BYTES;
            return RC_OK;
        }
        enum rc rc = frame_byte(c, in->p[0]);
        if (rc != RC_OK)
            return rc;
        *in = str_from(*in, 1);
    }
    return c->state == AT_END ? RC_CLOSED : RC_OK;
}

/* Two passes: is it whole, then put it together; so an answer that is not yet whole stays as it
 * is. */
static enum rc read_chunked(char *bytes, size_t n, struct str *body) {
    struct str run;
    for (int pass = 0; pass < 2; pass++) {
        struct chunk c = {0};
        struct str in = {bytes, n};
        size_t length = 0;
        enum rc rc;
        while ((rc = chunk_next(&c, &in, &run)) == RC_OK && run.n > 0) {
            if (pass == 1)
                memmove(bytes + length, run.p, run.n);
            length += run.n;
        }
        if (rc != RC_CLOSED)
            return rc == RC_OK ? RC_TOO_SHORT : rc;
        *body = (struct str){bytes, length};
    }
    return RC_OK;
}

static bool has_no_body(unsigned status) { return status < 200 || status == 204 || status == 304; }

enum rc answer_read(char *bytes, size_t n, struct answer *out) {
    struct answer a = {0};
    enum rc rc = answer_read_head((struct str){bytes, n}, &a.head);
    if (rc != RC_OK)
        return rc;
    char *at = bytes + a.head.bytes;
    size_t left = n - a.head.bytes;
    if (has_no_body(a.head.status)) {
        a.body = (struct str){at, 0};
    } else if (a.head.is_chunked) {
        rc = read_chunked(at, left, &a.body);
    } else if (a.head.length == ANSWER_NO_LENGTH) {
        return RC_MALFORMED;
    } else {
        if (left < a.head.length)
            return RC_TOO_SHORT;
        a.body = (struct str){at, (size_t)a.head.length};
    }
    if (rc == RC_OK)
        *out = a;
    return rc;
}
