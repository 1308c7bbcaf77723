// The vectors are written by `KEZ_WRITE_VECTORS=1 npx vitest run tests/envelope.test.ts`, and
// checked by every other run.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { readFileSync, writeFileSync } from 'node:fs';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import { base64url, fromBase64url, fromHex, hex, ulid, utf8 } from '../src/lib/bytes';
import { type Envelope, likelySlot, type Message, messageHash, openEnvelope, recipientsOf, sealMessage, textRoom } from '../src/lib/envelope';
import * as hpke from '../src/lib/hpke';
import { jcs } from '../src/lib/jcs';
import { identityFromSeed, sealKeyOf, sign, verify } from '../src/lib/keys';
import { safetyNumber } from '../src/lib/safety';

const file = new URL('../../tests/vectors/envelope.json', import.meta.url);
const fill = (n: number) => new Uint8Array(32).fill(n);
const alice = identityFromSeed(fill(0x42));
const bob = identityFromSeed(fill(0x43));
const carol = identityFromSeed(fill(0x44));
const mallory = identityFromSeed(fill(0x45));

/** Of small order, or no points of the curve: nothing may be sealed to these. */
const REFUSED = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  '0200000000000000000000000000000000000000000000000000000000000000',
];

function message(more: Partial<Message>): Message {
  return {
    type: 'kez.chat.message',
    version: 1,
    id: 'AAECAwQFBgcICQoLDA0ODw',
    sender: alice.primary,
    recipients: recipientsOf(alice.primary, [bob.primary]),
    sent_at: '2026-05-26T23:06:17.123Z',
    prev: null,
    body: { type: 'text', text: 'Hello Bob, grüße 😀' },
    ...more,
  };
}

function vector(name: string, m: Message, n: number) {
  const contentKey = fill(n);
  const ephemerals = m.recipients.map((_, i) => fill(n + 1 + i));
  const { envelope, hash } = sealMessage(alice, m, { contentKey, ephemerals });
  const sealed = fromBase64url(envelope.content);
  return {
    name,
    message: m,
    jcs: jcs(m),
    signature: sign(alice, jcs(m)),
    hash,
    content_key: hex(contentKey),
    content: hex(chacha20poly1305(contentKey, new Uint8Array(12), utf8('kez-envelope-v1')).decrypt(sealed)),
    sealed: hex(sealed),
    slot_aad: hex(sha256(sealed)),
    slots: m.recipients.map((primary, i) => ({
      primary,
      pkR: hex(sealKeyOf(primary)),
      skE: hex(ephemerals[i]!),
      slot: hex(fromBase64url(envelope.keys[i]!)),
    })),
    envelope,
  };
}

function bad(name: string, envelope: unknown, flaw: string, conversation?: string) {
  return { name, reader: 'bob', ...(conversation ? { conversation } : {}), envelope, flaw };
}

function flip(text: string): string {
  const bytes = fromBase64url(text);
  bytes[bytes.length - 1]! ^= 1;
  return base64url(bytes);
}

/** Seals what the honest function would not, to these readers. */
function forge(content: string, readers = [alice, bob]): Envelope {
  const key = fill(7);
  const sealed = chacha20poly1305(key, new Uint8Array(12), utf8('kez-envelope-v1')).encrypt(utf8(content));
  const slots = readers.map((r, i) => hpke.seal(r.sealPublic, utf8('kez-envelope-v1 key'), sha256(sealed), key, fill(8 + i)));
  return { kez: 'sealed_message', version: 1, keys: slots.map(base64url), content: base64url(sealed) };
}

