/* base/hash.h -- keyed hashing of names that strangers choose.
 *
 * Source: Aumasson and Bernstein, SipHash (2012); here SipHash-2-4 with 64-bit output.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* SipHash-2-4 of n bytes under a 16-byte key (two little-endian words). */
uint64_t hash_bytes(const uint64_t key[2], const void *bytes, size_t n);

/* The same under a key drawn at random when the process first asks; not stable between runs. */
uint64_t hash_str(struct str s);
uint64_t hash_u64(uint64_t value);

#endif
