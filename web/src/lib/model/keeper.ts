// lib/model/keeper.ts -- applies changes to the model, keeps them on the device, and tells the other
// tabs.
//
// What is kept is written in the order of the changes, many at a time. When a write fails, its
// changes are part of the next one; so the cursor never gets ahead of the rows.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import type { SealedRecords, StorageError } from '../store/db';
import { merge } from './merge';
import type { Model } from './model';
import type { Change, Item } from './types';

export interface KeeperOptions {
  model: Model;
  records: Pick<SealedRecords, 'write' | 'load'>;
  channel?: BroadcastChannel | undefined;
  /** After changes were applied, wherever they came from. */
  onChange: (changes: readonly Change[]) => void;
  /** Undefined: it works again. */
  onStorage: (error: StorageError | undefined) => void;
}

const RETRY_MS = 5000;

export class Keeper {
  readonly #o: KeeperOptions;
  #waiting = new Map<string, Change>();
  #writing: Promise<void> | undefined;
  #hasFailed = false;
  /** The failure was reported, and its end was not yet. */
  #isReported = false;
  #isLoaded = false;
  #isOver = false;
  #early: Change[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: KeeperOptions) {
    this.#o = options;
    if (options.channel) options.channel.onmessage = (e: MessageEvent<Change[]>) => this.#hear(e.data);
  }

  /** Reads what the device keeps. Changes of other tabs that come meanwhile are applied after it. */
  async load(): Promise<void> {
    const items: Item[] = [];
    await this.#o.records.load((record) => {
      if (record.kind === 'item') items.push(record.value as Item);
      else this.#o.model.apply(record as Change);
    });
    this.#o.model.load(items);
    this.#isLoaded = true;
    for (const change of this.#early.splice(0)) this.#o.model.apply(change);
    this.#o.onChange([]);
  }

  commit(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    for (const change of changes) {
      this.#o.model.apply(change);
      // Written again later, it must come after what was written since.
      const name = `${change.kind}\n${change.id}`;
      this.#waiting.delete(name);
      this.#waiting.set(name, change);
    }
    this.#o.onChange(changes);
    this.#flush();
  }

  /** Resolves when all that was committed is kept, or could not be. */
  async settled(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (this.#o.channel) this.#o.channel.onmessage = null;
  }

  #hear(changes: Change[]): void {
    if (!this.#isLoaded) return void this.#early.push(...changes);
    const better: Change[] = [];
    for (const change of changes) {
      const merged = merge(this.#o.model, change);
      if (merged === change) this.#o.model.apply(change);
      else better.push(merged);
    }
    this.commit(better);
    this.#o.onChange(changes);
  }

  #flush(): void {
    if (this.#writing || this.#waiting.size === 0) return;
    const batch = this.#waiting;
    this.#waiting = new Map();
    this.#writing = this.#write(batch).finally(() => {
      this.#writing = undefined;
      if (!this.#hasFailed) this.#flush();
    });
  }

  async #write(batch: Map<string, Change>): Promise<void> {
    const changes = [...batch.values()];
    try {
      await this.#o.records.write(changes);
      if (!this.#isOver) this.#o.channel?.postMessage(changes);
      this.#hasFailed = false;
      if (this.#isReported) this.#o.onStorage(undefined);
      this.#isReported = false;
    } catch (e) {
      for (const [name, change] of this.#waiting) batch.set(name, change);
      this.#waiting = batch;
      this.#hasFailed = true;
      this.#isReported = true;
      this.#o.onStorage(e as StorageError);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#hasFailed = false;
        this.#flush();
      }, RETRY_MS);
    }
  }
}
