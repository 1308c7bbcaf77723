// tests/browser/settings.mjs -- what people set, look up, change and take away.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import { PASSPHRASE } from './people.mjs';
import { isAccessible, pair, person, shoot, stack } from './scene.mjs';
import { poll } from './stack.mjs';
import * as wire from './wire.mjs';

const close = (page) => page.getByRole('button', { name: 'Close' }).click();
const settings = (page) => page.getByRole('button', { name: 'Settings' }).click();

export default {
  async 'the words are shown for the passphrase, and for no other; the passphrase can be changed'() {
    const a = await person('keeper', stack.nodes[0].url);
    await a.register();
    await settings(a.page);
    await a.page.getByRole('button', { name: 'Show my words' }).click();
    const words = async () => (await a.page.locator('dialog ol li').allInnerTexts()).map((w) => w.replace(/[^a-z]/g, ''));
    const shown = async (passphrase) => {
      await a.page.getByLabel('Your passphrase, please.').fill(passphrase);
      await a.page.getByRole('button', { name: 'Show my words' }).last().click();
    };
    await shown('not the passphrase');
    await a.page.getByText('That is not the passphrase.').waitFor();
    assert.deepEqual(await words(), []);
    await shown(PASSPHRASE);
    await poll('the words', async () => (await words()).join(' ') === a.words.join(' '));
    await isAccessible(a.page, 'the words in the settings');
    await a.page.getByRole('button', { name: 'Change the passphrase' }).click();
    assert.deepEqual(await words(), [], 'the words go when something else is opened');
    const change = async (old, fresh) => {
      await a.page.getByLabel('Current passphrase').fill(old);
      await a.page.getByLabel('New passphrase').fill(fresh);
      await a.page.getByLabel('Once more').fill(fresh);
      await a.page.getByRole('button', { name: 'Change the passphrase' }).last().click();
    };
    await change('not the passphrase', 'four new quiet words');
    await a.page.getByText('That is not the passphrase.').waitFor();
    await isAccessible(a.page, 'another passphrase');
    await change(PASSPHRASE, 'four new quiet words');
    await a.page.getByText('The passphrase is changed.').waitFor();
    await close(a.page);
    await a.lock();
    await a.unlock(a.page, PASSPHRASE);
    await a.page.getByText('That is not the passphrase.').waitFor();
    await a.unlock(a.page, 'four new quiet words');
    await a.live();
  },

  async 'light and dark can be chosen, and the choice is kept'() {
    const a = await person('looks', stack.nodes[0].url);
    await a.register();
    await a.isInstalled();
    const paper = () => a.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await paper();
    await settings(a.page);
    await a.page.getByRole('radio', { name: 'Dark' }).click();
    await poll('it is dark', async () => (await paper()) !== light);
    const dark = await paper();
    await a.page.reload();
    await a.live();
    assert.equal(await paper(), dark);
    await a.page.emulateMedia({ colorScheme: 'dark' });
    await settings(a.page);
    await a.page.getByRole('radio', { name: 'Dark' }).focus();
    await a.page.keyboard.press('ArrowLeft');
    assert.equal(await a.page.evaluate(() => document.activeElement.innerText), 'Light');
    await poll('it is light', async () => (await paper()) === light);
    await a.page.getByRole('radio', { name: 'Automatic' }).click();
    await poll('it is as the system is', async () => (await paper()) === dark);
  },

  async 'a device that is erased has nothing left of its owner, in no tab; the words bring the account back'() {
    const [a, b] = await pair();
    await a.chatWith(b.name);
    await a.say('kept by the server');
    await a.sent('kept by the server');
    await poll('the copy for the own devices is there', async () => (await wire.rowsOf(a, stack.nodes[0].url)).length === 1);
    const second = await a.tab();
    await a.live(second);
    await settings(a.page);
    await a.page.getByRole('button', { name: 'Erase this device' }).click();
    await shoot('desktop-light')('erase', a.page);
    await isAccessible(a.page, 'about to erase');
    await a.page.getByRole('button', { name: 'Yes, erase everything here' }).click();
    for (const page of [a.page, second]) await page.getByRole('button', { name: 'Create an account' }).waitFor();
    const left = await a.page.evaluate(() => new Promise((done) => {
      indexedDB.open('kez-chat').onsuccess = ({ target: { result: db } }) => {
        const tx = db.transaction(['vault', 'records']);
        const counts = [tx.objectStore('vault').count(), tx.objectStore('records').count()];
        tx.oncomplete = () => { db.close(); done(counts.map((c) => c.result)); };
      };
    }));
    assert.deepEqual(left, [0, 0]);
    assert.equal(new URL(a.page.url()).hash, '');
    await a.restore(a.words);
    await a.open(b.name);
    await a.sees('kept by the server');
  },

  async 'a forgotten passphrase: the device can be erased from the lock, and the words open it anew'() {
    const a = await person('forgets', stack.nodes[0].url);
    await a.register();
    await a.lock();
    await a.page.getByRole('button', { name: 'Forgot it?' }).click();
    await shoot('desktop-light')('forgot', a.page);
    await isAccessible(a.page, 'a forgotten passphrase');
    await a.page.getByRole('button', { name: 'Erase this device and use my words' }).click();
    await a.restore(a.words);
  },
};
