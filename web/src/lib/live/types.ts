// lib/live/types.ts -- what the live stream tells and needs.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import type { Row } from '../api';

export type State = 'connecting' | 'live' | 'reconnecting';

/** Why the state is what it is. */
export type Reason =
  | 'start' // the first attempt
  | 'ok'
  | 'offline' // this device has no network
  | 'network' // the server cannot be reached, or the stream broke
  | 'ended' // the stream ended in an orderly way, without saying why
  | 'drain' // the node goes, another takes over
  | 'busy' // 429 or 5xx
  | 'silent' // no sign of life for too long
  | 'clock' // the signature is refused, and the clocks differ
  | 'refused' // the signature is refused
  | 'unknown' // the server does not know the handle
  | 'proxy'; // something on the way holds the stream back; polling goes on

export interface Status {
  state: State;
  reason: Reason;
  /** When the next attempt begins; unix ms. */
  retryAt?: number;
  /** Whether this tab holds the stream that all share. */
  leads: boolean;
}

export interface Cursor {
  /** The last row that was taken. */
  seq: number;
  /** "" while none is known. */
  epoch: string;
}

export interface Resync {
  reason: 'trimmed' | 'ahead' | 'epoch';
  /** Rows that are gone for good; 0: not known, or none. */
  missed: number;
  cursor: Cursor;
}

export interface Handlers {
  /** In order, each row once after the cursor. The next one waits for the promise. */
  onMessage?: (row: Row, epoch: string, leads: boolean) => void | Promise<void>;
  onStatus?: (status: Status) => void;
  /** The leading tab only: continuity was broken, the cursor is another now. */
  onResync?: (resync: Resync) => void | Promise<void>;
  /** The leading tab only: all that was kept has come; from here on it is live. */
  onReady?: (cursor: Cursor) => void | Promise<void>;
}
