// tests/browser/device.mjs -- a device: lock, words, storage, notifications.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import { PASSPHRASE, Person } from './people.mjs';
import { everybody, isAccessible, pair, person, shoot, stack } from './scene.mjs';
import { poll } from './stack.mjs';
import * as wire from './wire.mjs';

/** Ends a registration on its way. */
class Enough extends Error {}

export default {
  async 'a lock hides all, a wrong passphrase does not open it, the right one does; a reload does not lock'() {
    const [a, b] = await pair();
    await a.chatWith(b.name);
    await a.say('kept');
    await a.sent('kept');
    await a.page.evaluate(() => navigator.serviceWorker.ready);
    await poll('the service worker is in charge', () => a.page.evaluate(() => !!navigator.serviceWorker.controller));
    await a.page.reload();
    await a.live();
    await a.sees('kept');
    await a.page.locator('#composer').fill('half a sent');
    await a.lock(); // at once: the draft is given back by the screen that goes
    await shoot('desktop-light')('locked', a.page);
    await isAccessible(a.page, 'lock');
    assert.equal(await a.page.getByText('kept').count(), 0);
    await a.page.getByLabel('Passphrase').fill('wrong one');
    await a.page.getByRole('button', { name: 'Unlock' }).click();
    await a.page.getByText('That is not the passphrase.').waitFor();
    await a.page.getByLabel('Passphrase').fill(PASSPHRASE);
    await a.page.getByRole('button', { name: 'Unlock' }).click();
    await a.live();
    await a.sees('kept');
    assert.equal(await a.page.locator('#composer').inputValue(), 'half a sent');
  },

  async 'a new device, by the words, has what the server keeps; both ways, and nothing unread'() {
    const [a, b] = await pair();
    await a.chatWith(b.name);
    await a.say('my own words');
    await a.sent('my own words');
    await b.open(a.name);
    await b.say('an answer');
    await a.sees('an answer');
    await poll('the copy for the own devices is there', async () => (await wire.rowsOf(a, stack.nodes[0].url)).length >= 2);
    const device = new Person(a.name, stack.nodes[1].url);
    everybody.push(await device.arrive());
    const { page } = device;
    await page.getByRole('button', { name: 'I have my words' }).click();
    await page.getByLabel('Your words').fill(a.words.map((w, i) => (i === 4 ? 'wrnog' : w)).join(' '));
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('Word 5, “wrnog”, is not in the list.').waitFor();
    await shoot('desktop-light')('restore', page);
    await isAccessible(page, 'restore');
    await page.reload();
    await device.restore(a.words);
    await device.open(b.name);
    await device.sees('an answer');
    assert.deepEqual(await device.texts(), ['my own words', 'an answer']);
    assert.equal(await page.title(), 'kez-chat');
    await device.say('from the new device');
    await a.sees('from the new device');
    await b.sees('from the new device');
    await a.sent('from the new device');
    assert.deepEqual(await a.texts(), ['my own words', 'an answer', 'from the new device']);
    assert.equal(await b.page.locator('.doubt').count(), 0);
  },

  async 'words that this server does not know: a handle can be picked for them, and the words are the account'() {
    const a = await person('moved', stack.nodes[0].url);
    const words = Array(23).fill('abandon').concat('art'); // of the vectors in ENVELOPE.md
    await a.page.getByRole('button', { name: 'I have my words' }).click();
    await a.page.getByLabel('Your words').fill(words.map((w, i) => `${i + 1}. ${w}`).join('\n'));
    await a.page.getByRole('button', { name: 'Continue' }).click();
    await a.page.getByText('this server has no account for them').waitFor();
    await isAccessible(a.page, 'words without an account');
    await a.page.getByRole('button', { name: 'Pick a handle' }).click();
    await a.page.getByLabel('Handle').fill(a.name);
    await a.page.getByText('is free').waitFor();
    await a.page.getByRole('button', { name: 'Continue' }).click();
    await a.choosePassphrase();
    await a.page.getByRole('button', { name: 'Create my account' }).click();
    await a.live();
    const record = await (await fetch(`${stack.nodes[1].url}/v1/u/${a.name}`)).json();
    assert.equal(record.primary, 'ed25519:3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29');
  },

  async 'bad input, a wrong clock, no storage and no safe connection: each says what is wrong'() {
    const a = await person('alice', stack.nodes[0].url);
    await a.register();
    const b = await person('newcomer', stack.nodes[1].url);
    await b.page.getByRole('button', { name: 'Create an account' }).click();
    for (const [typed, says] of [[a.name, 'is taken'], ['Admin', 'reserved'], ['-x-', 'begins with'], ['a b', 'Only small letters'], ['x'.repeat(40), 'at most 32']]) {
      await b.page.getByLabel('Handle').fill(typed);
      await b.page.locator('#handle-hint', { hasText: says }).waitFor();
      assert.equal(await b.page.getByRole('button', { name: 'Continue' }).isEnabled(), false);
    }
    await b.page.getByLabel('Handle').fill(b.name);
    await b.page.getByText('is free').waitFor();
    await b.page.getByRole('button', { name: 'Continue' }).click();
    await b.page.getByRole('button', { name: 'I wrote them down' }).click();
    for (const label of await b.page.locator('form label').allInnerTexts()) await b.page.getByLabel(label, { exact: true }).fill('abandon');
    await b.page.getByRole('button', { name: 'Continue' }).click();
    await b.page.getByText('is a different one').waitFor();

    const late = await person('late', stack.nodes[0].url);
    await late.context.addInitScript(() => {
      const now = Date.now;
      Date.now = () => now() + 7 * 60000;
    });
    await late.page.reload();
    await late.register(async (name) => {
      if (name !== 'create-passphrase') return;
      await late.page.getByRole('button', { name: 'Create my account' }).click();
      await late.page.getByText('clock is 7 minutes ahead').waitFor();
      throw new Enough();
    }).catch((e) => assert.ok(e instanceof Enough, e));
    await late.page.reload();
    await late.page.getByRole('button', { name: 'I have my words' }).click();
    await late.page.getByLabel('Your words').fill(a.words.join(' '));
    await late.page.getByRole('button', { name: 'Continue' }).click();
    await late.choosePassphrase();
    await late.page.getByRole('button', { name: 'Restore my account' }).click();
    await late.page.getByText('clock is 7 minutes ahead').waitFor();
    await poll('the reason is named', async () => (await late.page.locator('[data-reason]').first().getAttribute('data-reason')) === 'clock');
    await shoot('desktop-light')('clock', late.page);
    await isAccessible(late.page, 'clock');

    const none = await person('none', stack.nodes[0].url);
    await none.context.addInitScript(() => {
      indexedDB.open = () => { throw new DOMException('no', 'SecurityError'); };
    });
    await none.page.reload();
    await none.page.getByText('does not let this page keep anything').waitFor();
    await isAccessible(none.page, 'no storage');
    const plain = await person('plain', stack.nodes[0].url);
    await plain.context.addInitScript(() => Object.defineProperty(globalThis, 'isSecureContext', { value: false }));
    await plain.page.reload();
    await plain.page.getByText('needs a safe connection').waitFor();
    await isAccessible(plain.page, 'no safe connection');
  },

  async 'a notification when nobody looks, and none when somebody does'() {
    const [a, b] = await pair();
    await b.page.evaluate(() => navigator.serviceWorker.ready);
    await poll('the service worker is in charge', () => b.page.evaluate(() => !!navigator.serviceWorker.controller));
    await b.page.getByRole('button', { name: 'Settings' }).click();
    await b.page.getByLabel('Notify me of new messages').check();
    await b.page.getByLabel('Show what was written').check();
    await b.page.getByRole('button', { name: 'Close' }).click();
    const shown = () => b.page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications()).map((n) => `${n.title}: ${n.body}`));
    await a.chatWith(b.name);
    await a.say('seen');
    await b.page.locator('nav .chat', { hasText: 'seen' }).waitFor();
    assert.deepEqual(await shown(), []);
    // Headless pages are never hidden: the page is told that it is, and the worker sees no visible one.
    await b.page.evaluate(() => Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' }));
    const worker = b.context.serviceWorkers()[0];
    await worker.evaluate(() => {
      const all = self.clients.matchAll.bind(self.clients);
      self.clients.matchAll = async (o) => (await all(o)).map((c) => ({
        visibilityState: 'hidden', url: c.url, focus: async () => { self.hasFocused = true; }, postMessage: (note) => c.postMessage(note),
      }));
    });
    await a.say('unseen');
    await poll('a notification', async () => String(await shown()) === `${a.name}: unseen`);
    assert.equal(await b.page.locator('section.thread').count(), 0);
    // Nobody can press it here; what follows is the worker's and the page's part.
    await worker.evaluate(async () => {
      const [notification] = await self.registration.getNotifications();
      self.dispatchEvent(Object.assign(new Event('notificationclick'), { notification, waitUntil: (work) => work }));
    });
    await b.sees('unseen');
    assert.equal(await worker.evaluate(() => self.hasFocused), true);
    assert.deepEqual(await shown(), []);
  },
};
