/* wire/registration.c -- one registration, read from the outside in, then verified.
 *
 * All that is malformed is told before the reserved name, and that before the verdict on the
 * signature.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/registration.h"

#include "wire/auth.h"
#include "wire/jcs.h"
#include "wire/json_span.h"
#include "wire/time.h"

struct reader {
    struct str server;
    int64_t now_ms;
    struct buf text; /* the string at hand, decoded */
    const char *advice;
};

struct signature {
    struct key key;
    uint8_t sig[AUTH_SIG_BYTES];
};

static enum rc refuse(struct reader *r, enum rc rc, const char *advice) {
    r->advice = advice;
    return rc;
}

static enum rc read_string(struct reader *r, struct str value, const char *advice) {
    buf_clear(&r->text);
    enum rc rc = json_utf8(value, &r->text);
    return rc == RC_OK ? RC_OK : refuse(r, rc, advice);
}

static enum rc expect_string(struct reader *r, struct str value, struct str wanted,
                             const char *advice) {
    enum rc rc = read_string(r, value, advice);
    if (rc == RC_OK && !str_eq(buf_str(&r->text), wanted))
        rc = refuse(r, RC_MALFORMED, advice);
    return rc;
}

static enum rc read_version(struct reader *r, struct str value) {
    double version;
    enum rc rc = json_number(value, &version);
    if (rc == RC_OK && !(version >= 1 && version <= 1))
        rc = RC_MALFORMED;
    return rc == RC_OK ? RC_OK : refuse(r, rc, "payload.version must be the number 1.");
}

static enum rc read_handle(struct reader *r, struct str value, struct handle *out) {
    enum rc rc = read_string(r, value, "payload.handle must be a string.");
    if (rc != RC_OK)
        return rc;
    rc = handle_read(buf_str(&r->text), out);
    return rc == RC_OK ? RC_OK : refuse(r, rc, handle_advice(rc));
}

static enum rc read_key(struct reader *r, struct str value, const char *advice, struct key *out) {
    enum rc rc = read_string(r, value, advice);
    if (rc == RC_OK && key_read(buf_str(&r->text), out) != RC_OK)
        rc = refuse(r, RC_MALFORMED, advice);
    return rc;
}

static enum rc read_primary(struct reader *r, struct str value, struct key *out) {
    enum rc rc = read_key(
        r, value, "payload.primary must be \"ed25519:\" and 64 lower-case hex digits.", out);
    if (rc == RC_OK && !key_is_sound(out))
        rc = refuse(r, RC_MALFORMED, "payload.primary is not a usable Ed25519 public key.");
    return rc;
}

static enum rc read_created_at(struct reader *r, struct str value) {
    static const char advice[] = "payload.created_at must be an RFC 3339 time.";
    enum rc rc = read_string(r, value, advice);
    if (rc != RC_OK)
        return rc;
    const int64_t window_ms = (int64_t)AUTH_REGISTRATION_WINDOW_S * 1000;
    int64_t at_ms;
    if (time_read(buf_str(&r->text), &at_ms) != RC_OK)
        return refuse(r, RC_MALFORMED, advice);
    if (at_ms < r->now_ms - window_ms || at_ms > r->now_ms + window_ms)
        return refuse(r, RC_STALE,
                      "payload.created_at is more than 5 minutes from this server's clock.");
    return RC_OK;
}

static enum rc read_payload(struct reader *r, struct str payload, struct registration *out) {
    enum { TYPE, VERSION, HANDLE, SERVER, PRIMARY, CREATED_AT, KNOWN };
    struct json_member m[KNOWN] = {
        [TYPE] = {.name = STR("type")},       [VERSION] = {.name = STR("version")},
        [HANDLE] = {.name = STR("handle")},   [SERVER] = {.name = STR("server")},
        [PRIMARY] = {.name = STR("primary")}, [CREATED_AT] = {.name = STR("created_at")},
    };
    enum rc rc = json_split(payload, (struct str){NULL, 0}, m, KNOWN);
    if (rc != RC_OK)
        return refuse(r, rc, "payload must be an object.");
    rc = expect_string(r, m[TYPE].value, STR("kez.chat.handle_registration"),
                       "payload.type must be \"kez.chat.handle_registration\".");
    if (rc == RC_OK)
        rc = read_version(r, m[VERSION].value);
    if (rc == RC_OK)
        rc = read_handle(r, m[HANDLE].value, &out->handle);
    if (rc == RC_OK)
        rc = expect_string(r, m[SERVER].value, r->server,
                           "payload.server must be the name of this server.");
    if (rc == RC_OK)
        rc = read_primary(r, m[PRIMARY].value, &out->primary);
    if (rc == RC_OK)
        rc = read_created_at(r, m[CREATED_AT].value);
    return rc;
}

