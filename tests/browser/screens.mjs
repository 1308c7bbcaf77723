// tests/browser/screens.mjs -- every screen, for the eye.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import { isAccessible, person, shoot, stack } from './scene.mjs';
import * as wire from './wire.mjs';

export default {
  async 'every screen, on phone and desktop, light and dark; axe finds nothing'() {
    for (const phone of [false, true]) for (const dark of [false, true]) await tour(phone, dark);
  },

  async 'long names, long words, other scripts, trouble: nothing overflows, and axe finds nothing'() {
    for (const phone of [false, true]) for (const dark of [false, true]) await oddities(phone, dark);
  },
};

async function tour(phone, dark) {
  const suffix = `${phone ? 'phone' : 'desktop'}-${dark ? 'dark' : 'light'}`;
  const raw = shoot(suffix);
  const shot = async (name, page) => {
    await raw(name, page);
    await isAccessible(page, `${name}, ${suffix}`);
  };
  const a = await person('ada', stack.nodes[0].url, { phone, dark });
  const b = await person('ben', stack.nodes[1].url, { phone, dark });
  await a.register(shot);
  await shot('chats-empty', a.page);
  await b.register();
  await a.page.getByRole('button', { name: 'New chat' }).first().click();
  await a.page.getByLabel('Handle').fill('nobody-has-this');
  await a.page.getByRole('button', { name: 'Start chatting' }).click();
  await a.page.getByText('Nobody is called').waitFor();
  await shot('new-chat', a.page);
  await a.page.getByRole('button', { name: 'Close' }).click();
  await a.chatWith(b.name);
  await shot('chat-empty', a.page);
  const talk = [
    [a, 'Hey! Did you get the new node running? 🎉'],
    [b, 'Yes, since this morning. It took five minutes.'],
    [b, 'The notes are at https://example.org/kez-chat/quickstart (worth a look)'],
    [a, 'Wonderful. So this goes in at one node, and comes out at the other.'],
    [a, '🚀'],
    [b, 'Exactly. And nobody in between can read a word of it, which is rather the point: the server only sees that there is something for you.'],
    [a, 'Dinner on Friday?\nMy place, 19:00.'],
    [b, 'I am in!'],
  ];
  await a.say(talk[0][1]);
  await b.open(a.name);
  for (const [who, text] of talk.slice(1)) {
    await who.say(text);
    const other = who === a ? b : a;
    await other.sees(text.split('\n')[0]);
  }
  await a.sent('Dinner on Friday?');
  await shot('chat', a.page);
  await a.page.getByRole('button', { name: /Details$/ }).last().click();
  await a.page.getByText('Safety number').waitFor();
  await shot('safety-number', a.page);
  await a.page.getByRole('button', { name: 'Mark as verified' }).click();
  await a.page.getByText('Verified by you').waitFor();
  await a.page.getByRole('button', { name: 'Close' }).click();
  await shot('chat-verified', a.page);
  await b.say('One more thing …');
  if (phone) {
    await a.page.getByRole('button', { name: 'Back' }).click();
    await shot('chats', a.page);
  }
  await a.page.getByRole('button', { name: 'Settings' }).click();
  await a.page.getByText('Appearance').waitFor();
  await shot('settings', a.page);
  await a.page.getByRole('button', { name: 'Close' }).click();
  await a.page.getByRole('button', { name: 'Lock', exact: true }).click();
  await a.page.getByText('is locked').waitFor();
  await shot('locked', a.page);
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

/** What is wider than its window, or beyond it. */
function overflowing(page) {
  return page.evaluate(() => [...document.querySelectorAll('.shell *')].filter((el) => {
    const { left, right, width } = el.getBoundingClientRect();
    return width > 1 && getComputedStyle(el).position !== 'fixed' && (left < -1 || right > innerWidth + 1);
  }).map((el) => `${el.tagName}.${el.className}`));
}

async function oddities(phone, dark) {
  const suffix = `${phone ? 'phone' : 'desktop'}-${dark ? 'dark' : 'light'}`;
  const looks = { phone, dark };
  const raw = shoot(suffix);
  const a = await person('wilhelmina-augustine', stack.nodes[0].url, looks);
  const b = await person('maximilian-alexander', stack.nodes[1].url, looks);
  await Promise.all([a.register(), b.register()]);
  const shot = async (name) => {
    await raw(name, a.page);
    await isAccessible(a.page, `${name}, ${suffix}`);
    assert.deepEqual(await overflowing(a.page), [], `${name}, ${suffix}`);
  };
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
  await shot('odd-chat-top');
  await wire.group(stack.nodes[0].url, a, [b], 'The committee for the preparation of the unusually long summer party 🎉');
  await a.open('The committee');
  await a.page.locator('#composer').fill('');
  await shot('odd-group');
  await a.page.route('**/messages', (route) => route.abort());
  await a.say('this one cannot go out');
  await a.page.getByText('Not sent').waitFor({ timeout: 20000 });
  await shot('odd-failed');
  await a.page.getByRole('button', { name: 'Details', exact: true }).click();
  await a.page.getByText('2 members').waitFor();
  await shot('odd-group-info');
}
