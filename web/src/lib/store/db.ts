// lib/store/db.ts -- what this device keeps: the vault, and records sealed with the vault's data key.
//
// A record's key is an HMAC of its name, so that a locked device does not tell who was written to.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import { base64url, type Bytes, concat, fromUtf8, randomBytes, utf8 } from '../bytes';
import type { Vault } from './vault';

const NAME = 'kez-chat';
const VERSION = 1;
const OWNER = 'me'; // the key of the one vault
const IV_BYTES = 12;
const LOAD_CHUNK = 500;

interface Schema extends DBSchema {
  vault: { key: string; value: Vault };
  records: { key: string; value: Bytes };
}

/** A value of the model with the name it is kept under. */
export interface StoredRecord {
  kind: string;
  id: string;
  value: unknown;
}

export type Write = StoredRecord | { kind: string; id: string; value: undefined };

/** 'full': no space; 'blocked': no storage at all. */
export class StorageError extends Error {
  constructor(readonly kind: 'full' | 'blocked') {
    super(kind);
  }
}

function asStorageError(e: unknown): StorageError {
  if (e instanceof StorageError) return e;
  return new StorageError((e as Error | undefined)?.name === 'QuotaExceededError' ? 'full' : 'blocked');
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (e) {
    throw asStorageError(e);
  }
}

export class Database {
  private constructor(private readonly db: IDBPDatabase<Schema>) {}

  static open(name = NAME): Promise<Database> {
    return guarded(async () => {
      const db = await openDB<Schema>(name, VERSION, {
        upgrade(fresh) {
          fresh.createObjectStore('vault');
          fresh.createObjectStore('records');
        },
        blocking: (_old, _new, event) => (event.target as IDBDatabase).close(),
      });
      return new Database(db);
    });
  }

  vault(): Promise<Vault | undefined> {
    return guarded(() => this.db.get('vault', OWNER));
  }

  saveVault(vault: Vault): Promise<void> {
    return guarded(async () => void (await this.db.put('vault', vault, OWNER)));
  }

  /** Forgets everything on this device. */
  erase(): Promise<void> {
    return guarded(async () => {
      const tx = this.db.transaction(['vault', 'records'], 'readwrite');
      await Promise.all([tx.objectStore('vault').clear(), tx.objectStore('records').clear(), tx.done]);
    });
  }

  records(dataKey: Bytes): Promise<SealedRecords> {
    return SealedRecords.open(this.db, dataKey);
  }

  close(): void {
    this.db.close();
  }
}

export class SealedRecords {
  private constructor(
    private readonly db: IDBPDatabase<Schema>,
    private readonly key: CryptoKey,
    private readonly nameKey: Uint8Array,
  ) {}

  static async open(db: IDBPDatabase<Schema>, dataKey: Bytes): Promise<SealedRecords> {
    const key = await crypto.subtle.importKey('raw', dataKey, 'AES-GCM', false, ['encrypt', 'decrypt']);
    return new SealedRecords(db, key, hmac(sha256, dataKey, utf8('kez-record-names-v1')));
  }

  #nameOf(kind: string, id: string): string {
    return base64url(hmac(sha256, this.nameKey, utf8(`${kind}\n${id}`)).subarray(0, 18));
  }

  async #seal(record: StoredRecord, name: string): Promise<Bytes> {
    const iv = randomBytes(IV_BYTES);
    const plain = utf8(JSON.stringify(record));
    const box = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: utf8(name) }, this.key, plain);
    return concat(iv, new Uint8Array(box));
  }

  async #open(name: string, box: Bytes): Promise<StoredRecord | undefined> {
    try {
      const iv = box.subarray(0, IV_BYTES);
      const plain = await crypto.subtle.decrypt(
        { name: 'AES-GCM', iv, additionalData: utf8(name) }, this.key, box.subarray(IV_BYTES));
      return JSON.parse(fromUtf8(new Uint8Array(plain))) as StoredRecord;
    } catch {
      return undefined; // of an earlier owner of this browser profile
    }
  }

  /** All or nothing. A value of undefined deletes. Nothing is kept on a device that another tab has erased. */
  write(writes: readonly Write[]): Promise<void> {
    return guarded(async () => {
      const sealed = await Promise.all(writes.map(async (w) => {
        const name = this.#nameOf(w.kind, w.id);
        return { name, box: w.value === undefined ? undefined : await this.#seal(w, name) };
      }));
      const tx = this.db.transaction(['vault', 'records'], 'readwrite', { durability: 'relaxed' });
      const [isOwned, store] = [await tx.objectStore('vault').getKey(OWNER), tx.objectStore('records')];
      if (isOwned) for (const { name, box } of sealed) void (box ? store.put(box, name) : store.delete(name));
      await tx.done;
      if (!isOwned) throw new StorageError('blocked');
    });
  }

  /** Everything, in no order, some hundred at a time. */
  load(take: (record: StoredRecord) => void): Promise<void> {
    return guarded(async () => {
      const tx = this.db.transaction('records');
      const [names, boxes] = await Promise.all([tx.store.getAllKeys(), tx.store.getAll(), tx.done]);
      for (let at = 0; at < boxes.length; at += LOAD_CHUNK) {
        const part = boxes.slice(at, at + LOAD_CHUNK);
        const opened = await Promise.all(part.map((box, i) => this.#open(names[at + i]!, box)));
        for (const record of opened) if (record) take(record);
      }
    });
  }
}
