// lib/model/types.ts -- what the chats consist of.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import type { Conversation } from '../api';
import type { Flaw } from '../envelope';

/** Where a row stands in the own inbox: eras count its epochs. */
export interface Place {
  era: number;
  seq: number;
}

/** What the chain of `prev` and the row say about a genuine message. */
export type Doubt = 'gap' | 'restart' | 'relayed';

export type SendState = 'pending' | 'sent' | 'failed';

interface ItemBase {
  key: string;
  /** The primary of the other person, or the sid of the conversation. */
  thread: string;
  /** Undefined: not in the own inbox yet. */
  place?: Place;
  /** RFC 3339; the server's time once it is known. */
  at: string;
}

export interface MessageItem extends ItemBase {
  kind: 'message';
  id: string;
  sender: string;
  text: string;
  /** Set for a body of a kind that this client does not know. */
  bodyType?: string;
  sentAt: string;
  hash?: string;
  doubts?: Doubt[];
  /** Own messages only. */
  send?: SendState;
  why?: string;
}

/** A row that is not a genuine message. */
export interface FlawItem extends ItemBase {
  kind: 'flaw';
  flaw: Flaw | 'replayed';
  /** The handle that the server names; a claim. */
  from?: string;
}

export interface NoteItem extends ItemBase {
  kind: 'note';
  note:
    | { what: 'created'; by: string }
    /** The first that this device hears of a group that is older. */
    | { what: 'joined' }
    | { what: 'changed'; added: string[]; removed: string[]; title?: string }
    | { what: 'missed'; count: number };
}

export type Item = MessageItem | FlawItem | NoteItem;

export interface ThreadMeta {
  id: string;
  kind: 'direct' | 'group' | 'unknown';
  conversation?: Conversation;
  draft: string;
  readTo?: Place;
  /** RFC 3339; orders a chat without messages. */
  since: string;
  /** A former state of the group was seen, and this device is not in it any more. */
  hasLeft?: boolean;
  /** The group as its rows have told so far; `conversation` may be ahead of them. */
  told?: Told;
}

export interface Told {
  version: number;
  title: string;
  handles: string[];
}

export interface Contact {
  primary: string;
  /** "": not known. */
  handle: string;
  isVerified: boolean;
  /** The handle is said to belong to this other key now. */
  replacedBy?: string;
  /** This key took the handle of another one, and nobody said yet that this is fine. */
  replaces?: string;
}

/** A message that still has to be delivered. */
export interface OutboxEntry {
  /** Of the message; also of the post. */
  id: string;
  thread: string;
  /** The same text at each try. */
  envelope?: string;
  hash?: string;
  /** 'copy': the other has it, the own inbox not yet. */
  stage: 'post' | 'copy';
  /** It is not tried again by itself: the server refused it. */
  isRefused?: boolean;
}

export interface SavedCursor {
  seq: number;
  epoch: string;
  era: number;
  /** The first time that all was read has passed. */
  hasCaughtUp: boolean;
}

/** Everything that changes goes through this: kept, told to the other tabs, and shown. */
export type Change =
  | { kind: 'item'; id: string; value: Item | undefined }
  | { kind: 'thread'; id: string; value: ThreadMeta | undefined }
  | { kind: 'contact'; id: string; value: Contact | undefined }
  | { kind: 'outbox'; id: string; value: OutboxEntry | undefined }
  | { kind: 'cursor'; id: 'main'; value: SavedCursor | undefined };

/** Rows that name nobody go here. */
export const UNKNOWN_THREAD = 'unknown';
