/* http/detach.c -- takes a stream's socket out of libmicrohttpd.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/detach.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

#include "http/guard.h"
#include "wire/sse.h"

enum { BLOCK_BYTES = 128 }; /* libmicrohttpd's buffer for the body; the hello is shorter */

int detach_reserve(struct MHD_Connection *c) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? fcntl(info->connect_fd, F_DUPFD_CLOEXEC, 0) : -1;
}

/* The hello, then the end. */
static ssize_t read_hello(void *arg, uint64_t at, char *to, size_t max) {
    struct str hello = sse_hello();
    (void)arg;
    if (at >= hello.n)
        return MHD_CONTENT_READER_END_OF_STREAM;
    size_t n = hello.n - (size_t)at;
    if (n > max)
        n = max;
    memcpy(to, hello.p + at, n);
    return (ssize_t)n;
}

struct MHD_Response *detach_answer(void) {
    struct MHD_Response *answer =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_hello, NULL, NULL);
    if (!answer)
        return NULL;
    if (MHD_set_response_options(answer, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END) == MHD_YES)
        return answer;
    MHD_destroy_response(answer);
    return NULL;
}

void detach_finish(int fd, bool is_sent, struct guard *guard, struct guarded *on, struct push *push,
                   const struct push_open *open) {
    if (!is_sent) {
        close(fd);
        push_release(push, &open->user, open->client);
        return;
    }
    if (on)
        guard_remove(guard, on);
    push_open(push, open, fd);
}
