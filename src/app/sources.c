/* app/sources.c -- what was said about each setting, and by whom: flags, environment, files.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SHOWN_MAX_BYTES = 64 }; /* of a wrong value */

void sources_done(struct sources *s) {
    for (size_t i = 0; i < settings_count; i++)
        free(s->given[i].text);
    free(s->file);
    free(s->sig_server);
    *s = (struct sources){0};
}

static enum rc no_memory(struct buf *why) {
    buf_put(why, STR("out of memory"));
    return RC_NO_MEMORY;
}

void sources_put_shown(struct buf *why, struct str text) {
    size_t n = text.n < SHOWN_MAX_BYTES ? text.n : SHOWN_MAX_BYTES;
    for (size_t i = 0; i < n; i++)
        buf_put_byte(why, text.p[i] < ' ' || text.p[i] > '~' ? '?' : text.p[i]);
    if (n < text.n)
        buf_put(why, STR("..."));
}

void sources_put_place(struct buf *why, const struct sources *all, const struct setting *s) {
    const struct given *g = &all->given[settings_place(s)];
    if (g->source == CONFIG_FROM_ENVIRONMENT) {
        buf_put(why, str_of(s->env));
    } else if (g->source == CONFIG_FROM_FILE) {
        sources_put_shown(why, str_of(all->file ? all->file : "configuration"));
        buf_putf(why, ", line %u: %s", g->line, s->name);
    } else if (g->source == CONFIG_FROM_SECRET_FILE) {
        buf_putf(why, "--%s-file (its text)", s->name);
    } else {
        buf_putf(why, "--%s", s->name);
    }
}

/* Keeps what somebody said, unless somebody nearer has spoken already. */
static enum rc give(struct sources *all, const struct setting *s, struct str text,
                    enum config_source source, unsigned line, struct buf *why) {
    struct given *g = &all->given[settings_place(s)];
    if (g->text && g->source > source)
        return RC_OK;
    char *copy = strndup(text.p ? text.p : "", text.n);
    if (!copy)
        return no_memory(why);
    free(g->text);
    *g = (struct given){.text = copy, .source = source, .line = line};
    return RC_OK;
}

/* Files. */

/* Reads a whole file of at most SOURCES_FILE_MAX_BYTES without NUL into `text`, whose limit leaves
 * room for one byte more. `what` names it for the person. */
static enum rc read_file(const char *path, const char *what, struct buf *text, struct buf *why) {
    char *room = buf_reserve(text, SOURCES_FILE_MAX_BYTES + 1);
    if (!room)
        return no_memory(why);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    while (fd >= 0 && text->n <= SOURCES_FILE_MAX_BYTES &&
           (n = read(fd, room + text->n, SOURCES_FILE_MAX_BYTES + 1 - text->n)) > 0)
        text->n += (size_t)n;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (n < 0)
        buf_putf(why, "--%s: cannot read the file: %s", what, strerror(error));
    else if (text->n > SOURCES_FILE_MAX_BYTES)
        buf_putf(why, "--%s: the file is too large; allowed: %d bytes", what,
                 SOURCES_FILE_MAX_BYTES);
    else if (memchr(room, 0, text->n))
        buf_putf(why, "--%s: the file is not a text", what);
    else
        return RC_OK;
    return RC_MALFORMED;
}

static struct str trim(struct str s) {
    while (s.n > 0 && strchr(" \t\r\n", s.p[0]))
        s = str_from(s, 1);
    while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]))
        s.n--;
    return s;
}

/* One line `name = value`; an empty one and a # comment say nothing. */
static enum rc read_line(struct sources *all, struct str text, unsigned line, struct buf *why) {
    struct str name, value;
    text = trim(text);
    if (text.n == 0 || text.p[0] == '#')
        return RC_OK;
    bool is_pair = str_cut(text, '=', &name, &value);
    const struct setting *s = settings_find(trim(name));
    const struct given *g = s ? &all->given[settings_place(s)] : NULL;
    if (is_pair && s && !(g->text && g->source == CONFIG_FROM_FILE))
        return give(all, s, trim(value), CONFIG_FROM_FILE, line, why);
    sources_put_shown(why, str_of(all->file ? all->file : "configuration"));
    buf_putf(why, ", line %u: ", line);
    if (!is_pair) { /* not shown: it may be half of a secret */
        buf_put(why, STR("allowed: name = value, or a comment that begins with #"));
    } else if (!s) {
        sources_put_shown(why, trim(name));
        buf_put(why, STR(" is not a setting; see --help"));
    } else {
        buf_putf(why, "%s was set in line %u already", s->name, g->line);
    }
    return RC_MALFORMED;
}

