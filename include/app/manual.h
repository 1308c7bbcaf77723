/* app/manual.h -- the settings told to people: --help, --print-config, and the README's table.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APP_MANUAL_H
#define APP_MANUAL_H

#include "app/config.h"
#include "base/buf.h"

enum { MANUAL_MAX_BYTES = 64 * 1024 };

/* What --help prints. */
void manual_put_help(struct buf *out);
/* A table in Markdown for each group of settings. */
void manual_put_markdown(struct buf *out);
/* Every setting as it holds, in the form of a configuration file, those set nearest first. What may
 * be a password is `***`; reading the text back and printing it again gives the same. */
void manual_put_config(const struct config *c, struct buf *out);

/* Appends connection URLs or keyword=value pairs with everything hidden that may be a secret:
 * passwords, tokens, and when in doubt more. */
void manual_put_hidden(struct buf *out, struct str text);

#endif
