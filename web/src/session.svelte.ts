// session.svelte.ts -- an unlocked account, as the screens see it.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import type { Api } from './lib/api';
import { type Identity, identityFromSeed } from './lib/keys';
import { type Live, startLive, type Status } from './lib/live/live';
import { Engine } from './lib/model/engine';
import { Keeper } from './lib/model/keeper';
import { Model, type Thread } from './lib/model/model';
import { Sender } from './lib/model/sender';
import type { Contact, FlawItem, MessageItem } from './lib/model/types';
import type { Database, StorageError } from './lib/store/db';
import type { Secrets, Vault } from './lib/store/vault';
import { cleanLine, preview } from './lib/text';
import { t } from './texts';

const BURST_MS = 50;

export interface SessionOptions {
  api: Api;
  database: Database;
  vault: Vault;
  secrets: Secrets;
  onStorage: (error: StorageError | undefined) => void;
  /** The server does not take this account's signature, or does not know it. */
  onRefused: () => void;
  notify: (thread: string, title: string, text: string) => void;
}

export class Session {
  readonly identity: Identity;
  readonly handle: string;
  readonly server: string;
  readonly secrets: Secrets;
  readonly model: Model;
  readonly engine: Engine;
  readonly sender: Sender;
  readonly #keeper: Keeper;
  readonly #channel: BroadcastChannel;
  readonly #onRefused: () => void;
  #live: Live | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Grows with every change of the model; what is derived from it reads this. */
  version = $state(0);
  status = $state.raw<Status>({ state: 'connecting', reason: 'start', leads: false });
  hasCaughtUp = $state(false);
  hasGroups = $state(true);

  private constructor(options: SessionOptions, records: Awaited<ReturnType<Database['records']>>) {
    const { api, vault, secrets } = options;
    this.secrets = secrets;
    this.#onRefused = options.onRefused;
    this.identity = identityFromSeed(secrets.seed);
    this.handle = vault.handle;
    this.server = vault.server;
    this.model = new Model(this.identity.primary, vault.handle);
    this.#channel = new BroadcastChannel(`kez-chat-model:${vault.server}:${vault.handle}`);
    const who = { identity: this.identity, handle: vault.handle, server: vault.server };
    this.#keeper = new Keeper({
      model: this.model, records, channel: this.#channel, onChange: () => this.#changed(), onStorage: options.onStorage,
    });
    this.sender = new Sender({ api, who, model: this.model, keeper: this.#keeper, locks: navigator.locks, isLeading: () => this.status.leads });
    this.engine = new Engine({
      api, who, model: this.model, keeper: this.#keeper, onArrival: (item) => this.#announce(item, options.notify),
    });
  }

  static async open(options: SessionOptions): Promise<Session> {
    const records = await options.database.records(options.secrets.dataKey);
    const session = new Session(options, records);
    await session.#keeper.load();
    session.hasCaughtUp = session.model.cursor.hasCaughtUp;
    session.#start(options.api);
    return session;
  }

  #start(api: Api): void {
    const who = { identity: this.identity, handle: this.handle, server: this.server };
    this.#live = startLive({
      api,
      who,
      cursor: async () => this.engine.cursor,
      onMessage: (row, epoch, leads) => (leads ? this.engine.receive(row, epoch) : undefined),
      onResync: (resync) => this.engine.resync(resync),
      onReady: (cursor) => this.#ready(cursor),
      onStatus: (status) => this.#show(status),
    });
    this.sender.flush();
  }

  async #ready(cursor: { seq: number; epoch: string }): Promise<void> {
    await this.engine.ready(cursor);
    this.hasCaughtUp = true;
    this.hasGroups = this.engine.hasGroups !== false;
  }

  #show(status: Status): void {
    const wasLive = this.status.state === 'live';
    const isNew = status.reason !== this.status.reason;
    this.status = status;
    if (isNew && (status.reason === 'refused' || status.reason === 'unknown')) this.#onRefused();
    if (status.state !== 'live' || wasLive) return;
    this.hasCaughtUp = true;
    this.sender.flush();
  }

  /** The screens follow at once; while a long past is read, some times a second. */
  #changed(): void {
    if (this.hasCaughtUp && this.status.state === 'live') return void this.version++;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.version++;
    }, BURST_MS);
  }

  /** Tries the connection now. */
  wake(): void {
    this.#live?.wake();
    this.sender.flush();
  }

  async close(): Promise<void> {
    this.#live?.stop();
    this.engine.stop();
    this.sender.stop();
    clearTimeout(this.#timer);
    await this.sender.idle();
    await this.#keeper.settled();
    this.#keeper.close();
    this.#channel.close();
    for (const secret of [this.identity.seed, this.identity.sealSecret, ...Object.values(this.secrets)]) secret.fill(0);
  }

  #announce(item: MessageItem | FlawItem, notify: SessionOptions['notify']): void {
    const thread = this.model.threads.get(item.thread);
    if (!thread) return;
    const text = item.kind === 'flaw' ? t.flaws[item.flaw] : preview(item.text);
    const isGroup = thread.meta.kind === 'group';
    const sender = item.kind === 'message' ? this.nameOf(item.sender) : '';
    notify(item.thread, this.titleOf(item.thread), isGroup && sender ? t.notification.inGroup(sender, text) : text);
  }

  // ---- names ----

  contact(primary: string): Contact | undefined {
    return this.model.contacts.get(primary);
  }

  /** @alice, or the beginning of a key whose handle is not known. */
  nameOf(primary: string): string {
    if (primary === this.identity.primary) return '@' + this.handle;
    const handle = this.model.contacts.get(primary)?.handle;
    return handle ? '@' + handle : primary.slice(8, 16) + '…';
  }

  titleOf(thread: string): string {
    const meta = this.model.threads.get(thread)?.meta;
    if (thread === this.identity.primary) return t.chats.self;
    if (meta?.kind === 'unknown') return t.chats.unknownThread;
    if (meta?.kind !== 'group') return this.nameOf(thread).replace(/^@/, '');
    const title = cleanLine(meta.conversation?.title ?? '');
    if (title) return title;
    const others = meta.conversation?.participants.filter((p) => p.primary !== this.identity.primary) ?? [];
    return others.map((p) => p.handle).join(', ') || t.group.unnamed;
  }

  thread(id: string): Thread | undefined {
    return this.model.threads.get(id);
  }

  /** Keys that changed and that nobody has looked at yet, among the readers of a chat. */
  unchecked(id: string): Contact[] {
    const meta = this.model.threads.get(id)?.meta;
    const primaries = meta?.kind === 'group' ? (meta.conversation?.participants.map((p) => p.primary) ?? []) : [id];
    return primaries.map((p) => this.model.contacts.get(p)).filter((c): c is Contact => !!c?.replaces);
  }
}
