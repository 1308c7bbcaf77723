// SPDX-License-Identifier: MIT OR Apache-2.0
import { afterEach, describe, expect, it } from 'vitest';
import { Api, type Row } from '../src/lib/api';
import { identityFromSeed } from '../src/lib/keys';
import { Connection } from '../src/lib/live/connection';
import { type Cursor, type Env, type Live, type LiveOptions, type Resync, startLive, type Status } from '../src/lib/live/live';
import { FakeLocks, FakeServer, frame, SERVER, until } from './fake';

const me = identityFromSeed(new Uint8Array(32).fill(1));
const who = { identity: me, handle: 'alice', server: SERVER };
const running: Live[] = [];

afterEach(() => {
  for (const live of running.splice(0)) live.stop();
});

interface Tab {
  live: Live;
  rows: number[];
  led: boolean[];
  statuses: Status[];
  resyncs: Resync[];
  readies: Cursor[];
  wake: () => void;
}

function open(server: FakeServer, cursor: Cursor = { seq: 0, epoch: '' }, env: Partial<Env> = {}, more: Partial<LiveOptions> = {}): Tab {
  const tab: Tab = { rows: [], led: [], statuses: [], resyncs: [], readies: [], wake: () => undefined } as unknown as Tab;
  tab.live = startLive({
    api: new Api({ fetch: server.fetch }), who, cursor: async () => cursor,
    onMessage: (row: Row, _epoch, leads) => (tab.rows.push(row.seq), void tab.led.push(leads)),
    onStatus: (s) => void tab.statuses.push(s),
    onResync: (r) => void tab.resyncs.push(r),
    onReady: (c) => void tab.readies.push(c),
    env: {
      fetch: server.fetch, locks: undefined, channel: () => undefined, isOnline: () => true, random: () => 0,
      onWake: (wake) => ((tab.wake = wake), () => undefined), ...env,
    },
    ...more,
  });
  running.push(tab.live);
  return tab;
}

function server(rows: number): FakeServer {
  const s = new FakeServer();
  s.add('alice', me.primary);
  for (let i = 0; i < rows; i++) s.put('alice', { type: 'chatmessage.new', envelope: { i } });
  return s;
}

