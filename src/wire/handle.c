/* wire/handle.c -- the grammar of handles and the reserved names.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/handle.h"

#include <string.h>

static bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

enum rc handle_read(struct str text, struct handle *out) {
    if (text.n < HANDLE_MIN)
        return RC_TOO_SHORT;
    if (text.n > HANDLE_MAX)
        return RC_TOO_LARGE;
    if (!is_alnum(text.p[0]))
        return RC_BAD_FIRST;
    for (size_t i = 1; i < text.n; i++)
        if (!is_alnum(text.p[i]) && text.p[i] != '_' && text.p[i] != '-')
            return RC_MALFORMED;
    *out = (struct handle){0};
    memcpy(out->text, text.p, text.n);
    return RC_OK;
}

const char *handle_advice(enum rc rc) {
    if (rc == RC_OK)
        return "The handle is fine.";
    if (rc == RC_TOO_SHORT)
        return "A handle has at least 3 bytes.";
    if (rc == RC_TOO_LARGE)
        return "A handle has at most 32 bytes.";
    if (rc == RC_BAD_FIRST)
        return "A handle begins with a lower-case letter a to z or a digit.";
    return "A handle has only lower-case letters a to z, digits, \"_\" and \"-\".";
}

/* Protocol, section 1. */
static const char *const reserved[] = {
    "admin",     "administrator", "root",  "system",     "api",     "internal", "kez",
    "support",   "help",          "abuse", "postmaster", "noreply", "no-reply", "mailer-daemon",
    "webmaster", "hostmaster",    "www",   "ftp",        "mail",    "smtp",     "imap",
    "pop3",      "everyone",      "all",   "anyone",     "nobody",
};

bool handle_is_reserved(const struct handle *h) {
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(h->text, reserved[i]) == 0)
            return true;
    return false;
}

struct str handle_str(const struct handle *h) {
    return str_of(h->text);
}

bool handle_eq(const struct handle *a, const struct handle *b) {
    return memcmp(a->text, b->text, sizeof a->text) == 0;
}
