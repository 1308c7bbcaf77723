/* tests/http/test_framing.c -- where a request ends, and where its fields do: what two servers may
 * read differently is refused, and so is what is too long.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

/* ---- what libmicrohttpd refuses itself ---- */

static const char *const junk[] = {
    "\r\n\r\n\r\nnonsense\r\n\r\n",
    "GET /v1/healthz\r\n\r\n",
    "GET /v1/healthz HTTP/3.0\r\n" END,
    "GET /v1/healthz HTTP/1.1\r\nno colon\r\n" END,
    "POST /v1/messages HTTP/1.1\r\nContent-Length: -1\r\n" END,
    "POST /v1/messages HTTP/1.1\r\nContent-Length: 3x\r\n" END,
    "POST /v1/messages HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n" END,
    "POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" END "abc",
    "POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END "zz\r\nabc\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
};

static void junk_is_refused_and_the_connection_ends(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < COUNT(junk); i++) {
        struct answer a;
        int fd = dial(rig->port);
        assert_true(say(fd, junk[i]));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        if (hear(fd, false, &a)) {
            if (a.status < 400 || a.status > 505)
                fail_msg("%s: %d", junk[i], a.status);
            forget(&a);
        }
        assert_true(is_over(fd));
        close(fd);
    }
    struct answer a = ask(rig->port, "GET /v1/healthz HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 200);
    forget(&a);
}

/* ---- fields that are not what they seem ---- */

/* NUL bytes cannot stand in the table. */
static void a_nul_in_the_target_is_refused(void **state) {
    struct rig *rig = *state;
    static const char request[] = "GET /v1/u/alice\0 HTTP/1.1\r\n" END;
    struct answer a;
    int fd = dial(rig->port);
    assert_true(say_bytes(fd, request, sizeof request - 1));
    if (hear(fd, false, &a)) {
        assert_int_equal(a.status, 400);
        forget(&a);
    }
    close(fd);
}

