// lib/store/vault.ts -- the secrets at rest: a passphrase opens them (PBKDF2-SHA256, AES-256-GCM).
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { type Bytes, fromHex, fromUtf8, hex, randomBytes, utf8 } from '../bytes';

export const ITERATIONS = 600000;

/** What the vault protects. */
export interface Secrets {
  seed: Bytes;
  /** Of the words; 16 or 32 bytes. */
  entropy: Bytes;
  /** Seals all other records on this device. */
  dataKey: Bytes;
}

export interface Vault {
  version: 1;
  handle: string;
  server: string;
  primary: string;
  iterations: number;
  salt: Bytes;
  iv: Bytes;
  sealed: Bytes;
}

export type VaultOwner = Pick<Vault, 'handle' | 'server' | 'primary'>;

async function keyOf(passphrase: string, salt: Bytes, iterations: number): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey('raw', utf8(passphrase.normalize('NFKC')), 'PBKDF2', false, ['deriveKey']);
  return crypto.subtle.deriveKey(
    { name: 'PBKDF2', hash: 'SHA-256', salt, iterations },
    material,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  );
}

/** The owner's name is bound to the secrets, so that no other can be put in its place. */
function boundTo(owner: VaultOwner): Bytes {
  return utf8(`kez-vault-v1\n${owner.primary}\n${owner.server}\n${owner.handle}`);
}

export async function sealVault(owner: VaultOwner, secrets: Secrets, passphrase: string, iterations = ITERATIONS): Promise<Vault> {
  const salt = randomBytes(16);
  const iv = randomBytes(12);
  const key = await keyOf(passphrase, salt, iterations);
  const plain = utf8(JSON.stringify({
    seed: hex(secrets.seed), entropy: hex(secrets.entropy), dataKey: hex(secrets.dataKey),
  }));
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: boundTo(owner) }, key, plain);
  const { handle, server, primary } = owner;
  return { version: 1, handle, server, primary, iterations, salt, iv, sealed: new Uint8Array(sealed) };
}

/** Undefined: the passphrase is wrong, or the record was changed. */
export async function openVault(vault: Vault, passphrase: string): Promise<Secrets | undefined> {
  const key = await keyOf(passphrase, vault.salt, vault.iterations);
  let plain: ArrayBuffer;
  try {
    plain = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: vault.iv, additionalData: boundTo(vault) }, key, vault.sealed);
  } catch {
    return undefined;
  }
  const text = JSON.parse(fromUtf8(new Uint8Array(plain))) as Record<keyof Secrets, string>;
  return { seed: fromHex(text.seed), entropy: fromHex(text.entropy), dataKey: fromHex(text.dataKey) };
}
