// lib/safety.ts -- the safety number of two people (ENVELOPE.md, 8).
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { sha512 } from '@noble/hashes/sha2.js';
import { concat, utf8 } from './bytes';
import { publicKeyOf } from './keys';

/** Twelve groups of five digits, the same for both. */
export function safetyNumber(primaryA: string, primaryB: string): string[] {
  const [low, high] = [primaryA, primaryB].sort() as [string, string];
  const h = sha512(concat(utf8('kez-safety-number-v1'), publicKeyOf(low), publicKeyOf(high)));
  return Array.from({ length: 12 }, (_, i) => {
    let n = 0;
    for (let j = 0; j < 5; j++) n = n * 256 + h[5 * i + j]!; // below 2^40
    return String(n % 100000).padStart(5, '0');
  });
}
