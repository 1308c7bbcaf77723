/* tests/integration/test_ports.c -- ports of test programs that run side by side: nobody is given
 * one that is another's, also while that one's server is down.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/proc.h"

enum { PROGRAMS = 8, EACH = 40 };

/* Draws ports, tells them, and keeps them until `go_on` is closed at the other end. */
_Noreturn static void draw(int tell, int go_on) {
    uint16_t ports[EACH];
    char byte;
    for (size_t i = 0; i < EACH; i++)
        ports[i] = proc_free_port();
    bool is_told = write(tell, ports, sizeof ports) == (ssize_t)sizeof ports;
    bool is_over = read(go_on, &byte, 1) == 0;
    _exit(is_told && is_over ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Forked after the first draw, all go on from the same place. */
static void programs_that_begin_at_one_place_are_given_different_ports(void **state) {
    (void)state;
    static bool is_taken[UINT16_MAX + 1];
    int told[2], going_on[2], status;
    uint16_t ports[EACH];
    assert_int_equal(pipe(told), 0);
    assert_int_equal(pipe(going_on), 0);
    is_taken[proc_free_port()] = true;
    for (size_t i = 0; i < PROGRAMS; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(going_on[1]);
            draw(told[1], going_on[0]);
        }
    }
    for (size_t i = 0; i < PROGRAMS; i++) {
        assert_int_equal(read(told[0], ports, sizeof ports), sizeof ports);
        for (size_t k = 0; k < EACH; k++) {
            if (is_taken[ports[k]])
                fail_msg("%u is given twice", (unsigned)ports[k]);
            is_taken[ports[k]] = true;
        }
    }
    close(going_on[1]);
    for (size_t i = 0; i < PROGRAMS; i++) {
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    }
    close(going_on[0]);
    close(told[0]);
    close(told[1]);
}

static void a_port_is_claimed_once_and_only_when_it_is_free(void **state) {
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    assert_false(proc_claim_port(proc_free_port()));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    assert_false(proc_claim_port(ntohs(at.sin_port)));
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_that_begin_at_one_place_are_given_different_ports),
        cmocka_unit_test(a_port_is_claimed_once_and_only_when_it_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
