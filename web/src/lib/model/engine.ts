// lib/model/engine.ts -- an unlocked account at work: rows come in, messages and changes of groups
// go out, contacts are looked up.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { type Api, ApiError, type Conversation, type HandleRecord, type Row, type Signer } from '../api';
import { ulid } from '../bytes';
import type { Cursor, Resync } from '../live/types';
import type { Keeper } from './keeper';
import { comparePlaces, type Model } from './model';
import { conversationChanges, meet, receiveRow } from './receive';
import type { Change, Contact, FlawItem, MessageItem, ThreadMeta } from './types';

/** Work on rows gives way to the screen after this long. */
const BREATH_MS = 12;
/** A handle is looked up again, to see whether its key is still the same. */
const RECHECK_MS = 10 * 60 * 1000;

export interface EngineOptions {
  api: Api;
  who: Signer;
  model: Model;
  keeper: Keeper;
  now?: () => number;
  /** A message of somebody else has come, live. */
  onArrival?: (item: MessageItem | FlawItem) => void;
}

export class Engine {
  readonly #o: EngineOptions;
  readonly #now: () => number;
  readonly #asked = new Map<string, Promise<{ handle: string; primary: string } | undefined>>();
  readonly #checkedAt = new Map<string, number>();
  #busySince = 0;
  #isLive = false;
  #isOver = false;
  /** Undefined: not known yet. */
  hasGroups: boolean | undefined;

  constructor(options: EngineOptions) {
    this.#o = options;
    this.#now = options.now ?? Date.now;
  }

  stop(): void {
    this.#isOver = true;
  }

  get cursor(): Cursor {
    const { seq, epoch } = this.#o.model.cursor;
    return { seq, epoch };
  }

  // ---- what the stream brings; in the leading tab ----

