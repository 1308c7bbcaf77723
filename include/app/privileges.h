/* app/privileges.h -- gives up what the process will not need.
 *
 * Capabilities belong to threads, and new threads inherit them: so it is done before the first one
 * is made. What may be needed later stays: low ports, and files of other users (a web folder, the
 * folder of the events socket, settings that are read again).
 *
 * Source: capabilities(7), PR_SET_NO_NEW_PRIVS of prctl(2).
 * Threads: main, alone.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APP_PRIVILEGES_H
#define APP_PRIVILEGES_H

#include "base/rc.h"

/* No program that this one might start gains anything by it, and of the capabilities that it has
 * only the named ones are left. RC_IO: the kernel refused; nothing is worse than before. */
MUST_CHECK enum rc privileges_drop(void);

#endif
