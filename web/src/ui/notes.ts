// ui/notes.ts -- what has happened in a chat, in words.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import type { NoteItem } from '../lib/model/types';
import { cleanLine } from '../lib/text';
import { t } from '../texts';

export function noteText({ note }: NoteItem, ownHandle: string): string {
  if (note.what === 'missed') return t.notes.missed(note.count);
  if (note.what === 'created') return note.by === ownHandle ? t.notes.createdByYou : t.notes.created(cleanLine(note.by));
  if (note.what === 'joined') return t.notes.joined;
  const texts = [
    note.added.length ? t.notes.added(note.added, ownHandle) : '', note.removed.length ? t.notes.removed(note.removed, ownHandle) : '',
    note.title === undefined ? '' : t.notes.renamed(cleanLine(note.title)),
  ].filter(Boolean);
  return texts.join(' · ') || t.notes.changed;
}
