/* tests/wire/test_auth.c -- the signed texts, the header, the clock window, the signatures.
 *
 * Vectors: protocol, section 2; RFC 8032, 7.1.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TS STR("1780000000")
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEX128 HEX64 HEX64

static const struct {
    struct str in;
    enum rc want;
    int64_t at_s;
} headers[] = {
    {STR_INIT("1780000000:" HEX128), RC_OK, 1780000000},
    {STR_INIT("0:" HEX128), RC_OK, 0},
    {STR_INIT("999999999999:" HEX128), RC_OK, 999999999999},
    {{NULL, 0}, RC_MISSING_AUTH, 0},
    {STR_INIT(""), RC_MISSING_AUTH, 0},
    {STR_INIT(":"), RC_UNAUTHORIZED, 0},
    {STR_INIT("1780000000"), RC_UNAUTHORIZED, 0},
    {STR_INIT("1780000000:"), RC_UNAUTHORIZED, 0},
    {STR_INIT(":" HEX128), RC_UNAUTHORIZED, 0},
    {STR_INIT("+1:" HEX128), RC_UNAUTHORIZED, 0},
    {STR_INIT("-1:" HEX128), RC_UNAUTHORIZED, 0},
    {STR_INIT(" 1:" HEX128), RC_UNAUTHORIZED, 0},
    {STR_INIT("1 :" HEX128), RC_UNAUTHORIZED, 0},
    {STR_INIT("1: " HEX128), RC_UNAUTHORIZED, 0},
    {STR_INIT("01:" HEX128), RC_UNAUTHORIZED, 0},
    {STR_INIT("1.5:" HEX128), RC_UNAUTHORIZED, 0},
    {STR_INIT("0x1:" HEX128), RC_UNAUTHORIZED, 0},
    {STR_INIT("1000000000000:" HEX128), RC_UNAUTHORIZED, 0},
    {STR_INIT("18446744073709551617:" HEX128), RC_UNAUTHORIZED, 0},
    {STR_INIT("1:" HEX128 "0"), RC_UNAUTHORIZED, 0},
    {STR_INIT("1:" HEX128 " "), RC_UNAUTHORIZED, 0},
    {STR_INIT("1:" HEX128 "\n"), RC_UNAUTHORIZED, 0},
    {STR_INIT("1:" HEX64 "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"),
     RC_UNAUTHORIZED, 0},
    {STR_INIT("1:" HEX64 "g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
     RC_UNAUTHORIZED, 0},
    {STR_INIT("1:" HEX64 "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
     RC_UNAUTHORIZED, 0},
    {STR_INIT("1:2:" HEX128), RC_UNAUTHORIZED, 0},
};

static void the_header_is_read_whole_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct auth a = {.at_s = -7};
        assert_string_equal(rc_name(auth_read(headers[i].in, &a)), rc_name(headers[i].want));
        assert_int_equal(a.at_s, headers[i].want == RC_OK ? headers[i].at_s : -7);
        if (headers[i].want != RC_OK)
            continue;
        assert_ptr_equal(a.at_text.p, headers[i].in.p);
        assert_int_equal(a.sig[0], 0x01);
        assert_int_equal(a.sig[63], 0xef);
    }
}

static void the_window_is_closed_at_both_ends(void **state) {
    (void)state;
    static const struct {
        int64_t at, now, window;
        enum rc want;
    } rows[] = {
        {1000, 1000, 60, RC_OK},
        {940, 1000, 60, RC_OK},
        {1060, 1000, 60, RC_OK},
        {939, 1000, 60, RC_STALE},
        {1061, 1000, 60, RC_STALE},
        {700, 1000, 300, RC_OK},
        {1301, 1000, 300, RC_STALE},
        {INT64_MIN, INT64_MAX, INT64_MAX, RC_STALE},
        {INT64_MAX, INT64_MIN, 60, RC_STALE},
        {INT64_MAX, INT64_MAX - 60, 60, RC_OK},
        {5, 5, 0, RC_OK},
        {5, 5, -1, RC_STALE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(auth_check_time(rows[i].at, rows[i].now, rows[i].window), rows[i].want);
}

/* The three texts that other clients sign already, and what their signatures are. */
static void put_poll(struct buf *b) { auth_put_poll(b, STR("alice"), 0, TS); }
static void put_stream(struct buf *b) { auth_put_stream(b, STR("alice"), TS); }
static void put_proofs(struct buf *b) { auth_put_proofs(b, STR("alice"), TS); }

static const struct {
    void (*put)(struct buf *b);
    const char *text, *sig;
} vectors[] = {
    {put_poll, "GET\n/v1/inbox/alice\nsince=0\n1780000000",
     "0b09532248a3faaaffbe7240e23ab6e666330b6bf32ed409bb49dfaa001a7530"
     "985e15b8549e7c3161c01a6570c0fccae4e1c5462ac837167cf54d12c6eb9307"},
    {put_stream, "GET\n/v1/inbox/alice/stream\n1780000000",
     "1ae6e403c4012d41e72eb9d77ad110dfd8a5bd7952f31660d67c13e1cc8a4660"
     "49559599fc71f4a1ff895aa4bfd70ec8f4ab419cca92cd9d8b4bc75f0f70bd0b"},
    {put_proofs, "PUT\n/v1/profile/alice/proofs\n1780000000",
     "d538d452e20415d9abf8844d174b60e1ae4d88af76c7b2550e5687bc3447db42"
     "2131e0745803e2297376514bb3a131013b4e4b68f1ddb85a69ac7fb229fabb09"},
};