const isLive = (tab: Tab) => tab.live.status.state === 'live';
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('the live stream', () => {
  it('reads what is kept, is live, and brings what comes', async () => {
    const s = server(3);
    const tab = open(s);
    await until('live', () => isLive(tab));
    s.put('alice', { type: 'chatmessage.new', envelope: {} });
    await until('row 4', () => tab.rows.length === 4);
    expect(tab.rows).toEqual(range(1, 4));
    expect(tab.statuses[0]).toMatchObject({ state: 'connecting', reason: 'start' });
    expect(tab.live.status).toMatchObject({ state: 'live', reason: 'ok', leads: true });
    expect(tab.readies).toEqual([{ seq: 3, epoch: 'e-alice' }]);
  });

  it('goes on after its cursor when a stream ends, and takes no row twice', async () => {
    const s = server(5);
    const tab = open(s, { seq: 3, epoch: 'e-alice' });
    await until('live', () => isLive(tab));
    s.endStreams('alice');
    await until('it noticed', () => !isLive(tab));
    s.put('alice', { type: 'chatmessage.new', envelope: {} });
    await until('live again', () => isLive(tab));
    s.write('alice', frame(s.box('alice').rows[4]!)); // what was there already
    s.put('alice', { type: 'chatmessage.new', envelope: {} });
    await until('row 7', () => tab.rows.includes(7));
    expect(tab.rows).toEqual(range(4, 7));
    const streams = s.asked.filter((a) => a.includes('/stream'));
    expect(streams).toEqual([
      'GET /v1/inbox/alice/stream?since=3&epoch=e-alice', 'GET /v1/inbox/alice/stream?since=5&epoch=e-alice']);
  });

  it('fills a hole from the store before it goes on', async () => {
    const s = server(1);
    const tab = open(s);
    await until('live', () => isLive(tab));
    s.isPushing = false;
    for (let i = 0; i < 3; i++) s.put('alice', { type: 'chatmessage.new', envelope: {} });
    s.write('alice', frame(s.box('alice').rows[3]!));
    await until('row 4', () => tab.rows.includes(4));
    expect(tab.rows).toEqual(range(1, 4));
  });

  it('says how many rows a hole has lost when the store has them no more', async () => {
    const s = server(1);
    const tab = open(s);
    await until('live', () => isLive(tab));
    s.isPushing = false;
    for (let i = 0; i < 3; i++) s.put('alice', { type: 'chatmessage.new', envelope: {} });
    s.trim('alice', 3);
    s.write('alice', frame(s.box('alice').rows[0]!));
    await until('row 4', () => tab.rows.includes(4));
    expect(tab.rows).toEqual([1, 4]);
    expect(tab.resyncs).toEqual([{ reason: 'trimmed', missed: 2, cursor: { seq: 3, epoch: 'e-alice' } }]);
  });

  it.each([
    ['epoch', { seq: 2, epoch: 'older' }, 0],
    ['ahead', { seq: 9, epoch: 'e-alice' }, 0],
  ] as const)('takes all again after a resync: %s', async (reason, cursor, missed) => {
    const s = server(3);
    const tab = open(s, cursor);
    await until('live', () => isLive(tab));
    expect(tab.resyncs).toEqual([{ reason, missed, cursor: { seq: 0, epoch: 'e-alice' } }]);
    expect(tab.rows).toEqual(range(1, 3));
  });

  it('moves when the server drains, after the time it was told', async () => {
    const s = server(0);
    const tab = open(s);
    await until('live', () => isLive(tab));
    s.write('alice', 'event: drain\ndata: {"retry_ms":30}\n\nretry: 30\n\n');
    s.endStreams('alice');
    await until('it moves', () => tab.live.status.reason === 'drain');
    expect(tab.live.status.retryAt! - Date.now()).toBeLessThanOrEqual(30);
    await until('live again', () => isLive(tab));
  });

  it('waits ever longer while the server is away, and tries at once when the network is back', async () => {
    const s = server(0);
    s.intercept = () => Promise.reject(new TypeError('no network'));
    const tab = open(s);
    await until('it waits', () => tab.live.status.state === 'reconnecting');
    await until('a second try', () => s.asked.length >= 2);
    await until('it waits longer', () => (tab.live.status.retryAt ?? 0) - Date.now() > 700);
    expect(tab.live.status.reason).toBe('network');
    s.intercept = undefined;
    const before = Date.now();
    tab.wake();
    await until('live', () => isLive(tab));
    expect(Date.now() - before).toBeLessThan(500);
  });

  it.each([
    [503, 'unavailable', { 'retry-after': '7' }, 'busy', 7000],
    [404, 'not_found', {}, 'unknown', undefined],
    [401, 'unauthorized', {}, 'refused', undefined],
    [401, 'unauthorized', { date: new Date(Date.now() - 300000).toUTCString() }, 'clock', undefined],
  ])('gives the reason for %i %s', async (status, code, headers, reason, waitMs) => {
    const s = server(0);
    s.intercept = () => new Response(JSON.stringify({ code, detail: '' }), { status, headers: headers as HeadersInit });
    const tab = open(s);
    await until('it waits', () => tab.live.status.state === 'reconnecting');
    expect(tab.live.status.reason).toBe(reason);
    if (waitMs) expect(Math.abs(tab.live.status.retryAt! - Date.now() - waitMs)).toBeLessThan(500);
  });

  it('reads a row again when it could not be kept', async () => {
    const s = server(2);
    let fails = 1;
    const rows: number[] = [];
    const tab = open(s, undefined, {}, {
      onMessage: (row) => {
        if (row.seq === 2 && fails-- > 0) throw new Error('no room');
        rows.push(row.seq);
      },
    });
    await until('both rows', () => rows.length === 2);
    expect(rows).toEqual([1, 2]);
    await until('live', () => isLive(tab));
  });

  it.each([
    ['a row without a number', 'data: {"type":"chatmessage.new","created_at":"2026-01-01T00:00:00Z"}'],
    ['a row with half a number', 'data: {"seq":3.5,"type":"chatmessage.new","created_at":"2026-01-01T00:00:00Z"}'],
    ['a row of no time', 'data: {"seq":3,"type":"chatmessage.new","created_at":"2026-13-45T00:00:00Z"}'],
    ['a row from a thing', 'data: {"seq":3,"type":"chatmessage.new","from":{},"created_at":"2026-01-01T00:00:00Z"}'],
    ['no JSON', 'data: hello'],
    ['a resync to nowhere', 'event: resync\ndata: {"reason":"trimmed","epoch":"e-alice","missed":1}'],
  ])('breaks off at %s, and goes on from where it was', async (_what, text) => {
    const s = server(2);
    const tab = open(s);
    await until('live', () => isLive(tab));
    s.write('alice', text + '\n\n');
    await until('broken off', () => tab.statuses.some((x) => x.state === 'reconnecting'));
    s.put('alice', { type: 'chatmessage.new', envelope: {} });
    await until('three', () => tab.rows.length === 3);
    expect(tab.rows).toEqual([1, 2, 3]);
  });

  it('polls as a safety net, names what holds the stream back, and sees when that is over', async () => {
    const s = server(1);
    const tab = open(s, undefined, { pollMs: 40, graceMs: 20 });
    await until('live', () => isLive(tab));
    s.isPushing = false;
    for (let i = 0; i < 2; i++) s.put('alice', { type: 'chatmessage.new', envelope: {} });
    await until('the poll brings them', () => tab.rows.length === 3);
    expect(tab.live.status).toMatchObject({ state: 'live', reason: 'proxy' });
    s.isPushing = true;
    s.put('alice', { type: 'chatmessage.new', envelope: {} });
    await until('the stream brings one', () => tab.live.status.reason === 'ok');
    expect(tab.rows).toEqual(range(1, 4));
  });

  it('learns of a new epoch by the poll, too', async () => {
    const s = server(2);
    const tab = open(s, undefined, { pollMs: 40, graceMs: 20 });
    await until('live', () => isLive(tab));
    s.box('alice').epoch = 'new';
    await until('all again', () => tab.rows.length === 4);
    expect(tab.rows).toEqual([1, 2, 1, 2]);
    expect(tab.resyncs).toEqual([{ reason: 'epoch', missed: 0, cursor: { seq: 0, epoch: 'new' } }]);
  });

  it.each([
    ['proxy', '', 10001],
    ['silent', ': hello\n\n', 40001],
  ])('gives a stream up that says nothing: %s', async (reason, said, ms) => {
    let now = 0;
    const body = new ReadableStream<Uint8Array>({ start: (c) => void (said && c.enqueue(new TextEncoder().encode(said))) });
    const connection = new Connection({
      api: new Api({ now: () => now }), who, cursor: { seq: 0, epoch: '' }, now: () => now, onEvent: () => undefined, onRetry: () => undefined,
      fetch: async (_url, init) => {
        const aborted = new Promise<never>((_, no) => init!.signal!.addEventListener('abort', () => no(new Error('aborted'))));
        const reader = body.getReader();
        const through = new ReadableStream<Uint8Array>({
          pull: async (c) => c.enqueue((await Promise.race([reader.read(), aborted])).value!),
        });
        return new Response(through, { headers: { 'content-type': 'text/event-stream' } });
      },
    });
    const end = connection.run();
    await new Promise((go) => setTimeout(go, 20));
    now = ms - 2;
    connection.check();
    now = ms;
    connection.check();
    expect(await end).toEqual({ reason });
  });

  it('is one for all tabs; the others hear the rows and take over', async () => {
    const s = server(0);
    const locks = new FakeLocks();
    const env: Partial<Env> = { locks, channel: (name) => new BroadcastChannel(name) };
    const first = open(s, { seq: 0, epoch: '' }, env);
    const second = open(s, { seq: 1, epoch: 'e-alice' }, env);
    const third = open(s, { seq: 1, epoch: 'e-alice' }, env);
    await until('all live', () => [first, second, third].every(isLive));
    s.put('alice', { type: 'chatmessage.new', envelope: {} });
    await until('all have it', () => [first, second, third].every((tab) => tab.rows.includes(1)));
    expect([first, second, third].map((tab) => tab.live.status.leads)).toEqual([true, false, false]);
    expect(s.box('alice').streams.size).toBe(1);
    expect(s.asked.filter((a) => a.includes('/stream'))).toHaveLength(1);
    first.live.stop();
    await until('the second leads', () => second.live.status.leads && isLive(second));
    s.put('alice', { type: 'chatmessage.new', envelope: {} });
    await until('the third has it', () => third.rows.includes(2));
    expect(second.rows).toEqual([1, 2]);
    expect(third.rows).toEqual([1, 2]);
    expect(s.box('alice').streams.size).toBe(1);
  });
});
