// SPDX-License-Identifier: MIT OR Apache-2.0
import { describe, expect, it } from 'vitest';
import vectors from '../../tests/vectors/hpke.json';
import { concat, fromHex, hex } from '../src/lib/bytes';
import { open, seal, setupReceive, setupSend } from '../src/lib/hpke';

describe('HPKE (RFC 9180, A.2.1)', () => {
  const v = vectors.base;
  const [pkR, skR, info] = [fromHex(v.pkRm), fromHex(v.skRm), fromHex(v.info)];

  it('derives each value of the key schedule, on both sides', () => {
    const s = setupSend(pkR, info, fromHex(v.skEm));
    expect(hex(s.enc)).toBe(v.enc);
    for (const side of [s, setupReceive(fromHex(v.enc), skR, pkR, info)]) {
      expect(hex(side.sharedSecret)).toBe(v.shared_secret);
      expect(hex(side.context)).toBe(v.key_schedule_context);
      expect(hex(side.secret)).toBe(v.secret);
      expect(hex(side.key)).toBe(v.key);
      expect(hex(side.baseNonce)).toBe(v.base_nonce);
    }
  });

  it('seals and opens the message of sequence number 0', () => {
    const sealed = seal(pkR, info, fromHex(v.aad), fromHex(v.pt), fromHex(v.skEm));
    expect(hex(sealed)).toBe(v.enc + v.ct);
    expect(hex(open(sealed, skR, pkR, info, fromHex(v.aad)))).toBe(v.pt);
  });

  it('opens nothing that was changed', () => {
    const sealed = fromHex(v.enc + v.ct);
    for (let i = 0; i < sealed.length; i += 7) {
      const bad = new Uint8Array(sealed);
      bad[i]! ^= 1;
      expect(() => open(bad, skR, pkR, info, fromHex(v.aad))).toThrow();
    }
    expect(() => open(sealed, skR, pkR, info, new Uint8Array(1))).toThrow();
    expect(() => open(sealed, skR, pkR, new Uint8Array(1), fromHex(v.aad))).toThrow();
    expect(() => open(sealed.subarray(0, 47), skR, pkR, info, fromHex(v.aad))).toThrow();
  });

  it.each(vectors.small_order)('refuses the public key $key of small order', ({ key }) => {
    expect(() => seal(fromHex(key), info, new Uint8Array(0), new Uint8Array(32))).toThrow();
    const sealed = concat(fromHex(key), new Uint8Array(48));
    expect(() => setupReceive(fromHex(key), skR, pkR, info)).toThrow('invalid private or public key');
    expect(() => open(sealed, skR, pkR, info, new Uint8Array(0))).toThrow();
  });
});
