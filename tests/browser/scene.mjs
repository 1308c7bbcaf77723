// tests/browser/scene.mjs -- the stack and the people that a case works with.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { axePath, Person, photographer } from './people.mjs';
import { Stack } from './stack.mjs';

export const [program, webDir, shots] = process.argv.slice(2);
export const shoot = photographer(shots);
export const stack = new Stack(program, webDir);
const axe = readFileSync(axePath, 'utf8');
export const everybody = [];
let serial = 0;

/** A name nobody has yet. */
const fresh = (name) => `${name}${process.pid % 1000}-${++serial}`;

export async function person(name, url, looks) {
  const p = await new Person(fresh(name), url).arrive(looks);
  everybody.push(p);
  return p;
}

export async function pair(urlA = stack.nodes[0].url, urlB = stack.nodes[1].url, looks) {
  const [a, b] = await Promise.all([person('alice', urlA, looks), person('bob', urlB, looks)]);
  await Promise.all([a.register(), b.register()]);
  return [a, b];
}

export async function isAccessible(page, what) {
  await page.evaluate(() => Promise.all(document.getAnimations().map((a) => (a.effect?.getTiming().iterations === Infinity ? 0 : a.finished.catch(() => 0)))));
  await page.evaluate(axe + ';0');
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} ${n.any[0]?.message ?? ''}`).slice(0, 3).join(' | ')}`);
  assert.deepEqual(found, [], `axe, ${what}`);
}
