// lib/live/live.ts -- the live stream of an inbox, one for all tabs.
//
//   const live = startLive({ api, who, cursor, onMessage, onStatus });
//   live.stop();
//
// The tab that gets the Web Lock leads: it holds the stream, resumes it, polls as a safety net, and
// tells the others on a BroadcastChannel. When it goes, the next one takes over from cursor().
// Every tab gets each row by onMessage from the time it joined; what was there before is in the
// store that the leading tab writes to.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { type Api, asRow, type Row, type Signer } from '../api';
import type { StreamEvent } from '../sse';
import { Connection, type End } from './connection';
import type { Cursor, Handlers, Reason, Status } from './types';

export * from './types';

const POLL_MS = 30000;
const POLL_BEHIND_PROXY_MS = 4000;
const POLL_ROWS = 500;
/** A row that the poll found may be on its way in the stream for this long. */
const GRACE_MS = 2500;
const CHECK_MS = 5000;
const WAIT_MAX_MS = 30000;
const RETRY_DEFAULT_MS = 3000;
/** After this long a stream has proved itself, and a new one is tried at once. */
const PROVEN_MS = 5000;
/** Whoever comes back to a stream silent for longer doubts it. */
const DOUBT_MS = 20000;

export interface LiveOptions extends Handlers {
  api: Api;
  who: Signer;
  /** Where to go on; asked when this tab begins to lead. */
  cursor: () => Promise<Cursor>;
  env?: Partial<Env>;
}

/** What tests replace. */
export interface Env {
  fetch: typeof fetch;
  now: () => number;
  random: () => number;
  locks: Pick<LockManager, 'request'> | undefined;
  channel: (name: string) => BroadcastChannel | undefined;
  isOnline: () => boolean;
  pollMs: number;
  graceMs: number;
  /** Calls back when the network or the tab comes back; returns how to stop that. */
  onWake: (wake: () => void) => () => void;
}

type Note =
  | { kind: 'row'; row: Row; epoch: string }
  | { kind: 'status'; status: Status }
  | { kind: 'hello' }
  | { kind: 'wake' };

function browserEnv(): Env {
  return {
    fetch: (input, init) => fetch(input, init),
    now: Date.now,
    random: Math.random,
    locks: globalThis.navigator?.locks,
    channel: (name) => (typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(name)),
    isOnline: () => globalThis.navigator?.onLine !== false,
    pollMs: POLL_MS,
    graceMs: GRACE_MS,
    onWake: (wake) => {
      const seen = () => document.visibilityState === 'visible' && wake();
      addEventListener('online', wake);
      addEventListener('pageshow', wake);
      document.addEventListener('visibilitychange', seen);
      return () => {
        removeEventListener('online', wake);
        removeEventListener('pageshow', wake);
        document.removeEventListener('visibilitychange', seen);
      };
    },
  };
}

export interface Live {
  readonly status: Status;
  /** Tries again now, if it waits or doubts its stream. */
  wake(): void;
  stop(): void;
}

export function startLive(options: LiveOptions): Live {
  return new SharedStream(options);
}

class SharedStream implements Live {
  readonly #o: LiveOptions;
  readonly #env: Env;
  readonly #stop = new AbortController();
  readonly #channel: BroadcastChannel | undefined;
  readonly #forgetWake: () => void;
  #status: Status = { state: 'connecting', reason: 'start', leads: false };
  #leads = false;
  #cursor: Cursor = { seq: 0, epoch: '' };
  #connection: Connection | undefined;
  #work: Promise<void> = Promise.resolve();
  #cutWait: (() => void) | undefined;
  #retryMs = RETRY_DEFAULT_MS;
  #failures = 0;
  #drainMs: number | undefined;
  #isHeldBack = false;

