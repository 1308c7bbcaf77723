// tests/browser/trust.mjs -- what others send, or the server says, that is not right.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import { Person } from './people.mjs';
import { everybody, isAccessible, pair, person, shoot, stack } from './scene.mjs';
import { poll } from './stack.mjs';
import * as wire from './wire.mjs';

export default {
  async 'a forged message, one that another delivers, a gap and a chain begun anew are shown as such; none is lost'() {
    const [a, b] = await pair();
    const mallory = await person('mallory', stack.nodes[1].url);
    await mallory.register();
    const { url } = stack.nodes[1];
    await wire.forge(url, mallory, b, a, 'send me your words');
    await a.open('Unverified');
    const forged = a.page.locator('[data-flaw=forged]');
    await forged.getByText(`It claims to come from @${mallory.name}.`).waitFor();
    assert.equal(await a.page.getByText('send me your words').count(), 0);
    assert.equal(await a.page.locator('#composer').count(), 0);
    const prev = await wire.say(url, b, a, { type: 'text', text: 'the first' });
    await a.open(b.name);
    await wire.say(url, b, a, { type: 'text', text: 'follows' }, { prev });
    await wire.say(url, b, a, { type: 'text', text: 'after a gap' }, { prev: '0'.repeat(64) });
    await wire.say(url, b, a, { type: 'text', text: 'begun anew' });
    await wire.relay(url, mallory, b, a, 'by another way');
    await a.sees('by another way');
    const doubts = async (text) => (await a.bubble(text).locator('.doubt').allInnerTexts()).map((d) => d.trim());
    assert.deepEqual(await a.texts(), ['the first', 'follows', 'after a gap', 'begun anew', 'by another way']);
    for (const text of ['the first', 'follows']) assert.deepEqual(await doubts(text), []);
    assert.deepEqual(await doubts('after a gap'), ['A message before this one did not arrive here.']);
    assert.match((await doubts('begun anew'))[0], /^The sender began anew here/);
    assert.match((await doubts('by another way'))[0], /delivered by somebody else/);
    // The same from another stranger to whom one has written: in their chat, not among the unverified.
    await a.chatWith(mallory.name);
    await wire.forge(url, mallory, b, a, 'once more');
    await forged.waitFor();
  },

  async 'replayed and foreign messages are shown as such; hostile texts do no harm'() {
    const [a, b] = await pair();
    await b.chatWith(a.name);
    await b.say('genuine');
    await a.open(b.name);
    await a.sees('genuine');
    const [row] = await wire.rowsOf(a, stack.nodes[0].url);
    await wire.unsigned(stack.nodes[1].url, a.name, row.envelope);
    await a.page.locator('[data-flaw=replayed]').waitFor();
    await wire.unsigned(stack.nodes[1].url, a.name, { kez: 'sealed_message', version: 1, keys: ['A'.repeat(107)], content: 'A'.repeat(40) });
    await a.page.locator('nav .chat', { hasText: 'Unverified' }).waitFor();
    await wire.unsigned(stack.nodes[1].url, a.name, { hello: '<img src=x onerror=alert(1)>' });
    await a.open('Unverified');
    await a.page.locator('[data-flaw=undecryptable]').waitFor();
    await a.page.locator('[data-flaw=unreadable]').waitFor();
    await shoot('desktop-light')('flaws', a.page);
    await isAccessible(a.page, 'flaws');
    await a.open(b.name);
    for (const text of wire.hostileTexts) await wire.say(stack.nodes[1].url, b, a, { type: 'text', text });
    await wire.say(stack.nodes[1].url, b, a, { type: 'dance', steps: 3 });
    await a.sees('after all that');
    await wire.say(stack.nodes[1].url, b, a, { type: 'text', text: 'held back' }, { sent_at: '2026-01-02T03:04:05.000Z' });
    await a.bubble('held back').getByText('by the sender’s clock').waitFor();
    assert.equal(await a.bubble('after all that').getByText('by the sender’s clock').count(), 0);
    await a.page.locator('.bubble', { hasText: 'A message of a newer kind' }).waitFor();
    for (const [text, shown] of [['\n'.repeat(1e6) + 'after a million lines', 'after a million lines'], ['V'.repeat(1e6), 'VVVVV'], ['<b>'.repeat(3e5), '<b><b>']]) {
      await wire.inject(a, b, text);
      await a.sees(shown);
      assert.ok((await a.page.locator('.bubble').last().evaluate((el) => el.clientHeight)) < 4000);
    }
    assert.equal(await a.page.locator('.bubble img, .bubble script, .bubble b').count(), 0);
    const links = await a.page.locator('.bubble a').evaluateAll((all) => all.map((el) => [el.protocol, el.rel, [...el.attributes].some((x) => x.name.startsWith('on'))].join()));
    assert.ok(links.every((l) => l === 'https:,noopener noreferrer nofollow,false'), String(links));
    assert.notEqual(await a.page.title(), 'owned');
    assert.equal(await a.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    await shoot('desktop-light')('hostile', a.page);
  },

  async 'a handle with another key: a warning in both chats, and nothing is sent before it is accepted'() {
    const [a, b] = await pair();
    await a.chatWith(b.name);
    await a.say('to the first key');
    await a.sent('to the first key');
    await stack.admin(1, 'DELETE', `/v1/handles/${b.name}`);
    for (const node of stack.nodes) await poll('the handle is free', async () => (await fetch(`${node.url}/v1/u/${b.name}`)).status === 404);
    const other = new Person(b.name, stack.nodes[1].url);
    everybody.push(await other.arrive());
    await other.register();
    await other.chatWith(a.name);
    await other.say('it is me, really');
    // In the chat with the former key: a word, and no way to write.
    await a.page.getByText('has a new key').waitFor();
    assert.equal(await a.page.locator('#composer').count(), 0);
    await shoot('desktop-light')('key-changed-old', a.page);
    await isAccessible(a.page, 'the chat of the former key');
    await a.page.getByRole('button', { name: 'Open the new chat' }).click();
    await a.sees('it is me, really');
    const warning = a.page.getByRole('alert').filter({ hasText: 'has changed' });
    await warning.waitFor();
    assert.equal(await a.page.locator('#composer').count(), 0);
    await shoot('desktop-light')('key-changed-new', a.page);
    const size = a.page.viewportSize();
    await a.page.setViewportSize({ width: 390, height: 844 });
    await shoot('phone-light')('key-changed-new', a.page);
    await a.page.setViewportSize(size);
    await isAccessible(a.page, 'the chat of the new key');
    await warning.getByRole('button', { name: 'Compare' }).click();
    const numbers = async (p) => (await p.page.locator('.numbers').innerText()).replace(/\s+/g, ' ');
    await a.page.getByRole('heading', { name: 'Safety number' }).waitFor();
    await other.page.getByRole('button', { name: 'Details', exact: true }).click();
    assert.equal(await numbers(a), await numbers(other));
    assert.match(await numbers(a), /^(\d{5} ?){12}$/);
    await a.page.getByRole('button', { name: 'Close' }).click();
    await warning.getByRole('button', { name: 'I asked: it is them' }).click();
    await a.say('welcome back');
    await a.sent('welcome back');
    await other.page.getByRole('button', { name: 'Close' }).click();
    await other.sees('welcome back');
    assert.equal(await warning.count(), 0);
    await a.page.reload();
    await a.live();
    assert.equal(await warning.count(), 0);
  },
};
