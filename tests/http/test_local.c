/* tests/http/test_local.c -- the file of a Unix socket: made, refused, replaced, removed; and who
 * is at the other end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/local.h"
#include "support/proc.h"

static struct {
    char path[LOCAL_PATH_MAX + 1];
    struct local_file file;
    int fd;
    const char *why;
} here;

static int setup(void **state) {
    (void)state;
    (void)snprintf(here.path, sizeof here.path, "%s/web_events.sock", proc_temp_dir(NULL));
    here.file.path[0] = '\0';
    here.fd = -1;
    here.why = "";
    return 0;
}

/* local.c's bind() (see CMakeLists.txt): what mode the file has as soon as it is there. */
static mode_t born_with;
int __wrap_bind(int fd, const struct sockaddr *at, socklen_t size);
int __real_bind(int fd, const struct sockaddr *at, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *at, socklen_t size) {
    struct stat st;
    int rc = __real_bind(fd, at, size);
    if (rc == 0 && lstat(here.path, &st) == 0)
        born_with = st.st_mode & 07777;
    return rc;
}

static enum rc listen_here(void) {
    return local_listen(here.path, &here.file, &here.fd, &here.why);
}

static void stop_here(void) {
    local_remove(&here.file);
    close(here.fd);
}

/* -1 and errno. */
static int dial_here(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, here.path, strlen(here.path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void expect_reachable(void) {
    int client = dial_here();
    assert_true(client >= 0);
    struct pollfd p = {.fd = here.fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 10000), 1);
    int server = accept(here.fd, NULL, NULL);
    assert_true(server >= 0);
    close(server);
    close(client);
}

static void its_file_has_its_mode_whatever_the_mask(void **state) {
    (void)state;
    static const mode_t masks[] = {0, 022, 077, 0777};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        struct stat st;
        mode_t before = umask(masks[i]);
        born_with = 07777;
        enum rc rc = listen_here();
        (void)umask(before);
        if (rc != RC_OK)
            fail_msg("mask %o: %s", masks[i], here.why);
        assert_int_equal(born_with, 0660 & ~masks[i]); /* at no moment a wider one */
        assert_int_equal(lstat(here.path, &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 07777, 0660);
        assert_true(fcntl(here.fd, F_GETFL) & O_NONBLOCK);
        expect_reachable();
        stop_here();
        assert_int_equal(lstat(here.path, &st), -1);
        assert_int_equal(errno, ENOENT);
    }
}

static void a_stale_file_is_replaced(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(listen_here(), RC_OK);
        expect_reachable();
        close(here.fd); /* as when the process is killed: the file stays */
        assert_int_equal(dial_here(), -1);
        assert_int_equal(errno, ECONNREFUSED);
    }
    assert_int_equal(listen_here(), RC_OK);
    stop_here();
}

static void a_live_one_is_left_alone(void **state) {
    (void)state;
    assert_int_equal(listen_here(), RC_OK);
    struct local_file other = {.path = ""};
    int fd = -1;
    assert_int_equal(local_listen(here.path, &other, &fd, &here.why), RC_CONFLICT);
    assert_non_null(strstr(here.why, "another process listens there; stop it"));
    assert_non_null(strstr(here.why, here.path));
    assert_int_equal(fd, -1);
    /* Also when it is so busy that nobody gets in. */
    int clients[8], n = 0, fd_in;
    assert_int_equal(listen(here.fd, 1), 0);
    while ((clients[n] = dial_here()) >= 0)
        assert_true(++n < 8);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(local_listen(here.path, &other, &fd, &here.why), RC_CONFLICT);
    while (n > 0)
        close(clients[--n]);
    while ((fd_in = accept(here.fd, NULL, NULL)) >= 0)
        close(fd_in);
    expect_reachable();
    stop_here();
}

static void what_is_no_socket_is_left_alone(void **state) {
    (void)state;
    struct stat st;
    int fd = open(here.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "letter", 6), 6);
    close(fd);
    assert_int_equal(listen_here(), RC_MALFORMED);
    assert_non_null(strstr(here.why, "no socket; remove it"));
    assert_int_equal(lstat(here.path, &st), 0);
    assert_int_equal(st.st_size, 6);
    assert_int_equal(unlink(here.path), 0);

    assert_int_equal(mkdir(here.path, 0700), 0);
    assert_int_equal(listen_here(), RC_MALFORMED);
    assert_int_equal(rmdir(here.path), 0);

    assert_int_equal(symlink("/no/such/file", here.path), 0);
    assert_int_equal(listen_here(), RC_MALFORMED);
    assert_int_equal(unlink(here.path), 0);

    assert_int_equal(mkfifo(here.path, 0600), 0);
    assert_int_equal(listen_here(), RC_MALFORMED);
    assert_int_equal(lstat(here.path, &st), 0);
    assert_int_equal(unlink(here.path), 0);
}

/* A link to a stale socket is a file of somebody's own, and so is what it leads to. */
static void a_link_to_a_socket_is_left_alone(void **state) {
    (void)state;
    struct stat st;
    char link[LOCAL_PATH_MAX + 1];
    assert_int_equal(listen_here(), RC_OK);
    close(here.fd);
    memcpy(link, here.path, sizeof link);
    link[strlen(link) - 1] = 'L';
    assert_int_equal(symlink(here.path, link), 0);
    struct local_file other = {.path = ""};
    int fd = -1;
    assert_int_equal(local_listen(link, &other, &fd, &here.why), RC_MALFORMED);
    assert_int_equal(lstat(link, &st), 0);
    assert_int_equal(lstat(here.path, &st), 0);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(unlink(here.path), 0);
}

