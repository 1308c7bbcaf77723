// tests/browser/measure.mjs -- measured: the way of a message, and many messages.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import { pair, person, shoot, stack } from './scene.mjs';
import { poll } from './stack.mjs';
import * as wire from './wire.mjs';

/** Tells of 40 ways from `a`, who sends, to the bubble on the screen of `b`. */
async function tellTimes(a, b) {
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
  console.log(`    latency from send to bubble: p50 ${times[20]} ms, p95 ${times[38]} ms, max ${times.at(-1)} ms`);
}

export default {
  async 'what A sends on node 1 is seen by B on node 2; how soon is told'() {
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
    await tellTimes(a, b);
  },

  async '10,000 messages scroll smoothly'() {
    const a = await person('many', stack.nodes[0].url);
    await a.register();
    await a.chatWith(a.name);
    await a.say('the first');
    await a.sent('the first');
    await wire.fill(a, 10000);
    await poll('they are there', async () => (await a.page.locator('[role=log]').evaluate((el) => el.scrollHeight)) > 300000);
    const log = a.page.locator('[role=log]');
    const result = await log.evaluate(async (el) => {
      const frames = [];
      let [rows, blank] = [0, 0];
      const frame = () => new Promise(requestAnimationFrame);
      const look = () => {
        rows = Math.max(rows, el.querySelectorAll('.item').length);
        const { left, top, width, height } = el.getBoundingClientRect();
        const isRow = (y) => !!document.elementFromPoint(left + width / 2, y)?.closest('.item');
        if (![0.1, 0.5, 0.9].every((part) => isRow(top + height * part))) blank++;
      };
      let last = performance.now();
      for (let i = 0; i < 120; i++) {
        el.scrollTop -= 400;
        await frame();
        const now = performance.now();
        frames.push(now - last);
        last = now;
        look();
      }
      for (const part of [0, 0.5, 0.25, 1, 0]) {
        el.scrollTop = el.scrollHeight * part;
        await frame();
        await frame();
        look();
      }
      frames.sort((x, y) => x - y);
      return { p50: frames[60], p95: frames[114], rows, blank };
    });
    console.log(`    scrolling: frame p50 ${result.p50.toFixed(1)} ms, p95 ${result.p95.toFixed(1)} ms, at most ${result.rows} rows in the page`);
    assert.ok(result.rows < 150, `${result.rows} rows in the page`);
    assert.equal(result.blank, 0, 'looks at an empty window');
    await a.sees('0: calm'); // the very first
    await shoot('desktop-light')('many', a.page);
  },
};