  async receive(row: Row, epoch: string): Promise<void> {
    const { model, who, keeper } = this.#o;
    await this.#breathe();
    if (this.#isOver) throw new Error('locked'); // the keys are gone
    const era = this.#eraOf(epoch);
    const changes = await receiveRow(model, who.identity, row, era, { byPrimary: (p) => this.#ask(p) });
    changes.push(this.#cursorChange({ seq: row.seq, epoch }, era));
    const isNew = changes.filter((c) => c.kind === 'item' && c.value && model.isFromOthers(c.value) && !model.item(c.id));
    keeper.commit(changes);
    if (this.#isLive)
      for (const c of isNew) if (c.kind === 'item' && c.value && c.value.kind !== 'note') this.#o.onArrival?.(c.value);
  }

  resync(resync: Resync): void {
    // Ahead of the store, in the same epoch: it went back, and its seqs are used again.
    const era = resync.reason === 'ahead' ? this.#o.model.cursor.era + 1 : this.#eraOf(resync.cursor.epoch);
    const changes: Change[] = [this.#cursorChange(resync.cursor, era)];
    if (resync.reason === 'trimmed' && resync.missed > 0) changes.push(...this.#missedNotes(resync, era));
    this.#o.keeper.commit(changes);
  }

  /** Rows are gone that this device has not seen: said in the chat that was active last. */
  #missedNotes(resync: Resync, era: number): Change[] {
    const thread = this.#o.model.list()[0]?.meta.id;
    if (!thread) return [];
    const key = `missed:${era}:${resync.cursor.seq}`;
    const place = { era, seq: resync.cursor.seq };
    const at = new Date(this.#now()).toISOString();
    return [{ kind: 'item', id: key, value: { kind: 'note', key, thread, place, at, note: { what: 'missed', count: resync.missed } } }];
  }

  async ready(cursor: Cursor): Promise<void> {
    const { model, keeper } = this.#o;
    const isFirst = !model.cursor.hasCaughtUp;
    const changes: Change[] = [this.#cursorChange(cursor, this.#eraOf(cursor.epoch), true)];
    // What a new device reads of the past was read before.
    if (isFirst) for (const { meta } of model.threads.values()) changes.push(...this.#readChanges(meta.id));
    keeper.commit(changes);
    this.#isLive = true;
    await this.refreshGroups();
  }

  /** A new epoch is a new era; seqs of different eras do not compare. */
  #eraOf(epoch: string): number {
    const { cursor } = this.#o.model;
    return cursor.epoch === epoch || cursor.epoch === '' ? cursor.era : cursor.era + 1;
  }

  #cursorChange(cursor: Cursor, era: number, hasCaughtUp = this.#o.model.cursor.hasCaughtUp): Change {
    return { kind: 'cursor', id: 'main', value: { ...cursor, era, hasCaughtUp } };
  }

  async #breathe(): Promise<void> {
    const now = performance.now();
    if (now - this.#busySince < BREATH_MS) return;
    await new Promise((go) => setTimeout(go));
    this.#busySince = performance.now();
  }

  /** Each key once; one that could not be had is asked for again by the next message. */
  #ask(primary: string): Promise<{ handle: string; primary: string } | undefined> {
    const asked = this.#asked.get(primary);
    if (asked) return asked;
    const answer = this.#o.api.byPrimary(primary).catch(() => {
      this.#asked.delete(primary);
      return undefined;
    });
    this.#asked.set(primary, answer);
    return answer;
  }

  // ---- people ----

  /** The person with this handle, as the server says now. Undefined: nobody. */
  async find(handle: string): Promise<Contact | undefined> {
    const record = await this.#o.api.user(handle);
    return record ? this.#meet(record) : undefined;
  }

  #meet(record: HandleRecord): Contact {
    const { who, model, keeper } = this.#o;
    if (record.primary === who.identity.primary) return { primary: record.primary, handle: record.handle, isVerified: true };
    this.#checkedAt.set(record.handle, this.#now());
    const { value, changes } = meet(model, record.primary, record.handle);
    keeper.commit(changes);
    return value;
  }

  /** Looks whether the handles of a chat still have the keys that are known. */
  async check(thread: string): Promise<void> {
    const { model } = this.#o;
    const contact = model.contacts.get(thread);
    if (!contact || contact.replacedBy) return;
    if (!contact.handle) {
      const record = await this.#ask(contact.primary);
      if (record) this.#o.keeper.commit(meet(model, record.primary, record.handle).changes);
      return;
    }
    const last = this.#checkedAt.get(contact.handle);
    if (last !== undefined && this.#now() - last < RECHECK_MS) return;
    await this.find(contact.handle).catch(() => undefined);
  }

  verify(primary: string, isVerified: boolean): void {
    const contact = this.#o.model.contacts.get(primary);
    if (contact) this.#o.keeper.commit([{ kind: 'contact', id: primary, value: { ...contact, isVerified } }]);
  }

  /** The new key of a handle is fine. */
  acceptKey(primary: string): void {
    const contact = this.#o.model.contacts.get(primary);
    if (!contact) return;
    const { replaces: _, ...value } = contact;
    this.#o.keeper.commit([{ kind: 'contact', id: primary, value }]);
  }

  // ---- threads ----

  open(thread: string): void {
    const { model, keeper } = this.#o;
    if (model.threads.get(thread)?.meta.since) return;
    keeper.commit([{ kind: 'thread', id: thread, value: { ...this.#meta(thread), since: new Date(this.#now()).toISOString() } }]);
  }

  #meta(thread: string): ThreadMeta {
    return this.#o.model.threads.get(thread)?.meta ??
      { id: thread, kind: thread.startsWith('ed25519:') ? 'direct' : 'group', draft: '', since: '' };
  }

  draft(thread: string, draft: string): void {
    const meta = this.#meta(thread);
    if (meta.draft !== draft) this.#o.keeper.commit([{ kind: 'thread', id: thread, value: { ...meta, draft } }]);
  }

  read(thread: string): void {
    this.#o.keeper.commit(this.#readChanges(thread));
  }

  #readChanges(thread: string): Change[] {
    const place = this.#o.model.lastPlace(thread);
    const meta = this.#meta(thread);
    if (!place || (meta.readTo && comparePlaces(meta.readTo, place) >= 0)) return [];
    return [{ kind: 'thread', id: thread, value: { ...meta, readTo: place } }];
  }

  // ---- groups ----

  async refreshGroups(): Promise<void> {
    const { api, who, model, keeper } = this.#o;
    try {
      for (let before: string | undefined, page = 0; page < 20; page++) {
        const list = await api.conversations(who, before);
        this.hasGroups = true;
        for (const c of list) keeper.commit(conversationChanges(model, c, c.updated_at));
        if (list.length < 100) return;
        before = list.at(-1)!.sid;
      }
    } catch (e) {
      if (e instanceof ApiError && (e.status === 404 || e.status === 405)) this.hasGroups = false;
    }
  }

  /** The same sid at each try: a retry makes no second group. */
  newGroupId(): string {
    return ulid(this.#now());
  }

  async createGroup(sid: string, title: string, handles: string[]): Promise<Conversation> {
    const { api, who } = this.#o;
    return this.#took(await api.createConversation(who, sid, title, [...new Set([who.handle, ...handles])]));
  }

  async changeGroup(sid: string, change: { title?: string; add?: string[]; remove?: string[] }): Promise<void> {
    const { api, who, model } = this.#o;
    const version = model.threads.get(sid)?.meta.conversation?.version ?? 0;
    try {
      this.#took(await api.changeConversation(who, sid, { version, ...change }));
    } catch (e) {
      if (!(e instanceof ApiError) || e.status !== 409) throw e;
      // Somebody changed it meanwhile: the same wish on what it is now.
      const now = this.#took(await api.conversation(who, sid));
      this.#took(await api.changeConversation(who, sid, { version: now.version, ...change }));
    }
  }

  #took(conversation: Conversation): Conversation {
    const { model, keeper } = this.#o;
    keeper.commit(conversationChanges(model, conversation, conversation.updated_at));
    return conversation;
  }
}
