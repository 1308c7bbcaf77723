/* tests/support/weight.c -- what a process holds.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/weight.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/proc.h"

enum { KIB = 1024, TCP_ESTABLISHED = 1 /* in /proc/net/tcp */ };

static uint64_t status_of(pid_t pid, const char *name) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    char *text = proc_read_file(path), *at = strstr(text, name);
    assert_non_null(at);
    uint64_t bytes = strtoull(at + strlen(name), NULL, 10) * KIB;
    free(text);
    return bytes;
}

uint64_t weight_now(pid_t pid) { return status_of(pid, "VmRSS:"); }

uint64_t weight_peak(pid_t pid) { return status_of(pid, "VmHWM:"); }

void weight_forget_peak(pid_t pid) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)pid);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "5", 1), 1);
    (void)close(fd);
}

uint64_t weight_untaken(uint16_t port) {
    char *text = proc_read_file("/proc/net/tcp");
    uint64_t sum = 0;
    for (char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
        unsigned local, state, queued;
        if (sscanf(line + 1, " %*u: %*x:%x %*x:%*x %x %x:", &local, &state, &queued) == 3 &&
            local == port && state == TCP_ESTABLISHED)
            sum += queued;
    }
    free(text);
    return sum;
}

void weight_expect_less(const char *what, uint64_t bytes, uint64_t limit) {
    if (bytes >= limit)
        fail_msg("%s: %ju KiB, and less than %ju are allowed", what, (uintmax_t)bytes / KIB,
                 (uintmax_t)limit / KIB);
}