  constructor(options: LiveOptions) {
    this.#o = options;
    this.#env = { ...browserEnv(), ...options.env };
    const name = `kez-live:${options.who.server}:${options.who.handle}`;
    this.#channel = this.#env.channel(name);
    if (this.#channel) this.#channel.onmessage = (e: MessageEvent<Note>) => this.#hear(e.data);
    this.#forgetWake = this.#env.onWake(() => this.wake());
    this.#tell({ kind: 'hello' });
    this.#elect(name);
  }

  get status(): Status {
    return this.#status;
  }

  wake(): void {
    if (!this.#leads) return this.#tell({ kind: 'wake' });
    if (this.#connection && this.#connection.silentMs > DOUBT_MS) this.#connection.end('silent');
    this.#failures = 0;
    this.#cutWait?.();
  }

  stop(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#connection?.end('ended');
    this.#cutWait?.();
    this.#forgetWake();
    this.#channel?.close();
  }

  // ---- who leads, and what the tabs tell each other ----

  #elect(name: string): void {
    const { signal } = this.#stop;
    if (!this.#env.locks) return void this.#lead();
    this.#env.locks.request(name, { signal }, () => this.#lead()).catch((e: unknown) => {
      if (!signal.aborted) throw e;
    });
  }

  #tell(note: Note): void {
    if (!this.#stop.signal.aborted) this.#channel?.postMessage(note);
  }

  #hear(note: Note): void {
    if (this.#leads) {
      if (note.kind === 'hello') this.#tell({ kind: 'status', status: this.#status });
      if (note.kind === 'wake') this.wake();
    } else if (note.kind === 'row') void this.#o.onMessage?.(note.row, note.epoch, false);
    else if (note.kind === 'status') this.#show({ ...note.status, leads: false });
  }

