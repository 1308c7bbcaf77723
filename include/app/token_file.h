/* app/token_file.h -- the registration token, read from its file.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APP_TOKEN_FILE_H
#define APP_TOKEN_FILE_H

#include "base/rc.h"
#include "wire/bearer.h"

/* Shorter ones could be guessed. */
enum { TOKEN_MIN = 16 };

/* Reads the token, white space around it left out, NUL-terminated. RC_IO: the file cannot be read;
 * RC_MALFORMED: what is in it is no token. *why is a sentence then, valid until the next call on
 * this thread, and never says what is in the file. */
MUST_CHECK enum rc token_file_read(const char *path, char out[BEARER_TOKEN_MAX + 1],
                                   const char **why);

#endif
