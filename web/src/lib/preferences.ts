// lib/preferences.ts -- what is kept in the open on this device: looks and habits, nothing private.
//
// SPDX-License-Identifier: MIT OR Apache-2.0

export interface Preferences {
  theme: 'system' | 'light' | 'dark';
  /** Minutes without use before the lock falls; 0: never. */
  lockAfter: number;
  notify: boolean;
  notifyPreview: boolean;
}

const NAME = 'kez-chat.preferences';
const defaults: Preferences = { theme: 'system', lockAfter: 60, notify: false, notifyPreview: false };

export function loadPreferences(): Preferences {
  try {
    return { ...defaults, ...(JSON.parse(localStorage.getItem(NAME) ?? '{}') as Partial<Preferences>) };
  } catch {
    return { ...defaults };
  }
}

export function savePreferences(p: Preferences): void {
  try {
    localStorage.setItem(NAME, JSON.stringify(p));
  } catch {
    // no storage: it holds for this page
  }
}
