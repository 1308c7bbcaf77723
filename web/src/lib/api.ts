// lib/api.ts -- requests to the home server: signed, with a time limit, and with errors that say
// what went wrong.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { isHandle } from './handle';
import { type Identity, isPrimary } from './keys';
import { authHeader, pollText, registration, requestText } from './signing';
import { isTime } from './time';

export interface HandleRecord {
  handle: string;
  server: string;
  primary: string;
  registered_at: string;
}

export interface Row {
  seq: number;
  type: string;
  id?: string;
  from?: string;
  conversation?: string;
  envelope?: unknown;
  data?: unknown;
  created_at: string;
}

/** Throws for what is no row: nothing that is kept may be what no screen can show. */
export function asRow(value: unknown): Row {
  const r = value as Partial<Row> | null;
  const isText = (x: unknown) => x === undefined || typeof x === 'string';
  const isGood = typeof r === 'object' && r !== null && Number.isSafeInteger(r.seq) && r.seq! > 0 && typeof r.type === 'string' &&
    isText(r.id) && isText(r.from) && isText(r.conversation) && isTime(r.created_at);
  if (!isGood) throw new Error('not a row');
  return r as Row;
}

export interface Page {
  messages: Row[];
  seq: number;
  first: number;
  epoch: string;
  reset?: boolean;
}

export interface Participant {
  handle: string;
  primary: string;
}

export interface Conversation {
  sid: string;
  title: string;
  creator: string;
  participants: Participant[];
  created_at: string;
  updated_at: string;
  version: number;
}

/** `status` 0: no answer came. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly retryAfterMs?: number,
  ) {
    super(detail || code);
  }

  /** Whether the same request may succeed later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const TIME_LIMIT_MS = 20000;
/** The server's window is 60 s; this leaves some of it to the way. */
export const SKEW_LIMIT_MS = 45000;

export interface ApiOptions {
  fetch?: typeof fetch;
  now?: () => number;
  base?: string;
  /** Told after each answer: how far this device's clock is ahead of the server's. */
  onSkew?: (ms: number) => void;
}

export class Api {
  readonly #fetch: typeof fetch;
  readonly #now: () => number;
  readonly #base: string;
  readonly #onSkew: ((ms: number) => void) | undefined;

  constructor(options: ApiOptions = {}) {
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#now = options.now ?? Date.now;
    this.#base = options.base ?? '';
    this.#onSkew = options.onSkew;
  }

  /** Unix seconds, for a signature. */
  seconds(): number {
    return Math.floor(this.#now() / 1000);
  }

  noteDate(response: Response): void {
    const date = Date.parse(response.headers.get('date') ?? '');
    if (!Number.isNaN(date) && this.#onSkew) this.#onSkew(this.#now() - date);
  }

  /** A plain request; throws ApiError. */
  async request<T>(method: string, target: string, init: RequestInit = {}): Promise<{ status: number; body: T }> {
    let response: Response;
    let text: string;
    try {
      response = await this.#fetch(this.#base + target, {
        ...init,
        method,
        cache: 'no-store',
        credentials: 'omit',
        signal: init.signal ?? AbortSignal.timeout(TIME_LIMIT_MS),
      });
      text = await response.text();
    } catch {
      throw new ApiError(0, 'network', '');
    }
    this.noteDate(response);
    if (!response.ok) throw errorOf(response, text);
    try {
      return { status: response.status, body: (text ? JSON.parse(text) : undefined) as T };
    } catch {
      throw new ApiError(0, 'network', ''); // a captive portal, or an answer cut short
    }
  }

  async signed<T>(who: Signer, method: string, target: string, body?: unknown): Promise<{ status: number; body: T }> {
    const text = body === undefined ? '' : JSON.stringify(body);
    return this.signedText<T>(who, method, target, text);
  }

  /** As signed(), with a body that is text already. */
  async signedText<T>(who: Signer, method: string, target: string, text: string): Promise<{ status: number; body: T }> {
    const ts = this.seconds();
    const headers: Record<string, string> = {
      'X-KEZ-Handle': who.handle,
      'X-KEZ-Auth': authHeader(who.identity, requestText(method, who.server, target, text, ts), ts),
    };
    if (text) headers['Content-Type'] = 'application/json';
    return this.request<T>(method, target, { headers, ...(text ? { body: text } : {}) });
  }

