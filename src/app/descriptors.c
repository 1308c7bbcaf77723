/* app/descriptors.c -- how the process's descriptors are allotted.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/descriptors.h"

#include <sys/resource.h>

#include "base/log.h"

enum { STREAMS_LEAST = 16, DESCRIPTORS_MOST = 100 * 1000 * 1000 };

static uint64_t raise_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit wanted = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
            limit = wanted;
    }
    return limit.rlim_cur < DESCRIPTORS_MOST ? limit.rlim_cur : DESCRIPTORS_MOST;
}

bool descriptors_allot(const struct config *config, struct push_config *push) {
    uint64_t have = raise_limit();
    uint64_t streams = push->max_streams ? push->max_streams : STREAMS_LEAST;
    uint64_t threads = (uint64_t)config->http.threads + push->shards;
    uint64_t others = (uint64_t)config->http.max_connections + DESCRIPTORS_SPARE +
                      threads * DESCRIPTORS_PER_THREAD;
    if (others + streams > have) {
        log_error("node has too few descriptors have=%llu need=%llu; raise the hard limit (ulimit "
                  "-Hn, LimitNOFILE=) or lower --limit-connections or --limit-streams",
                  (unsigned long long)have, (unsigned long long)(others + streams));
        return false;
    }
    if (push->max_streams == 0)
        push->max_streams = (uint32_t)(have - others);
    return true;
}
