/* tests/support/signer.c -- a user of a test: a seed, a handle, and the signatures of protocol 2.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/signer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "wire/auth.h"
#include "wire/time.h"

enum { TEXT_MAX = 1 << 20 };

void signer_init(struct signer *s, const char *handle) {
    *s = (struct signer){0};
    (void)snprintf(s->handle.text, sizeof s->handle.text, "%s", handle);
    for (uint64_t i = 0; i < sizeof s->seed / 8; i++) {
        uint64_t word = hash_bytes((const uint64_t[2]){i, 42}, handle, strlen(handle));
        memcpy(s->seed + 8 * i, &word, 8);
    }
    auth_key_of_seed(s->seed, &s->key);
    key_print(&s->key, s->primary);
}

static int64_t now_s(const struct signer *s) {
    return clock_wall_ms(clock_system()) / 1000 + s->skew_s;
}

static void put_signature(const struct signer *s, struct buf *out, struct buf *text) {
    uint8_t sig[AUTH_SIG_BYTES];
    if (buf_rc(text) != RC_OK)
        abort();
    auth_sign(s->seed, buf_str(text), sig);
    buf_put_hex(out, sig, sizeof sig);
    buf_done(text);
}

/* `<ts>` into digits[24]. */
static struct str stamp(const struct signer *s, char digits[24]) {
    (void)snprintf(digits, 24, "%jd", (intmax_t)now_s(s));
    return str_of(digits);
}

void signer_put_poll(const struct signer *s, struct buf *out, const char *handle, uint64_t since) {
    char digits[24];
    struct str ts = stamp(s, digits);
    struct buf text;
    buf_init(&text, TEXT_MAX);
    auth_put_poll(&text, str_of(handle), since, ts);
    buf_putf(out, "X-KEZ-Auth: %s:", digits);
    put_signature(s, out, &text);
    buf_put(out, STR("\r\n"));
}

void signer_put_stream_value(const struct signer *s, struct buf *out, const char *handle) {
    char digits[24];
    struct str ts = stamp(s, digits);
    struct buf text;
    buf_init(&text, TEXT_MAX);
    auth_put_stream(&text, str_of(handle), ts);
    buf_putf(out, "%s:", digits);
    put_signature(s, out, &text);
}

void signer_put_stream(const struct signer *s, struct buf *out, const char *handle) {
    buf_put(out, STR("X-KEZ-Auth: "));
    signer_put_stream_value(s, out, handle);
    buf_put(out, STR("\r\n"));
}

void signer_put_events_value(const struct signer *s, struct buf *out, const char *server,
                             const char *primary) {
    char digits[24];
    struct str ts = stamp(s, digits);
    struct buf text;
    buf_init(&text, TEXT_MAX);
    auth_put_events(&text, str_of(server), str_of(primary), ts);
    buf_putf(out, "%s:", digits);
    put_signature(s, out, &text);
}

void signer_put_proofs(const struct signer *s, struct buf *out, const char *handle) {
    char digits[24];
    struct str ts = stamp(s, digits);
    struct buf text;
    buf_init(&text, TEXT_MAX);
    auth_put_proofs(&text, str_of(handle), ts);
    buf_putf(out, "X-KEZ-Auth: %s:", digits);
    put_signature(s, out, &text);
    buf_put(out, STR("\r\n"));
}

void signer_put_request(const struct signer *s, struct buf *out, const char *method,
                        const char *server, struct str target, struct str body) {
    char digits[24];
    struct str ts = stamp(s, digits);
    struct buf text;
    buf_init(&text, TEXT_MAX);
    auth_put_request(&text, str_of(method), str_of(server), target, body, ts);
    buf_putf(out, "X-KEZ-Handle: %s\r\nX-KEZ-Auth: %s:", s->handle.text, digits);
    put_signature(s, out, &text);
    buf_put(out, STR("\r\n"));
}

void signer_put_claim(const struct signer *s, struct buf *out, const char *server) {
    buf_put(out, STR("{\"created_at\":\""));
    time_put(out, now_s(s) * 1000);
    buf_putf(out,
             "\",\"handle\":\"%s\",\"primary\":\"%s\",\"server\":\"%s\","
             "\"type\":\"kez.chat.handle_registration\",\"version\":1}",
             s->handle.text, s->primary, server);
}

void signer_put_payload(const struct signer *s, struct buf *out, struct str payload,
                        struct str canonical) {
    struct buf text;
    buf_init(&text, TEXT_MAX);
    buf_put(&text, canonical);
    buf_put(out, STR("{\"kez\":\"handle_registration\",\"payload\":"));
    buf_put(out, payload);
    buf_putf(out, ",\"signature\":{\"alg\":\"ed25519-sha512-jcs\",\"key\":\"%s\",\"sig\":\"",
             s->primary);
    put_signature(s, out, &text);
    buf_put(out, STR("\"}}"));
}

void signer_put_registration(const struct signer *s, struct buf *out, const char *server) {
    struct buf claim;
    buf_init(&claim, TEXT_MAX);
    signer_put_claim(s, &claim, server);
    signer_put_payload(s, out, buf_str(&claim), buf_str(&claim));
    buf_done(&claim);
}
