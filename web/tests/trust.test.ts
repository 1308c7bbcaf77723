// Messages that are not right, keys that change, and a server that does not tell the truth.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Api, type Conversation, type Row } from '../src/lib/api';
import { recipientsOf } from '../src/lib/envelope';
import { UNKNOWN_THREAD } from '../src/lib/model/types';
import { A, B, C, crafted, type Device, ids, stopAll, world } from './device';
import { type FakeServer, until } from './fake';

let server: FakeServer;
let alice: Device;
let bob: Device;

beforeEach(async () => {
  ({ server, alice, bob } = await world());
});
afterEach(stopAll);

describe('what is not right', () => {
  const put = (more: Partial<Row>) => server.put('bob', { type: 'chatmessage.new', ...more });

  it('a replayed message is shown as such, in its chat', async () => {
    const { envelope, message } = crafted();
    put({ from: 'alice', id: message.id, envelope });
    put({ envelope });
    await until('both', () => bob.flaws(A).length === 1);
    expect(bob.flaws(A)).toEqual(['replayed']);
    expect(bob.texts(A)).toEqual(['crafted']);
  });

  it('forged, foreign and odd rows are shown as such', async () => {
    const { envelope } = crafted();
    put({ from: 'alice', envelope: { ...envelope, kez: 'other' } });
    put({ from: 'alice', envelope: crafted({}, ids.alice, ids.carol).envelope });
    put({ conversation: 'sid', envelope });
    put({ envelope: { a: 1 } });
    await until('all', () => bob.flaws(UNKNOWN_THREAD).length + bob.flaws('sid').length === 4);
    expect(bob.flaws(UNKNOWN_THREAD).sort()).toEqual(['undecryptable', 'unreadable', 'unreadable']);
    expect(bob.flaws('sid')).toEqual(['forged']);
    expect(bob.model.unread).toBe(4);
  });

  it('a message that somebody else delivered says so', async () => {
    const one = crafted();
    put({ from: 'carol', id: one.message.id, envelope: one.envelope });
    await until('it', () => bob.items(A).length === 1);
    expect(bob.items(A)[0]!.doubts).toEqual(['relayed']);
  });

  it('a gap in the chain is noted, and a chain that begins anew; two devices are fine', async () => {
    const one = crafted();
    const two = crafted({ prev: one.hash });
    const alsoTwo = crafted({ prev: one.hash });
    const four = crafted({ prev: 'f'.repeat(64) });
    const anew = crafted({ prev: null });
    for (const x of [one, two, alsoTwo, four, anew]) put({ from: 'alice', id: x.message.id, envelope: x.envelope });
    await until('all', () => bob.items(A).length === 5);
    expect(bob.items(A).map((i) => i.doubts)).toEqual([undefined, undefined, undefined, ['gap'], ['restart']]);
  });

  it('a chain that names a message of another chat has a gap', async () => {
    const sid = '01JWA0000000000000000000KZ';
    const elsewhere = crafted({ conversation: sid });
    const one = crafted();
    const two = crafted({ prev: elsewhere.hash });
    put({ from: 'alice', id: elsewhere.message.id, conversation: sid, envelope: elsewhere.envelope });
    for (const x of [one, two]) put({ from: 'alice', id: x.message.id, envelope: x.envelope });
    await until('all', () => bob.items(A).length === 2);
    expect(bob.items(A).map((i) => i.doubts)).toEqual([undefined, ['gap']]);
  });

  it('an own message that another one delivers says so', async () => {
    const one = crafted();
    server.put('alice', { type: 'chatmessage.new', from: 'bob', id: one.message.id, envelope: one.envelope });
    await until('it', () => alice.items(B).length === 1);
    expect(alice.items(B)[0]!.doubts).toEqual(['relayed']);
  });

  it('an id used twice by its sender overwrites nothing', async () => {
    const [one, two] = [crafted({ id: 'same' }), crafted({ id: 'same', body: { type: 'text', text: 'other' } })];
    for (const x of [one, two]) put({ from: 'alice', id: 'same', envelope: x.envelope });
    await until('both', () => bob.items(A).length === 2);
    expect(bob.texts(A)).toEqual(['crafted', 'other']);
  });

  it('a body of a newer kind is a message without text', async () => {
    const one = crafted({ body: { type: 'dance', steps: 3 } });
    put({ from: 'alice', id: one.message.id, envelope: one.envelope });
    await until('it', () => bob.items(A).length === 1);
    expect(bob.items(A)[0]).toMatchObject({ bodyType: 'dance', text: '' });
  });

  it('rows that are gone for good are noted', async () => {
    await alice.say(B, 'one');
    await until('bob has it', () => bob.items(A).length === 1);
    bob.live!.stop();
    for (let i = 0; i < 3; i++) await alice.say(B, `missed ${i}`);
    server.trim('bob', 4);
    await bob.start();
    await until('the note', () => bob.notes(A).length === 1);
    expect(bob.notes(A)).toEqual([{ what: 'missed', count: 3 }]);
  });
});

