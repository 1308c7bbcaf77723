// lib/live/connection.ts -- one event stream, from its request to its end.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { type Api, type ApiError, errorOf, type Signer, SKEW_LIMIT_MS } from '../api';
import { authHeader, streamText } from '../signing';
import { type StreamEvent, StreamParser } from '../sse';
import type { Cursor, Reason } from './types';

export interface End {
  reason: Reason;
  /** What the server asks for. */
  waitMs?: number;
}

/** The server sends a comment after 15 s of silence, give or take 2. */
export const SILENCE_MS = 40000;
/** The head and the first frames come at once, unless something holds them back. */
export const FIRST_BYTES_MS = 10000;

interface Wanted {
  api: Api;
  who: Signer;
  fetch: typeof fetch;
  cursor: Cursor;
  now: () => number;
  onEvent: (event: StreamEvent) => void;
  onRetry: (ms: number) => void;
}

export class Connection {
  readonly #abort = new AbortController();
  readonly #wanted: Wanted;
  #lastByteAt: number;
  #hasBytes = false;
  #ending: Reason | undefined;
  #skewMs = 0;

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
    this.#lastByteAt = wanted.now();
  }

  get silentMs(): number {
    return this.#wanted.now() - this.#lastByteAt;
  }

  /** Ends it; run() gives this reason then. */
  end(reason: Reason): void {
    this.#ending ??= reason;
    this.#abort.abort();
  }

  /** To be called every few seconds. */
  check(): void {
    if (!this.#hasBytes && this.silentMs > FIRST_BYTES_MS) this.end('proxy');
    else if (this.silentMs > SILENCE_MS) this.end('silent');
  }

  /** Resolves when the stream has ended, however it came. */
  async run(): Promise<End> {
    try {
      const response = await this.#open();
      if (!response.ok) return this.#refusal(errorOf(response, await response.text()));
      if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream'))
        return { reason: 'network' };
      await this.#read(response.body.getReader());
      return { reason: this.#ending ?? 'ended' };
    } catch {
      return { reason: this.#ending ?? 'network' };
    } finally {
      this.#abort.abort();
    }
  }

  #open(): Promise<Response> {
    const { api, who, cursor } = this.#wanted;
    const ts = api.seconds();
    const target = `/v1/inbox/${who.handle}/stream?since=${cursor.seq}` +
      (cursor.epoch ? `&epoch=${encodeURIComponent(cursor.epoch)}` : '');
    return this.#wanted.fetch(target, {
      headers: { 'X-KEZ-Auth': authHeader(who.identity, streamText(who.handle, ts), ts) },
      cache: 'no-store',
      credentials: 'omit',
      signal: this.#abort.signal,
    }).then((response) => {
      api.noteDate(response);
      const date = Date.parse(response.headers.get('date') ?? '');
      if (!Number.isNaN(date)) this.#skewMs = Math.abs(this.#wanted.now() - date);
      return response;
    });
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const parser = new StreamParser(this.#wanted.onEvent, this.#wanted.onRetry);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#hasBytes = true;
      this.#lastByteAt = this.#wanted.now();
      parser.push(value);
    }
  }

  #refusal(error: ApiError): End {
    const wait = error.retryAfterMs === undefined ? {} : { waitMs: error.retryAfterMs };
    if (error.status === 404) return { reason: 'unknown', ...wait };
    if (error.status === 401 || error.status === 403)
      return { reason: this.#skewMs > SKEW_LIMIT_MS ? 'clock' : 'refused', ...wait };
    return { reason: error.isPassing ? 'busy' : 'refused', ...wait };
  }
}
