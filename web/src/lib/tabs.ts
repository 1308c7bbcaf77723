// lib/tabs.ts -- what the tabs of one account do together: an open one lets a new one in, and when
// one is locked all are.
//
// The secrets travel on a BroadcastChannel: to pages of this origin in this browser, in memory. The
// service worker keeps them for the seconds of a reload.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import type { Secrets } from './store/vault';

type Note =
  | { kind: 'ask'; primary: string }
  | { kind: 'secrets'; primary: string; secrets: Secrets }
  | { kind: 'lock' }
  | { kind: 'active' }
  | { kind: 'erased' };

export interface TabsHandlers {
  /** The secrets, if this tab is open. */
  secrets: () => { primary: string; secrets: Secrets } | undefined;
  /** An open tab answered after the lock screen was shown: tabs in the background are slow. */
  onLate: (secrets: Secrets) => void;
  onLock: () => void;
  onActive: () => void;
  onErased: () => void;
}

const ANSWER_MS = 300;

export class Tabs {
  readonly #channel = new BroadcastChannel('kez-chat-tabs');
  readonly #handlers: TabsHandlers;
  #waiting: ((note: Note & { kind: 'secrets' }) => void) | undefined;

  constructor(handlers: TabsHandlers) {
    this.#handlers = handlers;
    this.#channel.onmessage = (e: MessageEvent<Note>) => this.#hear(e.data);
  }

  /** Asks the open tabs, and the service worker. Undefined: none is open. */
  async ask(primary: string): Promise<Secrets | undefined> {
    const answer = new Promise<Secrets | undefined>((resolve) => {
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        resolve(undefined);
      }, ANSWER_MS);
      this.#waiting = (note) => {
        if (note.primary !== primary) return;
        this.#waiting = undefined;
        clearTimeout(timer);
        if (isLate) this.#handlers.onLate(note.secrets);
        else resolve(note.secrets);
      };
    });
    this.#channel.postMessage({ kind: 'ask', primary } satisfies Note);
    navigator.serviceWorker?.controller?.postMessage({ kind: 'recall' });
    return answer;
  }

  /** Just before this tab goes: it may be a reload. */
  remember(primary: string, secrets: Secrets): void {
    navigator.serviceWorker?.controller?.postMessage({ kind: 'remember', note: { kind: 'secrets', primary, secrets } });
  }

  /** What an open tab says from now on is not asked for any more. */
  settle(): void {
    this.#waiting = undefined;
  }

  lockAll(): void {
    this.settle();
    navigator.serviceWorker?.controller?.postMessage({ kind: 'forget' });
    this.#channel.postMessage({ kind: 'lock' } satisfies Note);
  }

  active(): void {
    this.#channel.postMessage({ kind: 'active' } satisfies Note);
  }

  erased(): void {
    navigator.serviceWorker?.controller?.postMessage({ kind: 'forget' });
    this.#channel.postMessage({ kind: 'erased' } satisfies Note);
  }

  #hear(note: Note): void {
    if (note.kind === 'ask') {
      const own = this.#handlers.secrets();
      if (own?.primary === note.primary) this.#channel.postMessage({ kind: 'secrets', ...own } satisfies Note);
    } else if (note.kind === 'secrets') this.#waiting?.(note);
    else if (note.kind === 'lock') {
      this.settle();
      this.#handlers.onLock();
    }
    else if (note.kind === 'active') this.#handlers.onActive();
    else if (note.kind === 'erased') this.#handlers.onErased();
  }
}
