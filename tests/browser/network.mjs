// tests/browser/network.mjs -- nodes, networks and tabs that come and go.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from 'node:assert/strict';
import { isAccessible, pair, person, shoot, stack } from './scene.mjs';
import { poll } from './stack.mjs';
import * as wire from './wire.mjs';

export default {
  async 'a killed node: the stream moves to the other, nothing is lost or doubled'() {
    const [a, b] = await pair(stack.nodes[1].url, stack.url);
    await a.chatWith(b.name);
    await a.say('before');
    await a.sent('before');
    await b.open(a.name);
    await b.sees('before');
    await poll('b hangs on node 0', async () => (await stack.streams(0)) >= 1);
    await stack.killNode(0);
    await a.say('while it moves');
    await a.sent('while it moves');
    await b.sees('while it moves');
    await b.live();
    await b.say('after');
    await a.sees('after');
    await stack.startNode(0);
    assert.deepEqual(await b.texts(), ['before', 'while it moves', 'after']);
    assert.deepEqual(await a.texts(), ['before', 'while it moves', 'after']);
  },

  async 'a node that drains: the stream moves, nothing is lost or doubled'() {
    const [a, b] = await pair(stack.nodes[1].url, stack.url);
    await a.chatWith(b.name);
    await a.say('one');
    await a.sent('one');
    await b.open(a.name);
    await b.sees('one');
    await stack.killNode(0, 'SIGTERM');
    await a.say('two');
    await b.sees('two');
    await b.live();
    await stack.startNode(0);
    assert.deepEqual(await b.texts(), ['one', 'two']);
  },

  async 'offline and back: what was written goes out, what was missed comes in'() {
    const [a, b] = await pair(stack.nodes[1].url, stack.url);
    await a.chatWith(b.name);
    await a.say('hello');
    await a.sent('hello');
    await b.open(a.name);
    await b.sees('hello');
    await b.context.setOffline(true);
    stack.cut();
    await poll('b is reconnecting', async () => (await b.state()) === 'reconnecting');
    await shoot('desktop-light')('offline', b.page);
    await b.say('written offline');
    assert.equal(await b.bubble('written offline').locator('[data-send]').getAttribute('data-send'), 'pending');
    await a.say('meanwhile');
    await a.sent('meanwhile');
    stack.heal();
    await b.context.setOffline(false);
    await b.live();
    await b.sees('meanwhile');
    await b.sent('written offline');
    await a.sees('written offline');
    assert.equal((await b.texts()).length, 3);
    assert.deepEqual((await a.texts()), ['hello', 'meanwhile', 'written offline']);
  },

  async 'a message that fails offers to try again, with the same id'() {
    const [a, b] = await pair();
    await a.chatWith(b.name);
    const ids = [];
    let fails = true;
    await a.page.route('**/v1/messages', async (route) => {
      ids.push(route.request().postDataJSON().id);
      if (fails) return route.abort();
      return route.continue();
    });
    await a.say('stubborn');
    await a.page.getByText('Not sent').waitFor();
    await shoot('desktop-light')('failed', a.page);
    await isAccessible(a.page, 'a failed message');
    fails = false;
    await a.page.getByRole('button', { name: 'Retry' }).click();
    await a.sent('stubborn');
    await b.open(a.name);
    await b.sees('stubborn');
    assert.equal(new Set(ids).size, 1);
    assert.deepEqual(await b.texts(), ['stubborn']);
  },

  async 'a reload in the middle of sending: the message is sent, once'() {
    const [a, b] = await pair();
    await a.isInstalled();
    await a.chatWith(b.name);
    const ids = [];
    let [stored, release] = [];
    const isStored = new Promise((go) => (stored = go));
    const held = new Promise((go) => (release = go));
    await a.page.route('**/v1/messages', async (route) => {
      ids.push(route.request().postDataJSON().id);
      await route.fetch(); // the server has it, and its answer is not heard
      stored();
      await held;
      await route.abort().catch(() => undefined); // its page is gone
    });
    await a.say('in the middle');
    await isStored;
    assert.equal(await a.bubble('in the middle').locator('[data-send]').getAttribute('data-send'), 'pending');
    const again = a.page.waitForRequest((r) => r.url().endsWith('/v1/messages') && r.postDataJSON().to === b.name);
    await a.page.reload();
    release();
    await a.page.unrouteAll({ behavior: 'wait' });
    await a.live();
    await a.sees('in the middle');
    assert.equal((await again).postDataJSON().id, ids[0]);
    await a.sent('in the middle');
    await b.open(a.name);
    await b.say('I have it');
    await a.sees('I have it');
    assert.deepEqual(await b.texts(), ['in the middle', 'I have it']);
    assert.deepEqual(await a.texts(), ['in the middle', 'I have it']);
    assert.equal(await b.page.locator('.flaw, .doubt').count(), 0);
  },

  async 'no server at the first start: it is said, and the start goes on by itself when it is there'() {
    const a = await person('first', stack.url);
    await a.page.getByRole('button', { name: 'Create an account' }).click();
    await a.page.getByLabel('Handle').waitFor();
    stack.cut();
    await a.page.getByLabel('Handle').fill(a.name);
    await a.page.locator('#handle-hint', { hasText: 'The server cannot be reached' }).waitFor();
    assert.equal(await a.page.getByRole('button', { name: 'Continue' }).isEnabled(), false);
    await isAccessible(a.page, 'no server at the start');
    await shoot('desktop-light')('start-no-server', a.page);
    stack.heal();
    await a.page.getByText(`@${a.name} is free`).waitFor();
    await a.page.reload();
    await a.register(async (name) => {
      if (name !== 'create-passphrase') return;
      stack.cut();
      await a.page.getByRole('button', { name: 'Create my account' }).click();
      await a.page.getByRole('alert').filter({ hasText: 'The server cannot be reached' }).waitFor();
      stack.heal();
    });
    const device = await person('second', stack.url);
    await device.page.getByRole('button', { name: 'I have my words' }).waitFor();
    stack.cut();
    await device.page.getByRole('button', { name: 'I have my words' }).click();
    await device.page.getByText('A part of the app could not be loaded').waitFor();
    await isAccessible(device.page, 'a part is missing at the start');
    stack.heal();
    await device.page.getByRole('button', { name: 'Load the page again' }).click();
    await device.page.getByRole('button', { name: 'I have my words' }).click();
    await device.page.getByLabel('Your words').waitFor();
    stack.cut();
    await device.page.getByLabel('Your words').fill(a.words.join(' '));
    await device.page.getByRole('button', { name: 'Continue' }).click();
    await device.page.getByText('The server cannot be reached').waitFor();
    stack.heal();
    await device.page.getByRole('button', { name: 'Continue' }).click();
    await device.page.getByText(`This is @${a.name}.`).waitFor();
  },

  async 'three tabs share one stream, and another takes over when its tab is closed'() {
    const a = await person('tabs', stack.nodes[0].url);
    const open = new Set();
    let most = 0;
    a.context.on('request', (r) => {
      if (/\/stream\?/.test(r.url())) open.add(r);
      most = Math.max(most, open.size);
    });
    for (const end of ['requestfinished', 'requestfailed']) a.context.on(end, (r) => open.delete(r));
    await a.register();
    const [second, third] = [await a.tab(), await a.tab()];
    await Promise.all([a.live(second), a.live(third)]);
    // In any route: the stream is the account's, not a screen's.
    await a.chatWith(a.name, third);
    await third.getByRole('button', { name: 'Settings' }).click();
    await third.getByRole('button', { name: 'Close' }).click();
    await third.goBack();
    await third.getByText('Your messages are here when you want them').waitFor();
    assert.deepEqual([open.size, most], [1, 1], 'one stream for three tabs');
    const waiting = () => third.evaluate(async () => (await navigator.locks.query()).pending.filter((l) => l.name.startsWith('kez-live:')).length);
    assert.equal(await waiting(), 2);
    open.clear(); // it goes with its page
    await a.page.close();
    await poll('another one has taken over', async () => (await waiting()) === 1 && open.size === 1);
    await a.chatWith(a.name, second);
    await a.say('still here', second);
    await a.sent('still here', second);
    await a.open('Notes to yourself', third);
    await a.sees('still here', third);
    assert.deepEqual([open.size, most], [1, 1], 'one stream for two tabs');
    await second.getByRole('button', { name: 'Lock', exact: true }).click();
    await third.getByText(`@${a.name} is locked`).waitFor();
  },

  async 'a new epoch: all is read again, and nothing is lost, doubled or called replayed'() {
    const [a, b] = await pair(stack.url, stack.url);
    await a.chatWith(b.name);
    await a.say('before');
    await a.sent('before');
    await b.open(a.name);
    await b.say('answer');
    await a.sees('answer');
    let asked;
    b.page.on('request', (r) => {
      if (r.url().includes('/stream')) asked = new URL(r.url()).searchParams.get('epoch');
    });
    const former = await wire.epochOf(b, stack.nodes[0].url);
    await stack.newEpoch();
    const epoch = await wire.epochOf(b, stack.nodes[0].url);
    assert.notEqual(epoch, former);
    await Promise.all([a.live(), b.live()]);
    await a.say('after');
    await b.sees('after');
    await a.sent('after');
    for (const p of [a, b]) {
      assert.deepEqual(await p.texts(), ['before', 'answer', 'after']);
      assert.equal(await p.page.locator('.flaw, .doubt, .note').count(), 0);
    }
    // The place of each in the new history is kept: the next start reads nothing twice.
    await b.page.reload();
    await b.live();
    await b.sees('after');
    assert.deepEqual(await b.texts(), ['before', 'answer', 'after']);
    assert.equal(asked, epoch);
  },

  async 'rows that the server has dropped meanwhile are missed, and that is said'() {
    const [a, b] = await pair(stack.nodes[1].url, stack.url);
    await a.chatWith(b.name);
    await a.say('read by both');
    await a.sent('read by both');
    await b.open(a.name);
    await b.sees('read by both');
    stack.cut();
    await poll('b is away', async () => (await b.state()) !== 'live');
    for (const text of ['dropped', 'dropped too', 'kept']) {
      await a.say(text);
      await a.sent(text);
    }
    await wire.drop(b, stack.nodes[1].url, 3);
    stack.heal();
    await b.live();
    await b.sees('kept');
    await b.page.locator('.note', { hasText: '2 messages are not on the server any more' }).waitFor();
    assert.deepEqual(await b.texts(), ['read by both', 'kept']);
  },

  async 'a proxy that buffers is named, and messages come all the same'() {
    const [a, b] = await pair(stack.nodes[1].url, stack.url);
    await a.chatWith(b.name);
    await a.say('flows');
    await a.sent('flows');
    await b.open(a.name);
    await b.sees('flows');
    stack.isBuffering = true;
    stack.cut();
    stack.heal();
    const reason = () => b.page.locator('[data-reason]').first().getAttribute('data-reason');
    await poll('it is named', async () => (await reason()) === 'proxy');
    assert.match(await b.page.locator('[data-state]').first().getAttribute('title'), /buffering/);
    await a.say('fetched');
    await b.sees('fetched');
    stack.isBuffering = false;
    stack.cut();
    stack.heal();
    await b.live();
    await a.say('flows again');
    await b.sees('flows again');
    await poll('it is forgotten', async () => (await reason()) === 'ok');
    assert.deepEqual(await b.texts(), ['flows', 'fetched', 'flows again']);
  },
};
