// app.svelte.ts -- the page as a whole: which screen is shown, the account on this device, lock and
// unlock.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { tick } from 'svelte';
import { Api, ApiError, type HandleRecord, SKEW_LIMIT_MS } from './lib/api';
import { type Bytes, randomBytes } from './lib/bytes';
import { identityFromSeed } from './lib/keys';
import { loadPreferences, type Preferences, savePreferences } from './lib/preferences';
import { Database, StorageError } from './lib/store/db';
import { ITERATIONS, openVault, sealVault, type Secrets, type Vault, type VaultOwner } from './lib/store/vault';
import { Tabs } from './lib/tabs';
import { Session } from './session.svelte';
import { t } from './texts';

export type Phase = 'loading' | 'insecure' | 'blocked' | 'start' | 'locked' | 'open';

const IDLE_CHECK_MS = 10000;
const ACTIVE_NOTE_MS = 5000;

/** Not in the standard yet; Chromium has it. */
interface InstallPrompt extends Event {
  prompt(): Promise<unknown>;
}

class App {
  phase = $state<Phase>('loading');
  vault = $state.raw<Vault | undefined>();
  session = $state.raw<Session | undefined>();
  preferences = $state<Preferences>(loadPreferences());
  storage = $state.raw<StorageError | undefined>();
  /** What the server calls itself; "": not known. */
  server = $state('');
  /** A part of the app could not be loaded. */
  isTorn = $state(false);
  /** Of this device against the server. */
  skewMs = $state(0);
  installPrompt = $state.raw<InstallPrompt | undefined>();
  readonly api = new Api({ onSkew: (ms) => this.#noteSkew(ms) });
  #database: Database | undefined;
  #tabs: Tabs | undefined;
  #lastActive = Date.now();
  #lastNote = 0;

  async start(): Promise<void> {
    this.#applyTheme();
    if (!globalThis.isSecureContext || !globalThis.crypto?.subtle) return void (this.phase = 'insecure');
    try {
      this.#database = await Database.open();
      this.vault = await this.#database.vault();
    } catch {
      return void (this.phase = 'blocked');
    }
    this.#tabs = new Tabs({
      secrets: () => this.session && { primary: this.session.identity.primary, secrets: this.session.secrets },
      onLate: (secrets) => {
        if (this.phase === 'locked' && this.vault) void this.#open(this.vault, secrets).catch(() => undefined);
      },
      onLock: () => void this.#close(),
      onActive: () => (this.#lastActive = Date.now()),
      onErased: () => void this.#close().then(() => location.reload()),
    });
    this.#listen();
    const secrets = this.vault && (await this.#tabs.ask(this.vault.primary));
    if (!this.vault) this.phase = 'start';
    else if (secrets) await this.#open(this.vault, secrets).catch(() => (this.phase = 'locked'));
    else this.phase = 'locked';
  }

  #listen(): void {
    const active = () => this.#noteActive();
    for (const name of ['pointerdown', 'keydown', 'wheel', 'touchstart']) addEventListener(name, active, { passive: true });
    setInterval(() => this.#checkIdle(), IDLE_CHECK_MS);
    document.addEventListener('visibilitychange', () => this.#checkIdle());
    addEventListener('pagehide', () => {
      if (this.session) this.#tabs?.remember(this.session.identity.primary, this.session.secrets);
    });
    // What cannot be kept here must not be lost by a slip.
    addEventListener('beforeunload', (e) => {
      if (this.storage && this.session && this.session.model.outbox.size > 0) e.preventDefault();
    });
    addEventListener('vite:preloadError', () => (this.isTorn = true));
    addEventListener('beforeinstallprompt', (e) => {
      e.preventDefault();
      this.installPrompt = e as InstallPrompt;
    });
    navigator.serviceWorker?.addEventListener('message', (e: MessageEvent<{ kind: string; thread: string }>) => {
      if (e.data?.kind === 'show') location.hash = '#/chat/' + encodeURIComponent(e.data.thread);
    });
  }

  #noteSkew(ms: number): void {
    this.skewMs = Math.abs(ms) > SKEW_LIMIT_MS ? ms : 0;
  }

  // ---- looks and habits ----

  set(change: Partial<Preferences>): void {
    Object.assign(this.preferences, change);
    savePreferences($state.snapshot(this.preferences));
    this.#applyTheme();
  }

  #applyTheme(): void {
    const { theme } = this.preferences;
    if (theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
  }

  // ---- lock ----

  #noteActive(): void {
    const now = Date.now();
    this.#lastActive = now;
    if (now - this.#lastNote < ACTIVE_NOTE_MS) return;
    this.#lastNote = now;
    this.#tabs?.active();
  }

  #checkIdle(): void {
    const minutes = this.preferences.lockAfter;
    if (this.session && minutes > 0 && Date.now() - this.#lastActive > minutes * 60000) this.lock();
  }

  lock(): void {
    this.#tabs?.lockAll();
    void this.#close();
  }

  async #close(): Promise<void> {
    const { session } = this;
    if (!session) return;
    this.session = undefined;
    this.phase = 'locked';
    document.title = t.title(0);
    await tick(); // the screens give back their drafts
    await session.close();
  }

  /** False: the passphrase is wrong. */
  async unlock(passphrase: string): Promise<boolean> {
    const { vault } = this;
    if (!vault) return false;
    const secrets = await openVault(vault, passphrase);
    if (!secrets) return false;
    this.#tabs?.settle();
    await this.#open(vault, secrets);
    return true;
  }

  async #open(vault: Vault, secrets: Secrets): Promise<void> {
    this.#lastActive = Date.now();
    this.session = await Session.open({
      api: this.api, database: this.#database!, vault, secrets,
      onStorage: (error) => (this.storage = error),
      onRefused: () => void this.learnServer().catch(() => undefined),
      notify: (thread, title, text) => this.#notify(thread, title, text),
    });
    this.phase = 'open';
  }

