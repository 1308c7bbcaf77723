// lib/handle.ts -- which names a handle may have (protocol, 1).
//
// SPDX-License-Identifier: MIT OR Apache-2.0

const reserved = new Set(
  ('admin administrator root system api internal kez support help abuse postmaster noreply no-reply ' +
    'mailer-daemon webmaster hostmaster www ftp mail smtp imap pop3 everyone all anyone nobody').split(' '),
);

const HANDLE = /^[a-z0-9][a-z0-9_-]{2,31}$/;

/** Whether the server may have given out this handle. */
export function isHandle(value: unknown): value is string {
  return typeof value === 'string' && HANDLE.test(value);
}

export type HandleProblem = 'short' | 'long' | 'first' | 'byte' | 'reserved';

/** Undefined: a handle that may be registered. */
export function checkHandle(handle: string): HandleProblem | undefined {
  if (handle.length < 3) return 'short';
  if (handle.length > 32) return 'long';
  if (!/^[a-z0-9]/.test(handle)) return 'first';
  if (!/^[a-z0-9_-]+$/.test(handle)) return 'byte';
  return reserved.has(handle) ? 'reserved' : undefined;
}

/** What somebody typed, as the handle that was meant: "@Alice@here" is alice. */
export function handleFrom(typed: string): string {
  return typed.trim().replace(/^@/, '').split('@')[0]!.toLowerCase();
}
