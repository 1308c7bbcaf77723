// lib/model/merge.ts -- two tabs changed the same thing before they heard of each other: what is
// known by either stays known.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { comparePlaces, type Model } from './model';
import type { Change, Item, ThreadMeta } from './types';

/** What another tab says, with what only this one knows. The same object: there was nothing to add. */
export function merge(model: Model, change: Change): Change {
  if (change.kind === 'item' && change.value) {
    const value = mergeItems(model.item(change.id), change.value);
    return value === change.value ? change : { ...change, value };
  }
  if (change.kind === 'thread' && change.value) {
    const value = mergeThreads(model.threads.get(change.id)?.meta, change.value);
    return value === change.value ? change : { ...change, value };
  }
  return change;
}

/** A place in the inbox is not lost again; an earlier era gives way to a later one. */
function mergeItems(here: Item | undefined, there: Item): Item {
  if (!here?.place || here.kind !== there.kind) return there;
  return there.place && comparePlaces(there.place, here.place) >= 0 ? there : here;
}

function mergeThreads(here: ThreadMeta | undefined, there: ThreadMeta): ThreadMeta {
  if (!here) return there;
  const isNewerHere = (here.conversation?.version ?? 0) > (there.conversation?.version ?? 0);
  const wasToldMoreHere = (here.told?.version ?? 0) > (there.told?.version ?? 0);
  const hasReadMoreHere = !!here.readTo && (!there.readTo || comparePlaces(here.readTo, there.readTo) > 0);
  if (!isNewerHere && !wasToldMoreHere && !hasReadMoreHere) return there;
  return {
    ...there,
    ...(isNewerHere ? { kind: here.kind, conversation: here.conversation, hasLeft: here.hasLeft } : {}),
    ...(wasToldMoreHere ? { told: here.told } : {}),
    ...(hasReadMoreHere ? { readTo: here.readTo } : {}),
  };
}
