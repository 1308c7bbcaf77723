/* wire/nkey.c -- NATS user keys: an Ed25519 seed or public key in its text form.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/nkey.h"

#include <string.h>

/* Prefixes fill five bits at the top, so that the text begins with a telling letter. */
enum { PREFIX_SEED = 18 << 3 /* S */, PREFIX_USER = 20 << 3 /* U */ };
enum { CHECK_BYTES = 2, SEED_RAW = 2 + NKEY_SEED_BYTES + CHECK_BYTES };
enum { USER_RAW = 1 + KEY_BYTES + CHECK_BYTES };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* CRC-16/XMODEM: polynomial 0x1021, starts at 0, nothing reflected. */
static uint16_t crc16(const uint8_t *p, size_t n) {
    unsigned crc = 0;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned)p[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
    }
    return (uint16_t)crc;
}

/* Fills `out` whole; bits left over at the end must be zero. */
static enum rc read_base32(struct str text, uint8_t *out, size_t n) {
    uint32_t bits = 0;
    unsigned held = 0;
    size_t wrote = 0;
    for (size_t i = 0; i < text.n; i++) {
        const char *at = text.p[i] ? strchr(alphabet, text.p[i]) : NULL;
        if (!at)
            return RC_MALFORMED;
        bits = bits << 5 | (uint32_t)(at - alphabet);
        held += 5;
        if (held >= 8) {
            held -= 8;
            if (wrote == n)
                return RC_MALFORMED;
            out[wrote++] = (uint8_t)(bits >> held);
            bits &= (1u << held) - 1;
        }
    }
    return wrote == n && bits == 0 ? RC_OK : RC_MALFORMED;
}

static void print_base32(const uint8_t *p, size_t n, char *out) {
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < n; i++) {
        bits = (bits << 8 | p[i]) & 0xfff;
        held += 8;
        for (; held >= 5; held -= 5)
            *out++ = alphabet[bits >> (held - 5) & 31];
    }
    if (held > 0)
        *out++ = alphabet[bits << (5 - held) & 31];
    *out = '\0';
}

enum rc nkey_read_seed(struct str text, uint8_t seed[NKEY_SEED_BYTES]) {
    uint8_t raw[SEED_RAW];
    if (text.n != NKEY_SEED_TEXT_LEN || read_base32(text, raw, sizeof raw) != RC_OK)
        return RC_MALFORMED;
    /* S in the first five bits, the kind of key in the next eight. */
    bool is_user_seed =
        (raw[0] & 0xf8) == PREFIX_SEED && ((raw[0] & 7) << 5 | raw[1] >> 3) == PREFIX_USER;
    unsigned check = raw[SEED_RAW - 2] | (unsigned)raw[SEED_RAW - 1] << 8;
    bool is_good = is_user_seed && check == crc16(raw, SEED_RAW - CHECK_BYTES);
    if (is_good)
        memcpy(seed, raw + 2, NKEY_SEED_BYTES);
    explicit_bzero(raw, sizeof raw);
    return is_good ? RC_OK : RC_MALFORMED;
}

void nkey_print_user(const struct key *key, char out[NKEY_USER_TEXT_LEN + 1]) {
    uint8_t raw[USER_RAW];
    raw[0] = PREFIX_USER;
    memcpy(raw + 1, key->bytes, KEY_BYTES);
    uint16_t check = crc16(raw, USER_RAW - CHECK_BYTES);
    raw[USER_RAW - 2] = (uint8_t)(check & 0xff);
    raw[USER_RAW - 1] = (uint8_t)(check >> 8);
    print_base32(raw, sizeof raw, out);
}
