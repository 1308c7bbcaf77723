// lib/envelope.ts -- sealing and opening messages as ENVELOPE.md tells it.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { base64url, type Bytes, fromBase64url, fromUtf8, hex, randomBytes, utf8 } from './bytes';
import * as hpke from './hpke';
import { jcs } from './jcs';
import { type Identity, isPrimary, sealKeyOf, sign, verify } from './keys';
import { isTime } from './time';

const CONTENT_LABEL = utf8('kez-envelope-v1');
const SLOT_LABEL = utf8('kez-envelope-v1 key');
const ZERO_NONCE = new Uint8Array(12); // each content key is used once
const PAD_BYTES = 256;
const SLOT_BYTES = hpke.ENC_BYTES + 32 + hpke.TAG_BYTES;
const RECIPIENTS_MAX = 257;
/** Without a conversation: the sender and the other. Each slot costs whoever tries to open it. */
const PAIR_MAX = 2;

export type Body = { type: 'text'; text: string } | { type: string; [member: string]: unknown };

export interface Message {
  type: 'kez.chat.message';
  version: 1;
  id: string;
  sender: string;
  recipients: string[];
  conversation?: string;
  sent_at: string;
  prev: string | null;
  body: Body;
}

export interface Envelope {
  kez: 'sealed_message';
  version: 1;
  keys: string[];
  content: string;
}

export type Flaw = 'unreadable' | 'undecryptable' | 'forged';

export type Opened =
  | { ok: true; message: Message; hash: string }
  | { ok: false; flaw: Flaw; why: string };

export function messageHash(message: Message): string {
  return hex(sha256(utf8(jcs(message))));
}

/** The list as a message wants it: the sender among them, sorted, none twice. */
export function recipientsOf(sender: string, others: Iterable<string>): string[] {
  return [...new Set([sender, ...others])].sort();
}

function padded(text: string): Bytes {
  const bytes = utf8(text);
  const out = new Uint8Array(Math.ceil(bytes.length / PAD_BYTES) * PAD_BYTES).fill(0x20);
  out.set(bytes);
  return out;
}

/** Given by tests, so that the result is the same each time. */
export interface Chance {
  contentKey: Uint8Array;
  ephemerals: Uint8Array[];
}

export function sealMessage(identity: Identity, message: Message, chance?: Chance): { envelope: Envelope; hash: string } {
  const canonical = jcs(message);
  const content = padded(JSON.stringify({ message, sig: sign(identity, canonical) }));
  const contentKey = chance?.contentKey ?? randomBytes(32);
  const sealed = chacha20poly1305(contentKey, ZERO_NONCE, CONTENT_LABEL).encrypt(content);
  const aad = sha256(sealed);
  const keys = message.recipients.map((primary, i) =>
    base64url(hpke.seal(sealKeyOf(primary), SLOT_LABEL, aad, contentKey, chance?.ephemerals[i])),
  );
  return {
    envelope: { kez: 'sealed_message', version: 1, keys, content: base64url(sealed) },
    hash: hex(sha256(utf8(canonical))),
  };
}

interface Parts {
  slots: Bytes[];
  sealed: Bytes;
}

function partsOf(envelope: unknown, most: number): Parts | undefined {
  const e = envelope as Partial<Envelope> | null;
  if (typeof e !== 'object' || e === null || e.kez !== 'sealed_message' || e.version !== 1) return undefined;
  if (!Array.isArray(e.keys) || e.keys.length < 1 || e.keys.length > most) return undefined;
  if (typeof e.content !== 'string') return undefined;
  try {
    const slots = e.keys.map((k) => fromBase64url(k));
    const sealed = fromBase64url(e.content);
    return slots.every((s) => s.length === SLOT_BYTES) && sealed.length > hpke.TAG_BYTES ? { slots, sealed } : undefined;
  } catch {
    return undefined;
  }
}

