// lib/phrase.ts -- the words that hold a person's key (ENVELOPE.md, 1).
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { sha256 } from '@noble/hashes/sha2.js';
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { type Bytes, concat, randomBytes, utf8 } from './bytes';

const known = new Set(wordlist);

/** As people write them down: the numbers of a list say nothing. */
export function splitWords(text: string): string[] {
  return text.normalize('NFKD').toLowerCase().split(/[\s,;]+/u).map((w) => w.replace(/^\d+[.:)]?/, '')).filter(Boolean);
}

export type PhraseProblem =
  | { kind: 'count'; count: number }
  | { kind: 'unknown'; position: number; word: string; near: string[] }
  | { kind: 'checksum' };

/** What is wrong with the words; undefined: nothing. Positions count from 1. */
export function checkWords(words: string[]): PhraseProblem | undefined {
  const at = words.findIndex((w) => !known.has(w));
  if (at >= 0) return { kind: 'unknown', position: at + 1, word: words[at]!, near: nearWords(words[at]!) };
  if (words.length !== 12 && words.length !== 24) return { kind: 'count', count: words.length };
  try {
    mnemonicToEntropy(words.join(' '), wordlist);
    return undefined;
  } catch {
    return { kind: 'checksum' };
  }
}

/** Throws for words that checkWords() refuses. */
export function entropyOfWords(words: string[]): Bytes {
  return mnemonicToEntropy(words.join(' '), wordlist) as Bytes;
}

export function wordsOfEntropy(entropy: Uint8Array): string[] {
  return entropyToMnemonic(entropy, wordlist).split(' ');
}

export function newEntropy(): Bytes {
  return randomBytes(16);
}

export function seedOfEntropy(entropy: Uint8Array): Bytes {
  if (entropy.length === 32) return new Uint8Array(entropy);
  if (entropy.length !== 16) throw new Error('12 or 24 words');
  return sha256(concat(utf8('kez-bip39-12-v1'), entropy)) as Bytes;
}

export function wordsThatBegin(start: string, most: number): string[] {
  return start ? wordlist.filter((w) => w.startsWith(start)).slice(0, most) : [];
}

/** Up to three words of the list that a slip of the hand may have meant. */
function nearWords(word: string): string[] {
  const ranked = wordlist.map((w) => ({ w, d: distance(word, w) })).filter((x) => x.d <= 2);
  ranked.sort((a, b) => a.d - b.d || sharedStart(word, b.w) - sharedStart(word, a.w));
  return ranked.slice(0, 3).map((x) => x.w);
}

function sharedStart(a: string, b: string): number {
  let n = 0;
  while (n < a.length && a[n] === b[n]) n++;
  return n;
}

/** Levenshtein; words longer than any of the list are far away at once. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}
