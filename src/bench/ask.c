/* bench/ask.c -- the HTTP requests that the bench makes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "wire/auth.h"
#include "wire/jcs.h"
#include "wire/json_span.h"
#include "wire/row.h"
#include "wire/time.h"

/* Beside an envelope a body holds names and a signature; nchan's text holds the envelope. */
enum { ROOM_MAX = ASK_BODY_MAX + 64 * 1024 };

void ask_init(struct ask *a, enum dialect dialect, struct str server, size_t body_bytes,
              const struct clock *clock) {
    *a = (struct ask){.dialect = dialect,
                      .server = server,
                      .body_bytes = body_bytes,
                      .clock = clock,
                      .run = (uint64_t)clock_wall_ms(clock) << 20 ^ clock_mono_us(clock)};
    buf_init(&a->body, ROOM_MAX);
    buf_init(&a->text, ROOM_MAX);
}

void ask_done(struct ask *a) {
    buf_done(&a->body);
    buf_done(&a->text);
}

void ask_put_envelope(struct buf *out, const struct mark *mark, size_t bytes) {
    size_t start = out->n;
    buf_putf(out, "{\"b\":\"@%" PRIu64 ";%" PRIu32 ";%" PRIu32 ";\",\"p\":\"", mark->sent_ns,
             mark->handle, mark->post);
    size_t so_far = out->n - start + 2;
    size_t pad = bytes > so_far ? bytes - so_far : 0;
    char *p = buf_reserve(out, pad);
    if (p) {
        memset(p, 'x', pad);
        out->n += pad;
    }
    buf_put(out, STR("\"}"));
}

/* The request line and fields that all have, and the body in a->body if it is a POST. */
static void put_head(struct buf *out, const char *method, struct str path, struct str host) {
    buf_putf(out, "%s %.*s HTTP/1.1\r\nHost: %.*s\r\n", method, STR_ARG(path), STR_ARG(host));
}

static void put_body(struct ask *a, struct buf *out) {
    buf_put(out, STR("Content-Type: application/json\r\nContent-Length: "));
    buf_put_u64(out, a->body.n);
    buf_put(out, STR("\r\n\r\n"));
    buf_put(out, buf_str(&a->body));
}

static enum rc whole(const struct ask *a, const struct buf *out) {
    enum rc rc = buf_rc(&a->body);
    if (rc == RC_OK)
        rc = buf_rc(&a->text);
    return rc == RC_OK ? buf_rc(out) : rc;
}

/* X-KEZ-Auth over what a->text holds. */
static void put_auth(struct ask *a, struct buf *out, const uint8_t seed[32], struct str ts) {
    uint8_t sig[AUTH_SIG_BYTES];
    auth_sign(seed, buf_str(&a->text), sig);
    buf_putf(out, "X-KEZ-Auth: %.*s:", STR_ARG(ts));
    buf_put_hex(out, sig, sizeof sig);
    buf_put(out, STR("\r\n"));
}

enum { SECONDS_MAX = 24 };

static struct str seconds_now(const struct ask *a, char out[SECONDS_MAX]) {
    int n = snprintf(out, SECONDS_MAX, "%" PRId64, clock_wall_ms(a->clock) / 1000);
    return (struct str){out, (size_t)n};
}

static void put_payload(struct ask *a, const struct identity *who, const char *primary) {
    buf_putf(&a->text,
             "{\"type\":\"kez.chat.handle_registration\",\"version\":1,\"handle\":\"%s\","
             "\"primary\":\"%s\",\"server\":",
             who->handle.text, primary);
    json_put_string(&a->text, a->server);
    buf_put(&a->text, STR(",\"created_at\":\""));
    time_put(&a->text, clock_wall_ms(a->clock));
    buf_put(&a->text, STR("\"}"));
}

enum rc ask_register(struct ask *a, struct buf *out, struct str host, const struct identity *who) {
    char primary[KEY_TEXT_LEN + 1];
    uint8_t sig[AUTH_SIG_BYTES];
    struct key key;
    auth_key_of_seed(who->seed, &key);
    key_print(&key, primary);
    buf_clear(&a->body);
    buf_clear(&a->text);
    put_payload(a, who, primary);
    buf_put(&a->body, STR("{\"kez\":\"handle_registration\",\"payload\":"));
    size_t start = a->body.n;
    enum rc rc = jcs_put(buf_str(&a->text), &a->body);
    if (rc != RC_OK)
        return rc;
    auth_sign(who->seed, str_from(buf_str(&a->body), start), sig);
    buf_putf(&a->body, ",\"signature\":{\"alg\":\"ed25519-sha512-jcs\",\"key\":\"%s\",\"sig\":\"",
             primary);
    buf_put_hex(&a->body, sig, sizeof sig);
    buf_put(&a->body, STR("\"}}"));
    put_head(out, "POST", STR("/v1/register"), host);
    put_body(a, out);
    return whole(a, out);
}

enum { PATH_MAX_BYTES = 64 };

