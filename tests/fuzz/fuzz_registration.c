/* fuzz_registration -- what is registered is sound, and what is refused is told why. The input is
 * read as a body, and as a payload that is signed as it should be: then it is accepted exactly when
 * a signature with one bit changed makes it 401, and it says what jansson reads in it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "wire/auth.h"
#include "wire/jcs.h"
#include "wire/registration.h"

enum { FRAME_BYTES = 512 };                     /* of a body, around its payload */
static const int64_t corpus_ms = 1779836777123; /* the time of the corpus */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

static enum rc read_at_corpus_time(struct str body, struct registration *reg) {
    struct handle again;
    const char *advice = NULL;
    enum rc rc = registration_read(body, STR("chat.example.org"), corpus_ms, reg, &advice);
    must((rc == RC_OK) == (advice == NULL));
    if (rc == RC_OK) {
        must(handle_read(handle_str(&reg->handle), &again) == RC_OK);
        must(!handle_is_reserved(&reg->handle) && key_is_sound(&reg->primary));
    }
    return rc;
}

static void put_body(struct buf *out, struct str payload, const uint8_t sig[AUTH_SIG_BYTES],
                     const char *key) {
    buf_clear(out);
    buf_putf(out,
             "{\"kez\":\"handle_registration\",\"signature\":{\"alg\":\"ed25519-sha512-jcs\","
             "\"key\":\"%s\",\"sig\":\"",
             key);
    buf_put_hex(out, sig, AUTH_SIG_BYTES);
    buf_put(out, STR("\"},\"payload\":"));
    buf_put(out, payload);
    buf_put_byte(out, '}');
    must(buf_rc(out) == RC_OK);
}

/* The signature is right, so only another key than the payload's can be why it was not believed. */
static void compare(struct str payload, enum rc rc, const struct registration *reg,
                    const char *key) {
    json_t *theirs = json_loadb(payload.p, payload.n, JSON_ALLOW_NUL, NULL);
    if (!theirs)
        return; /* a number or a name beyond jansson */
    const char *handle = json_string_value(json_object_get(theirs, "handle"));
    const char *primary = json_string_value(json_object_get(theirs, "primary"));
    bool is_its_key = primary && strcmp(primary, key) == 0;
    if (rc == RC_OK)
        must(is_its_key && handle && strcmp(handle, reg->handle.text) == 0);
    if (rc == RC_UNAUTHORIZED)
        must(!is_its_key);
    json_decref(theirs);
}

static void sign_and_read(struct str payload) {
    uint8_t seed[32], sig[AUTH_SIG_BYTES];
    char text[KEY_TEXT_LEN + 1];
    struct key key;
    struct registration reg;
    struct buf canonical, body;
    memset(seed, 0x42, sizeof seed);
    auth_key_of_seed(seed, &key);
    key_print(&key, text);
    buf_init(&canonical, payload.n * JCS_MAX_GROWTH);
    buf_init(&body, payload.n + FRAME_BYTES);
    if (jcs_put(payload, &canonical) == RC_OK) {
        auth_sign(seed, buf_str(&canonical), sig);
        put_body(&body, payload, sig, text);
        enum rc rc = read_at_corpus_time(buf_str(&body), &reg);
        compare(payload, rc, &reg, text);
        sig[0] ^= 1;
        put_body(&body, payload, sig, text);
        enum rc other = read_at_corpus_time(buf_str(&body), &reg);
        must(other == (rc == RC_OK ? RC_UNAUTHORIZED : rc));
    }
    buf_done(&canonical);
    buf_done(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str input = {(const char *)data, size};
    struct registration reg;
    (void)read_at_corpus_time(input, &reg);
    sign_and_read(input);
    return 0;
}
