// lib/time.ts -- times as the protocol writes them.
//
// SPDX-License-Identifier: MIT OR Apache-2.0

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/;

/** RFC 3339, in UTC, and a time that there is. */
export function isTime(value: unknown): value is string {
  return typeof value === 'string' && TIME.test(value) && !Number.isNaN(Date.parse(value));
}
