// lib/bytes.ts -- bytes to text and back, and random names.
//
// SPDX-License-Identifier: MIT OR Apache-2.0

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export type Bytes = Uint8Array<ArrayBuffer>;

export function utf8(text: string): Bytes {
  return encoder.encode(text) as Bytes;
}

/** Throws for bytes that are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  return strictDecoder.decode(bytes);
}

export function hex(bytes: Uint8Array): string {
  let out = '';
  for (const b of bytes) out += b.toString(16).padStart(2, '0');
  return out;
}

/** Throws for anything but an even number of lower-case hex digits. */
export function fromHex(text: string): Bytes {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) throw new Error('not lower-case hex');
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

export function concat(...parts: Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

export function base64url(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += 0x8000)
    binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(binary).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

/** Throws for anything but base64url without padding, whose unused bits are zero. */
export function fromBase64url(text: string): Bytes {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw new Error('not base64url');
  const binary = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i);
  if (!sameTail(out, text)) throw new Error('not base64url');
  return out;
}

/** The last character carries unused bits: they must be zero, so that each byte string has one text. */
function sameTail(bytes: Uint8Array, text: string): boolean {
  const tail = bytes.subarray(bytes.length - (bytes.length % 3));
  return base64url(tail) === text.slice(text.length - (text.length % 4));
}

export function randomBytes(n: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(n));
}

/** 128 random bits as 22 letters of base64url: the `id` of a message. */
export function randomId(): string {
  return base64url(randomBytes(16));
}

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A ULID: 48 bits of time, 80 of chance. */
export function ulid(nowMs: number): string {
  let time = '';
  for (let i = 0, left = nowMs; i < 10; i++, left = Math.floor(left / 32)) time = crockford[left % 32] + time;
  let chance = '';
  for (const b of randomBytes(16)) chance += crockford[b % 32];
  return time + chance;
}
