/* app/config.h -- everything that can be set: by flag, then environment, then file, then default.
 *
 * The table of settings is app/settings.c; help, --print-config and the README's table are made
 * from it (app/manual.h).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "back/bus.h"
#include "back/store.h"
#include "base/buf.h"
#include "base/log.h"
#include "http/server.h"
#include "push/push.h"

/* What the command line asks for. */
enum config_action {
    CONFIG_RUN,
    CONFIG_CHECK,     /* --check-config: say whether it would start */
    CONFIG_PRINT,     /* --print-config: every setting, secrets hidden */
    CONFIG_MARKDOWN,  /* --print-config=markdown: the table of settings for the README */
    CONFIG_NEW_EPOCH, /* --new-epoch */
    CONFIG_VERSION,
    CONFIG_HELP,
};

enum config_timeline { CONFIG_TIMELINE_RENEW, CONFIG_TIMELINE_KEEP };

struct setting;
struct sources;

/* Who set it; the nearest to the person wins. */
enum config_source {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_FILE,
    CONFIG_FROM_ENVIRONMENT,
    CONFIG_FROM_FLAG,
    CONFIG_FROM_SECRET_FILE, /* the file that another setting names */
};

struct config {
    struct store_config store;
    struct bus_config bus;   /* urls is NULL: a single node, no NATS */
    struct push_config push; /* max_streams is 0: as many as descriptors allow (node.c computes) */
    struct http_config http; /* admin_bind is NULL: none; web_dir is NULL: the plain page */

    const char *server;     /* this server's name: host or host:port */
    const char *sig_server; /* base URL without a trailing slash */
    bool require_signed_posts;
    enum registration_mode registration;
    const char *registration_token_file;
    enum log_level log_level;
    enum config_timeline on_timeline_change; /* store.keep_epoch_on_timeline_change says it, too */
    uint32_t drain_time_s;
    uint32_t directory_entries, directory_age_ms;

    /* Per minute; 0: no limit. */
    uint32_t register_per_minute;       /* of one address */
    uint32_t posts_unsigned_per_minute; /* of one address */
    uint32_t posts_signed_per_minute;   /* of one sender */
    uint32_t stream_opens_per_minute;   /* of one handle */
    uint32_t stream_opens_address_per_minute;
    uint32_t failures_per_minute; /* failed signatures and tokens, of one address */
    uint32_t quota_keys;          /* addresses, senders or handles remembered by each quota */

    const char *database_url_file; /* store.url was read from it, unless that was given nearer */
    const char *nats_url_file;     /* likewise */

    enum config_action action;
    struct sources *sources; /* the texts above, and where each came from; config_done() frees */
};

/* Reads all sources. argv as main() has it; env as getenv().
 * RC_OK: *out is whole for out->action; config_done() frees it. Nothing is required for printing,
 * --help and --version. RC_MALFORMED: `why` has one line, without LF, that says which setting is
 * wrong and what is allowed (a secret is never repeated). RC_NO_MEMORY. */
MUST_CHECK enum rc config_read(int argc, const char *const argv[], char *(*env)(const char *name),
                               struct config *out, struct buf *why);
/* The same for the text of a configuration file alone, as fuzzing and tests want it: no flag, no
 * environment, no file is opened, nothing is required. */
MUST_CHECK enum rc config_read_text(struct str text, struct config *out, struct buf *why);
/* Frees what config_read() made; a struct of zeros is fine. */
void config_done(struct config *c);

enum config_source config_source_of(const struct config *c, const struct setting *setting);

#endif
