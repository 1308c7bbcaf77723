// SPDX-License-Identifier: MIT OR Apache-2.0
import { describe, expect, it } from 'vitest';
import { dayOf, shortTimeOf } from '../src/lib/when';
import type { Item, MessageItem } from '../src/lib/model/types';
import { firstUnread, rowsOf } from '../src/ui/rows';

/** Of this place on earth, whatever its time zone. */
const at = (day: number, hour: number, minute = 0) => new Date(2026, 4, day, hour, minute).toISOString();
let seq = 0;

function message(sender: string, time: string): MessageItem {
  const key = `${sender}${++seq}`;
  return { kind: 'message', key, thread: 'T', place: { era: 0, seq }, at: time, id: key, sender, text: key, sentAt: time, send: 'sent' };
}

describe('the rows of a chat', () => {
  it('have a day where a new one begins, and belong together for some minutes', () => {
    const items: Item[] = [
      message('a', at(3, 23, 57)), message('a', at(3, 23, 59)), message('a', at(4, 0, 1)), message('b', at(4, 0, 2)), message('b', at(4, 0, 9)),
    ];
    const rows = rowsOf(items, undefined);
    expect(rows.map((r) => !!r.day)).toEqual([true, false, true, false, false]);
    expect(rows.map((r) => [r.isFirst, r.isLast])).toEqual([[true, false], [false, true], [true, true], [true, true], [true, true]]);
  });

  it('are the same objects as long as nothing changes on the screen', () => {
    const items: Item[] = [message('a', at(5, 9)), message('a', at(5, 9, 1))];
    const [first, second] = rowsOf(items, undefined);
    const more = rowsOf([...items, message('b', at(5, 9, 2))], undefined);
    expect(more[0]).toBe(first);
    expect(more[1]).toBe(second);
    expect(rowsOf(items, items[1]!.key)[1]).toMatchObject({ isFirstNew: true, isFirst: true });
    expect(rowsOf(items, items[1]!.key)[0]!.isLast).toBe(true);
  });

  it('know where the new begins: with what others wrote after what was read', () => {
    const items = [message('a', at(6, 9)), message('me', at(6, 10)), message('a', at(6, 11)), message('a', at(6, 12))];
    const isFromOthers = (i: Item) => i.kind === 'message' && i.sender !== 'me';
    expect(firstUnread(items, items[0]!.place, isFromOthers)).toBe(items[2]!.key);
    expect(firstUnread(items, items[3]!.place, isFromOthers)).toBeUndefined();
    expect(firstUnread(items, undefined, isFromOthers)).toBe(items[0]!.key);
  });
});

describe('days', () => {
  const now = new Date(2026, 4, 20, 0, 30).getTime();
  const has = (text: string, parts: (string | number)[]) => parts.every((p) => text.includes(String(p)));

  it('are named by their distance', () => {
    expect(dayOf(at(20, 0, 10), now)).toBe('Today');
    expect(dayOf(at(19, 23, 50), now)).toBe('Yesterday');
    expect(dayOf(at(16, 12), now)).toBe(new Intl.DateTimeFormat(undefined, { weekday: 'long' }).format(new Date(2026, 4, 16)));
    expect(has(dayOf(at(2, 12), now), [2]) && !has(dayOf(at(2, 12), now), [2026])).toBe(true);
    expect(has(dayOf(new Date(2024, 11, 31, 12).toISOString(), now), [31, 2024])).toBe(true);
  });

  it('are short in the list of chats, and of other years are told apart', () => {
    expect(shortTimeOf(at(20, 0, 10), now)).toMatch(/10/);
    expect(shortTimeOf(at(19, 23, 50), now)).toBe('Yesterday');
    expect(shortTimeOf(new Date(2025, 4, 2).toISOString(), now)).toMatch(/25/);
    expect(shortTimeOf(at(2, 12), now)).not.toMatch(/26/);
  });
});
