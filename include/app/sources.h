/* app/sources.h -- what was said about each setting, and by whom: flags, environment, files.
 *
 * Texts only: config.c reads them. The functions add to `why` one line, without LF, when they fail:
 * RC_MALFORMED, or RC_NO_MEMORY. What a nearer source said stays, in whatever order they are read.
 *
 * Memory: owns copies of the texts; sources_done() frees them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APP_SOURCES_H
#define APP_SOURCES_H

#include "app/config.h"
#include "app/settings.h"

struct given {
    char *text; /* NULL: nobody said anything */
    enum config_source source;
    unsigned line; /* of the file */
};

struct sources {
    struct given given[SETTINGS_MAX]; /* in the order of settings[] */
    char *file;                       /* --config; NULL when there was none */
    char *sig_server;                 /* config.c's: made from the server's name */
};

enum { SOURCES_FILE_MAX_BYTES = 64 * 1024 };

void sources_done(struct sources *s);

/* argv[0] is passed over. *action stays when no flag asks for one. */
MUST_CHECK enum rc sources_read_flags(struct sources *s, int argc, const char *const argv[],
                                      enum config_action *action, struct buf *why);
/* An empty variable is as good as none: compose files and unit files leave them so. */
MUST_CHECK enum rc sources_read_environment(struct sources *s, char *(*env)(const char *name),
                                            struct buf *why);
/* The file of --config or KEZ_CHAT_CONFIG, if there is one. */
MUST_CHECK enum rc sources_read_file(struct sources *s, struct buf *why);
/* The text of such a file. */
MUST_CHECK enum rc sources_read_text(struct sources *s, struct str text, struct buf *why);
/* Secrets in files of their own; open_files false: only checks that none is given twice. */
MUST_CHECK enum rc sources_read_secrets(struct sources *s, bool open_files, struct buf *why);

/* The place of a word among those that mean yes (even) and no (odd); -1: none of them. */
int sources_switch_word(struct str text);

/* Appends what the person wrote: `--bind`, `KEZ_CHAT_BIND` or `kez.conf, line 3: bind`. */
void sources_put_place(struct buf *why, const struct sources *s, const struct setting *setting);
/* Appends a value as a person may see it: cut, on one line, ASCII. */
void sources_put_shown(struct buf *why, struct str text);

#endif
