// tests/browser/screens.mjs -- every screen, for the eye.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { isAccessible, person, shoot, stack } from './scene.mjs';

export default {
  async 'every screen, on phone and desktop, light and dark; axe finds nothing'() {
    for (const phone of [false, true]) for (const dark of [false, true]) await tour(phone, dark);
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
