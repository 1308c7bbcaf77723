/* app/manual.c -- the settings told to people: --help, --print-config, and the README's table.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/manual.h"

#include <string.h>

#include "app/settings.h"

#define HIDDEN STR("***")

/* Hiding. */

static bool ends_with(struct str s, struct str end) {
    return s.n >= end.n && str_eq_nocase(str_from(s, s.n - end.n), end);
}

static bool has_any(struct str s, const char *bytes) {
    for (size_t i = 0; i < s.n; i++)
        if (strchr(bytes, s.p[i]))
            return true;
    return false;
}

/* `password`, `sslpassword`; a name with an escape in it is not trusted. */
static bool is_secret_name(struct str name) {
    return ends_with(name, STR("password")) || has_any(name, "%");
}

/* user, user:password or a token, without the '@'. A lone word is a token in NATS and a user in
 * PostgreSQL. */
static void put_hidden_user(struct buf *out, struct str text, bool is_nats) {
    struct str user, password;
    bool has_password = str_cut(text, ':', &user, &password);
    if (has_any(user, "/?=&") || (!has_password && is_nats)) {
        buf_put(out, HIDDEN);
        return;
    }
    buf_put(out, user);
    if (has_password) {
        buf_put_byte(out, ':');
        buf_put(out, HIDDEN);
    }
}

/* The parameters behind '?'. */
static void put_hidden_query(struct buf *out, struct str query) {
    bool more;
    do {
        struct str param, name, value;
        more = str_cut(query, '&', &param, &query);
        bool has_value = str_cut(param, '=', &name, &value);
        buf_put(out, name);
        if (has_value) {
            buf_put_byte(out, '=');
            buf_put(out, is_secret_name(name) ? HIDDEN : value);
        }
        if (more)
            buf_put_byte(out, '&');
    } while (more);
}

/* What follows `scheme://`. Everything up to the last '@' is taken for the user and password. */
static void put_hidden_rest(struct buf *out, struct str rest, bool is_nats) {
    size_t at = rest.n;
    while (at > 0 && rest.p[at - 1] != '@')
        at--;
    if (at > 0) {
        put_hidden_user(out, (struct str){rest.p, at - 1}, is_nats);
        buf_put_byte(out, '@');
        rest = str_from(rest, at);
    }
    struct str place, query;
    bool has_query = str_cut(rest, '?', &place, &query);
    buf_put(out, place);
    if (has_query) {
        buf_put_byte(out, '?');
        put_hidden_query(out, query);
    }
}

static void put_hidden_nats(struct buf *out, struct str urls) {
    bool more;
    do {
        struct str url;
        more = str_cut(urls, ',', &url, &urls);
        size_t scheme = str_starts_with(url, STR("tls://")) ? 6 : 7;
        buf_put(out, (struct str){url.p, url.n < scheme ? url.n : scheme});
        put_hidden_rest(out, str_from(url, scheme), true);
        if (more)
            buf_put_byte(out, ',');
    } while (more);
}

static void put_hidden_pairs(struct buf *out, struct str text) {
    struct str name, value;
    const char *gap = "";
    for (; settings_cut_pair(&text, &name, &value); gap = " ") {
        buf_putf(out, "%s%.*s=", gap, STR_ARG(name));
        buf_put(out, is_secret_name(name) ? HIDDEN : value);
    }
    if (text.n > 0) /* not a pair: who knows what it is */
        buf_putf(out, "%s***", gap);
}

void manual_put_hidden(struct buf *out, struct str text) {
    struct str scheme, rest;
    if (str_starts_with(text, STR("nats://")) || str_starts_with(text, STR("tls://"))) {
        put_hidden_nats(out, text);
    } else if (settings_is_database_uri(text)) {
        (void)str_cut(text, ':', &scheme, &rest);
        buf_putf(out, "%.*s://", STR_ARG(scheme));
        put_hidden_rest(out, str_from(rest, 2), false);
    } else {
        put_hidden_pairs(out, text);
    }
}

/* --print-config. */

static const char *text_of(const struct config *c, const struct setting *s) {
    const char *text;
    memcpy(&text, (const char *)c + s->at, sizeof text);
    return text ? text : "";
}

static uint32_t number_of(const struct config *c, const struct setting *s) {
    uint32_t number;
    memcpy(&number, (const char *)c + s->at, sizeof number);
    return number;
}

static void put_bytes(struct buf *out, uint32_t n) {
    enum { KIB = 1024, MIB = 1024 * 1024 };
    if (n == 0 || n % KIB != 0)
        buf_putf(out, "%u", n);
    else
        buf_putf(out, n % MIB == 0 ? "%uMiB" : "%uKiB", n / (n % MIB == 0 ? MIB : KIB));
}

static void put_value(struct buf *out, const struct config *c, const struct setting *s) {
    switch (s->kind) {
    case SETTING_TEXT:
    case SETTING_FILE:
        buf_put(out, str_of(text_of(c, s)));
        break;
    case SETTING_URLS:
        manual_put_hidden(out, str_of(text_of(c, s)));
        break;
    case SETTING_COUNT:
        buf_put_u64(out, number_of(c, s));
        break;
    case SETTING_BYTES:
        put_bytes(out, number_of(c, s));
        break;
    case SETTING_SWITCH: {
        bool is_on;
        memcpy(&is_on, (const char *)c + s->at, sizeof is_on);
        buf_put(out, is_on ? STR("yes") : STR("no"));
        break;
    }
    case SETTING_CHOICE:
        buf_put(out, str_of(s->choices[number_of(c, s)]));
        break;
    }
}

