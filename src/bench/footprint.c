/* bench/footprint.c -- how much memory processes have to themselves.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/footprint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { ROLLUP_MAX = 8192 };

/* `Name:   123 kB` */
static enum rc read_figure(struct str line, uint64_t *bytes) {
    struct str name, value, unit;
    (void)str_cut(line, ':', &name, &value);
    while (value.n > 0 && value.p[0] == ' ')
        value = str_from(value, 1);
    uint64_t kib;
    if (!str_cut(value, ' ', &value, &unit) || !str_eq(unit, STR("kB")) ||
        str_read_u64(value, UINT64_MAX / 1024, &kib) != RC_OK)
        return RC_MALFORMED;
    *bytes += kib * 1024;
    return RC_OK;
}

enum rc footprint_read(struct str text, uint64_t *bytes) {
    struct str line, rest = text;
    uint64_t sum = 0;
    unsigned figures = 0;
    while (str_cut(rest, '\n', &line, &rest)) {
        if (!str_starts_with(line, STR("Private_Clean:")) &&
            !str_starts_with(line, STR("Private_Dirty:")))
            continue;
        if (read_figure(line, &sum) != RC_OK)
            return RC_MALFORMED;
        figures++;
    }
    if (figures != 2)
        return RC_MALFORMED;
    *bytes = sum;
    return RC_OK;
}

static enum rc read_one(uint32_t pid, uint64_t *bytes) {
    char text[ROLLUP_MAX], path[64];
    snprintf(path, sizeof path, "/proc/%" PRIu32 "/smaps_rollup", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? RC_NOT_FOUND : RC_FORBIDDEN;
    ssize_t n = read(fd, text, sizeof text);
    int error = errno;
    close(fd);
    if (n < 0)
        return error == ESRCH ? RC_NOT_FOUND : RC_FORBIDDEN;
    return footprint_read((struct str){text, (size_t)n}, bytes);
}

enum rc footprint_private(const uint32_t *pids, size_t n, uint64_t *bytes) {
    uint64_t sum = 0, one;
    for (size_t i = 0; i < n; i++) {
        enum rc rc = read_one(pids[i], &one);
        if (rc != RC_OK)
            return rc;
        sum += one;
    }
    *bytes = sum;
    return RC_OK;
}
