/* tests/support/weight.h -- what a process holds: memory of its own, and bytes that its clients
 * have not taken from the kernel.
 *
 * Source: proc(5): status, clear_refs, net/tcp.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_WEIGHT_H
#define SUPPORT_WEIGHT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#if defined(__has_feature)
#define WEIGHT_HAS_FEATURE(name) __has_feature(name)
#else
#define WEIGHT_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    WEIGHT_HAS_FEATURE(address_sanitizer) || WEIGHT_HAS_FEATURE(thread_sanitizer)
enum { WEIGHT_COUNTS = false }; /* a sanitizer keeps freed memory for a while */
#else
enum { WEIGHT_COUNTS = true };
#endif

/* Bytes of memory that the process has now; the most that it had since weight_forget_peak(). */
uint64_t weight_now(pid_t pid);
uint64_t weight_peak(pid_t pid);
/* From here on the most is counted anew. */
void weight_forget_peak(pid_t pid);

/* Bytes that wait in the kernel to be taken by the TCP clients of this local port. */
uint64_t weight_untaken(uint16_t port);

/* Fails unless it is less. */
void weight_expect_less(const char *what, uint64_t bytes, uint64_t limit);

#endif