function build() {
  const sid = '01JWA0000000000000000000KZ';
  const first = vector('first message between two', message({}), 0x10);
  const second = vector('the next one, chained', message({ id: 'second', prev: first.hash, body: { type: 'text', text: '' } }), 0x20);
  const group = vector('in a conversation', message({
    id: 'third', conversation: sid, recipients: recipientsOf(alice.primary, [bob.primary, carol.primary]),
    body: { type: 'text', text: 'all of you' },
  }), 0x30);
  const pair = vector('of two in a conversation', message({ id: 'fifth', conversation: sid }), 0x50);
  const self = vector('to oneself', message({ id: 'fourth', recipients: [alice.primary] }), 0x40);
  const e = first.envelope;
  const m = message({});
  const signed = (x: unknown) => JSON.stringify({ message: x, sig: sign(alice, jcs(x)) });
  return {
    source: 'web/ENVELOPE.md, 2 to 8',
    people: Object.fromEntries(Object.entries({ alice, bob, carol, mallory }).map(([name, id]) => [name, {
      seed: hex(id.seed), primary: id.primary, x25519_secret: hex(id.sealSecret), x25519_public: hex(id.sealPublic),
    }])),
    good: [first, second, group, self, pair],
    refused_primaries: REFUSED.map((key) => `ed25519:${key}`),
    bad: [
      bad('another kind', { ...e, kez: 'note' }, 'unreadable'),
      bad('another version', { ...e, version: 2 }, 'unreadable'),
      bad('no keys', { ...e, keys: [] }, 'unreadable'),
      bad('a short slot', { ...e, keys: [e.keys[0]!.slice(0, 104)] }, 'unreadable'),
      bad('more than two slots without a conversation', { ...e, keys: [...e.keys, e.keys[0]!] }, 'unreadable'),
      bad('padding in base64url', { ...e, content: e.content + '==' }, 'unreadable'),
      bad('not for the reader', self.envelope, 'undecryptable'),
      bad('content changed', { ...e, content: flip(e.content) }, 'undecryptable'),
      bad('slots changed', { ...e, keys: e.keys.map(flip) }, 'undecryptable'),
      bad('slots of another envelope', { ...e, keys: second.envelope.keys }, 'undecryptable'),
      bad('a signature by somebody else', forge(JSON.stringify({ message: m, sig: sign(mallory, jcs(m)) })), 'forged'),
      bad('another text under the signature', forge(JSON.stringify({
        message: { ...m, body: { type: 'text', text: 'pay mallory' } }, sig: sign(alice, jcs(m)) })), 'forged'),
      bad('passed on: the reader is not a recipient', forge(signed({ ...m, recipients: [alice.primary] }), [bob]), 'forged'),
      bad('the sender is not a recipient', forge(signed({ ...m, recipients: [bob.primary] }), [bob]), 'forged'),
      bad('fewer slots than recipients', forge(signed(m), [bob]), 'forged'),
      bad('more slots than recipients', forge(signed({ ...group.message }), [alice, bob, carol, mallory]), 'forged', sid),
      bad('recipients out of order', forge(signed({ ...m, recipients: [...m.recipients].reverse() })), 'forged'),
      bad('three people without a conversation', forge(signed({ ...m, recipients: group.message.recipients })), 'forged'),
      bad('not a message', forge(signed({ ...m, type: 'kez.chat.handle_registration' })), 'forged'),
      bad('not JSON', forge('hello'), 'forged'),
      bad('moved into a conversation', e, 'forged', sid),
      bad('moved out of its conversation', pair.envelope, 'forged'),
      bad('moved out of its conversation, with three slots', group.envelope, 'unreadable'),
    ],
    safety_number: { a: alice.primary, b: bob.primary, groups: safetyNumber(alice.primary, bob.primary) },
  };
}

if (process.env['KEZ_WRITE_VECTORS']) writeFileSync(file, JSON.stringify(build(), null, 2) + '\n');
const vectors = JSON.parse(readFileSync(file, 'utf8')) as ReturnType<typeof build>;
const people = { alice, bob, carol, mallory };

describe('the sealed envelope', () => {
  it('comes out as in the vectors, step by step', () => {
    expect(build()).toEqual(vectors);
  });

  it.each(vectors.good)('opens for every recipient: $name', (v) => {
    for (const slot of v.slots) {
      const reader = Object.values(people).find((p) => p.primary === slot.primary)!;
      for (const likely of [0, 1, likelySlot(reader.primary, v.message.recipients)]) {
        const got = openEnvelope(reader, v.envelope, v.message.conversation, likely);
        expect(got).toEqual({ ok: true, message: v.message, hash: v.hash });
      }
    }
    expect(openEnvelope(mallory, v.envelope, v.message.conversation)).toMatchObject({ ok: false, flaw: 'undecryptable' });
  });

  it.each(vectors.bad)('$name: $flaw', (v) => {
    expect(openEnvelope(bob, v.envelope, v.conversation)).toMatchObject({ ok: false, flaw: v.flaw });
  });

  it.each(vectors.refused_primaries)('%s is sealed to by nobody, and signs nothing', (primary) => {
    expect(() => sealKeyOf(primary)).toThrow();
    const zeros = '0'.repeat(64);
    // R of small order and S = 0 satisfy looser checks for such keys.
    for (const r of REFUSED) expect(verify(primary, 'text', r + zeros)).toBe(false);
  });

  it.each([[null], [[]], ['text'], [{}], [{ kez: 'sealed_message', version: 1, keys: [1], content: 'AA' }]])(
    'is not fooled by %j', (odd) => {
      expect(openEnvelope(bob, odd)).toMatchObject({ ok: false, flaw: 'unreadable' });
    });

  it('has no name, key or time outside, and hides the exact length', () => {
    const short = sealMessage(alice, message({ body: { type: 'text', text: 'a' } })).envelope;
    const longer = sealMessage(alice, message({ body: { type: 'text', text: 'a'.repeat(40) } })).envelope;
    expect(Object.keys(short)).toEqual(['kez', 'version', 'keys', 'content']);
    expect(JSON.stringify(short)).not.toContain(hex(alice.publicKey).slice(0, 16));
    expect(short.content.length).toBe(longer.content.length);
    expect(fromHex(messageHash(message({})))).toHaveLength(32);
  });

  it.each([1, 2, 3, 50, 256])('keeps within 64 KiB with %i readers and as much text as there is room for', (n) => {
    const readers = Array.from({ length: n }, (_, i) => identityFromSeed(fill(i)).primary);
    const room = textRoom(n);
    const m = message({ id: 'x'.repeat(64), prev: 'a'.repeat(64), conversation: ulid(0), sender: readers[0]!,
      recipients: recipientsOf(readers[0]!, readers), body: { type: 'text', text: 'ö'.repeat(room / 2) } });
    expect(room).toBeGreaterThan(7000);
    expect(JSON.stringify(sealMessage(identityFromSeed(fill(0)), m).envelope).length).toBeLessThanOrEqual(64 * 1024);
  });
});
