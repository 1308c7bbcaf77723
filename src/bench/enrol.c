/* bench/enrol.c -- registers the bench's users.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/enrol.h"

static bool next(void *arg, const struct peer *to, struct buf *out, uint32_t *tag) {
    struct enrol *e = arg;
    while (e->asked < e->n) {
        uint32_t index = e->asked++;
        enum rc rc = ask_register(e->ask, out, str_of(to->host), &e->who[index]);
        if (rc == RC_OK) {
            *tag = index;
            return true;
        }
        e->failed++;
        troubles_add(e->troubles, "registration not made: %s", rc_text(rc));
        buf_clear(out);
    }
    return false;
}

static void ended(void *arg, const struct call *call) {
    struct enrol *e = arg;
    char why[TROUBLES_TEXT_MAX];
    unsigned status = call->answer ? call->answer->head.status : 0;
    if (status == 201) {
        e->made++;
    } else if (status == 200) {
        e->there++;
    } else {
        e->failed++;
        call_explain(call, why, sizeof why);
        troubles_add(e->troubles, "registration: %s", why);
    }
}

struct callers_work enrol_work(struct enrol *e) {
    return (struct callers_work){.arg = e, .next = next, .ended = ended};
}

bool enrol_is_done(const struct enrol *e) { return e->made + e->there + e->failed == e->n; }
