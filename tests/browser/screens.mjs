// tests/browser/screens.mjs -- every screen, for the eye.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import { PASSPHRASE } from './people.mjs';
import { isAccessible, pair, person, shoot, stack } from './scene.mjs';
import * as wire from './wire.mjs';

export default {
  async 'every screen, on phone and desktop, light and dark; axe finds nothing'() {
    for (const look of LOOKS) await tour(look);
  },

  async 'long names, long words, other scripts, trouble: nothing overflows, and axe finds nothing'() {
    for (const look of LOOKS) await oddities(look);
  },

  async 'what is not right with a message, on phone and desktop, light and dark'() {
    for (const look of LOOKS) await doubtful(look);
  },
};

const LOOKS = [false, true].flatMap((phone) => [false, true].map((dark) => ({ phone, dark, suffix: `${phone ? 'phone' : 'desktop'}-${dark ? 'dark' : 'light'}` })));

/** Photographs a page as it is, and looks it through. */
function photograph(suffix) {
  const take = shoot(suffix);
  return async (name, page) => {
    await take(name, page);
    await isAccessible(page, `${name}, ${suffix}`);
    assert.deepEqual(await overflowing(page), [], `${name}, ${suffix}`);
  };
}

/** What is wider than its window, or beyond it. */
function overflowing(page) {
  return page.evaluate(() => [...document.querySelectorAll('.shell *, .stage *, dialog[open] *')].filter((el) => {
    const { left, right, width } = el.getBoundingClientRect();
    return width > 1 && getComputedStyle(el).position !== 'fixed' && (left < -1 || right > innerWidth + 1);
  }).map((el) => `${el.tagName}.${el.className}`));
}

const button = (page, name) => page.getByRole('button', { name, exact: true });

async function tour(look) {
  const shot = photograph(look.suffix);
  const a = await person('ada', stack.nodes[0].url, look);
  const b = await person('ben', stack.nodes[1].url, look);
  await a.register(shot);
  await shot('chats-empty', a.page);
  await b.register();
  await newChats(a, b, shot);
  await talk(a, b);
  await shot('chat', a.page);
  await menu(a, look, shot);
  await safety(a, shot);
  await chats(a, b, look, shot);
  await settings(a, shot);
  await words(a, shot);
}

async function newChats(a, b, shot) {
  await a.page.locator('[data-state]').first().click();
  await a.page.getByText('Messages arrive the moment').waitFor();
  await shot('status', a.page);
  await button(a.page, 'New chat').first().click();
  await a.page.getByLabel('Handle').fill('nobody-has-this');
  await button(a.page, 'Start chatting').click();
  await a.page.getByText('Nobody is called').waitFor();
  await shot('new-chat', a.page);
  await a.page.getByRole('radio', { name: 'Group' }).click();
  await a.page.getByLabel('Add a handle').fill(b.name);
  await button(a.page, 'Add').click();
  await button(a.page, `Remove @${b.name}`).waitFor();
  await shot('new-group', a.page);
  await button(a.page, 'Close').click();
  await a.chatWith(b.name);
  await shot('chat-empty', a.page);
}

async function talk(a, b) {
  const lines = [
    [a, 'Hey! Did you get the new node running? 🎉'],
    [b, 'Yes, since this morning. It took five minutes.'],
    [b, 'The notes are at https://example.org/kez-chat/quickstart (worth a look)'],
    [a, 'Wonderful. So this goes in at one node, and comes out at the other.'],
    [a, '🚀'],
    [b, 'Exactly. And nobody in between can read a word of it, which is rather the point: the server only sees that there is something for you.'],
    [a, 'Dinner on Friday?\nMy place, 19:00.'],
    [b, 'I am in!'],
  ];
  await a.say(lines[0][1]);
  await b.open(a.name);
  for (const [who, text] of lines.slice(1)) {
    await who.say(text);
    const other = who === a ? b : a;
    await other.sees(text.split('\n')[0]);
  }
  await a.sent('Dinner on Friday?');
}

