// Two and three people with all their devices, over a server in memory.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Api, type Conversation } from '../src/lib/api';
import { openEnvelope } from '../src/lib/envelope';
import { Model } from '../src/lib/model/model';
import { conversationChanges } from '../src/lib/model/receive';
import { Sender } from '../src/lib/model/sender';
import { A, B, C, Device, ids, stopAll, world } from './device';
import { type FakeServer, SERVER, until } from './fake';

let server: FakeServer;
let alice: Device;
let bob: Device;

beforeEach(async () => {
  ({ server, alice, bob } = await world());
});
afterEach(stopAll);

describe('between two', () => {
  it('a message is pending at once, then sent, then upgraded by its echo', async () => {
    const item = alice.sender.send(B, 'hello');
    expect(alice.items(B)).toMatchObject([{ text: 'hello', send: 'pending' }]);
    expect(alice.items(B)[0]!.place).toBeUndefined();
    await alice.sender.idle();
    await until('the echo', () => !!alice.items(B)[0]!.place);
    expect(alice.items(B)).toMatchObject([{ key: item.key, text: 'hello', send: 'sent', place: { era: 0, seq: 1 } }]);
    expect(alice.model.outbox.size).toBe(0);
    await until('bob has it', () => bob.items(A).length === 1);
    expect(bob.model.threads.get(A)!.unread).toBe(1);
    expect(bob.model.unread).toBe(1);
    expect(bob.arrivals).toHaveLength(1);
    expect(bob.model.contacts.get(A)?.handle).toBe('alice');
    bob.engine.read(A);
    expect(bob.model.unread).toBe(0);
  });

  it('the echo that comes before the answer is not a second message', async () => {
    let release = () => undefined as void;
    const held = new Promise<void>((go) => (release = go));
    server.intercept = async (method, path, body) => {
      if (method !== 'POST' || path !== '/v1/messages') return undefined as unknown as Response;
      const own = JSON.parse(body) as { to: string; id: string; envelope: unknown };
      if (own.to === 'alice') {
        // stored, rung for, and the answer does not come yet
        const row = server.put('alice', { type: 'chatmessage.new', id: own.id, from: 'alice', envelope: own.envelope });
        await held;
        return new Response(JSON.stringify({ seq: row.seq, created_at: row.created_at }), { status: 201 });
      }
      return undefined as unknown as Response;
    };
    alice.sender.send(A, 'to myself');
    await until('the echo', () => alice.items(A)[0]?.send === 'sent' && !!alice.items(A)[0]?.place);
    release();
    await alice.sender.idle();
    expect(alice.items(A)).toHaveLength(1);
    expect(alice.model.outbox.size).toBe(0);
  });

  it('a retry has the same id and the same text, and nothing is doubled', async () => {
    const bodies: string[] = [];
    let fails = 2;
    server.intercept = (_method, path, body) => {
      if (path !== '/v1/messages' || !body.includes('"to":"bob"')) return undefined;
      bodies.push(body);
      if (fails-- <= 0) return undefined;
      // The first was stored, and only its answer was lost.
      const m = JSON.parse(body) as { id: string; envelope: unknown };
      if (bodies.length === 1) server.put('bob', { type: 'chatmessage.new', id: m.id, from: 'alice', envelope: m.envelope });
      return Promise.reject(new TypeError('lost')) as never;
    };
    const item = await alice.say(B, 'stubborn');
    expect(alice.items(B)[0]!.send).toBe('pending');
    alice.sender.retry(item.id);
    await alice.sender.idle();
    alice.sender.retry(item.id);
    await until('sent', () => alice.items(B)[0]!.send === 'sent');
    expect(new Set(bodies).size).toBe(1);
    expect(bodies.length).toBe(3);
    await until('bob has it', () => bob.items(A).length === 1);
    expect(server.box('bob').rows).toHaveLength(1);
  });

  it('a message that is refused says why, can be tried again or deleted', async () => {
    server.intercept = (_m, path) => (path === '/v1/messages' ? new Response('{"code":"not_found"}', { status: 404 }) : undefined);
    const first = await alice.say(B, 'one');
    expect(alice.items(B)[0]).toMatchObject({ send: 'failed', why: 'gone' });
    server.intercept = undefined;
    alice.sender.retry(first.id);
    await until('sent', () => alice.items(B)[0]!.send === 'sent');
    server.intercept = (_m, path) => (path === '/v1/messages' ? new Response('{"code":"forbidden","detail":"no"}', { status: 403 }) : undefined);
    const second = await alice.say(B, 'two');
    expect(alice.items(B)[1]).toMatchObject({ send: 'failed', why: 'no' });
    alice.sender.discard(second.id);
    expect(alice.texts(B)).toEqual(['one']);
    expect(alice.model.outbox.size).toBe(0);
  });

  it('none of many that are written quickly is left behind', async () => {
    for (let i = 0; i < 25; i++) {
      alice.sender.send(B, `n${i}`);
      if (i % 3 === 0) await new Promise((go) => setTimeout(go)); // at any point of the work on those before
      if (i % 7 === 0) await alice.sender.idle();
    }
    await alice.sender.idle();
    await until('bob has all', () => bob.items(A).length === 25);
    expect(bob.texts(A)).toEqual(Array.from({ length: 25 }, (_, i) => `n${i}`));
    expect(bob.items(A).flatMap((i) => i.doubts ?? [])).toEqual([]);
  });

  it('one that is written while the last work is being kept is sent, too', async () => {
    const settled = alice.keeper.settled.bind(alice.keeper);
    let late: string | undefined = 'late';
    alice.keeper.settled = async () => {
      if (late) alice.sender.send(B, late);
      late = undefined;
      return settled();
    };
    await alice.say(B, 'first');
    await until('bob has both', () => bob.items(A).length === 2);
    expect(bob.texts(A)).toEqual(['first', 'late']);
  });

  it('a conflict means that another tab has delivered it', async () => {
    server.intercept = (_m, path, body) =>
      path === '/v1/messages' && body.includes('"to":"bob"') ? new Response('{"code":"conflict"}', { status: 409 }) : undefined;
    await alice.say(B, 'x');
    expect(alice.items(B)[0]!.send).toBe('sent');
    await until('the copy', () => server.box('alice').rows.length === 1);
  });

  it('what another tab wrote is left to it, and sent by the leading one when it has gone', async () => {
    let now = Date.now();
    let leads = false;
    const other = new Sender({
      api: new Api({ fetch: server.fetch }), who: { identity: ids.alice, handle: 'alice', server: SERVER }, model: alice.model, keeper: alice.keeper,
      isLeading: () => leads, now: () => now,
    });
    server.intercept = (_m, path) => (path === '/v1/messages' ? (Promise.reject(new TypeError('away')) as never) : undefined);
    await alice.say(B, 'left behind');
    alice.sender.stop();
    server.intercept = undefined;
    for (const [lead, later] of [[false, 0], [true, 0], [false, 6000]] as const) {
      leads = lead;
      now = Date.now() + later;
      other.flush();
      await other.idle();
      expect(alice.items(B)[0]!.send).toBe('pending');
    }
    leads = true;
    other.flush();
    await other.idle();
    expect(alice.items(B)[0]!.send).toBe('sent');
    other.stop();
  });

  it('after three tries without a server a message is shown as not sent', async () => {
    server.intercept = (_m, path) => (path === '/v1/messages' ? (Promise.reject(new TypeError('away')) as never) : undefined);
    const item = await alice.say(B, 'x');
    for (let i = 0; i < 2; i++) {
      alice.sender.flush();
      await alice.sender.idle();
    }
    expect(alice.items(B)[0]).toMatchObject({ send: 'failed', why: 'network' });
    server.intercept = undefined;
    alice.sender.flush(); // the stream is back
    await until('sent', () => alice.items(B)[0]!.send === 'sent');
    expect(alice.items(B)[0]!.id).toBe(item.id);
  });

  it('another device knows who was written to, also when nobody has answered', async () => {
    await alice.say(B, 'is anybody there?');
    await until('the own copy', () => !!alice.items(B)[0]!.place);
    const second = await new Device(server, 'alice', ids.alice).start();
    expect(second.texts(B)).toEqual(['is anybody there?']);
    expect(second.model.contacts.get(B)).toMatchObject({ handle: 'bob' });
    second.stop();
  });

  it('another device shows both sides, and both go on in one chain', async () => {
    await alice.say(B, 'from the first');
    await until('bob has it', () => bob.items(A).length === 1);
    await bob.engine.find('alice');
    await bob.say(A, 'answer');
    await until('alice has it', () => alice.items(B).length === 2);
    const second = await new Device(server, 'alice', ids.alice).start();
    expect(second.texts(B)).toEqual(['from the first', 'answer']);
    expect(second.model.unread).toBe(0);
    await second.engine.check(B);
    await second.say(B, 'from the second');
    await until('the first has it', () => alice.items(B).length === 3);
    await until('bob has it', () => bob.items(A).length === 3);
    expect(bob.items(A).flatMap((i) => i.doubts ?? [])).toEqual([]);
    await alice.say(B, 'and the first again');
    await until('bob has it', () => bob.items(A).length === 4);
    expect(bob.items(A).flatMap((i) => i.doubts ?? [])).toEqual([]);
    second.stop();
  });

  it('a new epoch brings all again, and nothing is there twice or called replayed', async () => {
    await alice.say(B, 'one');
    await alice.say(B, 'two');
    await until('bob has them', () => bob.items(A).length === 2);
    bob.engine.read(A);
    const box = server.box('bob');
    box.epoch = 'new';
    box.rows = box.rows.map((r) => ({ ...r }));
    server.put('bob', { type: 'chatmessage.new', envelope: { junk: 1 } });
    server.endStreams('bob');
    await until('the new era', () => bob.items(A).every((i) => i.place?.era === 1) && bob.model.cursor.seq === 3);
    expect(bob.texts(A)).toEqual(['one', 'two']);
    expect(bob.flaws(A)).toEqual([]);
    expect(bob.items(A).map((i) => i.place)).toEqual([{ era: 1, seq: 1 }, { era: 1, seq: 2 }]);
  });
});

