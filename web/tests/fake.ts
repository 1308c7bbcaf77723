// tests/fake.ts -- a home server in memory, spoken to by fetch(): enough of the protocol for the
// client's logic.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import type { Conversation, Row } from '../src/lib/api';
import { verify } from '../src/lib/keys';
import { pollText, requestText, streamText } from '../src/lib/signing';

export const SERVER = 'chat.example.org';

interface Inbox {
  primary: string;
  rows: Row[];
  first: number;
  epoch: string;
  streams: Set<(text: string) => void>;
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', date: new Date().toUTCString(), ...headers } });
}

function problem(status: number, code: string, detail = code): Response {
  return json(status, { type: 'about:blank', title: code, status, code, detail });
}

export function frame(row: Row): string {
  return `id: ${row.seq}\ndata: ${JSON.stringify(row)}\n\n`;
}

export class FakeServer {
  readonly inboxes = new Map<string, Inbox>();
  readonly groups = new Map<string, Conversation>();
  readonly asked: string[] = [];
  /** Set to answer the next requests otherwise; undefined: as usual. */
  intercept: ((method: string, path: string, body: string) => Response | Promise<Response> | undefined) | undefined;
  /** False: rows are stored, and the open streams do not bring them. */
  isPushing = true;

  add(handle: string, primary: string): void {
    this.inboxes.set(handle, { primary, rows: [], first: 1, epoch: `e-${handle}`, streams: new Set() });
  }

  box(handle: string): Inbox {
    return this.inboxes.get(handle)!;
  }

  head(box: Inbox): number {
    return box.first - 1 + box.rows.length;
  }

  put(handle: string, row: Omit<Row, 'seq' | 'created_at'>): Row {
    const box = this.box(handle);
    const full = { ...row, seq: this.head(box) + 1, created_at: new Date().toISOString() } as Row;
    box.rows.push(full);
    if (this.isPushing) for (const send of box.streams) send(frame(full));
    return full;
  }

  /** Writes to all open streams of a handle. */
  write(handle: string, text: string): void {
    for (const send of this.box(handle).streams) send(text);
  }

  endStreams(handle: string): void {
    this.write(handle, 'END');
  }

  trim(handle: string, upTo: number): void {
    const box = this.box(handle);
    box.rows = box.rows.filter((r) => r.seq > upTo);
    box.first = upTo + 1;
  }

  readonly fetch: typeof fetch = async (input, init = {}) => {
    const url = new URL(String(input), 'http://fake');
    const method = init.method ?? 'GET';
    const body = String(init.body ?? '');
    this.asked.push(`${method} ${url.pathname}${url.search}`);
    const answer = await this.intercept?.(method, url.pathname, body);
    if (answer) return answer;
    const headers = new Headers(init.headers);
    const [ts, sig] = (headers.get('x-kez-auth') ?? ':').split(':') as [string, string];
    const caller = headers.get('x-kez-handle') ?? '';
    const path = url.pathname.split('/').slice(2);
    if (method === 'GET' && path[0] === 'u') return this.#record(path[1]!);
    if (method === 'GET' && path[0] === 'by-primary') {
      const found = [...this.inboxes].find(([, b]) => b.primary === path[1]);
      return found ? this.#record(found[0]) : problem(404, 'not_found');
    }
    if (path[0] === 'inbox') {
      const box = this.inboxes.get(path[1]!);
      if (!box) return problem(404, 'not_found');
      const since = Number(url.searchParams.get('since') ?? 0);
      const isStream = path[2] === 'stream';
      const text = isStream ? streamText(path[1]!, Number(ts)) : pollText(path[1]!, since, Number(ts));
      if (!verify(box.primary, text, sig)) return problem(401, 'unauthorized');
      return isStream ? this.#stream(box, url, init.signal) : this.#page(box, url, since);
    }
    const from = this.inboxes.get(caller);
    if (!from || !verify(from.primary, requestText(method, SERVER, url.pathname + url.search, body, Number(ts)), sig))
      return problem(401, 'unauthorized');
    if (path[0] === 'messages') return this.#post(caller, JSON.parse(body) as { to: string; id: string; envelope: unknown });
    if (path[0] === 'conversations') return this.#conversations(method, caller, path, body);
    return problem(404, 'not_found');
  };

