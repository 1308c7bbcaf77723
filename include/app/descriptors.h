/* app/descriptors.h -- how the process's descriptors are allotted to connections and streams.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APP_DESCRIPTORS_H
#define APP_DESCRIPTORS_H

#include "app/config.h"

/* Kept free for the listeners, the store, NATS, files and libraries; and for each thread that waits
 * for sockets, so that a machine of many cores does not use up the spare ones by that. */
enum { DESCRIPTORS_SPARE = 256, DESCRIPTORS_PER_THREAD = 4 };

/* Raises RLIMIT_NOFILE to its hard limit. push->max_streams == 0 becomes what is left after the
 * connections, the threads' and the spare ones. False: it does not fit; said in the log, with what
 * to change. */
bool descriptors_allot(const struct config *config, struct push_config *push);

#endif
