// tests/browser/people.mjs -- people at browsers: each has a profile of their own.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { PATIENCE_MS, poll } from './stack.mjs';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');
export const axePath = require.resolve('axe-core/axe.min.js');

export const PASSPHRASE = 'correct horse battery staple';
const DESKTOP = { width: 1180, height: 780 };
const PHONE = { width: 390, height: 844 };
const ARGS = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

let browser;
export async function openBrowser() {
  const args = process.getuid() === 0 ? [...ARGS, '--no-sandbox'] : ARGS;
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
  return browser;
}

export async function closeBrowser() {
  await browser?.close();
}

export class Person {
  errors = [];

  constructor(name, url) {
    this.name = name;
    this.url = url;
  }

  /** A browser profile of their own: storage, service worker, permissions. */
  async arrive({ phone = false, dark = false } = {}) {
    this.context = await browser.newContext({
      viewport: phone ? PHONE : DESKTOP, hasTouch: phone, isMobile: phone, colorScheme: dark ? 'dark' : 'light', locale: 'en-GB',
      permissions: ['clipboard-read', 'clipboard-write', 'notifications'],
    });
    this.page = await this.tab();
    return this;
  }

  async tab() {
    const page = await this.context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('pageerror', (e) => this.errors.push(`${this.name}: ${e.message}`));
    page.on('console', (m) => {
      const text = m.text();
      // What the network does in these tests is reported by the browser, too.
      if (m.type() === 'error' && !/Failed to load resource|net::ERR|error occurred when fetching the script/.test(text)) this.errors.push(`${this.name}: ${text}`);
    });
    page.on('request', (r) => this.#watch(new URL(r.url())));
    await page.goto(this.url);
    return page;
  }

  /** No origin but the own one, and no signature in an address. */
  #watch({ protocol, origin, searchParams }) {
    if (protocol.startsWith('http') && origin !== new URL(this.url).origin) this.errors.push(`${this.name} asks ${origin}`);
    if (searchParams.has('auth')) this.errors.push(`${this.name}: a signature in an address`);
  }

  async register(shot = async () => {}) {
    const { page } = this;
    await page.getByRole('button', { name: 'Create an account' }).waitFor();
    await shot('start', page);
    await page.getByRole('button', { name: 'Create an account' }).click();
    await page.getByLabel('Handle').fill(this.name);
    await page.getByText(`@${this.name} is free`).waitFor();
    await shot('create-handle', page);
    await page.getByRole('button', { name: 'Continue' }).click();
    this.words = (await page.locator('ol li').allInnerTexts()).map((w) => w.replace(/[^a-z]/g, ''));
    await shot('create-words', page);
    await page.getByRole('button', { name: 'I wrote them down' }).click();
    await shot('create-confirm', page);
    for (const label of await page.locator('form label').allInnerTexts())
      await page.getByLabel(label, { exact: true }).fill(this.words[Number(/\d+/.exec(label)[0]) - 1]);
    await page.getByRole('button', { name: 'Continue' }).click();
    await this.choosePassphrase();
    await shot('create-passphrase', page);
    await page.getByRole('button', { name: 'Create my account' }).click();
    await page.getByRole('heading', { name: 'Chats', exact: true }).waitFor();
    await this.live();
    return this;
  }

  async choosePassphrase() {
    await this.page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
    await this.page.getByLabel('Once more').fill(PASSPHRASE);
  }

  async restore(words) {
    const { page } = this;
    await page.getByRole('button', { name: 'I have my words' }).click();
    await page.getByLabel('Your words').fill(words.join(' '));
    await page.getByRole('button', { name: 'Continue' }).click();
    await this.choosePassphrase();
    await page.getByRole('button', { name: 'Restore my account' }).click();
    await page.getByRole('heading', { name: 'Chats', exact: true }).waitFor();
    await this.live();
  }

  async lock(page = this.page) {
    await page.getByRole('button', { name: 'Lock', exact: true }).click();
    await page.getByText(`@${this.name} is locked`).waitFor();
  }

  async unlock(page = this.page, passphrase = PASSPHRASE) {
    await page.getByLabel('Passphrase').fill(passphrase);
    await page.getByRole('button', { name: 'Unlock' }).click();
  }

  /** The worker has kept what the app consists of, and rules the page. */
  async isInstalled(page = this.page) {
    await page.evaluate(() => navigator.serviceWorker.ready);
    await poll('the service worker is in charge', () => page.evaluate(() => !!navigator.serviceWorker.controller));
  }

  live(page = this.page) {
    return page.locator('[data-state=live]').first().waitFor({ state: 'attached' });
  }

  state(page = this.page) {
    return page.locator('[data-state]').first().getAttribute('data-state');
  }

  /** Opens the chat with a handle, by "new chat". */
  async chatWith(handle, page = this.page) {
    if (await page.getByRole('button', { name: 'Back' }).isVisible()) await page.getByRole('button', { name: 'Back' }).click();
    await page.getByRole('button', { name: 'New chat' }).first().click();
    await page.getByLabel('Handle').fill(handle);
    await page.getByRole('button', { name: 'Start chatting' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' }); // until then, what is behind it is the chat before
    await page.locator('#composer').waitFor();
  }

  async open(title, page = this.page) {
    if (await page.getByRole('button', { name: 'Back' }).isVisible()) await page.getByRole('button', { name: 'Back' }).click();
    await page.locator('nav .chat', { hasText: title }).first().click();
    await page.locator('section.thread').waitFor();
  }

  async say(text, page = this.page) {
    await page.locator('#composer').fill(text);
    if (await page.evaluate(() => matchMedia('(pointer: coarse)').matches)) await page.getByRole('button', { name: 'Send' }).click();
    else await page.locator('#composer').press('Enter');
  }

  bubble(text, page = this.page) {
    return page.locator('.bubble', { hasText: text });
  }

  async sees(text, page = this.page) {
    await this.bubble(text, page).first().waitFor();
  }

  /** All texts in the chat that is open, from its first to its last. */
  async texts(page = this.page) {
    return page.locator('.bubble .text').allInnerTexts();
  }

  async sent(text, page = this.page) {
    const state = this.bubble(text, page).locator('[data-send]');
    await poll(`${this.name}: "${text}" is sent`, async () => (await state.getAttribute('data-send')) === 'sent');
  }

  leave() {
    return this.context.close();
  }
}

/** Writes a screenshot of each screen that is shown to it. */
export function photographer(folder) {
  mkdirSync(folder, { recursive: true });
  return (suffix) => async (name, page) => {
    await page.evaluate(() => Promise.all(document.getAnimations().map((a) => (a.effect?.getTiming().iterations === Infinity ? 0 : a.finished.catch(() => 0)))));
    await page.screenshot({ path: join(folder, `${name}-${suffix}.png`) });
  };
}
