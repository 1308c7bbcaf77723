// tests/browser/measure.mjs -- measured: the way of a message, and many messages.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import { pair, person, shoot, stack } from './scene.mjs';
import { poll } from './stack.mjs';
import * as wire from './wire.mjs';

export default {
  async 'A sends on node 1, B sees it on node 2: p50 at most 100 ms'() {
    const [a, b] = await pair();
    await a.chatWith(b.name);
    await a.say('warm up');
    await b.open(a.name);
    await b.sees('warm up');
    // Both pages are of one machine, so their clocks are the same.
    await b.page.evaluate(() => {
      globalThis.seenAt = {};
      new MutationObserver(() => {
        for (const el of document.querySelectorAll('.bubble .text')) globalThis.seenAt[el.textContent] ??= Date.now();
      }).observe(document.body, { childList: true, subtree: true, characterData: true });
    });
    const times = [];
    for (let i = 0; i < 40; i++) {
      const text = `ping ${i}`;
      const began = await a.page.evaluate((x) => {
        const box = document.querySelector('#composer');
        box.value = x;
        box.dispatchEvent(new Event('input', { bubbles: true }));
        return new Promise((go) => queueMicrotask(() => {
          const at = Date.now();
          box.form.requestSubmit();
          go(at);
        }));
      }, text);
      times.push((await poll(text, () => b.page.evaluate((x) => globalThis.seenAt[x], text))) - began);
    }
    times.sort((x, y) => x - y);
    const [p50, p95] = [times[20], times[38]];
    console.log(`    latency from send to bubble: p50 ${p50} ms, p95 ${p95} ms, max ${times.at(-1)} ms`);
    assert.ok(p50 <= 100, `p50 is ${p50} ms`);
  },

  async '10,000 messages scroll smoothly'() {
    const a = await person('many', stack.nodes[0].url);
    await a.register();
    await a.chatWith(a.name);
    await a.say('the first');
    await a.sent('the first');
    await wire.fill(a, 10000);
    await poll('they are there', async () => (await a.page.locator('[role=log]').evaluate((el) => el.scrollHeight)) > 300000, 60000);
    const result = await a.page.locator('[role=log]').evaluate(async (el) => {
      const frames = [];
      let last = performance.now();
      for (let i = 0; i < 120; i++) {
        el.scrollTop -= 400;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        frames.push(now - last);
        last = now;
      }
      frames.sort((x, y) => x - y);
      return { p50: frames[60], p95: frames[114], rows: el.querySelectorAll('.item').length, top: el.scrollTop };
    });
    console.log(`    scrolling: frame p50 ${result.p50.toFixed(1)} ms, p95 ${result.p95.toFixed(1)} ms, ${result.rows} rows in the page`);
    assert.ok(result.rows < 150, `${result.rows} rows in the page`);
    assert.ok(result.p50 < 34 && result.p95 < 100, 'frames are late');
    await shoot('desktop-light')('many', a.page);
  },
};
