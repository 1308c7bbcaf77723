// lib/model/receive.ts -- what a row means: from the inbox to changes of the model.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { sha256 } from '@noble/hashes/sha2.js';
import type { Conversation, Row } from '../api';
import { hex, utf8 } from '../bytes';
import { isHandle } from '../handle';
import { likelySlot, type Message, openEnvelope } from '../envelope';
import { type Identity, isPrimary } from '../keys';
import { isTime } from '../time';
import type { Model } from './model';
import {
  type Change, type Contact, type Doubt, type Item, type MessageItem, type NoteItem, type Place, type ThreadMeta, type Told, UNKNOWN_THREAD,
} from './types';

/** What the server says about who is who; undefined: nothing, or it cannot be asked now. */
export interface Directory {
  byPrimary(primary: string): Promise<{ handle: string; primary: string } | undefined>;
}

/** The row as changes. The model is only read; seen and applied by the caller. */
export async function receiveRow(model: Model, me: Identity, row: Row, era: number, directory: Directory): Promise<Change[]> {
  const place: Place = { era, seq: row.seq };
  if (row.type === 'conversation.updated') return conversationChanges(model, row.data, row.created_at, place);
  if (row.type !== 'chatmessage.new') return [];
  const opened = openEnvelope(me, row.envelope, row.conversation, guessSlot(model, me, row));
  if (!opened.ok) return flawChanges(model, row, place, opened.flaw);
  const known = model.byHash(opened.hash);
  if (known?.place && known.place.era === era && known.place.seq !== row.seq) return replayChanges(row, place, known.thread, opened.hash);
  const contact = await contactOf(model, otherOf(me, opened.message), directory);
  const item = messageItem(model, me, opened.message, opened.hash, row, place, contact.value);
  return [...contact.changes, { kind: 'item', id: item.key, value: item }, ...delivered(model, me, item)];
}

/** Who can read it, if that is known: then the own slot is found at once. */
function guessSlot(model: Model, me: Identity, row: Row): number {
  if (row.conversation !== undefined) {
    const group = model.threads.get(row.conversation)?.meta.conversation;
    return likelySlot(me.primary, group?.participants.map((p) => p.primary) ?? []);
  }
  const other = row.from === undefined ? undefined : model.contactOfHandle(row.from);
  return likelySlot(me.primary, other ? [other.primary] : []);
}

/** Whose name is needed to show it: the sender's; of an own message, which may be the first on this device, the reader's. */
function otherOf(me: Identity, message: Message): string {
  if (message.sender !== me.primary || message.conversation !== undefined) return message.sender;
  return threadOf(me, message);
}

function threadOf(me: Identity, message: Message): string {
  if (message.conversation !== undefined) return message.conversation;
  if (message.sender !== me.primary) return message.sender;
  return message.recipients.find((p) => p !== me.primary) ?? me.primary;
}

/** The own copy of what is on the screen already keeps its key; so nothing is there twice. */
function keyOf(model: Model, me: Identity, message: Message, hash: string): string {
  const same = model.byHash(hash);
  if (same) return same.key;
  return message.sender === me.primary ? `own:${message.id}` : hash;
}

function messageItem(model: Model, me: Identity, message: Message, hash: string, row: Row, place: Place, sender: Contact | undefined): MessageItem {
  const thread = threadOf(me, message);
  const doubts = doubtsOf(model, message, thread, hash, row, sender);
  const { type, text } = message.body as { type: string; text?: unknown };
  return {
    kind: 'message',
    key: keyOf(model, me, message, hash),
    thread,
    place,
    at: row.created_at,
    id: message.id,
    sender: message.sender,
    text: type === 'text' ? String(text) : '',
    ...(type === 'text' ? {} : { bodyType: type }),
    sentAt: message.sent_at,
    hash,
    ...(doubts.length ? { doubts } : {}),
    ...(message.sender === me.primary ? { send: 'sent' as const } : {}),
  };
}

function doubtsOf(model: Model, message: Message, thread: string, hash: string, row: Row, sender: Contact | undefined): Doubt[] {
  const before = model.byHash(hash);
  if (before) return before.doubts ?? [];
  const doubts: Doubt[] = [];
  const handle = message.sender === model.me ? model.handle : sender?.handle;
  const isRelayed = (row.from !== undefined && !!handle && row.from !== handle) ||
    (row.id !== undefined && row.id !== message.id);
  if (isRelayed) doubts.push('relayed');
  if (model.hasFrom(thread, message.sender)) {
    if (message.prev === null) doubts.push('restart');
    else if (!isOf(model.byHash(message.prev), message.sender, thread)) doubts.push('gap');
  }
  return doubts;
}

function isOf(item: MessageItem | undefined, sender: string, thread: string): boolean {
  return item?.sender === sender && item.thread === thread;
}

function delivered(model: Model, me: Identity, item: MessageItem): Change[] {
  const entry = item.sender === me.primary ? model.outbox.get(item.id) : undefined;
  return entry ? [{ kind: 'outbox', id: entry.id, value: undefined }] : [];
}

async function contactOf(model: Model, primary: string, directory: Directory): Promise<{ value: Contact | undefined; changes: Change[] }> {
  if (primary === model.me) return { value: undefined, changes: [] };
  const known = model.contacts.get(primary);
  if (known?.handle) return { value: known, changes: [] };
  const record = await directory.byPrimary(primary);
  if (!record) return { value: known, changes: known ? [] : [contactChange({ primary, handle: '', isVerified: false })] };
  return meet(model, record.primary, record.handle);
}

