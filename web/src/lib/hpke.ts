// lib/hpke.ts -- HPKE single-shot (RFC 9180, 6.1): base mode, DHKEM(X25519, HKDF-SHA256),
// HKDF-SHA256, ChaCha20Poly1305.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { type Bytes, concat, randomBytes, utf8 } from './bytes';

const KEM = new Uint8Array([0x00, 0x20]);
const KEM_SUITE = concat(utf8('KEM'), KEM);
const HPKE_SUITE = concat(utf8('HPKE'), KEM, new Uint8Array([0x00, 0x01, 0x00, 0x03]));
const VERSION = utf8('HPKE-v1');
const NONE = new Uint8Array(0);

export const ENC_BYTES = 32;
export const TAG_BYTES = 16;

function labeledExtract(suite: Bytes, salt: Uint8Array, label: string, ikm: Uint8Array): Uint8Array {
  return extract(sha256, concat(VERSION, suite, utf8(label), ikm), salt);
}

function labeledExpand(suite: Bytes, prk: Uint8Array, label: string, info: Uint8Array, bytes: number): Uint8Array {
  const length = new Uint8Array([bytes >> 8, bytes & 0xff]);
  return expand(sha256, prk, concat(length, VERSION, suite, utf8(label), info), bytes);
}

/** RFC 9180, 4.1: ExtractAndExpand over the Diffie-Hellman result. Throws when that is zero. */
function sharedSecret(secret: Uint8Array, peer: Uint8Array, enc: Uint8Array, pkR: Uint8Array): Uint8Array {
  const dh = x25519.getSharedSecret(secret, peer);
  const prk = labeledExtract(KEM_SUITE, NONE, 'eae_prk', dh);
  return labeledExpand(KEM_SUITE, prk, 'shared_secret', concat(enc, pkR), 32);
}

export interface Schedule {
  sharedSecret: Uint8Array;
  context: Uint8Array;
  secret: Uint8Array;
  key: Uint8Array;
  baseNonce: Uint8Array;
}

/** RFC 9180, 5.1, mode_base. */
function schedule(shared: Uint8Array, info: Uint8Array): Schedule {
  const pskIdHash = labeledExtract(HPKE_SUITE, NONE, 'psk_id_hash', NONE);
  const infoHash = labeledExtract(HPKE_SUITE, NONE, 'info_hash', info);
  const context = concat(new Uint8Array([0]), pskIdHash, infoHash);
  const secret = labeledExtract(HPKE_SUITE, shared, 'secret', NONE);
  return {
    sharedSecret: shared,
    context,
    secret,
    key: labeledExpand(HPKE_SUITE, secret, 'key', context, 32),
    baseNonce: labeledExpand(HPKE_SUITE, secret, 'base_nonce', context, 12),
  };
}

/** The sender's side; `ephemeral` is given by tests only. */
export function setupSend(pkR: Uint8Array, info: Uint8Array, ephemeral: Uint8Array = randomBytes(32)) {
  const enc = x25519.getPublicKey(ephemeral);
  return { enc, ...schedule(sharedSecret(ephemeral, pkR, enc, pkR), info) };
}

export function setupReceive(enc: Uint8Array, skR: Uint8Array, pkR: Uint8Array, info: Uint8Array): Schedule {
  return schedule(sharedSecret(skR, enc, enc, pkR), info);
}

/** enc ‖ ciphertext. Throws for a key of small order. */
export function seal(pkR: Uint8Array, info: Uint8Array, aad: Uint8Array, plain: Uint8Array, ephemeral?: Uint8Array): Bytes {
  const s = setupSend(pkR, info, ephemeral);
  return concat(s.enc, chacha20poly1305(s.key, s.baseNonce, aad).encrypt(plain));
}

/** Throws when it does not open. */
export function open(sealed: Uint8Array, skR: Uint8Array, pkR: Uint8Array, info: Uint8Array, aad: Uint8Array): Bytes {
  if (sealed.length < ENC_BYTES + TAG_BYTES) throw new Error('too short');
  const s = setupReceive(sealed.subarray(0, ENC_BYTES), skR, pkR, info);
  return chacha20poly1305(s.key, s.baseNonce, aad).decrypt(sealed.subarray(ENC_BYTES)) as Bytes;
}
