/* tests/app/test_memory.c -- holes between what lives long go back to the system, after streams
 * came or went.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void it_walks_when_enough_streams_have_moved(void **state) {
    (void)state;
    static const struct {
        uint64_t moved;
        bool walks;
    } rows[] = {{0, false},
                {MEMORY_STREAMS - 1, false},
                {MEMORY_STREAMS, true},
                {MEMORY_STREAMS, false},
                {2 * MEMORY_STREAMS - 1, false},
                {100 * MEMORY_STREAMS, true},
                {101 * MEMORY_STREAMS - 1, false}};
    uint64_t seen = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(memory_give_back(rows[i].moved, &seen), rows[i].walks);
}

/* The sanitizers bring allocators of their own, which keep what is freed. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define ALLOCATOR_IS_THE_LIBRARYS 0
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ALLOCATOR_IS_THE_LIBRARYS 0
#endif
#endif
#ifndef ALLOCATOR_IS_THE_LIBRARYS
#define ALLOCATOR_IS_THE_LIBRARYS 1
#endif

/* KiB of private memory. */
static long resident(void) {
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %ld", &kib) == 1)
            break;
    (void)fclose(f);
    return kib;
}

/* As streams do it: a request's memory, then something small that stays. */
static void what_requests_leave_between_streams_goes_back(void **state) {
    (void)state;
    enum { STREAMS = 2000, REQUEST_BYTES = 32 * 1024, STREAM_BYTES = 200 };
    static void *requests[STREAMS], *streams[STREAMS];
    uint64_t seen = 0;
    for (size_t i = 0; i < STREAMS; i++) {
        requests[i] = malloc(REQUEST_BYTES);
        streams[i] = malloc(STREAM_BYTES);
        assert_true(requests[i] && streams[i]);
        memset(requests[i], 1, REQUEST_BYTES);
    }
    for (size_t i = 0; i < STREAMS; i++)
        free(requests[i]);
    long before = resident();
    assert_true(memory_give_back(STREAMS, &seen));
    long given = before - resident();
    if (ALLOCATOR_IS_THE_LIBRARYS)
        assert_true(given > (long)STREAMS * REQUEST_BYTES / 1024 / 2);
    for (size_t i = 0; i < STREAMS; i++)
        free(streams[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_walks_when_enough_streams_have_moved),
        cmocka_unit_test(what_requests_leave_between_streams_goes_back),
    };
    memory_spare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
