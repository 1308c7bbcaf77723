// tests/browser/main.mjs -- people chat in real browsers, over two real nodes.
// Usage: tests/browser/run [--only REGEX]
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import app from './app.mjs';
import chat from './chat.mjs';
import device from './device.mjs';
import measure from './measure.mjs';
import network from './network.mjs';
import { closeBrowser, openBrowser } from './people.mjs';
import { everybody, shots, stack } from './scene.mjs';
import screens from './screens.mjs';
import settings from './settings.mjs';
import trust from './trust.mjs';
import * as wire from './wire.mjs';

const only = new RegExp(process.env.KEZ_ONLY ?? '');
const cases = { ...chat, ...network, ...device, ...app, ...settings, ...trust, ...measure, ...screens };

let [ran, failed] = [0, 0];
// Of a page that was closed meanwhile; what matters fails where it is waited for.
process.on('unhandledRejection', (e) => console.log(`      (unhandled: ${String(e?.message ?? e).split('\n')[0]})`));
try {
  await stack.start();
  await openBrowser();
  for (const [name, run] of Object.entries(cases)) {
    if (!only.test(name)) continue;
    ran++;
    const began = Date.now();
    try {
      await run();
      const errors = everybody.flatMap((p) => p.errors);
      assert.deepEqual(errors, [], 'errors in the pages');
      console.log(`ok    ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (e) {
      failed++;
      console.log(`FAIL  ${name}\n      ${String(e?.message ?? e).split('\n').slice(0, 12).join('\n      ')}`);
      console.log(String(e?.stack).split('\n').filter((l) => l.includes('tests/browser')).slice(0, 4).join('\n'));
      for (const [i, p] of everybody.entries()) await p.page.screenshot({ path: `${shots}/fail-${i}.png` }).catch(() => undefined);
    }
    await Promise.all(everybody.splice(0).map((p) => p.leave().catch(() => undefined)));
  }
} finally {
  await closeBrowser();
  await stack.stop();
  await wire.closeWire();
}
console.log(failed ? `${failed} of ${ran} failed` : ran ? `all ${ran} passed` : 'there is no such case');
process.exit(failed || !ran ? 1 : 0);
