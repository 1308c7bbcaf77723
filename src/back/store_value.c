/* back/store_value.c -- PostgreSQL's binary forms of parameters and results.
 *
 * Source: PostgreSQL, src/backend/utils/adt: array_recv(), int8recv(), timestamptz_send(); all
 * integers in network byte order.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <assert.h>
#include <string.h>

#include <stdio.h>

#include <libpq-fe.h>

#include "store_parts.h"

/* Timestamps count microseconds from 2000-01-01. */
static const int64_t POSTGRES_EPOCH_MS = 946684800000;

/* Type numbers of pg_type.dat, which never change. */
static const uint32_t element_oids[] = {
    [ELEMENT_BIGINT] = 20, [ELEMENT_TEXT] = 25, [ELEMENT_BYTEA] = 17};

static void write_be(char *to, uint64_t number, size_t n) {
    for (size_t i = 0; i < n; i++)
        to[i] = (char)(number >> (8 * (n - 1 - i)) & 0xff);
}

static uint64_t read_be(const char *from, size_t n) {
    uint64_t number = 0;
    for (size_t i = 0; i < n; i++)
        number = number << 8 | (unsigned char)from[i];
    return number;
}

static void put_be32(struct buf *out, uint64_t number) {
    char bytes[4];
    write_be(bytes, number, sizeof bytes);
    buf_put(out, (struct str){bytes, sizeof bytes});
}

struct str value_i64(struct value *v, int64_t number) {
    write_be(v->bytes, (uint64_t)number, sizeof v->bytes);
    return (struct str){v->bytes, sizeof v->bytes};
}

void array_begin(struct buf *out, enum element type, size_t n) {
    put_be32(out, 1); /* dimensions */
    put_be32(out, 1); /* it may hold NULLs */
    put_be32(out, element_oids[type]);
    put_be32(out, n);
    put_be32(out, 1); /* the first index */
}

void array_add(struct buf *out, struct str bytes) {
    put_be32(out, str_is_absent(bytes) ? UINT32_MAX : bytes.n);
    buf_put(out, bytes);
}

void array_add_i64(struct buf *out, int64_t number) {
    struct value v;
    array_add(out, value_i64(&v, number));
}

/* The n bytes of a value, as a number; NULL gives 0. */
static uint64_t number_at(const PGresult *r, int row, int col, size_t n) {
    if (PQgetisnull(r, row, col))
        return 0;
    assert(PQgetlength(r, row, col) == (int)n);
    return read_be(PQgetvalue(r, row, col), n);
}

int64_t value_get_i64(const PGresult *r, int row, int col) {
    return (int64_t)number_at(r, row, col, 8);
}

int64_t value_get_i16(const PGresult *r, int row, int col) {
    return (int16_t)number_at(r, row, col, 2);
}

char value_get_char(const PGresult *r, int row, int col) { return (char)number_at(r, row, col, 1); }

int64_t value_get_ms(const PGresult *r, int row, int col) {
    return value_get_i64(r, row, col) / 1000 + POSTGRES_EPOCH_MS;
}

struct str value_get_str(const PGresult *r, int row, int col) {
    if (PQgetisnull(r, row, col))
        return (struct str){NULL, 0};
    return (struct str){PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col)};
}

uint64_t value_get_epoch_tag(const PGresult *r, int row, int col) {
    struct epoch epoch = {""};
    (void)snprintf(epoch.text, sizeof epoch.text, "%.*s", STR_ARG(value_get_str(r, row, col)));
    return epoch_tag(&epoch);
}
