// tests/device.ts -- a device without a screen: what a session consists of, over a server in memory.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { Api } from '../src/lib/api';
import { type Message, recipientsOf, sealMessage } from '../src/lib/envelope';
import { type Identity, identityFromSeed } from '../src/lib/keys';
import { type Live, startLive } from '../src/lib/live/live';
import { Engine } from '../src/lib/model/engine';
import { Keeper } from '../src/lib/model/keeper';
import { Model } from '../src/lib/model/model';
import { Sender } from '../src/lib/model/sender';
import type { FlawItem, MessageItem } from '../src/lib/model/types';
import { FakeServer, SERVER, until } from './fake';

export const ids = {
  alice: identityFromSeed(new Uint8Array(32).fill(1)),
  bob: identityFromSeed(new Uint8Array(32).fill(2)),
  carol: identityFromSeed(new Uint8Array(32).fill(3)),
};
export const [A, B, C] = [ids.alice.primary, ids.bob.primary, ids.carol.primary];

const running: Device[] = [];

/** A server with three people, of whom alice and bob are there. */
export async function world() {
  const server = new FakeServer();
  for (const [handle, id] of Object.entries(ids)) server.add(handle, id.primary);
  const [alice, bob] = await Promise.all([new Device(server, 'alice', ids.alice).start(), new Device(server, 'bob', ids.bob).start()]);
  await alice.engine.find('bob');
  return { server, alice, bob };
}

export function stopAll(): void {
  for (const device of running.splice(0)) device.stop();
}

export class Device {
  readonly model: Model;
  readonly keeper: Keeper;
  readonly engine: Engine;
  readonly sender: Sender;
  readonly arrivals: (MessageItem | FlawItem)[] = [];
  live: Live | undefined;

  constructor(
    readonly server: FakeServer,
    readonly handle: string,
    readonly identity: Identity,
  ) {
    running.push(this);
    const api = new Api({ fetch: server.fetch });
    const who = { identity, handle, server: SERVER };
    this.model = new Model(identity.primary, handle);
    this.keeper = new Keeper({
      model: this.model, records: { write: async () => undefined, load: async () => undefined }, onChange: () => undefined, onStorage: () => undefined,
    });
    this.engine = new Engine({ api, who, model: this.model, keeper: this.keeper, onArrival: (i) => this.arrivals.push(i) });
    this.sender = new Sender({ api, who, model: this.model, keeper: this.keeper });
  }

  async start(): Promise<this> {
    const { server } = this;
    this.live = startLive({
      api: new Api({ fetch: server.fetch }), who: { identity: this.identity, handle: this.handle, server: SERVER },
      cursor: async () => this.engine.cursor,
      onMessage: (row, epoch, leads) => (leads ? this.engine.receive(row, epoch) : undefined),
      onResync: (r) => this.engine.resync(r),
      onReady: (c) => this.engine.ready(c),
      env: { fetch: server.fetch, locks: undefined, channel: () => undefined, isOnline: () => true, onWake: () => () => undefined },
    });
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

/** A message by alice to bob that the honest client would not send. */
export function crafted(more: Partial<Message> = {}, by = ids.alice, to = ids.bob) {
  const message: Message = {
    type: 'kez.chat.message', version: 1, id: `id-${Math.random().toString(36).slice(2)}`, sender: by.primary, recipients: recipientsOf(by.primary, [to.primary]),
    sent_at: new Date().toISOString(), prev: null, body: { type: 'text', text: 'crafted' }, ...more,
  };
  return { message, ...sealMessage(by, message) };
}