/* False for a text that nobody gave and that has no default. */
static bool is_set(const struct config *c, const struct setting *s) {
    bool is_text = s->kind == SETTING_TEXT || s->kind == SETTING_FILE || s->kind == SETTING_URLS;
    return !is_text || *s->fallback || *text_of(c, s);
}

static void put_section(struct buf *out, const struct config *c, enum config_source source,
                        const char *title) {
    bool is_open = false;
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *s = &settings[i];
        if (config_source_of(c, s) != source)
            continue;
        if (!is_open)
            buf_putf(out, "%s# %s\n", out->n > 0 ? "\n" : "", title);
        is_open = true;
        /* A text that came out of a file is said by that file's name. */
        bool is_comment = source == CONFIG_FROM_SECRET_FILE || !is_set(c, s);
        buf_putf(out, "%s%s = ", is_comment ? "# " : "", s->name);
        put_value(out, c, s);
        buf_put_byte(out, '\n');
    }
}

void manual_put_config(const struct config *c, struct buf *out) {
    put_section(out, c, CONFIG_FROM_FLAG, "by flag");
    put_section(out, c, CONFIG_FROM_ENVIRONMENT, "by environment");
    put_section(out, c, CONFIG_FROM_FILE, "by configuration file");
    put_section(out, c, CONFIG_FROM_SECRET_FILE, "from the file named above");
    put_section(out, c, CONFIG_FROM_DEFAULT, "by default");
}

/* --help. */

static const char usage[] =
    "Usage: kez-chat-server [FLAG ...]\n"
    "\n"
    "The home server of kez-chat: handles, inboxes, event streams. Each setting is taken from its\n"
    "flag, else from its environment variable, else from the file of --config, else it has its\n"
    "default. `--flag value` and `--flag=value` are the same. A file has lines `name = value`, "
    "the\n"
    "name being the flag without dashes, and comments that begin with #.\n"
    "\n"
    "Instead of running\n"
    "  --check-config           say whether the server would start with these settings\n"
    "  --print-config           print every setting, secrets hidden, in the form of a file\n"
    "  --print-config=markdown  print the table of settings\n"
    "  --new-epoch              give every inbox a new epoch, after a restore; then end\n"
    "  --version, --help\n"
    "\n"
    "Configuration file\n"
    "  --config <file>  (KEZ_CHAT_CONFIG)\n";

static void put_help_of(struct buf *out, const struct setting *s) {
    buf_putf(out, "  --%s <", s->name);
    for (size_t i = 0; s->choices[i]; i++)
        buf_putf(out, "%s%s", i == 0 ? "" : "|", s->choices[i]);
    buf_putf(out, "%s>  (%s%s%s)\n      %s\n", s->unit, s->env, *s->fallback ? ", default " : "",
             s->fallback, s->help);
}

void manual_put_help(struct buf *out) {
    buf_put(out, str_of(usage));
    for (unsigned group = 0; group < GROUP_COUNT; group++) {
        buf_putf(out, "\n%s\n", settings_group_title((enum setting_group)group));
        for (size_t i = 0; i < settings_count; i++)
            if (settings[i].group == group)
                put_help_of(out, &settings[i]);
    }
}

/* --print-config=markdown. */

static void put_unit(struct buf *out, const struct setting *s) {
    buf_put(out, str_of(s->unit));
    for (size_t i = 0; s->choices[i]; i++)
        buf_putf(out, "%s%s", i == 0 ? "" : ", ", s->choices[i]);
}

/* What may be given: the limits of numbers; other kinds say it in their unit. */
static void put_range(struct buf *out, const struct setting *s) {
    if (s->kind == SETTING_COUNT) {
        buf_putf(out, "%u to %u", s->min, s->max);
    } else if (s->kind == SETTING_BYTES) {
        put_bytes(out, s->min);
        buf_put(out, STR(" to "));
        put_bytes(out, s->max);
    }
}

static void put_row(struct buf *out, const struct setting *s) {
    buf_putf(out, "| `--%s` | `%s` | ", s->name, s->env);
    put_unit(out, s);
    buf_putf(out, *s->fallback ? " | `%s` | " : " | %s | ", s->fallback);
    put_range(out, s);
    buf_putf(out, " | %s |\n", s->help);
}

void manual_put_markdown(struct buf *out) {
    for (unsigned group = 0; group < GROUP_COUNT; group++) {
        buf_putf(out, "%s**%s**\n\n", group == 0 ? "" : "\n",
                 settings_group_title((enum setting_group)group));
        buf_put(out, STR("| Flag | Variable | Unit | Default | Allowed | What it is |\n"));
        buf_put(out, STR("|---|---|---|---|---|---|\n"));
        for (size_t i = 0; i < settings_count; i++)
            if (settings[i].group == group)
                put_row(out, &settings[i]);
    }
}
