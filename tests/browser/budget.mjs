// tests/browser/budget.mjs -- the first load may have 150 KB of gzipped script, nothing inline, and
// nothing from elsewhere.
// Usage: node budget.mjs FOLDER
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const LIMIT = 150 * 1024;
const folder = process.argv[2];
const page = readFileSync(join(folder, 'index.html'), 'utf8');
const scripts = [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)].map((m) => m[1]);
const bytes = scripts.reduce((n, s) => n + gzipSync(readFileSync(join(folder, s)), { level: 9 }).length, 0);
assert.ok(scripts.length > 0, 'the page has no script');
assert.ok(bytes <= LIMIT, `the first load has ${bytes} bytes of gzipped script`);
assert.ok(!/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/.test(page), 'something is inline');
const foreign = /(?:src|href)="(?:https?:)?\/\//;
assert.ok(!foreign.test(page), 'something comes from elsewhere');
for (const name of readdirSync(join(folder, 'assets')).filter((f) => f.endsWith('.js')))
  assert.ok(!/<[a-z][^>]*\sstyle=/.test(readFileSync(join(folder, 'assets', name), 'utf8')), `${name} has a style attribute`);
console.log(`first load: ${(bytes / 1024).toFixed(1)} KB of gzipped script in ${scripts.length} files`);
