/* back/bus_link_trust.h -- what bus_link.c is told of servers and credentials, for nats.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_BUS_LINK_TRUST_H
#define BACK_BUS_LINK_TRUST_H

#include "back/bus.h"

/* options: nats.c's natsOptions. Reads urls, creds_file, nkey_seed_file and ca_file of the
 * configuration, and the files. RC_MALFORMED: *why is a static sentence then. RC_NO_MEMORY. */
MUST_CHECK enum rc bus_link_set_trust(void *options, const struct bus_config *c, const char **why);

#endif