enum rc ask_stream(struct ask *a, struct buf *out, struct str host, const struct identity *who) {
    bool is_kez = a->dialect == DIALECT_KEZ;
    struct str handle = handle_str(&who->handle);
    char ts_text[SECONDS_MAX], path[PATH_MAX_BYTES];
    int n = snprintf(path, sizeof path, is_kez ? "/v1/inbox/%.*s/stream" : "/sub/%.*s",
                     STR_ARG(handle));
    put_head(out, "GET", (struct str){path, (size_t)n}, host);
    buf_put(out, STR("Accept: text/event-stream\r\n"));
    buf_clear(&a->body);
    buf_clear(&a->text);
    if (is_kez) {
        struct str ts = seconds_now(a, ts_text);
        auth_put_stream(&a->text, handle, ts);
        put_auth(a, out, who->seed, ts);
    }
    buf_put(out, STR("\r\n"));
    return whole(a, out);
}

/* What the server would push, so that frames weigh the same: a row around the envelope. */
static void put_nchan_body(struct ask *a, const struct ask_post *post) {
    ask_put_envelope(&a->text, &post->mark, a->body_bytes);
    struct row row = {.seq = (uint64_t)post->mark.post + 1,
                      .type = ROW_MESSAGE,
                      .envelope = buf_str(&a->text),
                      .created_at_ms = clock_wall_ms(a->clock)};
    row_put(&a->body, &row);
}

static void put_kez_body(struct ask *a, const struct ask_post *post) {
    buf_put_byte(&a->body, '{');
    if (!post->into)
        buf_putf(&a->body, "\"to\":\"%.*s\",", STR_ARG(post->to));
    buf_put(&a->body, STR("\"envelope\":"));
    ask_put_envelope(&a->body, &post->mark, a->body_bytes);
    if (post->has_id || post->from)
        buf_putf(&a->body, ",\"id\":\"%016" PRIx64 "-%" PRIu32 "\"", a->run, post->mark.post);
    buf_put(&a->body, STR("}"));
}

/* The POST of a->body to the target, signed unless `from` is NULL. */
static enum rc put_request(struct ask *a, struct buf *out, struct str target, struct str host,
                           const struct identity *from) {
    put_head(out, "POST", target, host);
    if (from) {
        char ts_text[SECONDS_MAX];
        struct str ts = seconds_now(a, ts_text);
        auth_put_request(&a->text, STR("POST"), a->server, target, buf_str(&a->body), ts);
        buf_putf(out, "X-KEZ-Handle: %s\r\n", from->handle.text);
        put_auth(a, out, from->seed, ts);
    }
    put_body(a, out);
    return whole(a, out);
}

enum rc ask_post(struct ask *a, struct buf *out, struct str host, const struct ask_post *post) {
    buf_clear(&a->body);
    buf_clear(&a->text);
    if (a->dialect == DIALECT_NCHAN) {
        char path[PATH_MAX_BYTES];
        int n = snprintf(path, sizeof path, "/pub/%.*s", STR_ARG(post->to));
        put_nchan_body(a, post);
        put_head(out, "POST", (struct str){path, (size_t)n}, host);
        put_body(a, out);
        return whole(a, out);
    }
    put_kez_body(a, post);
    if (!post->into)
        return put_request(a, out, STR("/v1/messages"), host, post->from);
    char path[PATH_MAX_BYTES];
    int n = snprintf(path, sizeof path, "/v1/conversations/%s/messages", post->into->text);
    return put_request(a, out, (struct str){path, (size_t)n}, host, post->from);
}

enum rc ask_conversation(struct ask *a, struct buf *out, struct str host, const struct sid *sid,
                         const struct identity *who, size_t n) {
    buf_clear(&a->body);
    buf_clear(&a->text);
    buf_putf(&a->body, "{\"sid\":\"%s\",\"title\":\"kez-bench\",\"participants\":[", sid->text);
    for (size_t i = 0; i < n; i++)
        buf_putf(&a->body, "%s\"%s\"", i > 0 ? "," : "", who[i].handle.text);
    buf_put(&a->body, STR("]}"));
    return put_request(a, out, STR("/v1/conversations"), host, &who[0]);
}

/* 48 bits of time and 80 of a hash of the run. */
void ask_make_sid(struct ask *a, struct sid *out) {
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    enum { TIME_DIGITS = 10, WORD_DIGITS = 8 };
    const uint64_t key[2] = {a->run, a->sids++};
    uint64_t left = (uint64_t)clock_wall_ms(a->clock) & ((UINT64_C(1) << 48) - 1);
    for (int i = TIME_DIGITS; i-- > 0; left /= 32)
        out->text[i] = digits[left % 32];
    for (int i = TIME_DIGITS; i < SID_LEN; i++) {
        char word = (char)(i < TIME_DIGITS + WORD_DIGITS);
        if ((i - TIME_DIGITS) % WORD_DIGITS == 0)
            left = hash_bytes(key, &word, 1);
        out->text[i] = digits[left % 32];
        left /= 32;
    }
    out->text[SID_LEN] = '\0';
}
