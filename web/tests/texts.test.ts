// What people read comes from src/texts alone, so that another language is one more file.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'svelte/compiler';
import { describe, expect, it } from 'vitest';
import { noteText } from '../src/ui/notes';

const SPOKEN = ['aria-label', 'title', 'placeholder', 'alt', 'label'];
const folder = new URL('../src/', import.meta.url);
const components = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.svelte'));

interface Node {
  type: string;
  name?: string;
  data?: string;
  value?: unknown;
}

/** Letters that stand in the markup itself. */
function wordsIn(node: unknown, isRead: boolean): string[] {
  if (Array.isArray(node)) return node.flatMap((n) => wordsIn(n, isRead));
  if (typeof node !== 'object' || node === null) return [];
  const n = node as Node;
  if (n.type === 'Text') return isRead && /\p{L}/u.test(n.data ?? '') ? [n.data!.trim()] : [];
  if (n.type === 'StyleDirective') return [];
  if (n.type === 'Attribute') return wordsIn(n.value, SPOKEN.includes(n.name ?? ''));
  return Object.values(n).flatMap((child) => wordsIn(child, isRead));
}

describe('texts', () => {
  it.each(components)('%s has none of its own', (name) => {
    const { fragment } = parse(readFileSync(new URL(name, folder), 'utf8'), { modern: true, filename: name });
    expect(wordsIn(fragment, true)).toEqual([]);
  });

  it('are found where they are', () => {
    const { fragment } = parse('<p title="Hello">{t.a}<b>word</b>{#if x}<i class="fine" aria-label={t.b}>●</i>{/if}</p>', { modern: true });
    expect(wordsIn(fragment, true)).toEqual(['Hello', 'word']);
  });
});

describe('what has happened in a group', () => {
  const base = { kind: 'note' as const, key: 'n', thread: 'G', at: '2026-05-26T23:06:17.123Z' };
  it.each<[Parameters<typeof noteText>[0]['note'], string]>([
    [{ what: 'created', by: 'alice' }, 'You made the group'],
    [{ what: 'created', by: 'bob' }, '@bob made the group'],
    [{ what: 'joined' }, 'You are in this group now'],
    [{ what: 'changed', added: ['bob', 'alice'], removed: [] }, 'You and @bob joined'],
    [{ what: 'changed', added: [], removed: ['bob'] }, '@bob is not in the group any more'],
    [{ what: 'changed', added: [], removed: ['alice'] }, 'You are not in the group any more'],
    [{ what: 'changed', added: [], removed: ['bob', 'carol'] }, '@bob and @carol are not in the group any more'],
    [{ what: 'changed', added: ['carol'], removed: [], title: 'Sun\u202Eday' }, '@carol joined · The group is now called “Sunday”'],
    [{ what: 'changed', added: [], removed: [], title: '' }, 'The group has no name now'],
    [{ what: 'changed', added: [], removed: [] }, 'The group was changed'],
    [{ what: 'missed', count: 1 }, '1 message is not on the server any more, and never reached this device'],
  ])('%j', (note, text) => expect(noteText({ ...base, note }, 'alice')).toBe(text));
});
