/* app/reload.c -- SIGHUP: settings are read again, and those that may change on the way hold.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/reload.h"

#include <stdlib.h>
#include <string.h>

#include "app/sources.h"
#include "base/log.h"

enum { WHY_MAX_BYTES = 1024, NAMES_MAX_BYTES = 4096 };

static const char *const reloadable[] = {
    "log-level",
    "require-signed-posts",
    "drain-time",
    "limit-register",
    "limit-posts-unsigned",
    "limit-posts-signed",
    "limit-stream-opens",
    "limit-stream-opens-per-address",
    "limit-failed-signatures",
    "inbox-retention-days",
    "inbox-retention-rows",
    "inbox-retention-period",
};

bool reload_is_for(const struct setting *setting) {
    for (size_t i = 0; i < sizeof reloadable / sizeof *reloadable; i++)
        if (strcmp(setting->name, reloadable[i]) == 0)
            return true;
    return false;
}

/* What holds for a setting, as text. */
static const char *said(const struct config *c, size_t place) {
    const char *text = c->sources->given[place].text;
    return text ? text : settings[place].fallback;
}

/* Names alone: a value may be a secret. */
static void tell_of_waiting(const struct config *started, const struct config *now) {
    struct buf names;
    buf_init(&names, NAMES_MAX_BYTES);
    for (size_t i = 0; i < settings_count; i++)
        if (!reload_is_for(&settings[i]) && strcmp(said(started, i), said(now, i)) != 0)
            buf_putf(&names, "%s%s", names.n > 0 ? "," : "", settings[i].name);
    if (names.n > 0)
        log_warn("node keeps some settings until it is restarted settings=%s", buf_cstr(&names));
    buf_done(&names);
}

/* All, or none. */
static enum rc set_rates(struct flow *flow, const struct config *c) {
    const struct {
        struct quota *quota;
        uint32_t per_minute;
    } rates[] = {
        {flow->register_quota, c->register_per_minute},
        {flow->unsigned_quota, c->posts_unsigned_per_minute},
        {flow->signed_quota, c->posts_signed_per_minute},
        {flow->stream_quota, c->stream_opens_per_minute},
        {flow->opens_quota, c->stream_opens_address_per_minute},
        {flow->failures_quota, c->failures_per_minute},
    };
    enum { COUNT = sizeof rates / sizeof *rates };
    uint32_t before[COUNT];
    enum rc rc = RC_OK;
    size_t n = 0;
    for (; n < COUNT && rc == RC_OK; n++) {
        before[n] = quota_per_minute(rates[n].quota);
        rc = quota_set_rate(rates[n].quota, rates[n].per_minute);
    }
    /* Back to a rate that held: its buckets are there, so this cannot fail. */
    while (rc != RC_OK && n-- > 0)
        (void)!quota_set_rate(rates[n].quota, before[n]);
    return rc;
}

void reload_settings(const struct reload *reload, struct flow *flow, uint32_t *drain_time_s,
                     struct store_retention *retention) {
    struct config c;
    struct buf why;
    buf_init(&why, WHY_MAX_BYTES);
    enum rc rc = config_read(reload->argc, reload->argv, getenv, &c, &why);
    if (rc != RC_OK) {
        log_error("node keeps its settings: %s", buf_cstr(&why));
        buf_done(&why);
        return;
    }
    rc = set_rates(flow, &c);
    if (rc == RC_OK) {
        atomic_store(&flow->require_signed_posts, c.require_signed_posts);
        *drain_time_s = c.drain_time_s;
        *retention = c.store.retention;
        log_set_level(c.log_level);
        log_info("node has read its settings again");
        tell_of_waiting(reload->started, &c);
    } else {
        log_error("node keeps its settings: %s", rc_text(rc));
    }
    config_done(&c);
    buf_done(&why);
}
