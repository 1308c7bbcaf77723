// lib/model/model.ts -- all chats in memory: threads with their items in order, contacts, unread
// counts. Changed by apply() alone.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { cleanLine, folded } from '../text';
import {
  type Change, type Contact, type Item, type MessageItem, type OutboxEntry, type Place, type SavedCursor,
  type ThreadMeta, UNKNOWN_THREAD,
} from './types';

export interface Thread {
  meta: ThreadMeta;
  /** In the order of the inbox; what is not in it yet comes last. */
  items: Item[];
  unread: number;
}

export interface Found {
  thread: string;
  item: MessageItem;
}

export function comparePlaces(a: Place | undefined, b: Place | undefined): number {
  if (!a || !b) return Number(!a) - Number(!b);
  return a.era - b.era || a.seq - b.seq;
}

function compareItems(a: Item, b: Item): number {
  return comparePlaces(a.place, b.place) || (a.place ? 0 : a.at < b.at ? -1 : a.at > b.at ? 1 : 0);
}

export class Model {
  readonly threads = new Map<string, Thread>();
  readonly contacts = new Map<string, Contact>();
  readonly outbox = new Map<string, OutboxEntry>();
  cursor: SavedCursor = { seq: 0, epoch: '', era: 0, hasCaughtUp: false };
  readonly #items = new Map<string, Item>();
  readonly #byHash = new Map<string, MessageItem>();

  /** The own primary and handle. */
  constructor(
    readonly me: string,
    readonly handle: string,
  ) {}

  apply(change: Change): void {
    switch (change.kind) {
      case 'item':
        return this.#applyItem(change.id, change.value);
      case 'thread':
        return this.#applyThread(change.id, change.value);
      case 'contact':
        return set(this.contacts, change.id, change.value);
      case 'outbox':
        return set(this.outbox, change.id, change.value);
      case 'cursor':
        if (change.value) this.cursor = change.value;
    }
  }

  item(key: string): Item | undefined {
    return this.#items.get(key);
  }

  byHash(hash: string): MessageItem | undefined {
    return this.#byHash.get(hash);
  }

  #applyThread(id: string, meta: ThreadMeta | undefined): void {
    if (!meta) return void this.threads.delete(id);
    const thread = this.#thread(id);
    thread.meta = meta;
    this.#count(thread);
  }

  #thread(id: string): Thread {
    let thread = this.threads.get(id);
    if (!thread) {
      const kind = id === UNKNOWN_THREAD ? 'unknown' : id.startsWith('ed25519:') ? 'direct' : 'group';
      thread = { meta: { id, kind, draft: '', since: '' }, items: [], unread: 0 };
      this.threads.set(id, thread);
    }
    return thread;
  }

  #applyItem(key: string, item: Item | undefined): void {
    const before = this.#items.get(key);
    if (before) this.#remove(before);
    if (!item) return;
    this.#items.set(key, item);
    if (item.kind === 'message' && item.hash) this.#byHash.set(item.hash, item);
    const thread = this.#thread(item.thread);
    // Nearly always the last place is the right one.
    let at = thread.items.length;
    while (at > 0 && compareItems(thread.items[at - 1]!, item) > 0) at--;
    thread.items.splice(at, 0, item);
    this.#count(thread);
  }

  #remove(item: Item): void {
    this.#items.delete(item.key);
    if (item.kind === 'message' && item.hash) this.#byHash.delete(item.hash);
    const thread = this.threads.get(item.thread);
    const at = thread ? thread.items.lastIndexOf(item) : -1;
    if (thread && at >= 0) {
      thread.items.splice(at, 1);
      this.#count(thread);
    }
  }

  /** Takes many items at once, in any order: when a device is unlocked. */
  load(items: Item[]): void {
    for (const item of items) {
      this.#items.set(item.key, item);
      if (item.kind === 'message' && item.hash) this.#byHash.set(item.hash, item);
      this.#thread(item.thread).items.push(item);
    }
    for (const thread of this.threads.values()) {
      thread.items.sort(compareItems);
      this.#count(thread);
    }
  }

  isFromOthers(item: Item): boolean {
    return item.kind === 'flaw' || (item.kind === 'message' && item.sender !== this.me);
  }

  #count(thread: Thread): void {
    const { readTo } = thread.meta;
    let n = 0;
    for (let i = thread.items.length - 1; i >= 0; i--) {
      const item = thread.items[i]!;
      if (item.place && readTo && comparePlaces(item.place, readTo) <= 0) break;
      if (item.place && this.isFromOthers(item)) n++;
    }
    thread.unread = n;
  }

  /** The last place in a thread, for the mark of what was read. */
  lastPlace(id: string): Place | undefined {
    return this.threads.get(id)?.items.findLast((item) => item.place)?.place;
  }

  get unread(): number {
    let n = 0;
    for (const thread of this.threads.values()) n += thread.unread;
    return n;
  }

  /** The newest first. */
  list(): Thread[] {
    const shown = [...this.threads.values()].filter((t) => t.items.length > 0 || t.meta.since || t.meta.draft);
    return shown.sort((a, b) => (lastTime(a) < lastTime(b) ? 1 : lastTime(a) > lastTime(b) ? -1 : 0));
  }

  contactOfHandle(handle: string): Contact | undefined {
    for (const c of this.contacts.values()) if (c.handle === handle && !c.replacedBy) return c;
    return undefined;
  }

  /** Hash of the newest own message that the server has, for `prev`. */
  lastOwnHash(id: string): string | null {
    const mine = this.threads.get(id)?.items.findLast(
      (item) => item.kind === 'message' && item.sender === this.me && item.send !== 'pending' && item.send !== 'failed' && item.hash);
    return mine?.kind === 'message' ? (mine.hash ?? null) : null;
  }

  hasFrom(id: string, sender: string): boolean {
    return this.threads.get(id)?.items.some((item) => item.kind === 'message' && item.sender === sender && item.hash) ?? false;
  }

  search(query: string, most: number): Found[] {
    const wanted = folded(cleanLine(query));
    const found: Found[] = [];
    if (!wanted) return found;
    for (const thread of this.threads.values())
      for (const item of thread.items)
        if (item.kind === 'message' && folded(item.text).includes(wanted)) found.push({ thread: thread.meta.id, item });
    found.sort((a, b) => (a.item.at < b.item.at ? 1 : -1));
    return found.slice(0, most);
  }
}

function set<V>(map: Map<string, V>, id: string, value: V | undefined): void {
  if (value === undefined) map.delete(id);
  else map.set(id, value);
}

export function lastTime(thread: Thread): string {
  return thread.items.at(-1)?.at ?? thread.meta.since;
}
