// lib/model/sender.ts -- brings the messages of the outbox to the server (ENVELOPE.md, 7).
//
// One tab at a time works on it, in the order in which the messages were written.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { type Api, ApiError, type Signer } from '../api';
import { randomId } from '../bytes';
import { type Message, recipientsOf, sealMessage } from '../envelope';
import type { Keeper } from './keeper';
import type { Model } from './model';
import type { Change, MessageItem, OutboxEntry } from './types';

const RETRY_FIRST_MS = 1000;
const RETRY_MAX_MS = 30000;
/** So many tries in a row, and the message is shown as not sent; it is tried on in the background. */
const TRIES_BEFORE_FAILED = 3;
/** What another tab wrote is its own to send for this long. */
const ORPHAN_MS = 5000;

export interface SenderOptions {
  api: Pick<Api, 'post' | 'postTo'>;
  who: Signer;
  model: Model;
  keeper: Pick<Keeper, 'commit' | 'settled'>;
  /** Whether this tab also sends what another one has left behind. */
  isLeading?: () => boolean;
  locks?: Pick<LockManager, 'request'> | undefined;
  now?: () => number;
}

export class Sender {
  readonly #o: SenderOptions;
  #isRunning = false;
  #isWanted = false;
  #isOver = false;
  #tries = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #idle: (() => void)[] = [];
  /** Written, or tried again, in this tab. */
  readonly #mine = new Set<string>();

  constructor(options: SenderOptions) {
    this.#o = options;
  }

  /** Shows it at once, and brings it on its way. */
  send(thread: string, text: string): MessageItem {
    const id = randomId();
    this.#mine.add(id);
    const at = new Date((this.#o.now ?? Date.now)()).toISOString();
    const item: MessageItem = {
      kind: 'message', key: `own:${id}`, thread, at, id, sender: this.#o.who.identity.primary, text, sentAt: at, send: 'pending',
    };
    this.#o.keeper.commit([
      { kind: 'item', id: item.key, value: item },
      { kind: 'outbox', id, value: { id, thread, stage: 'post' } },
    ]);
    this.flush();
    return item;
  }