  #show(status: Status): void {
    this.#status = status;
    this.#o.onStatus?.(status);
  }

  #set(state: Status['state'], reason: Reason, retryAt?: number): void {
    const status: Status = { state, reason, leads: true, ...(retryAt === undefined ? {} : { retryAt }) };
    this.#show(status);
    this.#tell({ kind: 'status', status });
  }

  // ---- leading ----

  get #isOver(): boolean {
    return this.#stop.signal.aborted;
  }

  async #lead(): Promise<void> {
    if (this.#isOver) return;
    this.#leads = true;
    this.#set('connecting', 'start');
    this.#cursor = { ...(await this.#o.cursor()) };
    const check = setInterval(() => this.#connection?.check(), CHECK_MS);
    const polling = this.#pollForEver();
    while (!this.#isOver) {
      const began = this.#env.now();
      const end = await this.#streamOnce();
      await this.#work;
      if (this.#isOver) break;
      await this.#pause(end, this.#env.now() - began);
    }
    clearInterval(check);
    await polling;
  }

  async #streamOnce(): Promise<End> {
    this.#drainMs = undefined;
    this.#connection = new Connection({
      api: this.#o.api,
      who: this.#o.who,
      fetch: this.#env.fetch,
      cursor: this.#cursor,
      now: this.#env.now,
      onEvent: (event) => this.#enqueue(() => this.#take(event)),
      onRetry: (ms) => (this.#retryMs = Math.min(Math.max(ms, 100), WAIT_MAX_MS)),
    });
    const end = await this.#connection.run();
    this.#connection = undefined;
    return end;
  }

  /** All work on rows and on the cursor is done one after the other. */
  #enqueue(step: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(() => (this.#isOver ? undefined : step()));
    this.#work = this.#work.catch(() => this.#connection?.end('network')); // e.g. storage failed: read it again
    return this.#work;
  }

  /** How long to wait: what the server asks for; at once after a proven stream; else ever longer. */
  #waitMs(end: End, livedMs: number): number {
    if (this.#drainMs !== undefined) return this.#drainMs;
    if (livedMs > PROVEN_MS) this.#failures = 0;
    this.#failures++;
    const jitter = 0.5 + this.#env.random() / 2;
    if (end.waitMs !== undefined) return end.waitMs * (1 + this.#env.random() / 4);
    if (this.#failures === 1) return 400 * jitter;
    return Math.min(this.#retryMs * 2 ** (this.#failures - 2), WAIT_MAX_MS) * jitter;
  }

  async #pause(end: End, livedMs: number): Promise<void> {
    const isDraining = this.#drainMs !== undefined;
    const ms = this.#waitMs(end, livedMs);
    const reason = isDraining ? 'drain' : !this.#env.isOnline() ? 'offline' : end.reason;
    if (reason === 'proxy') this.#isHeldBack = true;
    this.#set('reconnecting', this.#isHeldBack && reason === 'ended' ? 'proxy' : reason, this.#env.now() + ms);
    await this.#sleep(ms, true);
  }

  #sleep(ms: number, canBeCut: boolean): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#stop.signal.removeEventListener('abort', done);
        if (canBeCut) this.#cutWait = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#stop.signal.addEventListener('abort', done);
      if (canBeCut) this.#cutWait = done;
    });
  }

  // ---- what the stream says ----

  async #take(event: StreamEvent): Promise<void> {
    if (event.name === 'message') {
      if (await this.#takeRow(asRow(JSON.parse(event.data)))) this.#noteFlow();
    } else if (event.name === 'ready') await this.#takeReady(JSON.parse(event.data) as { seq: number; epoch: string });
    else if (event.name === 'resync') await this.#takeResync(JSON.parse(event.data) as ResyncFrame);
    else if (event.name === 'drain') this.#drainMs = (JSON.parse(event.data) as { retry_ms: number }).retry_ms;
  }

  /** True: the row was new. */
  async #takeRow(row: Row): Promise<boolean> {
    if (row.seq <= this.#cursor.seq) return false;
    if (row.seq > this.#cursor.seq + 1) await this.#fill(row.seq - 1);
    if (row.seq <= this.#cursor.seq) return false;
    await this.#o.onMessage?.(row, this.#cursor.epoch, true);
    this.#tell({ kind: 'row', row, epoch: this.#cursor.epoch });
    this.#cursor = { ...this.#cursor, seq: row.seq };
    return true;
  }

  /** A hole below a row: the store has what is still kept of it. */
  async #fill(upTo: number): Promise<void> {
    while (this.#cursor.seq < upTo && !this.#isOver) {
      const page = await this.#o.api.poll(this.#o.who, this.#cursor.seq, this.#cursor.epoch, POLL_ROWS);
      const rows = page.messages.filter((r) => r.seq > this.#cursor.seq && r.seq <= upTo);
      const next = rows[0]?.seq ?? upTo + 1;
      if (next > this.#cursor.seq + 1) {
        const missed = next - 1 - this.#cursor.seq;
        this.#cursor = { ...this.#cursor, seq: next - 1 };
        await this.#o.onResync?.({ reason: 'trimmed', missed, cursor: this.#cursor });
      }
      for (const row of rows) await this.#takeRow(row);
    }
  }

  async #takeReady(frame: { seq: number; epoch: string }): Promise<void> {
    if (typeof frame.epoch !== 'string') throw new Error('not a frame');
    if (this.#cursor.epoch !== frame.epoch) this.#cursor = { ...this.#cursor, epoch: frame.epoch };
    await this.#o.onReady?.(this.#cursor);
    this.#failures = 0;
    this.#set('live', this.#isHeldBack ? 'proxy' : 'ok');
  }

  async #takeResync(frame: ResyncFrame): Promise<void> {
    if (!Number.isSafeInteger(frame.seq) || frame.seq < 0 || typeof frame.epoch !== 'string') throw new Error('not a frame');
    this.#cursor = { seq: frame.seq, epoch: frame.epoch };
    await this.#o.onResync?.({ reason: frame.reason, missed: frame.missed, cursor: this.#cursor });
  }

  // ---- the safety net ----

  async #pollForEver(): Promise<void> {
    while (!this.#isOver) {
      await this.#sleep(this.#isHeldBack ? Math.min(POLL_BEHIND_PROXY_MS, this.#env.pollMs) : this.#env.pollMs, false);
      if (this.#isOver || !this.#env.isOnline()) continue;
      await this.#pollOnce().catch(() => undefined); // the stream says what is wrong
    }
  }

  async #pollOnce(): Promise<void> {
    const { seq, epoch } = this.#cursor;
    const page = await this.#o.api.poll(this.#o.who, seq, epoch, POLL_ROWS);
    const wasLive = this.#status.state === 'live';
    if (page.messages.length > 0 && wasLive) await this.#sleep(this.#env.graceMs, false);
    await this.#enqueue(async () => {
      if (this.#cursor.epoch !== epoch) return; // the stream has got there first
      if (page.reset) return this.#takeResync({ reason: 'epoch', seq: page.first - 1, missed: 0, epoch: page.epoch });
      let late = 0;
      for (const row of page.messages) if (await this.#takeRow(row)) late++;
      if (late > 0 && wasLive && this.#status.state === 'live') this.#noteHeldBack();
    });
  }

  /** The stream brings rows by itself, and before the poll does. */
  #noteFlow(): void {
    if (!this.#isHeldBack) return;
    this.#isHeldBack = false;
    if (this.#status.state === 'live') this.#set('live', 'ok');
  }

  /** Rows that were there before the poll, and the open stream has not brought. */
  #noteHeldBack(): void {
    this.#isHeldBack = true;
    this.#set('live', 'proxy');
  }
}

interface ResyncFrame {
  reason: 'trimmed' | 'ahead' | 'epoch';
  seq: number;
  missed: number;
  epoch: string;
}