  async healthz(): Promise<{ server?: string }> {
    return (await this.request<{ server?: string }>('GET', '/v1/healthz')).body;
  }

  /** Undefined: nobody has this handle. */
  async user(handle: string): Promise<HandleRecord | undefined> {
    return this.#record('/v1/u/' + encodeURIComponent(handle), (r) => r.handle === handle);
  }

  async byPrimary(primary: string): Promise<HandleRecord | undefined> {
    return this.#record('/v1/by-primary/' + primary, (r) => r.primary === primary);
  }

  /** An answer about somebody else is none. */
  async #record(target: string, isAsked: (record: HandleRecord) => boolean): Promise<HandleRecord | undefined> {
    try {
      const { body } = await this.request<HandleRecord>('GET', target);
      if (!isPrimary(body?.primary) || !isHandle(body.handle) || !isAsked(body)) throw new ApiError(0, 'network', '');
      return body;
    } catch (e) {
      if (e instanceof ApiError && e.status === 404) return undefined;
      throw e;
    }
  }

  async register(identity: Identity, handle: string, server: string): Promise<HandleRecord> {
    const body = registration(identity, handle, server, new Date(this.#now()));
    const headers = { 'Content-Type': 'application/json' };
    return (await this.request<HandleRecord>('POST', '/v1/register', { headers, body })).body;
  }

  async poll(who: Signer, since: number, epoch: string, limit: number): Promise<Page> {
    const ts = this.seconds();
    const auth = authHeader(who.identity, pollText(who.handle, since, ts), ts);
    const target = `/v1/inbox/${who.handle}?since=${since}&limit=${limit}` +
      (epoch ? `&epoch=${encodeURIComponent(epoch)}` : '');
    const { body } = await this.request<Page>('GET', target, { headers: { 'X-KEZ-Auth': auth } });
    return { ...body, messages: body.messages.map(asRow) };
  }

  /** `envelope` is its JSON text, so that a retry sends the same one. */
  async post(who: Signer, to: string, id: string, envelope: string): Promise<{ seq: number; created_at: string }> {
    const text = `{"to":${JSON.stringify(to)},"id":${JSON.stringify(id)},"envelope":${envelope}}`;
    return (await this.signedText<{ seq: number; created_at: string }>(who, 'POST', '/v1/messages', text)).body;
  }

  async postTo(who: Signer, sid: string, id: string, envelope: string): Promise<{ seq: number; created_at: string }> {
    const text = `{"id":${JSON.stringify(id)},"envelope":${envelope}}`;
    return (await this.signedText<{ seq: number; created_at: string }>(
      who, 'POST', `/v1/conversations/${sid}/messages`, text)).body;
  }

  async createConversation(who: Signer, sid: string, title: string, participants: string[]): Promise<Conversation> {
    return (await this.signed<Conversation>(who, 'POST', '/v1/conversations', { sid, title, participants })).body;
  }

  async conversations(who: Signer, before?: string): Promise<Conversation[]> {
    const target = '/v1/conversations?limit=100' + (before ? `&before=${before}` : '');
    return (await this.signed<{ conversations: Conversation[] }>(who, 'GET', target)).body.conversations;
  }

  async conversation(who: Signer, sid: string): Promise<Conversation> {
    return (await this.signed<Conversation>(who, 'GET', `/v1/conversations/${sid}`)).body;
  }

  async changeConversation(who: Signer, sid: string, change: ConversationChange): Promise<Conversation> {
    return (await this.signed<Conversation>(who, 'PATCH', `/v1/conversations/${sid}`, change)).body;
  }
}

export interface ConversationChange {
  version: number;
  title?: string;
  add?: string[];
  remove?: string[];
}

export interface Signer {
  identity: Identity;
  handle: string;
  server: string;
}

export function errorOf(response: Response, text: string): ApiError {
  let problem: { code?: unknown; detail?: unknown } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    // an answer of a proxy
  }
  const after = Number(response.headers.get('retry-after'));
  return new ApiError(
    response.status,
    typeof problem?.code === 'string' ? problem.code : `http_${response.status}`,
    typeof problem?.detail === 'string' ? problem.detail : '',
    after > 0 ? Math.min(after, 3600) * 1000 : undefined,
  );
}
