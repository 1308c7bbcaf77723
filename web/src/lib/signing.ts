// lib/signing.ts -- the texts that requests sign (protocol, 2).
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from './bytes';
import { jcs } from './jcs';
import { type Identity, sign } from './keys';

export function pollText(handle: string, since: number, ts: number): string {
  return `GET\n/v1/inbox/${handle}\nsince=${since}\n${ts}`;
}

export function streamText(handle: string, ts: number): string {
  return `GET\n/v1/inbox/${handle}/stream\n${ts}`;
}

export function proofsText(handle: string, ts: number): string {
  return `PUT\n/v1/profile/${handle}/proofs\n${ts}`;
}

/** `target`: path and query from /v1/ on. */
export function requestText(method: string, server: string, target: string, body: string, ts: number): string {
  return `${method}\n${server}\n${target}\n${hex(sha256(utf8(body)))}\n${ts}`;
}

/** The value of X-KEZ-Auth. */
export function authHeader(identity: Identity, text: string, ts: number): string {
  return `${ts}:${sign(identity, text)}`;
}

export function registration(identity: Identity, handle: string, server: string, now: Date): string {
  const payload = {
    type: 'kez.chat.handle_registration',
    version: 1,
    handle,
    server,
    primary: identity.primary,
    created_at: now.toISOString(),
  };
  const signature = { alg: 'ed25519-sha512-jcs', key: identity.primary, sig: sign(identity, jcs(payload)) };
  return JSON.stringify({ kez: 'handle_registration', payload, signature });
}
