/* base/hash.c -- SipHash-2-4.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/hash.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint64_t rotate(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

static uint64_t word(const unsigned char *p, size_t n) {
    uint64_t w = 0;
    for (size_t i = 0; i < n; i++)
        w |= (uint64_t)p[i] << (8 * i);
    return w;
}

static void rounds(uint64_t v[4], int n) {
    while (n-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

uint64_t hash_bytes(const uint64_t key[2], const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    size_t whole = n / 8;
    for (size_t i = 0; i < whole; i++) {
        uint64_t m = word(p + 8 * i, 8);
        v[3] ^= m;
        rounds(v, 2);
        v[0] ^= m;
    }
    uint64_t last = word(p + 8 * whole, n % 8) | (uint64_t)n << 56;
    v[3] ^= last;
    rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t process_key[2];
static pthread_once_t key_drawn = PTHREAD_ONCE_INIT;

static void draw_key(void) {
    ssize_t n;
    do
        n = getrandom(process_key, sizeof process_key, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof process_key)
        abort(); /* a kernel without randomness: nothing here is safe then */
}

uint64_t hash_str(struct str s) {
    pthread_once(&key_drawn, draw_key);
    return hash_bytes(process_key, s.p ? s.p : "", s.n);
}

uint64_t hash_u64(uint64_t value) {
    pthread_once(&key_drawn, draw_key);
    return hash_bytes(process_key, &value, sizeof value);
}