  /** Tries a failed one again, with the same id and the same envelope. */
  retry(id: string): void {
    const entry = this.#o.model.outbox.get(id);
    const item = this.#item(id);
    if (!entry || !item) return;
    this.#mine.add(id);
    this.#o.keeper.commit([
      { kind: 'outbox', id, value: { ...entry, isRefused: false } },
      { kind: 'item', id: item.key, value: { ...item, send: 'pending', why: undefined } },
    ]);
    this.#tries = 0;
    this.flush();
  }

  /** Gives up on one that was never delivered. */
  discard(id: string): void {
    const item = this.#item(id);
    if (!item || item.send === 'sent') return;
    this.#o.keeper.commit([
      { kind: 'outbox', id, value: undefined },
      { kind: 'item', id: item.key, value: undefined },
    ]);
  }

  /** Works through the outbox now: something is new in it, or the server is back. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#isWanted = true;
    if (this.#isRunning || this.#isOver) return;
    this.#isRunning = true;
    void this.#run().finally(() => {
      this.#isRunning = false;
      if (this.#isWanted && !this.#isOver) return this.flush();
      for (const done of this.#idle.splice(0)) done();
    });
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#isRunning ? new Promise((done) => this.#idle.push(done)) : Promise.resolve();
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    const work = async () => {
      while (this.#isWanted && !this.#isOver) {
        this.#isWanted = false;
        await this.#pass();
        await this.#o.keeper.settled(); // the next tab shall know what was done
      }
    };
    const { locks, who } = this.#o;
    await (locks ? locks.request(`kez-outbox:${who.server}:${who.handle}`, work) : work());
  }

  /** First what others wait for, then the copies for the own devices. */
  async #pass(): Promise<void> {
    for (const stage of ['post', 'copy'] as const) {
      const entries = [...this.#o.model.outbox.values()].filter((e) => e.stage === stage && !e.isRefused && this.#isOurs(e));
      entries.sort((a, b) => (this.#time(a) < this.#time(b) ? -1 : 1));
      for (const entry of entries) {
        if (this.#isOver) return;
        const current = this.#o.model.outbox.get(entry.id);
        if (current && !(await this.#deliver(current))) return;
      }
    }
    this.#tries = 0;
  }

  #isOurs(entry: OutboxEntry): boolean {
    if (this.#mine.has(entry.id)) return true;
    if (this.#o.isLeading && !this.#o.isLeading()) return false;
    const age = (this.#o.now ?? Date.now)() - Date.parse(this.#time(entry) || '1970-01-01');
    if (age > ORPHAN_MS) return true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), ORPHAN_MS - age + 1);
    return false;
  }

  #time(entry: OutboxEntry): string {
    return this.#item(entry.id)?.at ?? '';
  }

  #item(id: string): MessageItem | undefined {
    const item = this.#o.model.item(`own:${id}`);
    return item?.kind === 'message' ? item : undefined;
  }

  /** A key that took another's place, and that nobody has accepted, gets nothing: neither what was
   * written before that was known, nor what another tab writes. */
  #hasStrangeKey(entry: OutboxEntry): boolean {
    const { model } = this.#o;
    const meta = model.threads.get(entry.thread)?.meta;
    if (entry.stage === 'copy') return false;
    if (meta?.kind !== 'group') {
      const contact = model.contacts.get(entry.thread);
      return !!contact?.replaces || !!contact?.replacedBy;
    }
    // What is sealed already is for those of then.
    return entry.envelope === undefined && !!meta.conversation?.participants.some((p) => model.contacts.get(p.primary)?.replaces);
  }

  /** False: the server cannot be had now; the rest waits. */
  async #deliver(entry: OutboxEntry): Promise<boolean> {
    try {
      if (this.#hasStrangeKey(entry)) throw new StrangeKey();
      const sealed = entry.envelope === undefined ? this.#seal(entry) : entry;
      if (!sealed) return true;
      await this.#post(sealed);
      this.#tries = 0;
      return true;
    } catch (e) {
      // Nobody else has this id: it was delivered before, sealed by another tab.
      if (e instanceof ApiError && e.status === 409) {
        this.#delivered(entry, this.#endsWith(entry));
        return true;
      }
      if (e instanceof ApiError && e.isPassing) return this.#later(entry, e);
      this.#refused(entry, e);
      return true;
    }
  }

  /** Sealed once: what a retry sends is the same text. */
  #seal(entry: OutboxEntry): OutboxEntry | undefined {
    const { model, who, keeper } = this.#o;
    const item = this.#item(entry.id);
    if (!item) {
      keeper.commit([{ kind: 'outbox', id: entry.id, value: undefined }]);
      return undefined;
    }
    const meta = model.threads.get(entry.thread)?.meta;
    const group = meta?.kind === 'group' ? meta.conversation : undefined;
    const message: Message = {
      type: 'kez.chat.message',
      version: 1,
      id: item.id,
      sender: who.identity.primary,
      recipients: recipientsOf(who.identity.primary, group ? group.participants.map((p) => p.primary) : [entry.thread]),
      ...(group ? { conversation: group.sid } : {}),
      sent_at: item.sentAt,
      prev: model.lastOwnHash(entry.thread),
      body: { type: 'text', text: item.text },
    };
    const { envelope, hash } = sealMessage(who.identity, message);
    const sealed = { ...entry, envelope: JSON.stringify(envelope), hash };
    keeper.commit([
      { kind: 'outbox', id: entry.id, value: sealed },
      { kind: 'item', id: item.key, value: { ...item, hash } },
    ]);
    return sealed;
  }

  async #post(entry: OutboxEntry): Promise<void> {
    const { api, who, model } = this.#o;
    const isGroup = model.threads.get(entry.thread)?.meta.kind === 'group';
    if (isGroup) await api.postTo(who, entry.thread, entry.id, entry.envelope!);
    else await api.post(who, entry.stage === 'copy' ? who.handle : this.#handleOf(entry.thread), entry.id, entry.envelope!);
    this.#delivered(entry, this.#endsWith(entry));
  }

  /** Whether this post is the last one of its message. */
  #endsWith(entry: OutboxEntry): boolean {
    const isGroup = this.#o.model.threads.get(entry.thread)?.meta.kind === 'group';
    return isGroup || entry.stage === 'copy' || entry.thread === this.#o.who.identity.primary;
  }

  #handleOf(primary: string): string {
    const { model, who } = this.#o;
    if (primary === who.identity.primary) return who.handle;
    const handle = model.contacts.get(primary)?.handle;
    if (!handle) throw new ApiError(404, 'not_found', '');
    return handle;
  }

  /** The echo may have been here before: then there is nothing left to change. */
  #delivered(entry: OutboxEntry, isDone: boolean): void {
    const { keeper, model } = this.#o;
    const changes: Change[] = [];
    const item = this.#item(entry.id);
    if (item && item.send !== 'sent')
      changes.push({ kind: 'item', id: item.key, value: { ...item, send: 'sent', why: undefined } });
    if (model.outbox.has(entry.id))
      changes.push({ kind: 'outbox', id: entry.id, value: isDone ? undefined : { ...entry, stage: 'copy' } });
    keeper.commit(changes);
    if (!isDone) this.#isWanted = true;
  }

  #later(entry: OutboxEntry, error: ApiError): false {
    this.#tries++;
    const item = this.#item(entry.id);
    if (this.#tries >= TRIES_BEFORE_FAILED && entry.stage === 'post' && item?.send === 'pending') {
      const why = error.status === 0 ? 'network' : error.status === 429 ? 'limit' : 'busy';
      this.#o.keeper.commit([{ kind: 'item', id: item.key, value: { ...item, send: 'failed', why } }]);
    }
    const backoff = Math.min(RETRY_FIRST_MS * 2 ** (this.#tries - 1), RETRY_MAX_MS) * (0.75 + Math.random() / 2);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), error.retryAfterMs ?? backoff);
    return false;
  }

  #refused(entry: OutboxEntry, error: unknown): void {
    const { keeper } = this.#o;
    if (entry.stage === 'copy') {
      keeper.commit([{ kind: 'outbox', id: entry.id, value: undefined }]);
      return;
    }
    const item = this.#item(entry.id);
    const current = this.#o.model.outbox.get(entry.id) ?? entry;
    const changes: Change[] = [{ kind: 'outbox', id: entry.id, value: { ...current, isRefused: true } }];
    if (item) changes.push({ kind: 'item', id: item.key, value: { ...item, send: 'failed', why: whyOf(error) } });
    keeper.commit(changes);
  }
}

class StrangeKey extends Error {}

function whyOf(error: unknown): string {
  if (error instanceof StrangeKey) return 'strange';
  if (!(error instanceof ApiError)) return 'key'; // it cannot be sealed to one of the keys
  if (error.status === 401) return 'clock';
  if (error.status === 404) return 'gone';
  if (error.status === 413) return 'large';
  return error.detail || error.code;
}
