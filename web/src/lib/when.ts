// lib/when.ts -- times as people read them.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { t } from '../texts';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long' });
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const shortDate = new Intl.DateTimeFormat(undefined, { dateStyle: 'short' });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const withYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const DAY_MS = 86400000;

export function timeOf(at: string): string {
  return clock.format(new Date(at));
}

export function fullTimeOf(at: string): string {
  return full.format(new Date(at));
}

/** The same for all times of one day, here. */
export function dayKey(at: string): string {
  const d = new Date(at);
  return `${d.getFullYear()}-${d.getMonth()}-${d.getDate()}`;
}

function daysAgo(at: string, now: number): number {
  const midnight = (ms: number) => new Date(ms).setHours(0, 0, 0, 0);
  return Math.round((midnight(now) - midnight(Date.parse(at))) / DAY_MS);
}

export function dayOf(at: string, now = Date.now()): string {
  const ago = daysAgo(at, now);
  if (ago === 0) return t.thread.today;
  if (ago === 1) return t.thread.yesterday;
  const date = new Date(at);
  if (ago > 1 && ago < 7) return weekday.format(date);
  return date.getFullYear() === new Date(now).getFullYear() ? longDay.format(date) : withYear.format(date);
}

/** For the list of chats: as short as possible. */
export function shortTimeOf(at: string, now = Date.now()): string {
  const ago = daysAgo(at, now);
  if (ago <= 0) return timeOf(at);
  if (ago === 1) return t.thread.yesterday;
  const date = new Date(at);
  if (ago < 7) return weekday.format(date);
  return (date.getFullYear() === new Date(now).getFullYear() ? shortDay : shortDate).format(date);
}
