/* tests/fuzz/replay.c -- feeds every file of a corpus to a fuzz target once, without libFuzzer; so
 * that what was ever found stays checked in every build.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* False: the file could not be read whole. */
static bool feed(int fd) {
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size < 0)
        return false;
    size_t n = (size_t)st.st_size;
    /* Of the very size, so that a sanitizer sees a read beyond it. */
    uint8_t *data = malloc(n ? n : 1);
    bool is_whole = data && read(fd, data, n) == (ssize_t)n;
    if (is_whole)
        (void)LLVMFuzzerTestOneInput(data, n);
    free(data);
    return is_whole;
}

int main(int argc, char **argv) {
    DIR *corpus = argc == 2 ? opendir(argv[1]) : NULL;
    if (!corpus) {
        fprintf(stderr, "usage: %s CORPUS-DIRECTORY (which must exist)\n", argv[0]);
        return 2;
    }
    unsigned count = 0;
    bool failed = false;
    for (struct dirent *e; !failed && (e = readdir(corpus));) {
        if (e->d_name[0] == '.')
            continue;
        int fd = openat(dirfd(corpus), e->d_name, O_RDONLY | O_CLOEXEC);
        failed = fd < 0 || !feed(fd);
        if (failed)
            fprintf(stderr, "%s/%s could not be read\n", argv[1], e->d_name);
        if (fd >= 0)
            close(fd);
        count++;
    }
    closedir(corpus);
    printf("%u inputs replayed\n", count);
    return failed || count == 0;
}