enum rc sources_read_text(struct sources *s, struct str text, struct buf *why) {
    if (text.n > 0 && memchr(text.p, 0, text.n)) {
        buf_put(why, STR("configuration: not a text"));
        return RC_MALFORMED;
    }
    bool more = true;
    for (unsigned line = 1; more; line++) {
        struct str head;
        more = str_cut(text, '\n', &head, &text);
        enum rc rc = read_line(s, head, line, why);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

enum rc sources_read_file(struct sources *s, struct buf *why) {
    if (!s->file)
        return RC_OK;
    struct buf text;
    buf_init(&text, SOURCES_FILE_MAX_BYTES + 1);
    enum rc rc = read_file(s->file, "config", &text, why);
    if (rc == RC_OK)
        rc = sources_read_text(s, buf_str(&text), why);
    buf_done(&text);
    return rc;
}

/* A secret in a file of its own: database-url-file is as near as its name was given. */
static enum rc read_secret(struct sources *all, const struct setting *s, bool open_files,
                           struct buf *why) {
    const struct setting *into = settings_find(str_of(s->into));
    struct given *name = &all->given[settings_place(s)];
    struct given *target = &all->given[settings_place(into)];
    if (!name->text || name->text[0] == '\0' || (target->text && target->source > name->source))
        return RC_OK;
    if (target->text && target->source == name->source) {
        buf_putf(why, "--%s and --%s are both given; allowed: one of them", into->name, s->name);
        return RC_MALFORMED;
    }
    if (!open_files)
        return RC_OK;
    struct buf text;
    buf_init(&text, SOURCES_FILE_MAX_BYTES + 1);
    enum rc rc = read_file(name->text, s->name, &text, why);
    if (rc == RC_OK)
        rc = give(all, into, trim(buf_str(&text)), CONFIG_FROM_SECRET_FILE, 0, why);
    buf_done(&text);
    return rc;
}

enum rc sources_read_secrets(struct sources *s, bool open_files, struct buf *why) {
    enum rc rc = RC_OK;
    for (size_t i = 0; i < settings_count && rc == RC_OK; i++)
        if (settings[i].kind == SETTING_FILE)
            rc = read_secret(s, &settings[i], open_files, why);
    return rc;
}

/* The environment. */

enum rc sources_read_environment(struct sources *s, char *(*env)(const char *name),
                                 struct buf *why) {
    for (size_t i = 0; i < settings_count; i++) {
        const char *text = env(settings[i].env);
        if (!text || !*text)
            continue;
        enum rc rc = give(s, &settings[i], str_of(text), CONFIG_FROM_ENVIRONMENT, 0, why);
        if (rc != RC_OK)
            return rc;
    }
    const char *file = env("KEZ_CHAT_CONFIG");
    if (!s->file && file && *file && !(s->file = strdup(file)))
        return no_memory(why);
    return RC_OK;
}

/* The command line. */

static const char *const switch_words[] = {"yes", "no", "true", "false", "on", "off", "1", "0"};
enum { SWITCH_WORDS = sizeof switch_words / sizeof *switch_words };

int sources_switch_word(struct str text) {
    for (int i = 0; i < SWITCH_WORDS; i++)
        if (str_eq(text, str_of(switch_words[i])))
            return i;
    return -1;
}

/* The arguments still to be read. */
struct arguments {
    int left, read;
    const char *const *at;
};

static const char *next_argument(struct arguments *a) {
    if (a->left == 0)
        return NULL;
    a->left--;
    a->read++;
    return *a->at++;
}

/* Flags that ask for something else than a run. */
static bool read_action(struct str name, struct str value, enum config_action *action) {
    static const struct {
        struct str name;
        enum config_action action;
    } rows[] = {
        {STR_INIT("help"), CONFIG_HELP},           {STR_INIT("version"), CONFIG_VERSION},
        {STR_INIT("check-config"), CONFIG_CHECK},  {STR_INIT("print-config"), CONFIG_PRINT},
        {STR_INIT("new-epoch"), CONFIG_NEW_EPOCH},
    };
    if (str_eq(name, STR("print-config")) && str_eq(value, STR("markdown"))) {
        *action = CONFIG_MARKDOWN;
        return true;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_is_absent(value) && str_eq(name, rows[i].name)) {
            *action = rows[i].action;
            return true;
        }
    return false;
}

/* The value of `--flag value`, or of a switch, that needs none. */
static struct str value_of(const struct setting *s, struct arguments *a) {
    if (s && s->kind == SETTING_SWITCH &&
        (a->left == 0 || sources_switch_word(str_of(a->at[0])) < 0))
        return STR("yes");
    return str_of(next_argument(a));
}

static enum rc read_flag(struct sources *all, struct arguments *a, enum config_action *action,
                         struct buf *why) {
    struct str argument = str_of(next_argument(a)), name, value;
    bool has_value = str_cut(str_from(argument, 2), '=', &name, &value);
    if (!str_starts_with(argument, STR("--"))) {
        buf_putf(why, "argument %d is not a flag; allowed: --name value, see --help", a->read);
        return RC_MALFORMED;
    }
    if (read_action(name, value, action))
        return RC_OK;
    const struct setting *s = settings_find(name);
    bool is_config = str_eq(name, STR("config"));
    if (!s && !is_config) {
        buf_put(why, STR("--"));
        sources_put_shown(why, name);
        buf_put(why, STR(" is not a flag; see --help"));
        return RC_MALFORMED;
    }
    if (!has_value)
        value = value_of(s, a);
    if (str_is_absent(value)) {
        buf_putf(why, "--%s needs a value", s ? s->name : "config");
        return RC_MALFORMED;
    }
    if (s)
        return give(all, s, value, CONFIG_FROM_FLAG, 0, why);
    free(all->file);
    all->file = strndup(value.p, value.n);
    return all->file ? RC_OK : no_memory(why);
}

enum rc sources_read_flags(struct sources *s, int argc, const char *const argv[],
                           enum config_action *action, struct buf *why) {
    struct arguments rest = {.left = argc - 1, .at = argv + 1};
    while (rest.left > 0) {
        enum rc rc = read_flag(s, &rest, action, why);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}
