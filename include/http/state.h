/* http/state.h -- what the parts of this floor share: the server.
 *
 * Threads: set before the first thread starts, but for the atomics.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_STATE_H
#define HTTP_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "http/door.h"
#include "http/server.h"
#include "http/site.h"
#include "wire/address.h"

struct http_server {
    struct flow *flow;
    const struct http_admin *admin;
    const struct clock *clock;
    uint32_t idle_timeout_s, head_timeout_s, body_timeout_s;

    struct site site;
    struct guard guard;
    struct leftovers leftovers;
    struct door door;
    struct worker *workers; /* of the public listener */
    unsigned worker_count;
    struct worker admin_worker, events_worker;
    struct local_peers trusted_peers; /* of the events socket */
    struct networks trusted_proxies;
    struct tally *by_address;       /* connections of the public listener */
    struct tally *bytes_by_address; /* KiB that requests keep in memory; NULL: not counted */
    struct buf refusal;             /* the whole answer for a connection too many */
    uint16_t port, admin_port;

    _Atomic bool is_closing;    /* answers carry `Connection: close` */
    _Atomic bool is_stopping;   /* no request begins with its steps any more */
    _Atomic uint32_t busy;      /* requests between first step and answer, and wakes under way */
    _Atomic uint32_t in_flight; /* requests whose answer has not been sent yet */
};

#endif
