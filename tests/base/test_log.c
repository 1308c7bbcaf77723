/* tests/base/test_log.c -- log lines: their form, the level, the limit, no control characters.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int pipe_fds[2];

static int open_sink(void **state) {
    (void)state;
    if (pipe2(pipe_fds, O_NONBLOCK) != 0)
        return -1;
    log_set_fd(pipe_fds[1]);
    log_set_level(LOG_INFO);
    return 0;
}

static int close_sink(void **state) {
    (void)state;
    log_set_fd(STDERR_FILENO);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

/* What was written since, NUL-terminated; "" when nothing. */
static const char *written(void) {
    static char text[65536];
    ssize_t n = read(pipe_fds[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* Behind the time, which is checked. */
static const char *without_time(const char *line) {
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
    for (size_t i = 0; i < sizeof form - 1; i++) {
        bool is_digit = line[i] >= '0' && line[i] <= '9';
        if (form[i] == 'd' ? !is_digit : line[i] != form[i])
            fail_msg("no time: %s", line);
    }
    return line + sizeof form - 1;
}

static void a_line_has_time_level_and_text(void **state) {
    (void)state;
    log_info("store connected host=\"%s\" ms=%d", "db", 12);
    assert_string_equal(without_time(written()), "info store connected host=\"db\" ms=12\n");
    log_warn("w");
    assert_string_equal(without_time(written()), "warn w\n");
    log_error("e");
    assert_string_equal(without_time(written()), "error e\n");
}

static void the_time_is_now_in_utc(void **state) {
    (void)state;
    struct tm tm = {0};
    time_t before = time(NULL);
    log_info("x");
    time_t after = time(NULL);
    assert_non_null(strptime(written(), "%Y-%m-%dT%H:%M:%S", &tm));
    time_t at = timegm(&tm);
    assert_true(before - 1 <= at && at <= after); /* time() may lag a tick behind */
}

static void lines_below_the_level_are_dropped(void **state) {
    (void)state;
    log_debug("x");
    assert_string_equal(written(), "");
    assert_false(log_is_on(LOG_DEBUG));
    log_set_level(LOG_DEBUG);
    assert_true(log_is_on(LOG_DEBUG));
    log_debug("x");
    assert_string_equal(without_time(written()), "debug x\n");
    log_set_level(LOG_ERROR);
    log_warn("x");
    assert_string_equal(written(), "");
    log_error("x");
    assert_string_equal(without_time(written()), "error x\n");
}

static void a_long_line_is_cut_and_still_a_line(void **state) {
    (void)state;
    char text[3 * LOG_LINE_MAX];
    memset(text, 'x', sizeof text);
    for (size_t n = LOG_LINE_MAX - 64; n < LOG_LINE_MAX + 64; n++) {
        log_info("%.*s", (int)n, text);
        const char *line = written();
        size_t had = strlen("2026-05-26T23:06:17.123Z info ") + n + 1;
        assert_true(strlen(line) <= LOG_LINE_MAX);
        assert_true(strlen(line) == had || strlen(line) >= LOG_LINE_MAX - 2);
        assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    }
    log_info("%.*s", (int)sizeof text, text);
    assert_true(strlen(written()) <= LOG_LINE_MAX);
}

static void no_text_makes_a_second_line_or_moves_a_cursor(void **state) {
    (void)state;
    log_info("%s", "a\nb\rc\td\x1b[1me\x7f");
    assert_string_equal(without_time(written()), "info a?b?c?d?[1me?\n");
    log_info("a%cb", 0);
    assert_string_equal(without_time(written()), "info a?b\n");
    log_info("\xc3\xa4");
    assert_string_equal(without_time(written()), "info \xc3\xa4\n");
}

static void levels_are_read_by_name(void **state) {
    (void)state;
    static const char *const names[] = {"debug", "info", "warn", "error"};
    static const char *const bad[] = {"", "INFO", "warning", "info ", "3", NULL};
    enum log_level level;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(log_read_level(str_of(names[i]), &level), RC_OK);
        assert_int_equal(level, i);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(log_read_level(str_of(bad[i]), &level), RC_MALFORMED);
}

enum { THREADS = 4, LINES = 50 };

static void *log_some(void *arg) {
    for (int i = 0; i < LINES; i++)
        log_info("%s", (const char *)arg);
    return NULL;
}

static void lines_of_many_threads_stay_whole(void **state) {
    (void)state;
    static const char *const texts[THREADS] = {"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb",
                                               "cccccccccccccccc", "dddddddddddddddd"};
    pthread_t threads[THREADS];
    int counts[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_some, (void *)(uintptr_t)texts[i]),
                         0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct str rest = str_of(written()), line;
    while (str_cut(rest, '\n', &line, &rest)) {
        struct str text = str_from(line, strlen("2026-05-26T23:06:17.123Z info "));
        assert_int_equal(text.n, 16);
        int i = text.p[0] - 'a';
        assert_true(i >= 0 && i < THREADS && str_eq(text, str_of(texts[i])));
        counts[i]++;
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(counts[i], LINES);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_sink, close_sink)
    const struct CMUnitTest tests[] = {
        TEST(a_line_has_time_level_and_text),
        TEST(the_time_is_now_in_utc),
        TEST(lines_below_the_level_are_dropped),
        TEST(a_long_line_is_cut_and_still_a_line),
        TEST(no_text_makes_a_second_line_or_moves_a_cursor),
        TEST(levels_are_read_by_name),
        TEST(lines_of_many_threads_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
