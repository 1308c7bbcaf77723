/* wire/auth.c -- the signed texts, and Ed25519 over them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/auth.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Twelve digits reach the year 33658. */
static const uint64_t at_max_s = 999999999999;

static pthread_once_t sodium_chosen = PTHREAD_ONCE_INIT;

static void choose_sodium(void) {
    if (sodium_init() < 0)
        abort(); /* no randomness on this machine: nothing here is safe then */
}

enum rc auth_read(struct str header, struct auth *out) {
    if (header.n == 0)
        return RC_MISSING_AUTH;
    struct str at, sig;
    uint64_t at_s;
    uint8_t bytes[AUTH_SIG_BYTES];
    if (!str_cut(header, ':', &at, &sig) || str_read_u64(at, at_max_s, &at_s) != RC_OK ||
        str_read_hex(sig, bytes, sizeof bytes) != RC_OK)
        return RC_UNAUTHORIZED;
    *out = (struct auth){.at_s = (int64_t)at_s, .at_text = at};
    memcpy(out->sig, bytes, sizeof bytes);
    return RC_OK;
}

enum rc auth_check_time(int64_t at_s, int64_t now_s, int64_t window_s) {
    /* Unsigned, so that the distance of any two times fits. */
    uint64_t apart =
        at_s > now_s ? (uint64_t)at_s - (uint64_t)now_s : (uint64_t)now_s - (uint64_t)at_s;
    return window_s >= 0 && apart <= (uint64_t)window_s ? RC_OK : RC_STALE;
}

void auth_put_poll(struct buf *out, struct str handle, uint64_t since, struct str ts) {
    buf_put(out, STR("GET\n/v1/inbox/"));
    buf_put(out, handle);
    buf_put(out, STR("\nsince="));
    buf_put_u64(out, since);
    buf_put_byte(out, '\n');
    buf_put(out, ts);
}

void auth_put_stream(struct buf *out, struct str handle, struct str ts) {
    buf_put(out, STR("GET\n/v1/inbox/"));
    buf_put(out, handle);
    buf_put(out, STR("/stream\n"));
    buf_put(out, ts);
}

void auth_put_proofs(struct buf *out, struct str handle, struct str ts) {
    buf_put(out, STR("PUT\n/v1/profile/"));
    buf_put(out, handle);
    buf_put(out, STR("/proofs\n"));
    buf_put(out, ts);
}

void auth_put_events(struct buf *out, struct str server, struct str primary, struct str ts) {
    buf_put(out, STR("GET\n/v1/events\n"));
    buf_put(out, server);
    buf_put_byte(out, '\n');
    buf_put(out, primary);
    buf_put_byte(out, '\n');
    buf_put(out, ts);
}

void auth_put_request(struct buf *out, struct str method, struct str server, struct str target,
                      struct str body, struct str ts) {
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const uint8_t *)body.p, body.n);
    buf_put(out, method);
    buf_put_byte(out, '\n');
    buf_put(out, server);
    buf_put_byte(out, '\n');
    buf_put(out, target);
    buf_put_byte(out, '\n');
    buf_put_hex(out, hash, sizeof hash);
    buf_put_byte(out, '\n');
    buf_put(out, ts);
}

enum rc auth_verify(const struct key *key, struct str text, const uint8_t sig[AUTH_SIG_BYTES]) {
    pthread_once(&sodium_chosen, choose_sodium);
    int failed = crypto_sign_verify_detached(sig, (const uint8_t *)text.p, text.n, key->bytes);
    return failed ? RC_UNAUTHORIZED : RC_OK;
}

void auth_sign(const uint8_t seed[32], struct str text, uint8_t sig[AUTH_SIG_BYTES]) {
    uint8_t public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    pthread_once(&sodium_chosen, choose_sodium);
    crypto_sign_seed_keypair(public, secret, seed);
    crypto_sign_detached(sig, NULL, (const uint8_t *)text.p, text.n, secret);
    sodium_memzero(secret, sizeof secret);
}

void auth_key_of_seed(const uint8_t seed[32], struct key *out) {
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    pthread_once(&sodium_chosen, choose_sodium);
    crypto_sign_seed_keypair(out->bytes, secret, seed);
    sodium_memzero(secret, sizeof secret);
}