describe('groups', () => {
  const handles = (d: Device, sid: string) => d.model.threads.get(sid)?.meta.conversation?.participants.map((p) => p.handle);

  it('are made, written in, changed and left; all see the same order', async () => {
    const carol = await new Device(server, 'carol', ids.carol).start();
    const sid = alice.engine.newGroupId();
    await alice.engine.createGroup(sid, 'Weekend', ['bob']);
    await until('bob knows', () => !!bob.model.threads.get(sid));
    await Promise.all([alice.say(sid, 'one'), bob.say(sid, 'two')]);
    await until('both have both', () => alice.items(sid).length === 2 && bob.items(sid).length === 2);
    expect(alice.texts(sid)).toEqual(bob.texts(sid));
    await until('echoes', () => alice.items(sid).every((i) => i.place) && bob.items(sid).every((i) => i.place));
    await alice.engine.changeGroup(sid, { add: ['carol'], title: 'Sunday' });
    await until('carol knows', () => handles(carol, sid)?.length === 3);
    await bob.say(sid, 'hello carol');
    await until('carol has it', () => carol.items(sid).length === 1);
    expect(carol.items(sid)[0]!.doubts).toBeUndefined();
    await until('bob has the note', () => bob.notes(sid).length === 2);
    expect(bob.notes(sid)).toEqual([{ what: 'created', by: 'alice' }, { what: 'changed', added: ['carol'], removed: [], title: 'Sunday' }]);
    await alice.engine.changeGroup(sid, { remove: ['bob'] });
    await until('bob is out', () => bob.model.threads.get(sid)!.meta.hasLeft === true);
    await alice.say(sid, 'without bob');
    await until('carol has it', () => carol.items(sid).length === 2);
    expect(bob.texts(sid)).not.toContain('without bob');
    const row = server.box('carol').rows.at(-1)!;
    expect(openEnvelope(ids.bob, row.envelope, sid)).toMatchObject({ ok: false, flaw: 'undecryptable' });
    expect(carol.notes(sid)).toEqual([{ what: 'joined' }, { what: 'changed', added: [], removed: ['bob'] }]);
    carol.stop();
  });

  it('say what was changed to the one who changed it, whose answer comes before the row', () => {
    const model = new Model(A, 'alice');
    const people = (...handles: (keyof typeof ids)[]) => handles.map((handle) => ({ handle, primary: ids[handle].primary }));
    const state = (version: number, title: string, participants: Conversation['participants']): Conversation =>
      ({ sid: 'G', title, creator: 'alice', participants, version, created_at: AT, updated_at: AT });
    const AT = '2026-05-26T23:06:17.123Z';
    const states = [state(1, 'Weekend', people('alice', 'bob')), state(2, 'Weekend', people('alice', 'bob', 'carol')), state(3, 'Sunday', people('alice', 'carol'))];
    for (const [i, now] of states.entries())
      for (const place of [undefined, { era: 0, seq: i + 1 }])
        for (const change of conversationChanges(model, now, AT, place)) model.apply(change);
    const notes = model.threads.get('G')!.items.map((item) => item.kind === 'note' && item.note);
    expect(notes).toEqual([
      { what: 'created', by: 'alice' }, { what: 'changed', added: ['carol'], removed: [] }, { what: 'changed', added: [], removed: ['bob'], title: 'Sunday' },
    ]);
  });

  it('a change that crossed another one is tried on what the group is now', async () => {
    const sid = alice.engine.newGroupId();
    await alice.engine.createGroup(sid, '', ['bob']);
    await until('bob knows', () => !!bob.model.threads.get(sid));
    const stale = bob.model.threads.get(sid)!.meta;
    await alice.engine.changeGroup(sid, { title: 'A' });
    await until('bob knows', () => bob.model.threads.get(sid)!.meta.conversation!.version === 2);
    bob.model.apply({ kind: 'thread', id: sid, value: stale });
    await bob.engine.changeGroup(sid, { add: ['carol'] });
    expect(server.groups.get(sid)).toMatchObject({ title: 'A', version: 3 });
  });

  it('are read from the list when their rows are gone', async () => {
    const sid = alice.engine.newGroupId();
    await alice.engine.createGroup(sid, 'Old', ['bob']);
    server.trim('alice', 1);
    const second = await new Device(server, 'alice', ids.alice).start();
    await until('it knows', () => second.model.threads.get(sid)?.meta.conversation?.title === 'Old');
    second.stop();
  });
});

/** Until the clock shows another time, so that there is an order. */
async function tick(): Promise<void> {
  const before = Date.now();
  await until('a tick', () => Date.now() > before + 1);
}

describe('the list and the search', () => {
  it('has the newest first, previews, drafts and what is found on the device', async () => {
    await alice.engine.find('carol');
    await alice.say(B, 'Grüße an alle');
    await tick();
    alice.engine.open(C);
    alice.engine.draft(C, 'half');
    await tick();
    await alice.say(A, 'note');
    expect(alice.model.list().map((t) => t.meta.id)).toEqual([A, C, B]);
    expect(alice.model.threads.get(C)!.meta.draft).toBe('half');
    expect(alice.model.search('GRUSSE', 10).map((f) => f.item.text)).toEqual([]);
    expect(alice.model.search('gruße', 10).map((f) => f.item.text)).toEqual(['Grüße an alle']);
    expect(alice.model.search('', 10)).toEqual([]);
  });
});
