/* tests/bench/test_scan.c -- event streams are read the same however they are split.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "wire/row.h"
#include "wire/sse.h"

enum { FRAMES_MAX = 8 };

struct want {
    enum scan_event event;
    int64_t id;      /* -1: none */
    int64_t sent_ns; /* -1: no mark */
    uint32_t handle, post;
};

static const struct {
    struct str in;
    size_t n;
    struct want frames[FRAMES_MAX];
} rows[] = {
    {STR_INIT(""), 0, {{0}}},
    {STR_INIT("retry: 3000\n\n: keep-alive\n\n"), 0, {{0}}},
    {STR_INIT("id: 5\ndata: {\"seq\":5,\"envelope\":{\"b\":\"@123;4;56;\"}}\n\n"),
     1,
     {{SCAN_ROW, 5, 123, 4, 56}}},
    {STR_INIT("event: ready\nid: 7\ndata: {}\n\nevent: resync\nid: 9\ndata: {}\n\n"
              "event: drain\nretry: 5\ndata: {}\n\n"),
     3,
     {{SCAN_READY, 7, -1, 0, 0}, {SCAN_RESYNC, 9, -1, 0, 0}, {SCAN_DRAIN, -1, -1, 0, 0}}},
    /* An event's name is for its frame alone; so are id and mark. */
    {STR_INIT("event: ready\nid: 7\ndata: @1;2;3;\n\ndata: x\n\n"),
     2,
     {{SCAN_READY, 7, 1, 2, 3}, {SCAN_ROW, -1, -1, 0, 0}}},
    /* 9.2.6: no data, no frame, and its event name is forgotten. */
    {STR_INIT("event: ready\n\ndata\n\n"), 1, {{SCAN_ROW, -1, -1, 0, 0}}},
    {STR_INIT("event: readyx\ndata: 1\n\nevent: ready and much more\ndata: 1\n\n"
              "event: message\ndata: 1\n\nevent:\ndata: 1\n\n"),
     4,
     {{SCAN_OTHER, -1, -1, 0, 0},
      {SCAN_OTHER, -1, -1, 0, 0},
      {SCAN_ROW, -1, -1, 0, 0},
      {SCAN_ROW, -1, -1, 0, 0}}},
    /* No space, two spaces, CRLF. */
    {STR_INIT("id:5\ndata:1\n\nid:  5\ndata: 1\n\nid: 6\r\ndata: @7;8;9;\r\n\r\n"),
     3,
     {{SCAN_ROW, 5, -1, 0, 0}, {SCAN_ROW, -1, -1, 0, 0}, {SCAN_ROW, 6, 7, 8, 9}}},
    /* Ids that are not digits alone. */
    {STR_INIT("id: 1700000000:0\ndata: 1\n\nid: -5\ndata: 1\n\nid\ndata: 1\n\n"
              "id: 99999999999999999999\ndata: 1\n\nid: 9999999999999999999\ndata: 1\n\n"),
     5,
     {{SCAN_ROW, -1, -1, 0, 0},
      {SCAN_ROW, -1, -1, 0, 0},
      {SCAN_ROW, -1, -1, 0, 0},
      {SCAN_ROW, -1, -1, 0, 0},
      {SCAN_ROW, (int64_t)9999999999999999999u, -1, 0, 0}}},
    /* Fields that only look like ours. */
    {STR_INIT("idx: 5\nda: 1\ndatadatadata: 1\nxdata: 1\n\n"), 0, {{0}}},
    /* What looks like a mark and is none; the mark may be in a later data line. */
    {STR_INIT("data: @;1;2; a@b @1;2 @1;99999999999;3;\ndata: @5;6;7;\n\n"),
     1,
     {{SCAN_ROW, -1, 5, 6, 7}}},
    {STR_INIT("data: @1;2;3;@4;5;6;\n\n"), 1, {{SCAN_ROW, -1, 1, 2, 3}}},
    /* A mark outside of data is no mark. */
    {STR_INIT(": @1;2;3;\nevent: x@1;2;3;\nid: 4\ndata: y\n\n"), 1, {{SCAN_OTHER, 4, -1, 0, 0}}},
    /* The last frame has not ended. */
    {STR_INIT("data: 1\n\nid: 3\ndata: 2\n"), 1, {{SCAN_ROW, -1, -1, 0, 0}}},
};

static void check(const struct scan_frame *got, const struct want *want) {
    assert_int_equal(got->event, want->event);
    assert_int_equal(got->has_id, want->id != -1);
    if (got->has_id)
        assert_true(got->id == (uint64_t)want->id);
    assert_int_equal(got->has_mark, want->sent_ns != -1);
    if (!got->has_mark)
        return;
    assert_int_equal(got->mark.sent_ns, want->sent_ns);
    assert_int_equal(got->mark.handle, want->handle);
    assert_int_equal(got->mark.post, want->post);
}

/* Reads row i in pieces of `first`, then `piece` bytes each. */
static void read_in_pieces(size_t i, size_t first, size_t piece) {
    struct scan s = {0};
    struct scan_frame frame;
    size_t seen = 0, size = first;
    for (size_t at = 0; at < rows[i].in.n; at += size, size = at == first ? piece : size) {
        size = at == 0 ? first : piece;
        size_t left = rows[i].in.n - at;
        struct str in = {rows[i].in.p + at, size < left ? size : left};
        while (scan_next(&s, &in, &frame)) {
            assert_true(seen < rows[i].n);
            check(&frame, &rows[i].frames[seen++]);
        }
        assert_int_equal(in.n, 0);
    }
    assert_int_equal(seen, rows[i].n);
}

static void every_split_reads_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t piece = 1; piece <= rows[i].in.n + 1; piece++)
            read_in_pieces(i, piece, piece);
        for (size_t first = 1; first < rows[i].in.n; first++)
            read_in_pieces(i, first, rows[i].in.n);
    }
}

static void the_frames_of_wire_are_understood(void **state) {
    (void)state;
    struct buf b;
    struct scan s = {0};
    struct scan_frame f;
    struct row row = {.seq = 12, .type = ROW_MESSAGE, .envelope = STR("{\"b\":\"@9;8;7;\"}")};
    buf_init(&b, 4096);
    buf_put(&b, sse_hello());
    sse_put_ready(&b, STR("alice"), 11, 1, STR("e"));
    buf_put(&b, sse_keep_alive());
    buf_put(&b, STR("id: 12\ndata: "));
    row_put(&b, &row);
    buf_put(&b, STR("\n\n"));
    sse_put_resync(&b, STR("trimmed"), 40, 28, STR("e"));
    sse_put_drain(&b, 1234);
    struct str in = buf_str(&b);
    const struct want want[] = {{SCAN_READY, 11, -1, 0, 0},
                                {SCAN_ROW, 12, 9, 8, 7},
                                {SCAN_RESYNC, 40, -1, 0, 0},
                                {SCAN_DRAIN, -1, -1, 0, 0}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_true(scan_next(&s, &in, &f));
        check(&f, &want[i]);
    }
    assert_false(scan_next(&s, &in, &f));
    buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_reads_the_same),
        cmocka_unit_test(the_frames_of_wire_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
