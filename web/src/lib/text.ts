// lib/text.ts -- text from others, made harmless to show.
//
// Nothing here makes HTML: the parts become text nodes and links.
//
// SPDX-License-Identifier: MIT OR Apache-2.0

/** Directional embeddings, overrides and isolates; and what has no place in a text. */
const UNSEEN = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF\uFFF9-\uFFFB]/g;
const LONE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;
/** More marks than any script stacks on one letter. */
const MARKS = /(\p{M}{8})\p{M}+/gu;

/** What is shown of a text: the letters, without characters that change how others are shown. */
export function clean(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(LONE, '\uFFFD').replace(UNSEEN, '').replace(MARKS, '$1');
}

/** More empty lines than two say nothing. */
export function squeezed(text: string): string {
  return text.replace(/\n[^\S\n]*\n[^\S\n]*\n(?:[^\S\n]*\n)+/g, '\n\n\n');
}

/** On one line, for titles and names. */
export function cleanLine(text: string): string {
  return clean(text).replace(/\s+/g, ' ').trim();
}

const FIRST_CHARS = 2500;
const FIRST_LINES = 40;
const STEP = 8; // "show more" shows this many times as much

export interface Excerpt {
  text: string;
  isWhole: boolean;
}

/** The beginning of a long text; each `step` shows more. */
export function excerpt(text: string, step: number): Excerpt {
  const factor = STEP ** step;
  const chars = FIRST_CHARS * factor;
  let end = Math.min(text.length, chars);
  for (let at = -1, line = 0; line < FIRST_LINES * factor; line++) {
    at = text.indexOf('\n', at + 1);
    if (at < 0 || at >= end) break;
    if (line === FIRST_LINES * factor - 1) end = at;
  }
  if (end < text.length && /[\uD800-\uDBFF]/.test(text[end - 1] ?? '')) end--;
  return { text: text.slice(0, end), isWhole: end === text.length };
}

export type Part = { kind: 'text'; text: string } | { kind: 'link'; text: string; href: string };

const LINK = /\bhttps?:\/\/[^\s<>"'`{}|\\^\u00A0]+/giu;
const LINK_MAX_CHARS = 2000;

/** Closing marks belong to the sentence, unless they were opened in the link. */
function trimLink(url: string): string {
  for (;;) {
    const last = url.at(-1)!;
    if (/[.,:;!?…*_~]/.test(last)) url = url.slice(0, -1);
    else if (last === ')' && count(url, ')') > count(url, '(')) url = url.slice(0, -1);
    else if (last === ']' && count(url, ']') > count(url, '[')) url = url.slice(0, -1);
    else return url;
  }
}

function count(text: string, letter: string): number {
  return text.split(letter).length - 1;
}

/** The address, if it is one without a name and password in it. */
function hrefOf(text: string): string | undefined {
  try {
    const url = new URL(text);
    const isPlain = (url.protocol === 'https:' || url.protocol === 'http:') && !url.username && !url.password;
    return isPlain ? url.href : undefined;
  } catch {
    return undefined;
  }
}

export function linkParts(text: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    const shown = trimLink(match[0]);
    const href = shown.length <= LINK_MAX_CHARS ? hrefOf(shown) : undefined;
    if (!href) continue;
    if (match.index > at) parts.push({ kind: 'text', text: text.slice(at, match.index) });
    parts.push({ kind: 'link', text: shown, href });
    at = match.index + shown.length;
  }
  if (at < text.length) parts.push({ kind: 'text', text: text.slice(at) });
  return parts;
}

const EMOJI_ONLY = /^(?:\p{RGI_Emoji}|\s){1,12}$/v;

/** One to three emoji and nothing else: shown large. */
export function isFewEmoji(text: string): boolean {
  if (text.length > 48 || !EMOJI_ONLY.test(text)) return false;
  const letters = [...new Intl.Segmenter().segment(text.replace(/\s/g, ''))].length;
  return letters >= 1 && letters <= 3;
}

/** For the list of chats. */
export function preview(text: string): string {
  return cleanLine(text.slice(0, 400)).slice(0, 160);
}

export interface Hit {
  before: string;
  found: string;
  after: string;
}

const HIT_WITHIN_CHARS = 20000;
const HIT_BEFORE_CHARS = 30;
const HIT_AFTER_CHARS = 110;

/** The part of a text around what was searched for; `wanted` is folded. */
export function around(text: string, wanted: string): Hit {
  const letters = [...cleanLine(text.slice(0, HIT_WITHIN_CHARS))];
  const ends: number[] = []; // of each letter, in the folded text
  let line = '';
  for (const letter of letters) ends.push((line += folded(letter)).length);
  const at = line.indexOf(wanted);
  if (at < 0) return { before: letters.slice(0, HIT_AFTER_CHARS).join(''), found: '', after: '' };
  const from = ends.findIndex((end) => end > at);
  const to = ends.findIndex((end) => end >= at + wanted.length) + 1;
  let start = Math.max(0, from - HIT_BEFORE_CHARS);
  const space = letters.indexOf(' ', start);
  if (start > 0 && space >= 0 && space < from) start = space + 1; // with a whole word
  return {
    before: (start > 0 ? '…' : '') + letters.slice(start, from).join(''),
    found: letters.slice(from, to).join(''),
    after: letters.slice(to, from + HIT_AFTER_CHARS).join(''),
  };
}

/** For search: case and accents do not matter. */
export function folded(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}