/** The likely slot first, then all others: whoever knows the recipients needs one try. */
function contentOf(parts: Parts, identity: Identity, likely: number): Bytes | undefined {
  const aad = sha256(parts.sealed);
  const order = parts.slots.map((_, i) => i).sort((a, b) => Number(b === likely) - Number(a === likely));
  for (const i of order) {
    try {
      const key = hpke.open(parts.slots[i]!, identity.sealSecret, identity.sealPublic, SLOT_LABEL, aad);
      return chacha20poly1305(key, ZERO_NONCE, CONTENT_LABEL).decrypt(parts.sealed) as Bytes;
    } catch {
      // another's slot
    }
  }
  return undefined;
}

const ID = /^[A-Za-z0-9_-]{1,64}$/;
const HASH = /^[0-9a-f]{64}$/;

function isMessage(value: unknown): value is Message {
  const m = value as Partial<Message> | null;
  if (typeof m !== 'object' || m === null || m.type !== 'kez.chat.message' || m.version !== 1) return false;
  if (typeof m.id !== 'string' || !ID.test(m.id) || !isPrimary(m.sender)) return false;
  if (!isTime(m.sent_at)) return false;
  if (m.prev !== null && (typeof m.prev !== 'string' || !HASH.test(m.prev))) return false;
  if (m.conversation !== undefined && typeof m.conversation !== 'string') return false;
  if (typeof m.body !== 'object' || m.body === null || typeof m.body.type !== 'string') return false;
  if (m.body.type === 'text' && typeof m.body.text !== 'string') return false;
  const to = m.recipients;
  if (!Array.isArray(to) || to.length < 1 || to.length > RECIPIENTS_MAX || !to.every(isPrimary)) return false;
  if (m.conversation === undefined && to.length > PAIR_MAX) return false;
  return to.every((p, i) => i === 0 || to[i - 1]! < p);
}

function flaw(kind: Flaw, why: string): Opened {
  return { ok: false, flaw: kind, why };
}

/** Opens what a row brought. `conversation` is the row's. `likely`: see contentOf(). */
export function openEnvelope(identity: Identity, envelope: unknown, conversation?: string, likely = 0): Opened {
  const parts = partsOf(envelope, conversation === undefined ? PAIR_MAX : RECIPIENTS_MAX);
  if (!parts) return flaw('unreadable', 'format');
  const content = contentOf(parts, identity, likely);
  if (!content) return flaw('undecryptable', 'key');
  try {
    const { message, sig } = JSON.parse(fromUtf8(content)) as { message: unknown; sig: unknown };
    if (!isMessage(message)) return flaw('forged', 'shape');
    if (!verify(message.sender, jcs(message), sig)) return flaw('forged', 'signature');
    if (!message.recipients.includes(identity.primary)) return flaw('forged', 'not-for-me');
    if (!message.recipients.includes(message.sender)) return flaw('forged', 'shape');
    if (message.recipients.length !== parts.slots.length) return flaw('forged', 'slots');
    if (message.conversation !== conversation) return flaw('forged', 'conversation');
    return { ok: true, message, hash: messageHash(message) };
  } catch {
    return flaw('forged', 'shape');
  }
}

/** The place of the own slot, when all readers are known. */
export function likelySlot(me: string, readers: Iterable<string>): number {
  return recipientsOf(me, readers).indexOf(me);
}


const TEXT_MAX_BYTES = 16 * 1024;
const CONVERSATION_MAX_BYTES = 64 * 1024;

/** Bytes of UTF-8, as JSON writes them, that a text may have so that a conversation takes it. */
export function textRoom(readers: number): number {
  const slots = readers * (Math.ceil((SLOT_BYTES * 4) / 3) + 3);
  const content = ((CONVERSATION_MAX_BYTES - slots - 128) * 3) / 4;
  const rest = readers * 75 + 640 + PAD_BYTES + hpke.TAG_BYTES; // the message but for its text
  return Math.min(TEXT_MAX_BYTES, Math.floor(content - rest));
}