/* All that comes back until the server closes, in a buffer of this thread. */
static const char *hear_all(int fd, const char *what) {
    static _Thread_local char text[16 * 1024];
    size_t n = 0;
    ssize_t got;
    while (n + 1 < sizeof text && (got = take(fd, text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    if (n + 1 < sizeof text && got < 0 && errno == EAGAIN)
        fail_msg("%s: the connection stays", what);
    text[n] = '\0';
    return text;
}

#define POST "POST /v1/messages HTTP/1.1\r\n"
#define GET "GET /v1/u/alice HTTP/1.1\r\n"
#define CHUNKS POST HOST "Transfer-Encoding: chunked\r\n\r\n"
#define AFTER "GET /v1/u/smuggled HTTP/1.1\r\n" END
#define REST HOST "\r\n" AFTER
#define LAST "\r\n0\r\n\r\n" AFTER

/* Refused wherever they stand: alone, first and last. */
static void fields_that_are_not_as_they_seem_are_refused(void **state) {
    struct rig *rig = *state;
    static const struct str fields[] = {
        STR_INIT(GET "X-KEZ-Auth: a\0b\r\n" END),
        STR_INIT(GET HOST "Connection: close\r\nX-KEZ-Auth: a\0b\r\n\r\n"),
        STR_INIT(GET "X-KEZ-Auth: a\r\n b\r\n" END),
        STR_INIT(GET "X-KEZ-Auth:\r\n\ta\r\n" END),
        STR_INIT(GET HOST "Connection: close\r\nX-KEZ-Auth: a\r\n b\r\n\r\n"),
    };
    for (size_t i = 0; i < COUNT(fields); i++) {
        struct answer a;
        int fd = dial(rig->port);
        assert_true(say_bytes(fd, fields[i].p, fields[i].n));
        if (hear(fd, false, &a)) {
            if (a.status != 400)
                fail_msg("row %zu: %d %s", i, a.status, a.body);
            forget(&a);
        }
        assert_true(is_over(fd));
        close(fd);
    }
}

/* A server behind a proxy, or the proxy, could take each for something else than the other does.
 * AFTER is what would be smuggled. */
static const struct {
    const char *what;
    struct str request;
} doubtful[] = {
#define ROW(what, request)                                                                         \
    { what, STR_INIT(request) }
    /* a length that somebody does not see */
    ROW("blank before the colon", POST "Content-Length : 3\r\n" REST),
    ROW("tab before the colon", POST "X: a\r\nContent-Length\t: 3\r\n" REST),
    ROW("blank before the name", POST " Content-Length: 3\r\n" REST),
    ROW("fold before the colon", POST "X: a\r\nContent-Length\r\n : 3\r\n" REST),
    ROW("fold before the length", POST "Content-Length:\r\n 3\r\n" REST),
    ROW("fold before the length, with a tab", POST "X: a\r\nContent-Length:\r\n\t3\r\n" REST),
    ROW("fold before the coding",
        POST "Transfer-Encoding:\r\n chunked\r\n" HOST "\r\n3\r\nabc" LAST),
    ROW("NUL in the length", POST "Content-Length: 0\0003\r\n" REST),
    ROW("NUL in the name", POST "Content\0-Length: 3\r\n" REST),
    /* lines that do not end in CR LF */
    ROW("lone LF", GET "X: a\n" REST),
    ROW("lone LF before a field", GET HOST "X: a\nX-KEZ-Auth: b\r\n\r\n" AFTER),
    ROW("lone LF behind an empty field", GET HOST "X:\nX-KEZ-Auth: b\r\n\r\n" AFTER),
    ROW("lone LF behind the request line", "GET /v1/u/alice HTTP/1.1\n" REST),
    ROW("lone LF at the end", GET HOST "X: a\n\r\n" AFTER),
    ROW("lone LF as the end", GET HOST "X: a\r\n\n" AFTER),
    ROW("lone LFs only", "GET /v1/u/alice HTTP/1.1\nHost: x\n\n" AFTER),
    ROW("lone LFs and no field", "GET /v1/u/alice HTTP/1.0\n\n" AFTER),
    ROW("lone CR", GET HOST "X: a\rX-KEZ-Auth: b\r\n\r\n" AFTER),
    ROW("lone CR in the length", POST HOST "Content-Length: 3\r4\r\n\r\nabc" AFTER),
    ROW("lone CR behind the request line", "GET /v1/u/alice HTTP/1.1\r" REST),
    ROW("no name", GET HOST ": a\r\n\r\n" AFTER),
    ROW("no name before a field", GET ": a\r\n" REST),
    ROW("a second text behind the version", "GET /v1/u/alice HTTP/1.1 x\r\n" REST),
    ROW("tabs in the request line", "GET\t/v1/u/alice\tHTTP/1.1\r\n" REST),
    ROW("HTTP/1.01", "GET /v1/u/alice HTTP/1.01\r\n" REST),
    ROW("HTTP/2.0", "GET /v1/u/alice HTTP/2.0\r\n" REST),
    /* a length and a coding, or what may be read so */
    ROW("TE and CL",
        POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" AFTER),
    ROW("CL and TE",
        POST HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" AFTER),
    ROW("TE twice", POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: "
                              "chunked\r\n\r\n0\r\n\r\n" AFTER),
    ROW("TE identity, TE chunked", POST HOST "Transfer-Encoding: identity\r\nTransfer-Encoding: "
                                             "chunked\r\n\r\n0\r\n\r\n" AFTER),
    ROW("TE identity and CL",
        POST HOST "Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc" AFTER),
    ROW("TE empty and CL", POST HOST "Transfer-Encoding:\r\nContent-Length: 3\r\n\r\nabc" AFTER),
    ROW("TE xchunked", POST HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" AFTER),
    ROW("TE chunked,", POST HOST "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n" AFTER),
    ROW("TE chunked, identity",
        POST HOST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" AFTER),
    ROW("TE with VT", POST HOST "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" AFTER),
    ROW("TE in quotes", POST HOST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" AFTER),
    ROW("TE with a parameter", POST HOST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n" AFTER),
    ROW("TE in HTTP/1.0", "POST /v1/messages HTTP/1.0\r\nConnection: keep-alive\r\n" HOST
                          "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" AFTER),
    ROW("CL twice", POST HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" AFTER),
    ROW("CL and another", POST HOST "Content-Length: 3\r\ncontent-length: 0\r\n\r\nabc" AFTER),
    ROW("CL of a list", POST HOST "Content-Length: 3, 3\r\n\r\nabc" AFTER),
    ROW("CL with a sign", POST HOST "Content-Length: +3\r\n\r\nabc" AFTER),
    ROW("CL in hex", POST HOST "Content-Length: 0x3\r\n\r\nabc" AFTER),
    ROW("CL empty", POST HOST "Content-Length:\r\n\r\n" AFTER),
    ROW("CL of a GET twice", GET HOST "Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc" AFTER),
    /* chunks that are not what they say */
    ROW("size with 0x", CHUNKS "0x3\r\nabc" LAST),
    ROW("size with a sign", CHUNKS "+3\r\nabc" LAST),
    ROW("blank before a size", CHUNKS " 3\r\nabc" LAST),
    ROW("blank behind a size", CHUNKS "3 \r\nabc" LAST),
    ROW("size that wraps around", CHUNKS "10000000000000003\r\nabc" LAST),
    ROW("no size", CHUNKS "\r\nabc" LAST),
    ROW("no size but an extension", CHUNKS ";x\r\n\r\n" AFTER),
    ROW("lone CR behind a size", CHUNKS "3\rabc" LAST),
    ROW("lone CR behind a chunk", CHUNKS "3\r\nabc\r0\r\n\r\n" AFTER),
    ROW("nothing behind a chunk", CHUNKS "3\r\nabc0\r\n\r\n" AFTER),
    ROW("something behind a chunk", CHUNKS "3\r\nabcXX0\r\n\r\n" AFTER),
    ROW("no colon in a trailer", CHUNKS "0\r\nnothing\r\n\r\n" AFTER),
#undef ROW
};

/* Refused, by the library or here, and nothing that follows is taken for another request. */
static void what_can_be_read_in_two_ways_is_refused(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < COUNT(doubtful); i++) {
        int fd = dial(rig->port), status = 0;
        assert_true(say_bytes(fd, doubtful[i].request.p, doubtful[i].request.n));
        const char *text = hear_all(fd, doubtful[i].what);
        if (*text && (sscanf(text, "HTTP/1.1 %d ", &status) != 1 || status < 400))
            fail_msg("%s: %s", doubtful[i].what, text);
        if (strstr(text, "smuggled"))
            fail_msg("%s: what follows is answered: %s", doubtful[i].what, text);
        close(fd);
    }
}

/* What the library answers itself has none of our header fields: so none of the client's text may
 * be in it. */
static void what_the_library_answers_itself_repeats_nothing(void **state) {
    struct rig *rig = *state;
#define MARK "<script>mark"
    static const char *const bad[] = {
        "GET /v1/" MARK " HTTP/3.0\r\n" END,
        "GET /v1/ " MARK " HTTP/1.1\r\n" END,
        MARK " /v1/healthz HTTP/9.9\r\n" END,
        "GET /v1/u/alice HTTP/1.1\r\n" MARK "\r\n" END,
        POST "Content-Length: " MARK "\r\n" END,
        POST "Transfer-Encoding: " MARK "\r\n" END,
        POST "Transfer-Encoding: chunked\r\n" END MARK "\r\n",
        "GET /v1/u/alice HTTP/1.1\r\nX: " MARK "\r\n\r\n",
    };
#undef MARK
    for (size_t i = 0; i < COUNT(bad); i++) {
        int fd = dial(rig->port);
        assert_true(say(fd, bad[i]));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        const char *text = hear_all(fd, bad[i]);
        if (strstr(text, "mark") || strstr(text, "\r\nLocation:"))
            fail_msg("%s: %s", bad[i], text);
        close(fd);
    }
}

static void a_request_without_host_is_refused(void **state) {
    struct rig *rig = *state;
    struct answer a = ask(rig->port, "GET /v1/healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_int_equal(a.status, 400);
    forget(&a);
}

/* ---- what is long ---- */

static void a_long_target_is_refused(void **state) {
    struct rig *rig = *state;
    char request[4096];
    for (int n = TARGET_MAX_BYTES - 1; n <= TARGET_MAX_BYTES + 1; n++) {
        memset(request, 'a', sizeof request);
        memcpy(request, "GET /v1/u/", 10);
        memcpy(request + 4 + n, " HTTP/1.1\r\n" END, sizeof " HTTP/1.1\r\n" END);
        struct answer a = ask(rig->port, request);
        assert_int_equal(a.status, n > TARGET_MAX_BYTES ? 400 : 200);
        forget(&a);
    }
}

/* Up to the limit it is answered, far beyond it is refused; in between libmicrohttpd may find no
 * room for an answer and ends the connection. */
static void a_large_head_is_answered_or_refused(void **state) {
    struct rig *rig = *state;
    size_t limit = rig->config.head_max_bytes;
    char *request = malloc(4 * limit);
    assert_non_null(request);
    for (size_t n = limit / 2; n < 3 * limit; n += 499) {
        struct answer a = {.status = 0};
        int at = sprintf(request, "GET /v1/healthz HTTP/1.1\r\nX-Fill: ");
        memset(request + at, 'f', n);
        strcpy(request + (size_t)at + n, "\r\n" END);
        int fd = dial(rig->port);
        (void)say(fd, request);
        bool is_answered = hear(fd, false, &a);
        assert_true(is_over(fd));
        close(fd);
        int status = is_answered ? a.status : 0;
        if (is_answered)
            forget(&a);
        if (n < limit - 256 ? status != 200 : n > 2 * limit && status != 431 && status != 413)
            fail_msg("%zu bytes: %d", n, status);
    }
    free(request);
}

int main(void) {
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        RIG_TEST(junk_is_refused_and_the_connection_ends),
        RIG_TEST(a_nul_in_the_target_is_refused),
        RIG_TEST(fields_that_are_not_as_they_seem_are_refused),
        RIG_TEST(what_can_be_read_in_two_ways_is_refused),
        RIG_TEST(what_the_library_answers_itself_repeats_nothing),
        RIG_TEST(a_request_without_host_is_refused),
        RIG_TEST(a_long_target_is_refused),
        RIG_TEST(a_large_head_is_answered_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
