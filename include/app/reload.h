/* app/reload.h -- SIGHUP: settings are read again, and those that may change on the way hold.
 *
 * Only a file of settings, or one that a setting names, can have changed: flags and environment
 * stay what they were, and win over the file as they did at the start.
 *
 * Threads: main alone; what it changes is read by any.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APP_RELOAD_H
#define APP_RELOAD_H

#include "app/config.h"
#include "flow/flow.h"

/* Where the settings come from: what main() had. */
struct reload {
    int argc;
    const char *const *argv;
    const struct config *started; /* what the node was started with */
};

/* True when SIGHUP puts this setting into force; others wait for a restart. */
bool reload_is_for(const struct setting *setting);
/* Reads all sources again and puts what may change into force: the log level, `flow`'s rates and
 * whether posts must be signed, *drain_time_s and *retention. All or nothing: if a setting is
 * wrong, or there is no memory, everything stays as it was. Says in the log what it did, or why it
 * did not, and which settings wait for a restart. */
void reload_settings(const struct reload *reload, struct flow *flow, uint32_t *drain_time_s,
                     struct store_retention *retention);

#endif