function contactChange(value: Contact): Change {
  return { kind: 'contact', id: value.primary, value };
}

/** The server says that this handle has this key. Another key that had it before is noted on both. */
export function meet(model: Model, primary: string, handle: string): { value: Contact; changes: Change[] } {
  const known = model.contacts.get(primary);
  const former = model.contactOfHandle(handle);
  const value: Contact = { ...(known ?? { primary, isVerified: false }), handle };
  if (!former || former.primary === primary) {
    const isSame = known?.handle === handle;
    return { value, changes: isSame ? [] : [contactChange(value)] };
  }
  value.replaces = former.primary;
  delete value.replacedBy;
  value.isVerified = false;
  return { value, changes: [contactChange(value), contactChange({ ...former, replacedBy: primary })] };
}

function flawThread(model: Model, row: Row): string {
  if (row.conversation !== undefined) return row.conversation;
  const contact = row.from === undefined ? undefined : model.contactOfHandle(row.from);
  return contact?.primary ?? UNKNOWN_THREAD;
}

function flawChanges(model: Model, row: Row, place: Place, flaw: 'unreadable' | 'undecryptable' | 'forged'): Change[] {
  const key = 'flaw:' + hex(sha256(utf8(JSON.stringify([row.conversation, row.from, row.id, row.envelope]))));
  const before = model.item(key);
  const isAgain = before?.place?.era === place.era && before.place.seq !== place.seq;
  const item: Item = {
    kind: 'flaw', key: isAgain ? `${key}:${place.era}:${place.seq}` : key, thread: flawThread(model, row), place,
    at: row.created_at, flaw, ...(row.from === undefined ? {} : { from: row.from }),
  };
  return [{ kind: 'item', id: item.key, value: item }];
}

function replayChanges(row: Row, place: Place, thread: string, hash: string): Change[] {
  const item: Item = {
    kind: 'flaw', key: `replay:${hash}:${place.era}:${place.seq}`, thread, place, at: row.created_at, flaw: 'replayed',
    ...(row.from === undefined ? {} : { from: row.from }),
  };
  return [{ kind: 'item', id: item.key, value: item }];
}

export function isConversation(value: unknown): value is Conversation {
  const c = value as Partial<Conversation> | null;
  return typeof c === 'object' && c !== null && typeof c.sid === 'string' && typeof c.title === 'string' &&
    isHandle(c.creator) && Number.isSafeInteger(c.version) && isTime(c.created_at) && isTime(c.updated_at) &&
    Array.isArray(c.participants) &&
    c.participants.every((p) => isHandle(p?.handle) && isPrimary(p.primary));
}

/** One person, one key; and who has the own handle has the own key. Else somebody would read along unseen. */
function isPlain(model: Model, { participants }: Conversation): boolean {
  const isOnce = (of: (p: Conversation['participants'][number]) => string) => new Set(participants.map(of)).size === participants.length;
  return isOnce((p) => p.handle) && isOnce((p) => p.primary) &&
    participants.every((p) => (p.handle === model.handle) === (p.primary === model.me));
}

/** A new state of a group. Without a place it did not come by a row, and leaves no note. */
export function conversationChanges(model: Model, data: unknown, at: string, place?: Place): Change[] {
  if (!isConversation(data) || !isPlain(model, data)) return [];
  const meta = model.threads.get(data.sid)?.meta;
  const changes: Change[] = [];
  const value: ThreadMeta = { ...(meta ?? { id: data.sid, draft: '' }), kind: 'group', since: meta?.since || at };
  if (place && data.version >= (meta?.told?.version ?? 0)) value.told = toldBy(data);
  if (data.version >= (meta?.conversation?.version ?? 0)) {
    value.conversation = data;
    value.hasLeft = !data.participants.some((p) => p.primary === model.me);
    for (const p of data.participants) if (p.primary !== model.me) changes.push(...meet(model, p.primary, p.handle).changes);
  }
  changes.unshift({ kind: 'thread', id: data.sid, value });
  if (place) changes.push(noteChange(model, data, toldBefore(meta, data.version), at, place));
  return changes;
}

function toldBy({ version, title, participants }: Conversation): Told {
  return { version, title, handles: participants.map((p) => p.handle) };
}

/** Without rows, for they are gone, the list of groups has told as much. */
function toldBefore(meta: ThreadMeta | undefined, version: number): Told | undefined {
  if (meta?.told) return meta.told;
  return meta?.conversation && meta.conversation.version < version ? toldBy(meta.conversation) : undefined;
}

function noteChange(model: Model, data: Conversation, told: Told | undefined, at: string, place: Place): Change {
  const key = `note:${data.sid}:${data.version}`;
  const known = model.item(key);
  if (known) return { kind: 'item', id: key, value: { ...known, place } };
  return { kind: 'item', id: key, value: { kind: 'note', key, thread: data.sid, place, at, note: noteOf(model, data, told) } };
}

function noteOf(model: Model, data: Conversation, told: Told | undefined): NoteItem['note'] {
  if (data.version === 1) return { what: 'created', by: data.creator };
  const isIn = data.participants.some((p) => p.primary === model.me);
  if (!told && isIn) return { what: 'joined' };
  if (!told || told.version >= data.version) return { what: 'changed', added: [], removed: [] };
  return { what: 'changed', ...difference(told, toldBy(data)) };
}

function difference(before: Told, after: Told) {
  return {
    added: after.handles.filter((h) => !before.handles.includes(h)),
    removed: before.handles.filter((h) => !after.handles.includes(h)),
    ...(before.title === after.title ? {} : { title: after.title }),
  };
}
