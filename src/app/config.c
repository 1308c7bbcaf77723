/* app/config.c -- everything that can be set: by flag, then environment, then file, then default.
 *
 * First all sources are gathered, the nearest winning; then what won is read, once, into the
 * struct; then what depends on more than one setting is checked.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/sources.h"

enum { CONNECTIONS_LEAST = 64, CONNECTIONS_MOST = 4096 }; /* when nobody says how many */

static enum rc no_memory(struct buf *why) {
    buf_put(why, STR("out of memory"));
    return RC_NO_MEMORY;
}

static void put_allowed(struct buf *why, const struct setting *s) {
    switch (s->kind) {
    case SETTING_COUNT:
        buf_putf(why, "a whole number from %u to %u (%s)", s->min, s->max, s->unit);
        break;
    case SETTING_BYTES:
        buf_putf(why, "%u to %u bytes, also as 64KiB or 8MiB", s->min, s->max);
        break;
    case SETTING_SWITCH:
        buf_put(why, STR("yes or no"));
        break;
    case SETTING_CHOICE:
        for (size_t i = 0; s->choices[i]; i++)
            buf_putf(why, "%s%s", i == 0 ? "" : s->choices[i + 1] ? ", " : " or ", s->choices[i]);
        break;
    case SETTING_TEXT:
    case SETTING_URLS:
    case SETTING_FILE:
        buf_put(why, str_of(s->allowed ? s->allowed : "a text without control characters"));
        break;
    }
}

static enum rc refuse_value(const struct config *c, const struct setting *s, struct buf *why) {
    sources_put_place(why, c->sources, s);
    if (s->kind != SETTING_URLS) {
        buf_put(why, STR(" is \""));
        sources_put_shown(why, str_of(c->sources->given[settings_place(s)].text));
        buf_put(why, STR("\""));
    } else {
        buf_put(why, STR(" is wrong"));
    }
    buf_put(why, STR("; allowed: "));
    put_allowed(why, s);
    return RC_MALFORMED;
}

/* What won is read. */

static bool read_number(const struct setting *s, struct str text, uint32_t *out) {
    uint64_t unit = 1, value;
    if (s->kind == SETTING_BYTES && text.n > 3) {
        struct str end = str_from(text, text.n - 3);
        unit = str_eq(end, STR("KiB")) ? 1024 : str_eq(end, STR("MiB")) ? 1024 * 1024 : 1;
        if (unit != 1)
            text.n -= 3;
    }
    if (str_read_u64(text, s->max / unit, &value) != RC_OK || value * unit < s->min)
        return false;
    *out = (uint32_t)(value * unit);
    return true;
}

static bool read_choice(const struct setting *s, struct str text, uint32_t *out) {
    for (uint32_t i = 0; s->choices[i]; i++)
        if (str_eq(text, str_of(s->choices[i]))) {
            *out = i;
            return true;
        }
    return false;
}

static bool is_text_good(const struct setting *s, struct str text) {
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            return false;
    if (text.n == 0)
        return !s->never_empty;
    return !s->is_good || s->is_good(text);
}

/* Reads one text into the struct; false when it will not do. `text` lives as long as the struct. */
static bool store_value(struct config *c, const struct setting *s, const char *text) {
    char *at = (char *)c + s->at;
    uint32_t number = 0;
    switch (s->kind) {
    case SETTING_COUNT:
    case SETTING_BYTES:
        if (!read_number(s, str_of(text), &number))
            return false;
        memcpy(at, &number, sizeof number);
        return true;
    case SETTING_CHOICE:
        if (!read_choice(s, str_of(text), &number))
            return false;
        memcpy(at, &number, sizeof number);
        return true;
    case SETTING_SWITCH: {
        int word = sources_switch_word(str_of(text));
        bool is_on = word % 2 == 0;
        memcpy(at, &is_on, sizeof is_on);
        return word >= 0;
    }
    case SETTING_TEXT:
    case SETTING_URLS:
    case SETTING_FILE:
        if (!is_text_good(s, str_of(text)))
            return false;
        if (*text == '\0')
            text = NULL;
        memcpy(at, &text, sizeof text);
        return true;
    }
    return false;
}

