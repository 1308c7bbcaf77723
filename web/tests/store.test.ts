// SPDX-License-Identifier: MIT OR Apache-2.0
import 'fake-indexeddb/auto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fromUtf8, randomBytes, utf8 } from '../src/lib/bytes';
import { Keeper } from '../src/lib/model/keeper';
import { Model } from '../src/lib/model/model';
import type { Change } from '../src/lib/model/types';
import { Database, type SealedRecords, StorageError, type StoredRecord, type Write } from '../src/lib/store/db';
import { ITERATIONS, openVault, sealVault, type Secrets } from '../src/lib/store/vault';

const owner = { handle: 'alice', server: 'chat.example.org', primary: 'ed25519:' + 'a'.repeat(64) };
const secrets = (): Secrets => ({ seed: randomBytes(32), entropy: randomBytes(16), dataKey: randomBytes(32) });
let serial = 0;
const open: Database[] = [];
const database = async () => {
  const db = await Database.open(`test-${serial++}`);
  open.push(db);
  return db;
};

afterEach(() => open.splice(0).forEach((db) => db.close()));

async function all(records: SealedRecords): Promise<StoredRecord[]> {
  const found: StoredRecord[] = [];
  await records.load((r) => found.push(r));
  return found;
}

describe('the vault', () => {
  it('opens by its passphrase, and by no other', async () => {
    const s = secrets();
    const vault = await sealVault(owner, s, 'correct horse');
    expect(vault.iterations).toBe(ITERATIONS);
    expect(ITERATIONS).toBe(600000);
    expect(await openVault(vault, 'correct horse')).toEqual(s);
    expect(await openVault(vault, 'correct  horse')).toBeUndefined();
  });

  it('belongs to its owner', async () => {
    const vault = await sealVault(owner, secrets(), 'x', 1000);
    expect(await openVault({ ...vault, handle: 'mallory' }, 'x')).toBeUndefined();
  });

  it('takes a passphrase in any Unicode form', async () => {
    const vault = await sealVault(owner, secrets(), 'gr\u00fc\u00df', 1000);
    expect(await openVault(vault, 'gru\u0308\u00df')).toBeDefined();
  });
});

describe('what the device keeps', () => {
  it('is kept sealed, replaced and deleted, and opens with its key only', async () => {
    const db = await database();
    await db.saveVault(await sealVault(owner, secrets(), 'x', 1000));
    const key = randomBytes(32);
    const records = await db.records(key);
    await records.write([{ kind: 'item', id: 'a', value: { text: 'secret' } }, { kind: 'item', id: 'b', value: 1 }]);
    await records.write([{ kind: 'item', id: 'a', value: { text: 'changed' } }, { kind: 'item', id: 'b', value: undefined }]);
    expect(await all(records)).toEqual([{ kind: 'item', id: 'a', value: { text: 'changed' } }]);
    expect(await all(await db.records(randomBytes(32)))).toEqual([]);
    const raw = await new Promise<Uint8Array[]>((resolve) => {
      const request = indexedDB.open(`test-${serial - 1}`);
      request.onsuccess = () => {
        const get = request.result.transaction('records').objectStore('records').getAll();
        get.onsuccess = () => (request.result.close(), resolve(get.result as Uint8Array[]));
      };
    });
    expect(raw).toHaveLength(1);
    expect(() => fromUtf8(raw[0]!)).toThrow();
    expect(Buffer.from(raw[0]!).includes(Buffer.from(utf8('changed')))).toBe(false);
  });

  it('is gone when it is erased, and a tab that has not heard of that keeps nothing more', async () => {
    const db = await database();
    const records = await db.records(randomBytes(32));
    await db.saveVault(await sealVault(owner, secrets(), 'x', 1000));
    await records.write([{ kind: 'x', id: 'y', value: 1 }]);
    await db.erase();
    expect(await db.vault()).toBeUndefined();
    await expect(records.write([{ kind: 'x', id: 'z', value: 2 }])).rejects.toMatchObject({ kind: 'blocked' });
    expect(await all(records)).toEqual([]);
  });
});

