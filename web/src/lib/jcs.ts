// lib/jcs.ts -- JSON in its canonical form (RFC 8785).
//
// SPDX-License-Identifier: MIT OR Apache-2.0

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

function text(value: string): string {
  if (LONE_SURROGATE.test(value)) throw new Error('a lone surrogate has no canonical form');
  return JSON.stringify(value);
}

/** Throws for what JSON cannot hold: undefined, functions, NaN, infinities, lone surrogates. */
export function jcs(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return text(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Error('not a JSON number');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return '[' + value.map(jcs).join(',') + ']';
  if (typeof value !== 'object') throw new Error('not JSON');
  const object = value as Record<string, unknown>;
  // sort() without a function compares UTF-16 code units, as RFC 8785, 3.2.3 wants it.
  const members = Object.keys(object).sort().map((name) => text(name) + ':' + jcs(object[name]));
  return '{' + members.join(',') + '}';
}
