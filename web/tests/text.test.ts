// SPDX-License-Identifier: MIT OR Apache-2.0
import { describe, expect, it } from 'vitest';
import { around, clean, cleanLine, excerpt, folded, type Hit, isFewEmoji, linkParts, preview, squeezed } from '../src/lib/text';

describe('texts of others', () => {
  it.each([
    ['a\u202Eevil\u202Cb', 'aevilb'],
    ['\u2066x\u2069\u200F\u061C', 'x'],
    ['a\u0000\u0007b\u001b[31m\u009f', 'ab[31m'],
    ['one\r\ntwo\rthree', 'one\ntwo\nthree'],
    ['\uD800x\uDC00', '\uFFFDx\uFFFD'],
    ['👩‍👩‍👧 שלום مرحبا\ttab', '👩‍👩‍👧 שלום مرحبا\ttab'],
    ['e' + '\u0301'.repeat(500), 'e' + '\u0301'.repeat(8)],
    ['<script>alert(1)</script>', '<script>alert(1)</script>'],
  ])('%j is shown as %j', (raw, shown) => expect(clean(raw)).toBe(shown));

  it.each([
    ['a\nb', 'a\nb'],
    ['a\n\n\nb', 'a\n\n\nb'],
    ['a\n\n\n\nb\n \n\t\n\n  c', 'a\n\n\nb\n\n\n  c'],
    ['\n'.repeat(1e6) + 'end', '\n\n\nend'],
  ])('has two empty lines in a row at most', (raw, shown) => expect(squeezed(raw)).toBe(shown));

  it('has names on one line', () => {
    expect(cleanLine(' a\n\n b\u202E ')).toBe('a b');
    expect(preview('x\n'.repeat(1e6)).length).toBeLessThanOrEqual(160);
  });

  it.each([
    ['see https://example.org/a_(b). Yes', 'https://example.org/a_(b)'],
    ['(https://example.org/)', 'https://example.org/'],
    ['http://localhost:6969/x?y=1#z!', 'http://localhost:6969/x?y=1#z'],
    ['HTTPS://EXAMPLE.ORG', 'HTTPS://EXAMPLE.ORG'],
  ])('finds the link in %j', (text, link) => {
    const parts = linkParts(text);
    expect(parts.filter((p) => p.kind === 'link').map((p) => p.text)).toEqual([link]);
    expect(parts.map((p) => p.text).join('')).toBe(text);
  });

  it.each(['javascript:alert(1)', 'data:text/html,x', 'https://user:pass@example.org', 'https://', 'http:// x',
    'vbscript:https', 'file:///etc/passwd'])('makes no link of %j', (text) => {
    expect(linkParts(text).every((p) => p.kind === 'text')).toBe(true);
  });

  it('shows the beginning of 100 KB of one word and of a million newlines, and more when asked', () => {
    const word = 'a'.repeat(100000);
    expect(excerpt(word, 0)).toEqual({ text: 'a'.repeat(2500), isWhole: false });
    expect(excerpt(word, 2)).toEqual({ text: word, isWhole: true });
    const lines = '\n'.repeat(1e6);
    expect(excerpt(lines, 0)).toEqual({ text: '\n'.repeat(39), isWhole: false });
    expect(excerpt('short\ntext', 0)).toEqual({ text: 'short\ntext', isWhole: true });
    expect(excerpt('', 0)).toEqual({ text: '', isWhole: true });
    expect(excerpt('x'.repeat(2499) + '😀', 0).text).toBe('x'.repeat(2499));
  });

  it.each([['😀', true], ['👩‍👩‍👧 ❤️', true], ['😀😀😀😀', false], ['a😀', false], ['', false], ['1', false]])(
    '%j is only a few emoji: %s', (text, want) => expect(isFewEmoji(text)).toBe(want));

  it.each<[string, string, Hit]>([
    ['Die Grüße\n  von Édith', 'von e', { before: 'Die Grüße ', found: 'von É', after: 'dith' }],
    ['x'.repeat(40) + 'needle', 'needle', { before: '…' + 'x'.repeat(30), found: 'needle', after: '' }],
    [`${'word '.repeat(20)}needle`, 'needle', { before: '…word word word word word ', found: 'needle', after: '' }],
    ['e\u0301a', 'a', { before: 'e\u0301', found: 'a', after: '' }],
    ['beyond what is looked through', 'absent', { before: 'beyond what is looked through', found: '', after: '' }],
  ])('shows what is around a hit: %j', (text, wanted, hit) => expect(around(text, wanted)).toEqual(hit));

  it('folds case and accents for search', () => expect(folded('Grüße É')).toBe('gruße e'));
});
