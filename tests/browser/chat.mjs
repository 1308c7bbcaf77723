// tests/browser/chat.mjs -- people chat: what one writes, and what the others see.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import { isAccessible, pair, person, shoot, stack } from './scene.mjs';
import { poll } from './stack.mjs';
import * as wire from './wire.mjs';

export default {
  async 'two people chat over two nodes, without a reload, and the list is live'() {
    const [a, b] = await pair();
    await a.chatWith(b.name);
    await a.say('first');
    await a.sent('first');
    const chat = b.page.locator('nav .chat', { hasText: a.name });
    await chat.getByText('first').waitFor();
    assert.equal(await chat.locator('[data-unread]').getAttribute('data-unread'), '1');
    assert.match(await b.page.title(), /^\(1\) /);
    await a.say('second');
    await poll('two unread', async () => (await chat.locator('[data-unread]').getAttribute('data-unread')) === '2');
    await b.open(a.name);
    await b.sees('second');
    await poll('all read', async () => (await b.page.title()) === 'kez-chat');
    await poll('no badge', async () => (await chat.locator('[data-unread]').count()) === 0);
    await b.say('and back');
    await a.sees('and back');
    await b.sent('and back');
    assert.deepEqual(await a.texts(), ['first', 'second', 'and back']);
    assert.deepEqual(await b.texts(), ['first', 'second', 'and back']);
  },

  async 'the own message is there at once, and its echo does not double it'() {
    const [a, b] = await pair();
    await a.chatWith(b.name);
    let release;
    const held = new Promise((go) => (release = go));
    // The answer to the post is held back: the echo of the own copy comes by the stream, or the
    // post is answered late, and still there is one bubble.
    await a.page.route('**/v1/messages', async (route) => {
      const answer = await route.fetch();
      await held;
      await route.fulfill({ response: answer });
    });
    await a.say('only once');
    await a.sees('only once');
    assert.equal(await a.bubble('only once').locator('[data-send]').getAttribute('data-send'), 'pending');
    await b.page.locator('nav .chat', { hasText: 'only once' }).waitFor();
    release();
    await a.sent('only once');
    await a.page.unrouteAll({ behavior: 'wait' });
    const second = await a.tab();
    await a.live(second);
    await a.open(b.name, second);
    await a.say('from the other tab', second);
    await a.sees('from the other tab');
    await a.sent('from the other tab');
    await a.say('and from here');
    await a.sees('and from here', second);
    const want = ['only once', 'from the other tab', 'and from here'];
    await poll('the same in both tabs', async () => String(await a.texts()) === String(want) && String(await a.texts(second)) === String(want)).catch(async (e) => {
      throw new Error(`${e.message}: ${await a.texts()} / ${await a.texts(second)}`);
    });
    await b.open(a.name);
    assert.deepEqual(await b.texts(), want);
  },

  async 'to oneself: the echo comes before the answer, and there is one bubble'() {
    const a = await person('solo', stack.nodes[0].url);
    await a.register();
    await a.chatWith(a.name);
    let release;
    const held = new Promise((go) => (release = go));
    await a.page.route('**/v1/messages', async (route) => {
      const answer = await route.fetch();
      await held;
      await route.fulfill({ response: answer });
    });
    await a.say('note');
    await a.sent('note'); // by the stream
    release();
    await a.say('second note');
    await a.sent('second note');
    assert.deepEqual(await a.texts(), ['note', 'second note']);
  },

  async 'a group of three: made, written in, renamed, somebody added, removed, left'() {
    const [a, b] = await pair();
    const c = await person('carol', stack.nodes[1].url);
    const d = await person('dave', stack.nodes[0].url);
    await Promise.all([c.register(), d.register()]);
    await a.page.getByRole('button', { name: 'New chat' }).first().click();
    await a.page.getByRole('radio', { name: 'Group' }).click();
    await a.page.getByLabel('Name of the group').fill('Weekend');
    for (const p of [b, c]) {
      await a.page.getByLabel('Add a handle').fill(p.name);
      await a.page.getByRole('button', { name: 'Add', exact: true }).click();
      await a.page.getByText(`@${p.name}`).first().waitFor();
    }
    await shoot('desktop-light')('new-group', a.page);
    await isAccessible(a.page, 'new group');
    await a.page.getByRole('button', { name: 'Create the group' }).click();
    await a.page.locator('#composer').waitFor();
    await a.say('who brings cake?');
    await a.sent('who brings cake?');
    for (const p of [b, c]) {
      await p.open('Weekend');
      await p.sees('who brings cake?');
    }
    await b.say('me');
    await c.say('me too');
    for (const p of [a, b, c]) {
      await p.sees('me too');
      await p.sees('me');
    }
    const orders = await Promise.all([a, b, c].map((p) => p.texts()));
    assert.equal(orders[0].length, 3);
    assert.deepEqual(orders[0], orders[1]);
    assert.deepEqual(orders[0], orders[2]);
    await shoot('desktop-light')('group', a.page);
    await a.page.getByRole('button', { name: 'Details', exact: true }).click();
    await a.page.getByLabel('Name of the group').fill('Sunday');
    await a.page.getByRole('button', { name: 'Rename' }).click();
    await b.page.locator('.note', { hasText: 'The group is now called “Sunday”' }).waitFor();
    await a.page.getByLabel('Add a person').fill(d.name);
    await a.page.getByRole('button', { name: 'Add', exact: true }).click();
    await d.open('Sunday');
    await shoot('desktop-light')('group-info', a.page);
    await isAccessible(a.page, 'group info');
    await a.page.getByRole('button', { name: `Remove @${c.name} from the group` }).click();
    await c.page.getByText('You are not in this group any more.').waitFor();
    await a.page.getByRole('button', { name: 'Close' }).click();
    await a.say('without carol');
    await d.sees('without carol');
    await b.sees('without carol');
    await d.page.getByRole('button', { name: 'Details', exact: true }).click();
    await d.page.getByRole('button', { name: 'Leave the group' }).click();
    await d.page.getByRole('button', { name: 'Leave the group' }).click();
    await d.page.getByText('You are not in this group any more.').waitFor();
    await b.page.locator('.note', { hasText: `@${d.name} is not in the group any more` }).waitFor();
    assert.equal(await c.bubble('without carol').count(), 0);
  },

  async 'search, drafts, copy, emoji and the keyboard'() {
    const [a, b] = await pair();
    await a.chatWith(b.name);
    for (const text of ['the needle is here', 'hay', 'more hay']) {
      await a.say(text);
      await a.sent(text);
    }
    await a.page.locator('#composer').fill('half a thou');
    await a.page.keyboard.press('Control+k');
    await a.page.keyboard.type('needle');
    await a.page.locator('.hit').first().waitFor();
    await shoot('desktop-light')('search', a.page);
    await isAccessible(a.page, 'search');
    await a.page.locator('.hit').first().click();
    await a.sees('the needle is here');
    await a.page.getByRole('button', { name: 'Clear the search' }).click();
    await a.chatWith(a.name);
    await a.page.locator('nav .chat', { hasText: 'half a thou' }).waitFor();
    await a.open(b.name);
    assert.equal(await a.page.locator('#composer').inputValue(), 'half a thou');
    await a.page.locator('#composer').fill('');
    await a.page.getByRole('button', { name: 'Emoji' }).click();
    await a.page.getByRole('dialog', { name: 'Emoji' }).waitFor();
    await shoot('desktop-light')('emoji', a.page);
    await isAccessible(a.page, 'emoji');
    await a.page.keyboard.press('ArrowRight');
    await a.page.keyboard.press('Enter');
    await a.page.keyboard.press('Enter');
    await a.sent('😄');
    const line = a.page.locator('.line', { hasText: 'the needle' });
    await line.hover();
    await line.getByRole('button', { name: 'Message actions' }).click();
    await a.page.getByRole('menuitem', { name: 'Copy text' }).click();
    assert.equal(await a.page.evaluate(() => navigator.clipboard.readText()), 'the needle is here');
    await a.page.keyboard.press('Escape');
    await a.page.getByText('Your messages are here when you want them').waitFor();
    await a.page.keyboard.press('Alt+ArrowDown');
    await a.page.locator('section.thread').waitFor();
  },

  async 'days are told apart, and links lead out safely'() {
    const [a, b] = await pair();
    await wire.say(stack.nodes[1].url, b, a, { type: 'text', text: 'see https://example.org/a?b=1, or www.example.org' });
    await a.open(b.name);
    await wire.past(a, b, [['2024-12-30T12:00:00.000Z', 'old'], ['2024-12-30T12:01:00.000Z', 'as old'], ['2025-01-02T12:00:00.000Z', 'of another year']]);
    await a.sees('of another year');
    assert.deepEqual((await a.page.locator('.day').allInnerTexts()).slice(0, 2), ['30 December 2024', '2 January 2025']);
    assert.equal(await a.page.locator('.day').count(), 3);
    assert.deepEqual(await a.texts(), ['old', 'as old', 'of another year', 'see https://example.org/a?b=1, or www.example.org']);
    const link = a.bubble('see').locator('a');
    assert.deepEqual(await link.evaluateAll((all) => all.map((el) => [el.href, el.target, el.rel])), [['https://example.org/a?b=1', '_blank', 'noopener noreferrer nofollow']]);
  },

  async 'the way back: one step for each chat, by the browser or the app, and the keyboard stays where it was'() {
    const [a, b] = await pair();
    await a.chatWith(b.name);
    const depth = await a.page.evaluate(() => history.length);
    const entry = a.page.locator('nav .chat', { hasText: b.name });
    const isFocused = () => entry.evaluate((el) => el === document.activeElement);
    for (const leave of [() => a.page.keyboard.press('Escape'), () => a.page.goBack(), () => a.page.keyboard.press('Escape')]) {
      await leave();
      await a.page.getByText('Your messages are here when you want them').waitFor();
      await poll('the chat in the list has the focus', isFocused);
      await a.page.keyboard.press('Enter');
      await a.page.locator('section.thread').waitFor();
    }
    assert.equal(await a.page.evaluate(() => history.length), depth);
    await a.chatWith(a.name); // from one chat to the next is no step
    await a.page.goBack();
    await a.page.getByText('Your messages are here when you want them').waitFor();
    await a.page.goForward();
    await a.page.locator('#composer').waitFor();
  },

  async 'drafts of two tabs do not undo each other'() {
    const [a, b] = await pair();
    await a.chatWith(a.name);
    await a.chatWith(b.name);
    const second = await a.tab();
    await a.live(second);
    const entry = (page) => page.locator('nav .chat', { hasText: b.name });
    await a.page.locator('#composer').fill('half a thou');
    await a.open('Notes');
    await entry(second).getByText('half a thou').waitFor();
    await a.open(b.name, second);
    assert.equal(await second.locator('#composer').inputValue(), 'half a thou');
    await a.open(b.name);
    await a.page.locator('#composer').fill('half a thought');
    await a.open('Notes');
    await a.say('a mark');
    await second.locator('nav .chat', { hasText: 'a mark' }).waitFor(); // so it has heard of the draft, too
    await a.open('Notes', second);
    for (const page of [a.page, second]) await entry(page).getByText('half a thought').waitFor();
    await a.open(b.name, second);
    assert.equal(await second.locator('#composer').inputValue(), 'half a thought');
  },

  async 'the thread keeps to the newest, unless one reads above; what one sends is always shown'() {
    const [a, b] = await pair();
    await a.chatWith(b.name);
    await a.say('the first');
    await a.sent('the first');
    let prev = null;
    for (let i = 0; i < 40; i++) prev = await wire.say(stack.nodes[1].url, b, a, { type: 'text', text: `line ${i}` }, { prev });
    await a.sees('line 39');
    const log = a.page.getByRole('log');
    const below = () => log.evaluate((el) => el.scrollHeight - el.clientHeight - el.scrollTop);
    await poll('at the end', async () => (await below()) < 2);
    await log.evaluate((el) => (el.scrollTop -= 600));
    await a.page.getByRole('button', { name: 'To the newest message' }).waitFor();
    const first = await log.locator('.item').first().getAttribute('data-key');
    prev = await wire.say(stack.nodes[1].url, b, a, { type: 'text', text: 'meanwhile' }, { prev });
    const button = a.page.getByRole('button', { name: '1 new message' });
    await button.waitFor();
    assert.ok((await below()) > 500, 'still above');
    assert.equal(await log.locator('.item').first().getAttribute('data-key'), first);
    await button.click();
    await a.sees('meanwhile');
    await poll('at the end', async () => (await below()) < 2);
    await poll('read', async () => (await a.page.title()) === 'kez-chat');
    await log.evaluate((el) => (el.scrollTop -= 600));
    await a.page.getByRole('button', { name: 'To the newest message' }).waitFor();
    await a.say('and now I write');
    await a.sent('and now I write');
    await poll('at the end', async () => (await below()) < 2);
    // The message box grows and shrinks under it.
    for (const text of ['line\n'.repeat(9), 'short', 'line\n'.repeat(5), '']) {
      await a.page.locator('#composer').fill(text);
      await a.page.evaluate(() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go))));
      assert.ok((await below()) < 2, 'the newest stays in sight');
    }
  },
};
