/* tests/sim/inside.h -- a shard seen from within: what must hold after every turn.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_INSIDE_H
#define SIM_INSIDE_H

#include "sim/world.h"

void inside_check(struct seat *seat);
bool inside_is_of_sweep(const struct push_heads *heads);

#endif