static enum rc read_signature(struct reader *r, struct str signature, struct signature *out) {
    enum { ALG, KEY, SIG, KNOWN };
    struct json_member m[KNOWN] = {
        [ALG] = {.name = STR("alg")}, [KEY] = {.name = STR("key")}, [SIG] = {.name = STR("sig")}};
    static const char sig_advice[] = "signature.sig must be 128 lower-case hex digits.";
    enum rc rc = json_split(signature, (struct str){NULL, 0}, m, KNOWN);
    if (rc != RC_OK)
        return refuse(r, rc, "signature must be an object.");
    rc = expect_string(r, m[ALG].value, STR("ed25519-sha512-jcs"),
                       "signature.alg must be \"ed25519-sha512-jcs\".");
    if (rc == RC_OK)
        rc =
            read_key(r, m[KEY].value,
                     "signature.key must be \"ed25519:\" and 64 lower-case hex digits.", &out->key);
    if (rc == RC_OK)
        rc = read_string(r, m[SIG].value, sig_advice);
    if (rc == RC_OK && str_read_hex(buf_str(&r->text), out->sig, sizeof out->sig) != RC_OK)
        rc = refuse(r, RC_MALFORMED, sig_advice);
    return rc;
}

/* `canonical` is the payload as it was signed. */
static enum rc decide(struct reader *r, const struct registration *reg,
                      const struct signature *signature, struct str canonical) {
    if (handle_is_reserved(&reg->handle))
        return refuse(r, RC_RESERVED, "This handle is reserved; choose another.");
    if (!key_eq(&signature->key, &reg->primary))
        return refuse(r, RC_UNAUTHORIZED, "signature.key must be payload.primary.");
    if (auth_verify(&reg->primary, canonical, signature->sig) != RC_OK)
        return refuse(r, RC_UNAUTHORIZED,
                      "The signature does not hold for the RFC 8785 form of payload.");
    return RC_OK;
}

static enum rc read_body(struct reader *r, struct str body, struct registration *out) {
    enum { KEZ, PAYLOAD, SIGNATURE, KNOWN };
    struct json_member m[KNOWN] = {[KEZ] = {.name = STR("kez")},
                                   [PAYLOAD] = {.name = STR("payload")},
                                   [SIGNATURE] = {.name = STR("signature")}};
    struct signature signature;
    enum rc rc = json_split(body, (struct str){NULL, 0}, m, KNOWN);
    if (rc != RC_OK)
        return refuse(r, rc,
                      "The body must be one JSON object in UTF-8, without doubled members, at most "
                      "64 deep.");
    rc = expect_string(r, m[KEZ].value, STR("handle_registration"),
                       "kez must be \"handle_registration\".");
    if (rc == RC_OK)
        rc = read_payload(r, m[PAYLOAD].value, out);
    if (rc == RC_OK)
        rc = read_signature(r, m[SIGNATURE].value, &signature);
    if (rc != RC_OK)
        return rc;

    struct buf canonical;
    buf_init(&canonical, m[PAYLOAD].value.n * JCS_MAX_GROWTH);
    rc = jcs_put(m[PAYLOAD].value, &canonical);
    if (rc == RC_OK)
        rc = decide(r, out, &signature, buf_str(&canonical));
    else
        (void)refuse(r, rc,
                     "payload must be I-JSON: no lone surrogates, no number beyond a double.");
    buf_done(&canonical);
    return rc;
}

enum rc registration_read(struct str body, struct str server, int64_t now_ms,
                          struct registration *out, const char **advice) {
    struct reader r = {.server = server, .now_ms = now_ms};
    struct registration reg;
    buf_init(&r.text, body.n);
    enum rc rc = read_body(&r, body, &reg);
    buf_done(&r.text);
    if (rc == RC_NO_MEMORY)
        r.advice = "The server is short of memory; try again later.";
    if (rc == RC_OK)
        *out = reg;
    else
        *advice = r.advice;
    return rc;
}