static enum rc read_values(struct config *c, struct buf *why) {
    for (size_t i = 0; i < settings_count; i++) {
        const char *text = c->sources->given[i].text;
        if (!store_value(c, &settings[i], text ? text : settings[i].fallback))
            return refuse_value(c, &settings[i], why);
    }
    return RC_OK;
}

/* What depends on more than one setting. */

static uint32_t cores(uint32_t most) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (uint64_t)n > most ? most : (uint32_t)n;
}

/* sig_server: without its trailing slash, or made from the server's name. */
static enum rc derive_sig_server(struct config *c, struct buf *why) {
    char *given = c->sources->given[settings_place(settings_find(STR("sig-server-url")))].text;
    if (c->sig_server) {
        size_t n = strlen(given);
        while (n > 0 && given[n - 1] == '/')
            given[--n] = '\0';
        return RC_OK;
    }
    if (!c->server)
        return RC_OK;
    struct buf url;
    buf_init(&url, 512);
    buf_putf(&url, "https://%s", c->server);
    bool is_whole = *buf_cstr(&url) != '\0';
    c->sig_server = c->sources->sig_server = is_whole ? buf_take(&url, &(size_t){0}) : NULL;
    return is_whole ? RC_OK : no_memory(why);
}

/* A quarter of the descriptors that the process may have; the streams get most of the others. */
static uint32_t usual_connections(void) {
    struct rlimit limit;
    uint64_t quarter = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max / 4 : 0;
    return quarter < CONNECTIONS_LEAST  ? CONNECTIONS_LEAST
           : quarter > CONNECTIONS_MOST ? CONNECTIONS_MOST
                                        : (uint32_t)quarter;
}

static enum rc derive(struct config *c, struct buf *why) {
    if (c->push.max_streams_handle == 0)
        c->push.max_streams_handle = UINT32_MAX;
    if (c->http.max_connections == 0)
        c->http.max_connections = usual_connections();
    if (c->push.shards == 0)
        c->push.shards = cores(BUS_SHARDS_MAX);
    if (c->http.threads == 0)
        c->http.threads = cores(256);
    c->store.keep_epoch_on_timeline_change = c->on_timeline_change == CONFIG_TIMELINE_KEEP;
    return derive_sig_server(c, why);
}

static enum rc check_pairs(const struct config *c, struct buf *why) {
    const struct push_config *p = &c->push;
    if (p->keep_alive_spread_ms >= p->keep_alive_ms)
        buf_put(why, STR("--keep-alive-spread; allowed: less than --keep-alive"));
    else if (p->look_again_ms[1] < p->look_again_ms[0])
        buf_put(why, STR("--look-again-second; allowed: at least --look-again-first"));
    else if (c->store.batch_items > c->store.queue_items)
        buf_put(why, STR("--store-batch; allowed: at most --store-queue"));
    else if (c->registration == REGISTRATION_TOKEN && !c->registration_token_file)
        buf_put(why, STR("--registration is \"token\"; allowed: only with "
                         "--registration-token-file"));
    else if (c->http.events_trust_peers && !c->http.events_socket)
        buf_put(why, STR("--events-trust-peer; allowed: only with --events-socket"));
    else if (c->bus.creds_file && c->bus.nkey_seed_file)
        buf_put(why, STR("--nats-creds-file and --nats-nkey-file; allowed: one of them"));
    else
        return RC_OK;
    return RC_MALFORMED;
}

static enum rc check_required(const struct config *c, struct buf *why) {
    const char *missing = NULL;
    if (!c->server && c->action != CONFIG_NEW_EPOCH)
        missing = "server";
    else if (!c->store.url)
        missing = "database-url";
    if (!missing)
        return RC_OK;
    const struct setting *s = settings_find(str_of(missing));
    buf_putf(why, "--%s (%s) is required; allowed: %s", s->name, s->env, s->allowed);
    return RC_MALFORMED;
}

