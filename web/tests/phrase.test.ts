// SPDX-License-Identifier: MIT OR Apache-2.0
import { describe, expect, it } from 'vitest';
import vectors from '../../tests/vectors/phrase.json';
import { fromHex, hex } from '../src/lib/bytes';
import { identityFromSeed } from '../src/lib/keys';
import { checkWords, entropyOfWords, newEntropy, seedOfEntropy, splitWords, wordsOfEntropy } from '../src/lib/phrase';

describe('words', () => {
  it.each(vectors.phrases)('$words gives $public_key', (v) => {
    const words = splitWords(v.words);
    expect(checkWords(words)).toBeUndefined();
    const entropy = entropyOfWords(words);
    expect(hex(entropy)).toBe(v.entropy);
    const seed = seedOfEntropy(entropy);
    expect(hex(seed)).toBe(v.seed);
    const id = identityFromSeed(seed);
    expect(hex(id.publicKey)).toBe(v.public_key);
    expect(hex(id.sealSecret)).toBe(v.x25519_secret);
    expect(hex(id.sealPublic)).toBe(v.x25519_public);
    expect(wordsOfEntropy(fromHex(v.entropy)).join(' ')).toBe(v.words);
  });

  it.each(vectors.wrong)('$words is refused: $problem', (v) => {
    expect(checkWords(splitWords(v.words))?.kind).toBe(v.problem);
  });

  it('says which word is not in the list, and what may have been meant', () => {
    const words = splitWords('legal winner thank yaer wave sausage worth useful legal winner thank yellow');
    expect(checkWords(words)).toEqual({
      kind: 'unknown', position: 4, word: 'yaer', near: expect.arrayContaining(['year']),
    });
  });

  it('reads words in any case, with any white space, and with the numbers of a list', () => {
    expect(splitWords('  Abandon\tABOUT,\n art ')).toEqual(['abandon', 'about', 'art']);
    expect(splitWords('1. abandon 2) about\n3 art 4.zoo')).toEqual(['abandon', 'about', 'art', 'zoo']);
  });

  it('makes twelve words that are right', () => {
    const words = wordsOfEntropy(newEntropy());
    expect(words).toHaveLength(12);
    expect(checkWords(words)).toBeUndefined();
  });
});