describe('the keeper', () => {
  const thread = (id: string, draft: string): Change => ({ kind: 'thread', id, value: { id, kind: 'group', draft, since: '' } });

  it('writes in order, many at a time, and again what could not be written', async () => {
    const written: Write[][] = [];
    const told: (StorageError | undefined)[] = [];
    let isFull = true;
    const keeper = new Keeper({
      model: new Model('me', 'me'), onChange: () => undefined, onStorage: (e) => told.push(e),
      records: {
        load: async () => undefined,
        write: async (w) => {
          if (isFull) throw new StorageError('full');
          written.push([...w]);
        },
      },
    });
    keeper.commit([thread('a', '1')]);
    await keeper.settled();
    expect(told.map((e) => e?.kind)).toEqual(['full']);
    isFull = false;
    keeper.commit([thread('b', '1')]);
    keeper.commit([thread('a', '2')]);
    await keeper.settled();
    const last = new Map(written.flat().map((w) => [w.id, (w.value as { draft: string }).draft]));
    expect([...last]).toEqual(expect.arrayContaining([['a', '2'], ['b', '1']]));
    keeper.close();
  });

  it('tries again by itself, and says when it works again', async () => {
    vi.useFakeTimers();
    const told: (string | undefined)[] = [];
    const written: string[] = [];
    let isFull = true;
    const keeper = new Keeper({
      model: new Model('me', 'me'), onChange: () => undefined, onStorage: (e) => told.push(e?.kind),
      records: {
        load: async () => undefined,
        write: async (w) => {
          if (isFull) throw new StorageError('full');
          written.push(...w.map((x) => x.id));
        },
      },
    });
    keeper.commit([thread('a', '1')]);
    await vi.advanceTimersByTimeAsync(12000);
    expect(new Set(told)).toEqual(new Set(['full']));
    isFull = false;
    await vi.advanceTimersByTimeAsync(12000);
    expect(told.at(-1)).toBeUndefined();
    expect(written).toEqual(['a']);
    keeper.close();
    vi.useRealTimers();
  });

  it('applies what other tabs changed, also what came while it was loading', async () => {
    const [here, there] = [new BroadcastChannel('keeper-test'), new BroadcastChannel('keeper-test')];
    const model = new Model('me', 'me');
    let release = () => undefined as void;
    const keeper = new Keeper({
      model, channel: here, onChange: () => undefined, onStorage: () => undefined,
      records: { write: async () => undefined, load: () => new Promise<void>((go) => (release = go)) },
    });
    const loading = keeper.load();
    there.postMessage([thread('a', 'early')]);
    await new Promise((go) => setTimeout(go, 30));
    expect(model.threads.size).toBe(0);
    release();
    await loading;
    expect(model.threads.get('a')?.meta.draft).toBe('early');
    there.postMessage([thread('a', 'late')]);
    await expect.poll(() => model.threads.get('a')?.meta.draft).toBe('late');
    keeper.close();
    here.close();
    there.close();
  });

  it('keeps what either of two tabs knows, when their changes crossed', async () => {
    const [here, there] = [new BroadcastChannel('merge-test'), new BroadcastChannel('merge-test')];
    const model = new Model('me', 'me');
    const written: Write[] = [];
    const keeper = new Keeper({
      model, channel: here, onChange: () => undefined, onStorage: () => undefined,
      records: { write: async (w) => void written.push(...w), load: async () => undefined },
    });
    await keeper.load();
    const item = { kind: 'message' as const, key: 'k', thread: 't', id: 'i', sender: 'me', text: 'x', at: '2026-01-01T00:00:00.000Z', sentAt: '' };
    const group = (version: number) => ({ sid: 't', title: `${version}`, creator: '', participants: [], created_at: '', updated_at: '', version });
    const meta = { id: 't', kind: 'group' as const, since: '' };
    keeper.commit([
      { kind: 'item', id: 'k', value: { ...item, send: 'sent', place: { era: 0, seq: 7 } } },
      { kind: 'thread', id: 't', value: { ...meta, draft: '', conversation: group(3), readTo: { era: 0, seq: 7 } } },
    ]);
    await keeper.settled();
    written.length = 0;
    const late: Change[] = [
      { kind: 'item', id: 'k', value: { ...item, send: 'sent' } },
      { kind: 'thread', id: 't', value: { ...meta, draft: 'typed there', conversation: group(2), readTo: { era: 0, seq: 5 } } },
    ];
    there.postMessage(late);
    await expect.poll(() => model.threads.get('t')?.meta.draft).toBe('typed there');
    await keeper.settled();
    expect(model.item('k')?.place).toEqual({ era: 0, seq: 7 });
    expect(model.threads.get('t')!.meta).toMatchObject({ conversation: { version: 3 }, readTo: { era: 0, seq: 7 } });
    expect(written.map((w) => w.id).sort()).toEqual(['k', 't']); // the device keeps the better ones, too
    written.length = 0;
    there.postMessage([{ kind: 'item', id: 'k', value: { ...item, send: 'sent', place: { era: 1, seq: 1 } } }]);
    await expect.poll(() => model.item('k')?.place?.era).toBe(1);
    expect(written).toEqual([]);
    keeper.close();
    here.close();
    there.close();
  });
});
