/* tests/app/test_privileges.c -- what a process and its threads may do afterwards, as the kernel
 * tells.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/privileges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint64_t kept =
    1ULL << CAP_NET_BIND_SERVICE | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_DAC_READ_SEARCH;

/* A line of this thread's /proc status, as a number. */
static uint64_t status_of(const char *name, int base) {
    char line[256];
    uint64_t value = UINT64_MAX;
    FILE *f = fopen("/proc/thread-self/status", "re");
    if (!f)
        return value;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtoull(line + strlen(name), NULL, base);
    (void)fclose(f);
    return value;
}

/* 0: as it should be. */
static int what_is_wrong(void) {
    if (status_of("NoNewPrivs:", 10) != 1)
        return 1;
    if (status_of("CapEff:", 16) & ~kept)
        return 2;
    if (status_of("CapPrm:", 16) & ~kept)
        return 3;
    if (status_of("CapInh:", 16) != 0)
        return 4;
    if (status_of("CapAmb:", 16) != 0)
        return 5;
    return 0;
}

static void *look(void *arg) {
    *(int *)arg = what_is_wrong();
    return NULL;
}

static int drop_and_look(void) {
    uint64_t before = status_of("CapEff:", 16);
    pthread_t thread;
    int wrong_there = 9;
    if (privileges_drop() != RC_OK)
        return 6;
    int wrong = what_is_wrong();
    if (wrong)
        return wrong;
    if (status_of("CapEff:", 16) != (before & kept)) /* and no more is gone than should */
        return 7;
    if (pthread_create(&thread, NULL, look, &wrong_there) != 0 || pthread_join(thread, NULL) != 0)
        return 8;
    if (privileges_drop() != RC_OK) /* once more is fine */
        return 10;
    return wrong_there;
}

/* Who has nothing to give up is fine, too. */
static int drop_as_somebody(void) {
    enum { SOMEBODY = 65534 };
    if (geteuid() == 0 && setresuid(SOMEBODY, SOMEBODY, SOMEBODY) != 0)
        return 11;
    return drop_and_look();
}

static void look_in_child(int (*look_there)(void)) {
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(look_there());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void only_what_may_be_needed_is_left(void **state) {
    (void)state;
    look_in_child(drop_and_look);
}

static void who_may_nothing_special_may_drop_it(void **state) {
    (void)state;
    look_in_child(drop_as_somebody);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_what_may_be_needed_is_left),
                                       cmocka_unit_test(who_may_nothing_special_may_drop_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
