/* app/settings.h -- the one table of settings: name, variable, unit, default, limits, and help.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APP_SETTINGS_H
#define APP_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum setting_kind {
    SETTING_TEXT,   /* const char *; NULL when empty */
    SETTING_URLS,   /* the same; what may be a password in it is never shown */
    SETTING_FILE,   /* the same; the name of a file whose text is the setting named `into` */
    SETTING_COUNT,  /* uint32_t */
    SETTING_BYTES,  /* uint32_t; KiB or MiB may follow the digits */
    SETTING_SWITCH, /* bool: yes or no */
    SETTING_CHOICE, /* one of choices[], stored as its place there in four bytes */
};

/* Where settings stand in --help and in the README. */
enum setting_group {
    GROUP_NODE,
    GROUP_STORE,
    GROUP_NATS,
    GROUP_LIMITS,
    GROUP_STREAMS,
    GROUP_HTTP,
    GROUP_COUNT,
};

/* A switch is a choice of two; it is stored as a bool. */
#define SETTING_CHOICES_MAX 5

struct setting {
    enum setting_group group;
    enum setting_kind kind;
    const char *name; /* the flag without "--", and the name in a file */
    const char *env;
    const char *unit;     /* for people: "ms", "host:port" */
    const char *fallback; /* what holds when nobody says otherwise; "": not set */
    size_t at;            /* offset in struct config */
    uint32_t min, max;    /* COUNT and BYTES */
    /* Texts: whether one will do, and what would (a noun phrase). NULL: any will. An empty text is
     * "not set", but where never_empty. */
    bool (*is_good)(struct str text);
    const char *allowed;
    bool never_empty;
    const char *into;                               /* FILE */
    const char *const choices[SETTING_CHOICES_MAX]; /* CHOICE; ends with NULL */
    const char *help;
};

extern const struct setting settings[];
extern const size_t settings_count;
enum { SETTINGS_MAX = 96 }; /* at least settings_count */

const char *settings_group_title(enum setting_group group);
/* Its place in settings[]. */
size_t settings_place(const struct setting *s);
/* NULL: there is none of this name. */
const struct setting *settings_find(struct str name);

/* Whether a text will do. */
/* host:port, [v6]:port or :port. */
bool settings_is_bind(struct str text);
/* A host name of RFC 1123 (2.1) or an address, and perhaps a port: what handles can belong to. */
bool settings_is_server_name(struct str text);
bool settings_is_http_url(struct str text);
/* What a Unix socket can be bound to. */
bool settings_is_socket_path(struct str text);
/* "192.0.2.0/24,2001:db8::/32,192.0.2.1". */
bool settings_is_networks(struct str text);
/* "UID,UID": numbers. */
bool settings_is_user_ids(struct str text);
/* A PostgreSQL URI or a list of keyword=value. */
bool settings_is_database_url(struct str text);
/* The first of the two, by its scheme alone. */
bool settings_is_database_uri(struct str text);
/* Cuts the next keyword=value off such a list (libpq, 34.1.1.1): blanks may stand around '=', the
 * value is as written, with quotes and backslashes. False: none is left (text is empty then), or
 * what is left is not a pair. */
bool settings_cut_pair(struct str *text, struct str *name, struct str *value);
/* nats:// or tls://, several comma separated. */
bool settings_is_nats_urls(struct str text);

#endif
