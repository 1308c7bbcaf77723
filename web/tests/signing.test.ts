// SPDX-License-Identifier: MIT OR Apache-2.0
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import registered from '../../tests/vectors/registration.json';
import { base64url, fromBase64url, fromHex, hex, randomId, ulid, utf8 } from '../src/lib/bytes';
import { checkHandle, handleFrom } from '../src/lib/handle';
import { jcs } from '../src/lib/jcs';
import { identityFromSeed, sealKeyOf, sign, verify } from '../src/lib/keys';
import { pollText, proofsText, registration, requestText, streamText } from '../src/lib/signing';

const me = identityFromSeed(new Uint8Array(32).fill(0x42));

describe('signatures', () => {
  it('has the key of the vectors', () =>
    expect(me.primary).toBe('ed25519:2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12'));

  it.each([
    [pollText('alice', 0, 1780000000), '0b09532248a3faaaffbe7240e23ab6e666330b6bf32ed409bb49dfaa001a7530985e15b8549e7c3161c01a6570c0fccae4e1c5462ac837167cf54d12c6eb9307'],
    [streamText('alice', 1780000000), '1ae6e403c4012d41e72eb9d77ad110dfd8a5bd7952f31660d67c13e1cc8a466049559599fc71f4a1ff895aa4bfd70ec8f4ab419cca92cd9d8b4bc75f0f70bd0b'],
    [proofsText('alice', 1780000000), 'd538d452e20415d9abf8844d174b60e1ae4d88af76c7b2550e5687bc3447db422131e0745803e2297376514bb3a131013b4e4b68f1ddb85a69ac7fb229fabb09'],
  ])('signs %j as the protocol says', (text, sig) => {
    expect(sign(me, text)).toBe(sig);
    expect(verify(me.primary, text, sig)).toBe(true);
    expect(verify(me.primary, text + ' ', sig)).toBe(false);
    expect(verify(me.primary, text, sig.toUpperCase())).toBe(false);
  });

  it('signs other requests over method, server, target, body and time', () =>
    expect(requestText('POST', 'chat.example.org', '/v1/messages', '', 5)).toBe(
      'POST\nchat.example.org\n/v1/messages\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n5'));

  it('signs the registration of the shared vector', () => {
    const { payload, signature } = registered;
    expect(sign(me, jcs(payload))).toBe(signature.sig);
    const own = JSON.parse(registration(me, 'alice', 'chat.example.org', new Date(0))) as typeof registered;
    expect(verify(me.primary, jcs(own.payload), own.signature.sig)).toBe(true);
  });

  it('refuses a key that is no point of the curve', () => expect(() => sealKeyOf('ed25519:02' + '0'.repeat(62))).toThrow());
});

describe('JCS', () => {
  it('writes numbers as ECMAScript does', () => {
    const lines = readFileSync(new URL('../../tests/vectors/es_numbers.txt', import.meta.url), 'utf8').split('\n').filter((l) => l && !l.startsWith('#'));
    expect(lines.length).toBeGreaterThan(100);
    for (const line of lines) {
      const [bits, text] = line.split(' ') as [string, string];
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, BigInt('0x' + bits));
      expect(jcs(view.getFloat64(0)), bits).toBe(text);
    }
  });
  it.each([
    [{ b: 1, a: [true, null, 'x\n"'] }, '{"a":[true,null,"x\\n\\""],"b":1}'],
    [{ '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 },
      '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}'],
    [[1e21, 0.000001, -0, 333333333.33333329], '[1e+21,0.000001,0,333333333.3333333]'],
  ])('%j', (value, text) => expect(jcs(value)).toBe(text));
  it.each([['\ud800'], [{ '\udc00': 1 }], [NaN], [undefined], [() => 1]])('refuses %j', (value) => expect(() => jcs(value)).toThrow());
});

describe('bytes', () => {
  it('writes and reads base64url and hex, in one way only', () => {
    for (let n = 0; n < 70; n++) {
      const bytes = Uint8Array.from({ length: n }, (_, i) => (i * 37 + n) % 256);
      expect(fromBase64url(base64url(bytes))).toEqual(bytes);
      expect(fromHex(hex(bytes))).toEqual(bytes);
    }
    for (const bad of ['A', 'AB', 'AA=', 'A+', 'AAB', '////']) expect(() => fromBase64url(bad), bad).toThrow();
    for (const bad of ['0', 'GG', 'AA']) expect(() => fromHex(bad)).toThrow();
  });
  it('makes ids and ULIDs that the protocol takes', () => {
    expect(randomId()).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(ulid(Date.UTC(2026, 0, 1))).toMatch(/^01K[0-9A-HJKMNP-TV-Z]{23}$/);
    expect(new Set(Array.from({ length: 100 }, () => randomId())).size).toBe(100);
    expect(utf8('ä')).toHaveLength(2);
  });
});

describe('handles', () => {
  it.each([['ab', 'short'], ['a'.repeat(33), 'long'], ['-ab', 'first'], ['a.b', 'byte'], ['Alice', 'first'], ['admin', 'reserved'],
    ['no-reply', 'reserved'], ['alice', undefined], ['0_-', undefined], ['a'.repeat(32), undefined]])('%j: %s', (h, want) => expect(checkHandle(h)).toBe(want));
  it('understands what people type', () => expect([' @Alice ', 'ALICE@host', 'bob'].map(handleFrom)).toEqual(['alice', 'alice', 'bob']));
});