describe('keys that change', () => {
  it('a handle with another key warns in both chats, until somebody says it is fine', async () => {
    await alice.say(B, 'hi');
    alice.engine.verify(B, true);
    server.box('bob').primary = C;
    const found = await alice.engine.find('bob');
    expect(found).toMatchObject({ primary: C, replaces: B, isVerified: false });
    expect(alice.model.contacts.get(B)).toMatchObject({ replacedBy: C });
    alice.engine.acceptKey(C);
    expect(alice.model.contacts.get(C)!.replaces).toBeUndefined();
    expect(alice.model.contactOfHandle('bob')?.primary).toBe(C);
  });

  it('nothing goes to a new key before it is accepted, and nothing to the former one', async () => {
    await alice.say(B, 'hi');
    server.intercept = (_m, path) => (path === '/v1/messages' ? (Promise.reject(new TypeError('away')) as never) : undefined);
    const waiting = await alice.say(B, 'written before it was known');
    server.intercept = undefined;
    server.box('bob').primary = C;
    await alice.engine.find('bob');
    alice.sender.retry(waiting.id);
    await alice.sender.idle();
    expect(alice.items(B)[1]).toMatchObject({ send: 'failed', why: 'strange' });
    const early = await alice.say(C, 'too early');
    expect(alice.items(C)[0]).toMatchObject({ send: 'failed', why: 'strange' });
    expect(server.box('bob').rows).toHaveLength(1);
    alice.engine.acceptKey(C);
    alice.sender.retry(early.id);
    await until('sent', () => alice.items(C)[0]!.send === 'sent');
    expect(server.box('bob').rows).toHaveLength(2);
  });

  it('nor does a group, in which somebody has a new key', async () => {
    const sid = alice.engine.newGroupId();
    await alice.engine.createGroup(sid, '', ['bob']);
    server.box('bob').primary = C;
    const group = server.groups.get(sid)!;
    const participants = group.participants.map((p) => (p.handle === 'bob' ? { ...p, primary: C } : p));
    server.put('alice', { type: 'conversation.updated', conversation: sid, data: { ...group, participants, version: 2 } });
    await until('alice knows', () => alice.model.contacts.get(C)?.replaces === B);
    const item = await alice.say(sid, 'who reads this?');
    expect(alice.items(sid)[0]).toMatchObject({ send: 'failed', why: 'strange' });
    alice.engine.acceptKey(C);
    alice.sender.retry(item.id);
    await until('sent', () => alice.items(sid)[0]!.send === 'sent');
  });
});

describe('a server that does not tell the truth', () => {
  it('is not believed when it answers about somebody else', async () => {
    const api = new Api({ fetch: server.fetch });
    server.intercept = (_m, path) => (path.includes('/u/') || path.includes('/by-primary/')
      ? new Response(JSON.stringify({ handle: 'carol', primary: C, server: 'x', registered_at: '' }), { status: 200 }) : undefined);
    await expect(api.user('bob')).rejects.toMatchObject({ status: 0 });
    await expect(api.byPrimary(B)).rejects.toMatchObject({ status: 0 });
    expect(await api.user('carol')).toMatchObject({ primary: C });
  });

  it.each<[string, Conversation['participants']]>([
    ['the own handle with another key', [{ handle: 'alice', primary: A }, { handle: 'bob', primary: B }, { handle: 'alice', primary: C }]],
    ['another handle with the own key', [{ handle: 'bob', primary: B }, { handle: 'alice2', primary: A }]],
    ['one handle with two keys', [{ handle: 'alice', primary: A }, { handle: 'bob', primary: B }, { handle: 'bob', primary: C }]],
  ])('adds nobody to a group under a name that is there: %s', async (_what, participants) => {
    const sid = alice.engine.newGroupId();
    await alice.engine.createGroup(sid, '', ['bob']);
    const group = server.groups.get(sid)!;
    server.put('alice', { type: 'conversation.updated', conversation: sid, data: { ...group, participants, version: 2 } });
    const end = server.put('alice', { type: 'chatmessage.new', envelope: {} });
    await until('it was read', () => alice.model.cursor.seq === end.seq);
    expect(alice.model.threads.get(sid)!.meta.conversation).toMatchObject({ version: 1, participants: [{ primary: A }, { primary: B }] });
    expect(recipientsOf(A, group.participants.map((p) => p.primary))).toEqual([A, B].sort());
  });
});

