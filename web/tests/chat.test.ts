// Two and three people with all their devices, over a server in memory.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Api, type Row } from '../src/lib/api';
import { type Message, openEnvelope, recipientsOf, sealMessage } from '../src/lib/envelope';
import { type Identity, identityFromSeed } from '../src/lib/keys';
import { type Live, startLive } from '../src/lib/live/live';
import { Engine } from '../src/lib/model/engine';
import { Keeper } from '../src/lib/model/keeper';
import { Model } from '../src/lib/model/model';
import { Sender } from '../src/lib/model/sender';
import { type FlawItem, type MessageItem, UNKNOWN_THREAD } from '../src/lib/model/types';
import { FakeServer, SERVER, until } from './fake';

let server: FakeServer;
const running: Live[] = [];

class Device {
  readonly model: Model;
  readonly keeper: Keeper;
  readonly engine: Engine;
  readonly sender: Sender;
  readonly arrivals: (MessageItem | FlawItem)[] = [];
  live: Live | undefined;

  constructor(readonly handle: string, readonly identity: Identity) {
    const api = new Api({ fetch: server.fetch });
    const who = { identity, handle, server: SERVER };
    this.model = new Model(identity.primary);
    this.keeper = new Keeper({
      model: this.model, records: { write: async () => undefined, load: async () => undefined }, onChange: () => undefined, onStorage: () => undefined,
    });
    this.engine = new Engine({ api, who, model: this.model, keeper: this.keeper, onArrival: (i) => this.arrivals.push(i) });
    this.sender = new Sender({ api, who, model: this.model, keeper: this.keeper });
  }

  async start(): Promise<this> {
    this.live = startLive({
      api: new Api({ fetch: server.fetch }), who: { identity: this.identity, handle: this.handle, server: SERVER },
      cursor: async () => this.engine.cursor,
      onMessage: (row, epoch, leads) => (leads ? this.engine.receive(row, epoch) : undefined),
      onResync: (r) => this.engine.resync(r),
      onReady: (c) => this.engine.ready(c),
      env: { fetch: server.fetch, locks: undefined, channel: () => undefined, isOnline: () => true, onWake: () => () => undefined },
    });
    running.push(this.live);
    await until('live', () => this.live!.status.state === 'live' && this.model.cursor.hasCaughtUp);
    return this;
  }

  stop(): void {
    this.live?.stop();
    this.sender.stop();
  }

  async say(thread: string, text: string): Promise<MessageItem> {
    const item = this.sender.send(thread, text);
    await this.sender.idle();
    return item;
  }

  items(thread: string): MessageItem[] {
    return (this.model.threads.get(thread)?.items ?? []).filter((i): i is MessageItem => i.kind === 'message');
  }

  texts(thread: string): string[] {
    return this.items(thread).map((i) => i.text);
  }

  flaws(thread: string): string[] {
    return (this.model.threads.get(thread)?.items ?? []).flatMap((i) => (i.kind === 'flaw' ? [i.flaw] : []));
  }

  notes(thread: string): unknown[] {
    return (this.model.threads.get(thread)?.items ?? []).flatMap((i) => (i.kind === 'note' ? [i.note] : []));
  }
}

const ids = {
  alice: identityFromSeed(new Uint8Array(32).fill(1)),
  bob: identityFromSeed(new Uint8Array(32).fill(2)),
  carol: identityFromSeed(new Uint8Array(32).fill(3)),
};
const [A, B, C] = [ids.alice.primary, ids.bob.primary, ids.carol.primary];
let alice: Device;
let bob: Device;

beforeEach(async () => {
  server = new FakeServer();
  for (const [handle, id] of Object.entries(ids)) server.add(handle, id.primary);
  [alice, bob] = await Promise.all([new Device('alice', ids.alice).start(), new Device('bob', ids.bob).start()]);
  await alice.engine.find('bob');
});

afterEach(() => {
  for (const live of running.splice(0)) live.stop();
  alice.sender.stop();
  bob.sender.stop();
});

/** A message by alice to bob that the honest client would not send. */
function crafted(more: Partial<Message> = {}, by = ids.alice, to = ids.bob) {
  const message: Message = {
    type: 'kez.chat.message', version: 1, id: `id-${Math.random().toString(36).slice(2)}`, sender: by.primary, recipients: recipientsOf(by.primary, [to.primary]),
    sent_at: new Date().toISOString(), prev: null, body: { type: 'text', text: 'crafted' }, ...more,
  };
  return { message, ...sealMessage(by, message) };
}

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

  it('another device shows both sides, and both go on in one chain', async () => {
    await alice.say(B, 'from the first');
    await until('bob has it', () => bob.items(A).length === 1);
    await bob.engine.find('alice');
    await bob.say(A, 'answer');
    await until('alice has it', () => alice.items(B).length === 2);
    const second = await new Device('alice', ids.alice).start();
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
});

describe('groups', () => {
  const handles = (d: Device, sid: string) => d.model.threads.get(sid)?.meta.conversation?.participants.map((p) => p.handle);

  it('are made, written in, changed and left; all see the same order', async () => {
    const carol = await new Device('carol', ids.carol).start();
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
    carol.stop();
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
    const second = await new Device('alice', ids.alice).start();
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
