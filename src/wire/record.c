/* wire/record.c -- the handle record and WebFinger.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/record.h"

#include "wire/json_span.h"
#include "wire/time.h"

static struct str key_text(const struct key *key, char room[KEY_TEXT_LEN + 1]) {
    key_print(key, room);
    return (struct str){room, KEY_TEXT_LEN};
}

void record_put(struct buf *out, const struct record *r, struct str server, struct str sig_server) {
    char room[KEY_TEXT_LEN + 1];
    buf_put(out, STR("{\"handle\":"));
    json_put_string(out, handle_str(&r->handle));
    buf_put(out, STR(",\"server\":"));
    json_put_string(out, server);
    buf_put(out, STR(",\"primary\":"));
    json_put_string(out, key_text(&r->primary, room));
    buf_put(out, STR(",\"registered_at\":\""));
    time_put(out, r->registered_at_ms);
    buf_put(out, STR("\",\"sigchain_url\":\""));
    json_put_text(out, sig_server);
    buf_put(out, STR("/v1/sigchains/ed25519/"));
    buf_put_hex(out, r->primary.bytes, KEY_BYTES);
    buf_put(out, STR("\",\"proofs\":"));
    buf_put(out, r->proofs);
    buf_put_byte(out, '}');
}

/* The length of the scheme before ':' (RFC 3986, 3.1); 0 when the text is no URI. */
static size_t scheme_length(struct str uri) {
    struct str scheme, rest;
    if (!str_cut(uri, ':', &scheme, &rest) || scheme.n == 0 || rest.n == 0)
        return 0;
    for (size_t i = 0; i < scheme.n; i++) {
        char c = scheme.p[i], lower = (char)(c | 0x20);
        bool letter = lower >= 'a' && lower <= 'z';
        bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!letter && (i == 0 || !other))
            return 0;
    }
    return scheme.n;
}

/* Cuts at the last '@', for a user part may hold one (RFC 7565, 7: percent-encoded). */
static bool cut_host(struct str account, struct str *user, struct str *host) {
    size_t at = account.n;
    while (at > 0 && account.p[at - 1] != '@')
        at--;
    if (at < 2 || at == account.n)
        return false;
    *user = (struct str){account.p, at - 1};
    *host = str_from(account, at);
    return true;
}

static enum rc read_account(struct str account, struct str server, struct handle *out) {
    struct str user, host;
    if (!cut_host(account, &user, &host))
        return RC_MALFORMED;
    if (!str_eq_nocase(host, server) || handle_read(user, out) != RC_OK)
        return RC_NOT_FOUND;
    return RC_OK;
}

enum rc webfinger_read(const struct target *t, struct str server, struct webfinger *out) {
    struct str resource;
    if (target_param(t, STR("resource"), &resource) != RC_OK)
        return RC_MALFORMED;
    size_t n = scheme_length(resource);
    if (n == 0)
        return RC_MALFORMED;
    struct str scheme = {resource.p, n};
    struct webfinger asked = {0};
    enum rc rc = RC_NOT_FOUND;
    if (str_eq_nocase(scheme, STR("acct"))) {
        rc = read_account(str_from(resource, n + 1), server, &asked.handle);
    } else if (str_eq_nocase(scheme, STR("ed25519"))) {
        asked.by_primary = true;
        rc = key_read(resource, &asked.primary);
    }
    if (rc == RC_OK)
        *out = asked;
    return rc;
}

/* Without `rel` parameters all links are asked for, else those that one of them names. */
static bool is_asked_for(const struct target *t, struct str rel) {
    bool all = true;
    for (size_t i = 0; i < t->param_count; i++)
        if (str_eq(t->params[i].name, STR("rel"))) {
            if (str_eq(t->params[i].value, rel))
                return true;
            all = false;
        }
    return all;
}

void webfinger_put(struct buf *out, const struct target *t, const struct record *r,
                   struct str server) {
    char room[KEY_TEXT_LEN + 1];
    buf_put(out, STR("{\"subject\":\"acct:"));
    json_put_text(out, handle_str(&r->handle));
    buf_put_byte(out, '@');
    json_put_text(out, server);
    buf_put(out, STR("\",\"aliases\":["));
    json_put_string(out, key_text(&r->primary, room));
    buf_put(out, STR("],\"links\":["));
    if (is_asked_for(t, STR("self"))) {
        buf_put(out, STR("{\"rel\":\"self\",\"type\":\"application/json\",\"href\":\"https://"));
        json_put_text(out, server);
        buf_put(out, STR("/v1/u/"));
        json_put_text(out, handle_str(&r->handle));
        buf_put(out, STR("\"}"));
    }
    buf_put(out, STR("]}"));
}
