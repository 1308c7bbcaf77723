// lib/keys.ts -- a person's keys: Ed25519 to sign, the same on Curve25519 to seal.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { ed25519 } from '@noble/curves/ed25519.js';
import { type Bytes, fromHex, hex, utf8 } from './bytes';

export const PRIMARY_PREFIX = 'ed25519:';
const PRIMARY = /^ed25519:[0-9a-f]{64}$/;

export interface Identity {
  readonly seed: Bytes;
  readonly publicKey: Bytes;
  readonly primary: string;
  /** X25519 */
  readonly sealSecret: Bytes;
  readonly sealPublic: Bytes;
}

export function identityFromSeed(seed: Uint8Array): Identity {
  if (seed.length !== 32) throw new Error('a seed has 32 bytes');
  const publicKey = ed25519.getPublicKey(seed) as Bytes;
  return {
    seed: new Uint8Array(seed),
    publicKey,
    primary: PRIMARY_PREFIX + hex(publicKey),
    sealSecret: ed25519.utils.toMontgomerySecret(seed) as Bytes,
    sealPublic: ed25519.utils.toMontgomery(publicKey) as Bytes,
  };
}

export function isPrimary(value: unknown): value is string {
  return typeof value === 'string' && PRIMARY.test(value);
}

/** Throws for a text that is not a primary. */
export function publicKeyOf(primary: string): Bytes {
  if (!isPrimary(primary)) throw new Error('not a primary');
  return fromHex(primary.slice(PRIMARY_PREFIX.length));
}

/** The X25519 key of a primary. Throws for one that is no point of the curve, or of small order. */
export function sealKeyOf(primary: string): Bytes {
  const key = publicKeyOf(primary);
  if (ed25519.Point.fromBytes(key).isSmallOrder()) throw new Error('a key of small order');
  return ed25519.utils.toMontgomery(key) as Bytes;
}

/** Hex of the Ed25519 signature of a text's UTF-8. */
export function sign(identity: Identity, text: string): string {
  return hex(ed25519.sign(utf8(text), identity.seed));
}

/** False for anything malformed, too. With the strict checks of RFC 8032. */
export function verify(primary: string, text: string, sigHex: unknown): boolean {
  if (typeof sigHex !== 'string' || !/^[0-9a-f]{128}$/.test(sigHex) || !isPrimary(primary)) return false;
  try {
    return ed25519.verify(fromHex(sigHex), utf8(text), publicKeyOf(primary), { zip215: false });
  } catch {
    return false;
  }
}