async function menu(a, { phone }, shot) {
  const line = a.page.locator('.line', { hasText: 'worth a look' });
  if (phone) await line.locator('.bubble').dispatchEvent('contextmenu');
  else {
    await line.hover();
    await line.getByRole('button', { name: 'Message actions' }).click();
  }
  await a.page.getByRole('menuitem', { name: 'Copy text' }).waitFor();
  await shot('menu', a.page);
  await a.page.keyboard.press('Escape');
  await a.page.getByRole('menu').waitFor({ state: 'detached' });
}

async function safety(a, shot) {
  await a.page.getByRole('button', { name: /Details$/ }).last().click();
  await a.page.getByText('Safety number').waitFor();
  await shot('safety-number', a.page);
  await button(a.page, 'Mark as verified').click();
  await a.page.getByText('Verified by you').waitFor();
  await shot('safety-verified', a.page);
  await button(a.page, 'Close').click();
  await shot('chat-verified', a.page);
}

/** A list with a bit of everything in it, and the search. */
async function chats(a, b, { phone }, shot) {
  await wire.group(stack.nodes[0].url, a, [b], 'Weekend in the hills');
  await b.open('Weekend');
  await b.say('Who brings the tent?');
  await a.page.locator('[data-unread="1"]').waitFor({ state: 'attached' });
  await a.chatWith(a.name);
  await a.page.locator('#composer').fill('Passport, tent, rain coat');
  await b.open(a.name);
  await b.say('One more thing …');
  if (phone) await button(a.page, 'Back').click();
  else await a.open('Weekend');
  await a.page.locator('nav .chat', { hasText: 'Passport' }).waitFor();
  await a.page.locator('nav .chat', { hasText: 'One more thing' }).waitFor();
  await shot('chats', a.page);
  await a.page.getByRole('searchbox').fill('node');
  await a.page.locator('.hit').nth(1).waitFor();
  await shot('search', a.page);
  await a.page.getByRole('searchbox').fill('nothing like this');
  await a.page.getByText('Nothing found').waitFor();
  await shot('search-none', a.page);
  await button(a.page, 'Clear the search').click();
}

async function settings(a, shot) {
  await button(a.page, 'Settings').click();
  await a.page.getByText('Appearance').waitFor();
  await shot('settings', a.page);
  await button(a.page, 'Show my words').click();
  await a.page.getByLabel('Your passphrase, please.').fill(PASSPHRASE);
  await button(a.page, 'Show my words').last().click();
  const copy = button(a.page, 'Copy the words');
  await copy.waitFor();
  await copy.scrollIntoViewIfNeeded();
  await shot('settings-words', a.page);
  await button(a.page, 'Change the passphrase').click();
  const finish = button(a.page, 'Change the passphrase').last();
  await finish.scrollIntoViewIfNeeded();
  await shot('settings-passphrase', a.page);
  await button(a.page, 'Close').click();
}

/** Locked, forgotten, erased, and back by the words. */
async function words(a, shot) {
  await button(a.page, 'Lock').click();
  await a.page.getByText('is locked').waitFor();
  await shot('locked', a.page);
  await button(a.page, 'Forgot it?').click();
  await shot('forgot', a.page);
  await button(a.page, 'Erase this device and use my words').click();
  await button(a.page, 'I have my words').click();
  const box = a.page.getByLabel('Your words');
  await box.fill(a.words.slice(0, 4).join(' ') + ' co');
  await a.page.locator('.offer').first().waitFor();
  await shot('restore-typing', a.page);
  await box.fill(a.words.map((word, i) => (i === 4 ? 'wrnog' : word)).join(' '));
  await button(a.page, 'Continue').click();
  await a.page.getByText('Word 5, “wrnog”').waitFor();
  await shot('restore', a.page);
  await box.fill(a.words.join(' '));
  await button(a.page, 'Continue').click();
  await a.page.getByText(`This is @${a.name}.`).waitFor();
  await shot('restore-passphrase', a.page);
}