static void only_ones_own_file_is_removed(void **state) {
    (void)state;
    struct stat st;
    assert_int_equal(listen_here(), RC_OK);
    struct local_file first = here.file;
    int first_fd = here.fd;
    assert_int_equal(unlink(here.path), 0);
    assert_int_equal(listen_here(), RC_OK); /* another server's, meanwhile */
    local_remove(&first);
    close(first_fd);
    assert_int_equal(lstat(here.path, &st), 0);
    expect_reachable();
    stop_here();
    local_remove(&here.file); /* once more is fine */
}

static void a_path_must_fit_and_exist(void **state) {
    (void)state;
    char *end = here.path + strlen(here.path);
    int fd = -1;
    char longer[LOCAL_PATH_MAX + 2];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(local_listen(longer, &here.file, &fd, &here.why), RC_MALFORMED);
    assert_non_null(strstr(here.why, "107"));
    assert_int_equal(local_listen("", &here.file, &fd, &here.why), RC_MALFORMED);
    assert_int_equal(local_listen("/no/such/folder/x.sock", &here.file, &fd, &here.why), RC_IO);
    assert_non_null(strstr(here.why, "No such file"));
    while (end < here.path + LOCAL_PATH_MAX)
        *end++ = 'x';
    *end = '\0';
    assert_int_equal(listen_here(), RC_OK);
    expect_reachable();
    stop_here();
}

static void a_bare_name_is_in_the_present_folder(void **state) {
    (void)state;
    char before[4096];
    int fd = -1;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(proc_temp_dir(NULL)), 0);
    assert_int_equal(local_listen("bare.sock", &here.file, &fd, &here.why), RC_OK);
    local_remove(&here.file);
    assert_int_equal(access("bare.sock", F_OK), -1);
    close(fd);
    assert_int_equal(chdir(before), 0);
}

static void peers_are_known_by_their_user(void **state) {
    (void)state;
    struct local_peers none = {0}, others, us;
    char text[64];
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    (void)snprintf(text, sizeof text, "7777,%u", (unsigned)getuid());
    assert_int_equal(local_read_peers(str_of(text), &us), RC_OK);
    assert_int_equal(us.n, 2);
    assert_int_equal(local_read_peers(STR("7777,7778"), &others), RC_OK);
    assert_true(local_peer_is(pair[0], &us));
    assert_false(local_peer_is(pair[0], &others));
    assert_false(local_peer_is(pair[0], &none));
    close(pair[0]);
    close(pair[1]);
    assert_false(local_peer_is(pair[0], &us));
}

/* The socket and its folder. */
static void open_to_all(void) {
    char *name = strrchr(here.path, '/');
    assert_int_equal(chmod(here.path, 0666), 0);
    *name = '\0';
    assert_int_equal(chmod(here.path, 0755), 0);
    *name = '/';
}

/* The kernel's word about who connected, not about who asks. */
static void a_peer_is_who_connected(void **state) {
    (void)state;
    enum { ANOTHER = 4242 };
    struct local_peers us, them;
    char text[64], done;
    int tell[2], status;
    uid_t uid = getuid() == 0 ? ANOTHER : getuid(); /* others than root stay who they are */
    (void)snprintf(text, sizeof text, "%u", (unsigned)uid);
    assert_int_equal(local_read_peers(str_of(text), &them), RC_OK);
    (void)snprintf(text, sizeof text, "%u", (unsigned)getuid());
    assert_int_equal(local_read_peers(str_of(text), &us), RC_OK);
    assert_int_equal(listen_here(), RC_OK);
    open_to_all();
    assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        close(tell[1]);
        _exit(setuid(uid) != 0 || dial_here() < 0 || read(tell[0], &done, 1) != 0);
    }
    struct pollfd p = {.fd = here.fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 10000), 1);
    int server = accept(here.fd, NULL, NULL);
    assert_true(server >= 0);
    assert_true(local_peer_is(server, &them));
    assert_int_equal(local_peer_is(server, &us), uid == getuid());
    close(server);
    close(tell[0]);
    close(tell[1]); /* the child ends */
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    stop_here();
}

static void lists_of_peers_are_numbers_and_commas(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t n; /* 0: malformed */
    } rows[] = {
        {"0", 1},
        {"4294967294", 1},
        {"1,2,3", 3},
        {"7,7", 2},
        {"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", LOCAL_PEERS_MAX},
        {"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", 0},
        {"", 0},
        {",", 0},
        {"1,", 0},
        {",1", 0},
        {"1,,2", 0},
        {"1, 2", 0},
        {" 1", 0},
        {"1;2", 0},
        {"-1", 0},
        {"+1", 0},
        {"01", 0},
        {"0x1", 0},
        {"1e3", 0},
        {"root", 0},
        {"1-5", 0},
        {"*", 0},
        {"4294967295", 0}, /* "none" */
        {"4294967296", 0},
        {"18446744073709551616", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct local_peers peers = {.n = 99};
        enum rc rc = local_read_peers(str_of(rows[i].text), &peers);
        if (rc != (rows[i].n ? RC_OK : RC_MALFORMED) || peers.n != (rows[i].n ? rows[i].n : 99))
            fail_msg("\"%s\": %s, %zu", rows[i].text, rc_text(rc), peers.n);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, setup)
        TEST(its_file_has_its_mode_whatever_the_mask),
        TEST(a_stale_file_is_replaced),
        TEST(a_live_one_is_left_alone),
        TEST(what_is_no_socket_is_left_alone),
        TEST(a_link_to_a_socket_is_left_alone),
        TEST(only_ones_own_file_is_removed),
        TEST(a_path_must_fit_and_exist),
        TEST(a_bare_name_is_in_the_present_folder),
        TEST(peers_are_known_by_their_user),
        TEST(a_peer_is_who_connected),
        TEST(lists_of_peers_are_numbers_and_commas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
