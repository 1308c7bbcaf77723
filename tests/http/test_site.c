/* tests/http/test_site.c -- static files: what is served, and that nothing outside the folder is.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/site.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/proc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { MAX_BYTES = 1000, PATH_ROOM = 512 };

struct world {
    struct site site;
    char web[PATH_ROOM];
};

static void put(const char *dir, const char *name, const char *text) {
    char path[PATH_ROOM];
    assert_true((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) < sizeof path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void make(const char *dir, const char *name) {
    char path[PATH_ROOM];
    assert_true((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) < sizeof path);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void point(const char *dir, const char *name, const char *to) {
    char path[PATH_ROOM];
    assert_true((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) < sizeof path);
    assert_int_equal(symlink(to, path), 0);
}

static void open_world(struct world *w, bool lacks_openat2) {
    const char *dir = proc_temp_dir(NULL), *why = "";
    char big[MAX_BYTES + 2];
    memset(big, 'b', sizeof big);
    big[MAX_BYTES + 1] = '\0';
    assert_true((size_t)snprintf(w->web, sizeof w->web, "%s/web", dir) < sizeof w->web);
    make(dir, "web");
    make(dir, "web-other"); /* a neighbour whose name begins like ours */
    put(dir, "secret.txt", "outside");
    put(dir, "web-other/secret.txt", "outside");
    put(w->web, "index.html", "index");
    put(w->web, "app.js", "app");
    put(w->web, "LOGO.SVG", "logo");
    put(w->web, "no-extension", "plain");
    put(w->web, "with space.txt", "space");
    put(w->web, ".env", "hidden");
    put(w->web, "big.txt", big);
    big[MAX_BYTES] = '\0';
    put(w->web, "fits.txt", big);
    make(w->web, "sub");
    put(w->web, "sub/deep.css", "deep");
    make(w->web, "sub/.git");
    put(w->web, "sub/.git/config", "hidden");
    point(w->web, "inside.txt", "sub/deep.css");
    point(w->web, "out.txt", "../secret.txt");
    point(w->web, "out-absolute.txt", "/etc/passwd");
    point(w->web, "neighbour", "../web-other");
    point(w->web, "up", "..");
    point(w->web, "root", "/");
    point(w->web, "loop.txt", "loop.txt");
    char pipe[PATH_ROOM + 16];
    (void)snprintf(pipe, sizeof pipe, "%s/pipe.txt", w->web);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    if (site_open(&w->site, w->web, MAX_BYTES, &why) != RC_OK)
        fail_msg("%s", why);
    w->site.lacks_openat2 = lacks_openat2;
}

static int setup(void **state) {
    static struct world w;
    open_world(&w, false);
    *state = &w;
    return 0;
}

static int setup_old_kernel(void **state) {
    static struct world w;
    open_world(&w, true);
    *state = &w;
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    site_close(&w->site);
    return 0;
}

static const struct {
    const char *target;
    const char *text; /* NULL: not found */
    const char *type;
} rows[] = {
    {"/", "index", "text/html; charset=utf-8"},
    {"/index.html", "index", "text/html; charset=utf-8"},
    {"/app.js", "app", "text/javascript; charset=utf-8"},
    {"/app.js?v=1", "app", "text/javascript; charset=utf-8"},
    {"/%61pp.js", "app", "text/javascript; charset=utf-8"},
    {"/LOGO.SVG", "logo", "image/svg+xml"},
    {"/no-extension", "plain", "application/octet-stream"},
    {"/with%20space.txt", "space", "text/plain; charset=utf-8"},
    {"/sub/deep.css", "deep", "text/css; charset=utf-8"},
    {"/inside.txt", "deep", "text/plain; charset=utf-8"},
    /* routes of the client itself */
    {"/inbox", "index", "text/html; charset=utf-8"},
    {"/inbox/alice", "index", "text/html; charset=utf-8"},
    {"/inbox/", "index", "text/html; charset=utf-8"},
    {"/sub", "index", "text/html; charset=utf-8"},
    {"/sub/", "index", "text/html; charset=utf-8"},
    /* and what is not there */
    {"/missing.js", NULL, NULL},
    {"/sub/missing.css", NULL, NULL},
    {"/sub.d/", "index", "text/html; charset=utf-8"},
    {"/big.txt", NULL, NULL},
    {"/pipe.txt", NULL, NULL},
    {"/.env", NULL, NULL},
    {"/sub/.git/config", NULL, NULL},
    {"/sub/.git/", NULL, NULL},
    {"/...", NULL, NULL},
    {"*", NULL, NULL},
    /* no way out; a path that looks like one of the client is the client's */
    {"/out.txt", NULL, NULL},
    {"/out-absolute.txt", NULL, NULL},
    {"/neighbour/secret.txt", NULL, NULL},
    {"/up/secret.txt", NULL, NULL},
    {"/root/etc/passwd", "index", "text/html; charset=utf-8"},
    {"/root/etc/hosts.allow", NULL, NULL},
    {"/loop.txt", NULL, NULL},
    {"//etc/passwd", "index", "text/html; charset=utf-8"},
    {"/app.js/x.js", NULL, NULL},
};