static void the_protocol_vectors_hold(void **state) {
    (void)state;
    uint8_t seed[32];
    struct key key;
    char text[KEY_TEXT_LEN + 1];
    memset(seed, 0x42, sizeof seed);
    auth_key_of_seed(seed, &key);
    key_print(&key, text);
    assert_string_equal(text,
                        "ed25519:2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12");

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct buf b;
        uint8_t sig[AUTH_SIG_BYTES], want[AUTH_SIG_BYTES];
        buf_init(&b, 256);
        vectors[i].put(&b);
        assert_string_equal(buf_cstr(&b), vectors[i].text);
        assert_int_equal(str_read_hex(str_of(vectors[i].sig), want, sizeof want), RC_OK);
        auth_sign(seed, buf_str(&b), sig);
        assert_memory_equal(sig, want, sizeof want);
        for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++)
            assert_int_equal(auth_verify(&key, str_of(vectors[k].text), want),
                             k == i ? RC_OK : RC_UNAUTHORIZED);
        buf_done(&b);
    }
}

static void every_flipped_bit_breaks_a_signature(void **state) {
    (void)state;
    uint8_t seed[32] = {1}, sig[AUTH_SIG_BYTES];
    struct key key;
    char text[] = "GET\n/v1/inbox/alice\nsince=0\n1780000000";
    struct str signed_text = {text, sizeof text - 1};
    auth_key_of_seed(seed, &key);
    auth_sign(seed, signed_text, sig);
    assert_int_equal(auth_verify(&key, signed_text, sig), RC_OK);
    for (size_t bit = 0; bit < 8 * sizeof sig; bit++) {
        sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(auth_verify(&key, signed_text, sig), RC_UNAUTHORIZED);
        sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t i = 0; i < sizeof text - 1; i++) {
        text[i] ^= 1;
        assert_int_equal(auth_verify(&key, signed_text, sig), RC_UNAUTHORIZED);
        text[i] ^= 1;
    }
    key.bytes[0] ^= 1;
    assert_int_equal(auth_verify(&key, signed_text, sig), RC_UNAUTHORIZED);
}

/* RFC 8032, 7.1, test 1: the empty text, which here may also be absent. */
static void the_empty_text_can_be_signed(void **state) {
    (void)state;
    uint8_t seed[32], want[AUTH_SIG_BYTES], sig[AUTH_SIG_BYTES];
    struct key key;
    assert_int_equal(
        str_read_hex(STR("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"), seed,
                     sizeof seed),
        RC_OK);
    assert_int_equal(
        str_read_hex(STR("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901"
                         "555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a"
                         "100b"),
                     want, sizeof want),
        RC_OK);
    auth_key_of_seed(seed, &key);
    auth_sign(seed, STR(""), sig);
    assert_memory_equal(sig, want, sizeof want);
    assert_int_equal(auth_verify(&key, (struct str){NULL, 0}, sig), RC_OK);
}

/* A signature that holds for every text under a key of small order must not open anything. */
static void a_key_of_small_order_verifies_nothing(void **state) {
    (void)state;
    struct key neutral = {{1}};
    uint8_t sig[AUTH_SIG_BYTES] = {1}; /* R neutral, S zero */
    assert_int_equal(auth_verify(&neutral, STR("anything"), sig), RC_UNAUTHORIZED);
}

static void the_other_texts_name_the_server(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 512);
    auth_put_poll(&b, STR("bob"), 9007199254740991, TS);
    assert_string_equal(buf_cstr(&b), "GET\n/v1/inbox/bob\nsince=9007199254740991\n1780000000");
    buf_clear(&b);
    auth_put_events(&b, STR("chat.example"), STR("ed25519:ab"), TS);
    assert_string_equal(buf_cstr(&b), "GET\n/v1/events\nchat.example\ned25519:ab\n1780000000");
    buf_clear(&b);
    /* SHA-256 of "abc" and of nothing: FIPS 180-4 examples. */
    auth_put_request(&b, STR("POST"), STR("chat.example"), STR("/v1/messages?x=%20"), STR("abc"),
                     TS);
    assert_string_equal(buf_cstr(&b),
                        "POST\nchat.example\n/v1/messages?x=%20\n"
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
                        "1780000000");
    buf_clear(&b);
    auth_put_request(&b, STR("DELETE"), STR("s"), STR("/v1/x"), (struct str){NULL, 0}, TS);
    assert_string_equal(buf_cstr(&b),
                        "DELETE\ns\n/v1/x\n"
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
                        "1780000000");
    buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_is_read_whole_or_refused),
        cmocka_unit_test(the_window_is_closed_at_both_ends),
        cmocka_unit_test(the_protocol_vectors_hold),
        cmocka_unit_test(every_flipped_bit_breaks_a_signature),
        cmocka_unit_test(the_empty_text_can_be_signed),
        cmocka_unit_test(a_key_of_small_order_verifies_nothing),
        cmocka_unit_test(the_other_texts_name_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