  // ---- accounts ----

  /** The name that whatever is signed for this server has in it; only it knows. */
  async learnServer(): Promise<string> {
    const { server } = await this.api.healthz();
    if (typeof server !== 'string' || !server) throw new NamelessServer();
    return (this.server = server);
  }

  /** A new account. Whoever is interrupted after the registration comes back with the words. */
  async create(handle: string, entropy: Bytes, seed: Bytes, passphrase: string): Promise<void> {
    const server = await this.learnServer();
    const identity = identityFromSeed(seed);
    await this.api.register(identity, handle, server);
    await this.#settle({ handle, server, primary: identity.primary }, entropy, seed, passphrase);
  }

  /** An account that the server knows already. */
  async restore({ handle, primary }: HandleRecord, entropy: Bytes, seed: Bytes, passphrase: string): Promise<void> {
    await this.#settle({ handle, server: await this.learnServer(), primary }, entropy, seed, passphrase);
  }

  async #settle(owner: VaultOwner, entropy: Bytes, seed: Bytes, passphrase: string): Promise<void> {
    const secrets: Secrets = { seed, entropy, dataKey: randomBytes(32) };
    const vault = await sealVault(owner, secrets, passphrase);
    await this.#database!.erase();
    await this.#database!.saveVault(vault);
    this.vault = vault;
    void navigator.storage?.persist?.();
    await this.#open(vault, secrets);
  }

  /** Undefined: the passphrase is wrong. */
  async secretsBy(passphrase: string): Promise<Secrets | undefined> {
    return this.vault && openVault(this.vault, passphrase);
  }

  async changePassphrase(old: string, fresh: string): Promise<boolean> {
    const secrets = await this.secretsBy(old);
    if (!secrets || !this.vault) return false;
    const vault = await sealVault(this.vault, secrets, fresh, ITERATIONS);
    await this.#database!.saveVault(vault);
    this.vault = vault;
    return true;
  }

  async erase(): Promise<void> {
    const { session } = this;
    this.session = undefined;
    await session?.close();
    await this.#database!.erase();
    this.#tabs?.erased();
    history.replaceState(null, '', '/');
    this.vault = undefined;
    this.phase = 'start';
  }

  // ---- notifications ----

  #notify(thread: string, title: string, text: string): void {
    if (!this.preferences.notify || document.visibilityState === 'visible') return;
    const body = this.preferences.notifyPreview ? text : t.notification.hidden;
    navigator.serviceWorker?.controller?.postMessage({ kind: 'notify', title, body, thread });
  }

  /** False: the browser does not allow it. */
  async allowNotifications(): Promise<boolean> {
    if (typeof Notification === 'undefined') return false;
    const isAllowed = (await Notification.requestPermission()) === 'granted';
    this.set({ notify: isAllowed });
    return isAllowed;
  }
}

/** It does not say its name, so that nothing can be signed for it. */
class NamelessServer extends Error {}

export const app = new App();

/** What to tell a person about a request that failed. */
export function troubleText(e: unknown): string {
  if (e instanceof StorageError && e.kind === 'full') return app.session ? t.trouble.full : t.trouble.fullSetup;
  if (e instanceof StorageError) return t.trouble.blockedLead;
  if (e instanceof NamelessServer) return t.trouble.nameless;
  if (!(e instanceof ApiError)) return t.trouble.crash;
  if (e.status === 0) return t.trouble.server;
  if (e.status === 429) return t.trouble.limit;
  if (e.status >= 500) return t.trouble.busy;
  const isTimed = e.status === 400 || e.status === 401; // what has the time in it
  if (isTimed && app.skewMs) return t.trouble.clock(Math.round(Math.abs(app.skewMs) / 60000), app.skewMs > 0);
  if (e.status === 401) return t.trouble.clockShort;
  return t.trouble.failed(e.detail);
}