static void the_right_files_are_found(void **state) {
    struct world *w = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        static struct target t;
        struct site_file file = {.fd = -1};
        char text[64] = "";
        assert_int_equal(target_read(str_of(rows[i].target), &t), RC_OK);
        enum rc rc = site_find(&w->site, &t, &file);
        if (rc != (rows[i].text ? RC_OK : RC_NOT_FOUND))
            fail_msg("%s: %s", rows[i].target, rc_name(rc));
        if (rc != RC_OK)
            continue;
        ssize_t n = read(file.fd, text, sizeof text - 1);
        assert_true(n >= 0);
        text[n] = '\0';
        if (strcmp(text, rows[i].text) != 0 || strcmp(file.type, rows[i].type) != 0)
            fail_msg("%s: %s %s", rows[i].target, text, file.type);
        assert_int_equal(file.size, (size_t)n);
        close(file.fd);
    }
}

static void dots_never_come_this_far(void **state) {
    (void)state;
    static const char *const targets[] = {"/../secret.txt",  "/sub/../app.js", "/%2e%2e/secret.txt",
                                          "/sub%2Fdeep.css", "/app.js%00.txt", "/./app.js"};
    static struct target t;
    for (size_t i = 0; i < COUNT(targets); i++)
        assert_int_equal(target_read(str_of(targets[i]), &t), RC_MALFORMED);
}

static void a_file_of_the_limit_is_served(void **state) {
    struct world *w = *state;
    static struct target t;
    struct site_file file;
    assert_int_equal(target_read(STR("/fits.txt"), &t), RC_OK);
    assert_int_equal(site_find(&w->site, &t, &file), RC_OK);
    assert_int_equal(file.size, MAX_BYTES);
    close(file.fd);
}

static void an_etag_changes_with_the_file_only(void **state) {
    struct world *w = *state;
    static struct target t;
    struct site_file one, two;
    assert_int_equal(target_read(STR("/app.js"), &t), RC_OK);
    assert_int_equal(site_find(&w->site, &t, &one), RC_OK);
    assert_int_equal(site_find(&w->site, &t, &two), RC_OK);
    assert_string_equal(one.etag, two.etag);
    assert_true(one.etag[0] == '"' && one.etag[strlen(one.etag) - 1] == '"');
    close(two.fd);
    put(w->web, "app.js", "longer");
    assert_int_equal(site_find(&w->site, &t, &two), RC_OK);
    assert_string_not_equal(one.etag, two.etag);
    close(one.fd);
    close(two.fd);
}

static const struct {
    struct str field;
    bool is_listed;
} conditions[] = {
    {STR_INIT("\"a-1\""), true},
    {STR_INIT("W/\"a-1\""), true},
    {STR_INIT("\"x\", \"a-1\""), true},
    {STR_INIT("\"x\",W/\"a-1\" ,\"y\""), true},
    {STR_INIT(" \t\"a-1\"\t "), true},
    {STR_INIT("*"), true},
    {STR_INIT(""), false},
    {STR_INIT("a-1"), false},
    {STR_INIT("\"a-12\""), false},
    {STR_INIT("\"x\""), false},
    {STR_INIT("w/\"a-1\""), false},
    {STR_INIT(","), false},
};

static void conditions_are_read(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(conditions); i++)
        if (site_etag_is_listed(conditions[i].field, "\"a-1\"") != conditions[i].is_listed)
            fail_msg("%.*s", STR_ARG(conditions[i].field));
}

static void without_a_folder_there_is_nothing(void **state) {
    (void)state;
    struct site s;
    static struct target t;
    struct site_file file;
    const char *why = "";
    assert_int_equal(target_read(STR("/"), &t), RC_OK);
    assert_int_equal(site_open(&s, "", MAX_BYTES, &why), RC_OK);
    assert_int_equal(site_find(&s, &t, &file), RC_NOT_FOUND);
    site_close(&s);
    assert_int_equal(site_open(&s, NULL, MAX_BYTES, &why), RC_OK);
    site_close(&s);
    assert_int_equal(site_open(&s, "/no/such/folder", MAX_BYTES, &why), RC_MALFORMED);
    assert_non_null(strstr(why, "/no/such/folder"));
    assert_int_equal(site_open(&s, "/etc/passwd", MAX_BYTES, &why), RC_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_right_files_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(the_right_files_are_found, setup_old_kernel, teardown),
        cmocka_unit_test(dots_never_come_this_far),
        cmocka_unit_test_setup_teardown(a_file_of_the_limit_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(an_etag_changes_with_the_file_only, setup, teardown),
        cmocka_unit_test(conditions_are_read),
        cmocka_unit_test(without_a_folder_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