  #record(handle: string): Response {
    const box = this.inboxes.get(handle);
    return box ? json(200, { handle, server: SERVER, primary: box.primary, registered_at: '2026-01-01T00:00:00.000Z' }) : problem(404, 'not_found');
  }

  #page(box: Inbox, url: URL, since: number): Response {
    const epoch = url.searchParams.get('epoch');
    const isReset = epoch !== null && epoch !== box.epoch;
    const messages = box.rows.filter((r) => r.seq > since).slice(0, Number(url.searchParams.get('limit') ?? 100));
    return json(200, { messages, seq: this.head(box), first: box.first, epoch: box.epoch, ...(isReset ? { reset: true } : {}) });
  }

  #stream(box: Inbox, url: URL, signal: AbortSignal | null | undefined): Response {
    const encoder = new TextEncoder();
    let since = Number(url.searchParams.get('since') ?? this.head(box));
    const epoch = url.searchParams.get('epoch');
    let text = 'retry: 3000\n\n';
    const resync = (reason: string, missed: number) => {
      since = box.first - 1;
      text += `id: ${since}\nevent: resync\ndata: ${JSON.stringify({ reason, seq: since, missed, epoch: box.epoch })}\n\n`;
    };
    if (epoch !== null && epoch !== box.epoch) resync('epoch', 0);
    else if (since > this.head(box)) resync('ahead', 0);
    else if (since < box.first - 1) resync('trimmed', box.first - 1 - since);
    text += box.rows.filter((r) => r.seq > since).map(frame).join('');
    const head = this.head(box);
    text += `id: ${head}\nevent: ready\ndata: ${JSON.stringify({ handle: '', seq: head, first: box.first, epoch: box.epoch })}\n\n`;
    let send: (chunk: string) => void = () => undefined;
    const stream = new ReadableStream<Uint8Array>({
      start: (c) => {
        const close = () => box.streams.delete(send);
        send = (chunk) => {
          if (chunk === 'END') close(), c.close();
          else c.enqueue(encoder.encode(chunk));
        };
        signal?.addEventListener('abort', () => {
          if (close()) c.error(new DOMException('aborted', 'AbortError'));
        });
        box.streams.add(send);
        send(text);
      },
      cancel: () => void box.streams.delete(send),
    });
    return new Response(stream, { headers: { 'content-type': 'text/event-stream', date: new Date().toUTCString() } });
  }

  #post(from: string, m: { to: string; id: string; envelope: unknown }): Response {
    const box = this.inboxes.get(m.to);
    if (!box) return problem(404, 'not_found');
    const same = box.rows.find((r) => r.id === m.id && r.from === from);
    if (same && JSON.stringify(same.envelope) !== JSON.stringify(m.envelope)) return problem(409, 'conflict');
    const row = same ?? this.put(m.to, { type: 'chatmessage.new', id: m.id, from, envelope: m.envelope });
    return json(same ? 200 : 201, { to: m.to, seq: row.seq, id: m.id, created_at: row.created_at });
  }

  #conversations(method: string, caller: string, path: string[], body: string): Response {
    const group = this.groups.get(path[1] ?? '');
    if (method === 'GET' && !path[1]) return json(200, { conversations: [...this.groups.values()].filter((g) => isIn(g, caller)) });
    if (method === 'POST' && !path[1]) {
      const wish = JSON.parse(body) as { sid: string; title?: string; participants: string[] };
      const now = new Date().toISOString();
      const participants = [...new Set([caller, ...wish.participants])].map((handle) => ({ handle, primary: this.box(handle).primary }));
      const made = { sid: wish.sid, title: wish.title ?? '', creator: caller, participants, created_at: now, updated_at: now, version: 1 };
      return this.#changed(made, participants.map((p) => p.handle), 201);
    }
    if (!group || !isIn(group, caller)) return problem(404, 'not_found');
    if (method === 'GET') return json(200, group);
    if (method === 'PATCH') {
      const wish = JSON.parse(body) as { version: number; title?: string; add?: string[]; remove?: string[] };
      if (wish.version !== group.version) return problem(409, 'conflict');
      const before = group.participants.map((p) => p.handle);
      const after = [...new Set([...before, ...(wish.add ?? [])])].filter((h) => !wish.remove?.includes(h));
      const changed = { ...group, title: wish.title ?? group.title, version: group.version + 1, updated_at: new Date().toISOString(),
        participants: after.map((handle) => ({ handle, primary: this.box(handle).primary })) };
      return this.#changed(changed, [...new Set([...before, ...after])], 200);
    }
    const m = JSON.parse(body) as { id: string; envelope: unknown };
    let own: Row | undefined;
    for (const p of group.participants) {
      const same = this.box(p.handle).rows.find((r) => r.id === m.id && r.from === caller);
      const row = same ?? this.put(p.handle, { type: 'chatmessage.new', id: m.id, from: caller, conversation: group.sid, envelope: m.envelope });
      if (p.handle === caller) own = row;
    }
    return json(201, { conversation: group.sid, id: m.id, created_at: own!.created_at, seq: own!.seq });
  }

  #changed(group: Conversation, readers: string[], status: number): Response {
    this.groups.set(group.sid, group);
    for (const handle of readers) this.put(handle, { type: 'conversation.updated', conversation: group.sid, data: group });
    return json(status, group);
  }
}

function isIn(group: Conversation, handle: string): boolean {
  return group.participants.some((p) => p.handle === handle);
}

/** A Web Lock manager of one process. */
export class FakeLocks {
  readonly #queues = new Map<string, Promise<unknown>>();

  request = ((name: string, options: LockOptions | (() => unknown), work?: () => unknown) => {
    const run = (work ?? options) as () => unknown;
    const signal = work ? (options as LockOptions).signal : undefined;
    const before = this.#queues.get(name) ?? Promise.resolve();
    const mine = before.then(() => {
      if (signal?.aborted) throw new DOMException('aborted', 'AbortError');
      return run();
    });
    this.#queues.set(name, mine.catch(() => undefined));
    return mine;
  }) as LockManager['request'];
}

export async function until(what: string, test: () => boolean, ms = 5000): Promise<void> {
  const end = Date.now() + ms;
  while (!test()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((go) => setTimeout(go, 5));
  }
}

