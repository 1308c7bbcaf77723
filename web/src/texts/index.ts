// texts/index.ts -- the texts in the language of the browser, as far as there is one.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { en, type Texts } from './en';

const languages: Texts[] = [en];

function choose(): Texts {
  for (const wanted of globalThis.navigator?.languages ?? []) {
    const found = languages.find((l) => l.code === wanted.split('-')[0]);
    if (found) return found;
  }
  return en;
}

export const t: Texts = choose();
