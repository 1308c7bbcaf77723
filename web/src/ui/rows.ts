// ui/rows.ts -- the items of a chat as rows: with days, groups of messages, and where the new begins.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { comparePlaces } from '../lib/model/model';
import type { Item, Place } from '../lib/model/types';
import { dayKey, dayOf } from '../lib/when';
import type { ChatRow } from './Bubble.svelte';

const TOGETHER_MS = 5 * 60 * 1000;

interface When {
  ms: number;
  day: string;
}
/** Items do not change, they are replaced; so what is worked out for one stays true. */
const whens = new WeakMap<Item, When>();
const made = new WeakMap<Item, ChatRow>();

function whenOf(item: Item): When {
  let when = whens.get(item);
  if (!when) whens.set(item, (when = { ms: Date.parse(item.at), day: dayKey(item.at) }));
  return when;
}

function belongTogether(a: Item | undefined, b: Item | undefined): boolean {
  if (a?.kind !== 'message' || b?.kind !== 'message' || a.sender !== b.sender) return false;
  const [x, y] = [whenOf(a), whenOf(b)];
  return Math.abs(y.ms - x.ms) < TOGETHER_MS && x.day === y.day;
}

/** The row made before, if it would be the same: then nothing on the screen has to change. */
function reused(row: ChatRow): ChatRow {
  const before = made.get(row.item);
  const isSame = before && before.day === row.day && before.isFirstNew === row.isFirstNew && before.isFirst === row.isFirst && before.isLast === row.isLast;
  if (isSame) return before;
  made.set(row.item, row);
  return row;
}

/** `newFrom`: the key of the first item that was not read when the chat was opened. */
export function rowsOf(items: readonly Item[], newFrom: string | undefined): ChatRow[] {
  let day = '';
  return items.map((item, i) => {
    const its = whenOf(item).day;
    const isNewDay = its !== day;
    day = its;
    const isFirstNew = item.key === newFrom;
    return reused({
      key: item.key,
      item,
      day: isNewDay ? dayOf(item.at) : undefined,
      isFirstNew,
      isFirst: isFirstNew || !belongTogether(items[i - 1], item),
      isLast: items[i + 1]?.key === newFrom || !belongTogether(item, items[i + 1]),
    });
  });
}

export function firstUnread(items: readonly Item[], readTo: Place | undefined, isFromOthers: (item: Item) => boolean): string | undefined {
  return items.find((item) => item.place && (!readTo || comparePlaces(item.place, readTo) > 0) && isFromOthers(item))?.key;
}

const LINE_PX = 22;
const CHARS_PER_LINE = 52;

/** Near enough, until the row is in the page and can be measured. */
export function estimateHeight(row: ChatRow): number {
  const { item } = row;
  const above = (row.day ? 48 : 0) + (row.isFirstNew ? 36 : 0);
  if (item.kind === 'note') return above + 34;
  if (item.kind === 'flaw') return above + 96;
  const text = item.text.slice(0, 2500);
  const breaks = Math.min(40, text.split('\n').length - 1);
  const lines = Math.ceil(Math.max(1, text.length) / CHARS_PER_LINE) + breaks;
  return above + 15 + (row.isFirst ? 8 : 0) + lines * LINE_PX + (item.doubts?.length ?? 0) * 30;
}
