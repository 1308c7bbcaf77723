/* app/privileges.c -- gives up what the process will not need.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/privileges.h"

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WORDS = _LINUX_CAPABILITY_U32S_3 };

static bool is_kept(int capability) {
    return capability == CAP_NET_BIND_SERVICE || capability == CAP_DAC_OVERRIDE ||
           capability == CAP_DAC_READ_SEARCH;
}

/* What could be gained by executing a program. Only who may, can; others have nothing to gain. */
static void bound(void) {
    for (int i = 0; i <= CAP_LAST_CAP; i++)
        if (!is_kept(i))
            (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

enum rc privileges_drop(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[WORDS];
    uint32_t kept[WORDS] = {0};
    for (int i = 0; i <= CAP_LAST_CAP; i++)
        if (is_kept(i))
            kept[CAP_TO_INDEX(i)] |= CAP_TO_MASK((unsigned)i);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_capget, &head, data) != 0)
        return RC_IO;
    bound();
    for (int i = 0; i < WORDS; i++) {
        data[i].permitted &= kept[i];
        data[i].effective &= kept[i];
        data[i].inheritable = 0;
    }
    return syscall(SYS_capset, &head, data) == 0 ? RC_OK : RC_IO;
}