static enum rc check_file(const char *path, const char *name, bool is_folder, struct buf *why) {
    struct stat st;
    if (!path)
        return RC_OK;
    if (stat(path, &st) == 0 && is_folder == S_ISDIR(st.st_mode) &&
        access(path, is_folder ? R_OK | X_OK : R_OK) == 0)
        return RC_OK;
    buf_putf(why, "--%s is \"", name);
    sources_put_shown(why, str_of(path));
    buf_putf(why, "\"; allowed: a %s that can be read", is_folder ? "folder" : "file");
    return RC_MALFORMED;
}

/* That it would start, as far as one can say without starting. */
static enum rc check_start(const struct config *c, struct buf *why) {
    enum rc rc = check_required(c, why);
    if (rc == RC_OK)
        rc = check_file(c->http.web_dir, "web-dir", true, why);
    if (rc == RC_OK)
        rc = check_file(c->bus.creds_file, "nats-creds-file", false, why);
    if (rc == RC_OK)
        rc = check_file(c->bus.nkey_seed_file, "nats-nkey-file", false, why);
    if (rc == RC_OK)
        rc = check_file(c->bus.ca_file, "nats-ca-file", false, why);
    if (rc == RC_OK)
        rc = check_file(c->registration_token_file, "registration-token-file", false, why);
    return rc;
}

static enum rc read_won(struct config *c, struct buf *why) {
    enum rc rc = read_values(c, why);
    if (rc == RC_OK)
        rc = derive(c, why);
    if (rc == RC_OK)
        rc = check_pairs(c, why);
    return rc;
}

static enum rc read_all(struct config *c, int argc, const char *const argv[],
                        char *(*env)(const char *), struct buf *why) {
    enum rc rc = sources_read_flags(c->sources, argc, argv, &c->action, why);
    if (rc != RC_OK || c->action == CONFIG_HELP || c->action == CONFIG_VERSION ||
        c->action == CONFIG_MARKDOWN)
        return rc;
    rc = sources_read_environment(c->sources, env, why);
    if (rc == RC_OK)
        rc = sources_read_file(c->sources, why);
    if (rc == RC_OK)
        rc = sources_read_secrets(c->sources, true, why);
    if (rc == RC_OK)
        rc = read_won(c, why);
    if (rc == RC_OK && c->action != CONFIG_PRINT)
        rc = check_start(c, why);
    return rc;
}

static enum rc init(struct config *c, struct buf *why) {
    *c = (struct config){.sources = calloc(1, sizeof *c->sources)};
    return c->sources ? RC_OK : no_memory(why);
}

/* Hands a whole struct over, or frees what there is of it. */
static enum rc finish(enum rc rc, struct config *c, struct config *out) {
    if (rc == RC_OK)
        *out = *c;
    else
        config_done(c);
    return rc;
}

enum rc config_read(int argc, const char *const argv[], char *(*env)(const char *name),
                    struct config *out, struct buf *why) {
    struct config c;
    enum rc rc = init(&c, why);
    if (rc == RC_OK)
        rc = read_all(&c, argc, argv, env, why);
    return finish(rc, &c, out);
}

enum rc config_read_text(struct str text, struct config *out, struct buf *why) {
    struct config c;
    enum rc rc = init(&c, why);
    if (rc == RC_OK)
        rc = sources_read_text(c.sources, text, why);
    if (rc == RC_OK)
        rc = sources_read_secrets(c.sources, false, why);
    if (rc == RC_OK)
        rc = read_won(&c, why);
    return finish(rc, &c, out);
}

void config_done(struct config *c) {
    if (c->sources)
        sources_done(c->sources);
    free(c->sources);
    *c = (struct config){0};
}

enum config_source config_source_of(const struct config *c, const struct setting *setting) {
    const struct given *g = &c->sources->given[settings_place(setting)];
    return g->text ? g->source : CONFIG_FROM_DEFAULT;
}