/** What is not right, beside what is. */
async function doubtful(look) {
  const shot = photograph(look.suffix);
  const [a, b] = await pair(stack.nodes[0].url, stack.nodes[1].url, look);
  const mallory = await person('mallory', stack.nodes[1].url, look);
  await mallory.register();
  const { url } = stack.nodes[1];
  const prev = await wire.say(url, b, a, { type: 'text', text: 'All is well here.' });
  await a.open(b.name);
  await a.say('Good to hear!');
  await a.sent('Good to hear!');
  await wire.say(url, b, a, { type: 'text', text: 'And then we went home.' }, { prev: '0'.repeat(64) });
  await wire.say(url, b, a, { type: 'text', text: 'New phone, same me' });
  await wire.relay(url, mallory, b, a, 'This took another way.');
  await wire.say(url, b, a, { type: 'text', text: 'I wrote this long ago.' }, { prev, sent_at: '2026-01-02T03:04:05.000Z' });
  await wire.say(url, b, a, { type: 'dance', steps: 3 }, { prev });
  const [row] = await wire.rowsOf(a, url);
  await wire.unsigned(url, a.name, row.envelope);
  await a.page.locator('[data-flaw=replayed]').waitFor();
  await shot('doubts', a.page);
  await wire.forge(url, mallory, b, a, 'send me your words');
  await wire.unsigned(url, a.name, { kez: 'sealed_message', version: 1, keys: ['A'.repeat(107)], content: 'A'.repeat(40) });
  await wire.unsigned(url, a.name, { hello: 'world' });
  await a.open('Unverified');
  for (const flaw of ['forged', 'undecryptable', 'unreadable']) await a.page.locator(`[data-flaw=${flaw}]`).waitFor();
  await shot('flaws', a.page);
}

const ODD = [
  'مرحبا! هل وصلت الرسالة؟ الرابط هو https://example.org/path?a=1 شكرا',
  'שלום, and English in one line, and back: עברית',
  '日本語のメッセージは空白がないので、とても長い一行でも正しく折り返されなければなりません。それが確認できます。',
  'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftsvorstandsvorsitzender',
  'https://example.org/a/very/long/address/that/has/no/end/and/goes/on?and=on&until=the&window=is&full=of&it=yes#indeed-it-does',
  '👩‍👩‍👧‍👦🏳️‍🌈',
  'one\n\n\n\n\n\n\n\n\n\nafter ten empty lines',
];

/** Texts that the time of their message lies upon. */
function covered(page) {
  return page.locator('.bubble').evaluateAll((all) => all.filter((bubble) => {
    const range = document.createRange();
    range.selectNodeContents(bubble.querySelector('.text'));
    const time = bubble.querySelector('time').getBoundingClientRect();
    return [...range.getClientRects()].some((r) => r.left < time.right - 1 && r.right > time.left + 1 && r.top < time.bottom - 2 && r.bottom > time.top + 2);
  }).map((bubble) => bubble.innerText));
}

async function oddities(look) {
  const take = photograph(look.suffix);
  const a = await person('wilhelmina-augustine', stack.nodes[0].url, look);
  const b = await person('maximilian-alexander', stack.nodes[1].url, look);
  await Promise.all([a.register(), b.register()]);
  const shot = (name) => take(name, a.page);
  let prev = null;
  for (const text of ODD) prev = await wire.say(stack.nodes[1].url, b, a, { type: 'text', text }, { prev });
  await a.page.locator('[data-unread="7"]').waitFor();
  await a.page.keyboard.press('Tab');
  await a.page.keyboard.press('Tab');
  await shot('odd-chats');
  await a.open(b.name);
  await a.sees('after ten empty lines');
  await a.say(ODD[3]);
  await a.sent(ODD[3]);
  await a.page.locator('#composer').fill(`${ODD[0]}\n${ODD[3]}\n${ODD[1]}`);
  await shot('odd-chat');
  await a.page.getByRole('log').evaluate((el) => (el.scrollTop = 0));
  await a.sees(ODD[0].slice(0, 8));
  assert.deepEqual(await covered(a.page), []);
  await shot('odd-chat-top');
  await wire.group(stack.nodes[0].url, a, [b], 'The committee for the preparation of the unusually long summer party 🎉');
  await a.open('The committee');
  await a.page.locator('#composer').fill('');
  await shot('odd-group');
  await a.page.route('**/messages', (route) => route.abort());
  await a.say('this one cannot go out');
  await a.page.getByText('Not sent').waitFor();
  await shot('odd-failed');
  await a.page.getByRole('button', { name: 'Details', exact: true }).click();
  await a.page.getByText('2 members').waitFor();
  await shot('odd-group-info');
}
