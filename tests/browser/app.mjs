// tests/browser/app.mjs -- the page as an app: installed, without a network, left alone, short of
// room.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import { PASSPHRASE } from './people.mjs';
import { isAccessible, pair, person, shoot, stack } from './scene.mjs';
import { poll } from './stack.mjs';

const MINUTE_MS = 60000;

/** Time goes by for the page; it looks at its clock when it is shown again. */
function pass(page, ms) {
  return page.evaluate((more) => {
    const before = Date.now;
    Date.now = () => before() + more;
    document.dispatchEvent(new Event('visibilitychange'));
  }, ms);
}

/** Width and height of a PNG (its IHDR chunk comes first). */
function sizeOf(png) {
  assert.equal(png.toString('latin1', 1, 4), 'PNG');
  return [png.readUInt32BE(16), png.readUInt32BE(20)];
}

/** While it is on, the browser takes nothing more into its database. */
function setFull(page, isFull) {
  return page.evaluate((is) => {
    const { prototype } = IDBObjectStore;
    globalThis.realPut ??= prototype.put;
    prototype.put = is ? () => { throw new DOMException('no room', 'QuotaExceededError'); } : globalThis.realPut;
  }, isFull);
}

export default {
  async 'it can be installed: manifest, icons and worker are what a browser asks for, and it is offered'() {
    const a = await person('app', stack.nodes[0].url);
    await a.register();
    await a.isInstalled();
    const cdp = await a.context.newCDPSession(a.page);
    const { errors, data } = await cdp.send('Page.getAppManifest');
    assert.deepEqual(errors, []);
    const manifest = JSON.parse(data);
    const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors');
    // Each profile of these tests is one in private mode.
    assert.deepEqual(installabilityErrors.map((e) => e.errorId).filter((id) => id !== 'in-incognito'), []);
    for (const icon of manifest.icons) {
      const answer = await fetch(a.url + icon.src);
      assert.equal(answer.headers.get('content-type'), icon.type);
      if (icon.type === 'image/png') assert.equal(sizeOf(Buffer.from(await answer.arrayBuffer())).join('x'), icon.sizes);
    }
    assert.ok(manifest.icons.some((i) => i.purpose === 'maskable'));
    // Headless browsers do not offer; what a page does with an offer is seen all the same.
    await a.page.evaluate(() => {
      const offer = new Event('beforeinstallprompt', { cancelable: true });
      offer.prompt = async () => { globalThis.wasAsked = true; };
      globalThis.wasTaken = !dispatchEvent(offer);
    });
    assert.equal(await a.page.evaluate(() => globalThis.wasTaken), true);
    await a.page.getByRole('button', { name: 'Settings' }).click();
    await a.page.getByRole('button', { name: 'Install the app' }).click();
    assert.equal(await a.page.evaluate(() => globalThis.wasAsked), true);
  },

  async 'the page may load and run nothing but what its own server has in files'() {
    const a = await person('policy', stack.nodes[0].url);
    await a.page.getByRole('button', { name: 'Create an account' }).waitFor();
    const policy = (await fetch(a.url)).headers.get('content-security-policy');
    const rules = new Map(policy.split(';').map((rule) => rule.trim().split(/ +/)).map(([name, ...sources]) => [name, sources]));
    assert.deepEqual(rules.get('default-src'), ["'none'"]);
    for (const name of ['script-src', 'style-src', 'connect-src', 'worker-src', 'manifest-src']) assert.deepEqual(rules.get(name), ["'self'"], name);
    for (const name of ['base-uri', 'frame-ancestors']) assert.deepEqual(rules.get(name), ["'none'"], name);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    await a.page.evaluate(async () => {
      globalThis.refused = new Set();
      document.addEventListener('securitypolicyviolation', (e) => globalThis.refused.add(e.effectiveDirective));
      await fetch('https://elsewhere.example/').catch(() => undefined);
      const script = document.createElement('script');
      script.textContent = 'globalThis.hasRun = true';
      document.body.append(script);
      document.body.insertAdjacentHTML('beforeend', '<p style="color: red" onclick="globalThis.hasRun = true">');
      document.body.lastElementChild.click();
    });
    const refused = 'connect-src script-src-attr script-src-elem style-src-attr';
    await poll('all four are refused', async () => (await a.page.evaluate(() => [...globalThis.refused].sort().join(' '))) === refused);
    assert.equal(await a.page.evaluate(() => globalThis.hasRun), undefined);
    a.errors.length = 0; // the browser complains of all four
  },

  async 'without a network the app opens, shows what is here, and sends later what was written'() {
    const [a, b] = await pair(stack.nodes[1].url, stack.url);
    await a.chatWith(b.name);
    await a.say('seen before');
    await a.sent('seen before');
    await b.open(a.name);
    await b.sees('seen before');
    await b.isInstalled();
    await b.lock();
    await b.page.close();
    await b.context.setOffline(true);
    stack.cut();
    b.page = await b.tab(); // never was on this page before
    await b.page.getByText(`@${b.name} is locked`).waitFor();
    await b.unlock();
    await b.open(a.name);
    await b.sees('seen before');
    assert.notEqual(await b.state(), 'live');
    assert.match(await b.page.locator('[data-state]').first().getAttribute('title'), /no network|cannot be reached/);
    await b.say('written without a network');
    assert.equal(await b.bubble('written without').locator('[data-send]').getAttribute('data-send'), 'pending');
    // A part of the app that was never asked for while there was a network.
    await b.page.getByRole('button', { name: 'Settings' }).click();
    await b.page.getByText('Appearance').waitFor();
    await b.page.getByRole('button', { name: 'Close' }).click();
    await shoot('desktop-light')('offline-start', b.page);
    await isAccessible(b.page, 'offline start');
    await b.page.reload();
    await b.sees('written without a network');
    stack.heal();
    await b.context.setOffline(false);
    await b.live();
    await b.sent('written without a network');
    await a.sees('written without a network');
    assert.deepEqual(await a.texts(), ['seen before', 'written without a network']);
  },

  async 'left alone, it locks in all tabs; used, it does not'() {
    const a = await person('idle', stack.nodes[0].url);
    await a.register();
    await a.chatWith(a.name);
    await a.say('for my eyes');
    await a.sent('for my eyes');
    const second = await a.tab();
    await a.live(second);
    await pass(a.page, 59 * MINUTE_MS);
    await a.page.keyboard.press('Shift');
    await pass(a.page, 59 * MINUTE_MS);
    assert.equal(await a.page.getByText('is locked').count(), 0);
    await a.sees('for my eyes');
    await pass(a.page, 2 * MINUTE_MS);
    for (const page of [a.page, second]) {
      await page.getByText(`@${a.name} is locked`).waitFor();
      assert.equal(await page.getByText('for my eyes').count(), 0);
    }
    await a.unlock();
    await a.live();
    await a.page.getByRole('button', { name: 'Settings' }).click();
    await a.page.getByLabel('Lock when unused for').selectOption('5 minutes');
    await a.page.getByRole('button', { name: 'Close' }).click();
    await pass(a.page, 6 * MINUTE_MS);
    await a.page.getByText(`@${a.name} is locked`).waitFor();
  },

  async 'no room on the device: it is said, messages come and go, and all are kept once there is room'() {
    const [a, b] = await pair();
    await a.chatWith(b.name);
    await setFull(a.page, true);
    await a.say('sent by a full device');
    await a.page.getByText('This device is full').waitFor();
    await a.sent('sent by a full device');
    await b.open(a.name);
    await b.say('and an answer');
    await a.sees('and an answer');
    await shoot('desktop-light')('full', a.page);
    await isAccessible(a.page, 'no room');
    await setFull(a.page, false);
    await poll('there is room again', async () => (await a.page.getByText('This device is full').count()) === 0);
    await a.page.reload();
    await a.live();
    await a.sees('and an answer');
    assert.deepEqual(await a.texts(), ['sent by a full device', 'and an answer']);
  },

  async 'a device that is full loses nothing when it is closed: the server still has it'() {
    const [a, b] = await pair();
    await b.chatWith(a.name);
    await setFull(a.page, true);
    await b.say('comes to a full device');
    await a.page.getByText('This device is full').waitFor();
    await a.page.reload(); // the database is as it was
    await a.live();
    await a.open(b.name);
    await a.sees('comes to a full device');
    assert.deepEqual(await a.texts(), ['comes to a full device']);
  },

  async 'no room for the account itself: it is said, and the same words go on when there is'() {
    const a = await person('roomless', stack.nodes[0].url);
    await a.page.getByRole('button', { name: 'Create an account' }).waitFor();
    await setFull(a.page, true);
    await a.register(async (name) => {
      if (name !== 'create-passphrase') return;
      await a.page.getByRole('button', { name: 'Create my account' }).click();
      await a.page.getByText('your account cannot be kept here').waitFor();
      await setFull(a.page, false);
    });
    await a.lock();
    await a.unlock();
    await a.live();
  },

  async 'no database at all, one that is taken away later, and a server that does not say its name'() {
    const none = await person('nodb', stack.nodes[0].url);
    await none.context.addInitScript(() => Object.defineProperty(globalThis, 'indexedDB', { value: undefined }));
    await none.page.reload();
    await none.page.getByText('does not let this page keep anything').waitFor();

    const [a, b] = await pair();
    await a.chatWith(b.name);
    await a.page.evaluate(() => new Promise((done) => (indexedDB.deleteDatabase('kez-chat').onsuccess = done)));
    await a.say('still sent');
    await a.page.getByText('does not let this page keep anything just now').waitFor();
    await a.sent('still sent');
    await b.open(a.name);
    await b.sees('still sent');

    const c = await person('nameless', stack.nodes[0].url);
    await c.page.route('**/v1/healthz', (route) => route.fulfill({ json: { status: 'ok' } }));
    await c.page.reload();
    await c.register(async (name) => {
      if (name !== 'create-passphrase') return;
      await c.page.getByRole('button', { name: 'Create my account' }).click();
      await c.page.getByText('does not say its name').waitFor();
      await isAccessible(c.page, 'a server without a name');
      await c.page.unrouteAll({ behavior: 'wait' });
    });
  },

  async 'the keyboard alone leads from the first screen to an answer, and still motion is respected'() {
    const b = await person('keys', stack.nodes[1].url);
    await b.register();
    const a = await person('keyed', stack.nodes[0].url);
    const { keyboard } = a.page;
    await a.page.emulateMedia({ reducedMotion: 'reduce' });
    const focused = () => a.page.evaluate(() => {
      const el = document.activeElement;
      return `${el.getAttribute('aria-label') ?? ''} ${el.labels?.[0]?.innerText ?? ''} ${el.matches('input, textarea') ? '' : el.innerText}`;
    });
    const tabTo = async (name) => {
      for (let i = 0; i < 40; i++) {
        if ((await focused()).includes(name)) return;
        await keyboard.press('Tab');
      }
      throw new Error(`the Tab key does not lead to ${name}, but to ${await focused()}`);
    };
    const press = async (name) => {
      await tabTo(name);
      await keyboard.press('Enter');
    };
    await a.page.getByRole('button', { name: 'Create an account' }).waitFor();
    await press('Create an account');
    const isAt = (name) => poll(`the focus is at ${name}`, async () => (await focused()).includes(name));
    await isAt('Handle');
    await keyboard.type(a.name);
    await a.page.getByText('is free').waitFor();
    await keyboard.press('Enter');
    await a.page.getByText('Your twelve words').waitFor();
    const words = (await a.page.locator('ol li').allInnerTexts()).map((w) => w.replace(/[^a-z]/g, ''));
    await press('I wrote them down');
    await a.page.getByText('Just to be sure').waitFor();
    for (const label of await a.page.locator('form label').allInnerTexts()) {
      await tabTo(label);
      await keyboard.type(words[Number(/\d+/.exec(label)[0]) - 1]);
    }
    await keyboard.press('Enter');
    await isAt('Passphrase');
    await keyboard.type(PASSPHRASE);
    await tabTo('Once more');
    await keyboard.type(PASSPHRASE);
    await keyboard.press('Enter');
    await a.live();
    await keyboard.press('Control+Alt+n');
    await a.page.getByRole('dialog').waitFor();
    await isAt('Handle');
    await keyboard.type(b.name);
    await keyboard.press('Enter');
    await isAt('Message');
    await keyboard.type('by keys');
    await keyboard.press('Enter');
    await a.sent('by keys');
    await b.open(a.name);
    await b.say('and answered');
    await a.sees('and answered');
    await press('Details');
    await a.page.getByText('Safety number').waitFor();
    await press('Mark as verified');
    await keyboard.press('Escape');
    await poll('the window is closed', async () => (await a.page.getByRole('dialog').count()) === 0);
    await isAt('Details');
    // Whatever moves, has stopped.
    assert.deepEqual(await a.page.evaluate(() => document.getAnimations().filter((x) => x.playState === 'running').length), 0);
    await keyboard.press('Control+Alt+l');
    await a.page.getByText('is locked').waitFor();
    await isAt('Passphrase');
    await keyboard.type(PASSPHRASE);
    await keyboard.press('Enter');
    await a.live();
    await isAt('Message');
  },
};
