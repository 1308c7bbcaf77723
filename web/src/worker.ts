// worker.ts -- the service worker: opens the app without a network, shows notifications, and keeps
// an open account through a reload.
//
// All files of a build are kept when it is installed, so what opens without a network is one whole
// version. With one, the page comes from the network, so that a new version is used at once. Files
// with a hash in their name never change and come from the cache first. Requests to the server are
// left alone.
//
// SPDX-License-Identifier: MIT OR Apache-2.0

// The DOM's types are the page's; these are what is used here of a worker's.
interface Waiting extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Waiting {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface WindowClient {
  readonly url: string;
  readonly visibilityState: DocumentVisibilityState;
  focus(): Promise<WindowClient>;
  postMessage(message: unknown): void;
}
interface Worker {
  readonly registration: ServiceWorkerRegistration;
  readonly clients: {
    claim(): Promise<void>;
    matchAll(options: { type: 'window'; includeUncontrolled: boolean }): Promise<WindowClient[]>;
    openWindow(url: string): Promise<WindowClient | null>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(name: 'install' | 'activate', listener: (e: Waiting) => void): void;
  addEventListener(name: 'fetch', listener: (e: Fetching) => void): void;
  addEventListener(name: 'message', listener: (e: MessageEvent<Order> & Waiting) => void): void;
  addEventListener(name: 'notificationclick', listener: (e: Waiting & { notification: Notification }) => void): void;
}

type Order =
  | { kind: 'remember'; note: unknown }
  | { kind: 'recall' }
  | { kind: 'forget' }
  | { kind: 'notify'; title: string; body: string; thread: string };

const worker = globalThis as unknown as Worker;
/** Put before this file by vite.config.ts. */
declare const SHELL: { version: string; files: string[] };
const PREFIX = 'kez-chat-';
const CACHE = PREFIX + SHELL.version;
/** This version's and the one before, of which a tab may still be open. */
const CACHES_KEPT = 2;
/** Slower than this, and the page opens as it was kept. */
const PAGE_MS = 4000;
/** A reload takes less, also on a slow device; a worker that is put to sleep forgets anyway. */
const REMEMBER_MS = 30000;

let remembered: { note: unknown; until: number } | undefined;

worker.addEventListener('install', (e) => {
  const requests = SHELL.files.map((f) => new Request(f, f.startsWith('/assets/') ? {} : { cache: 'reload' }));
  e.waitUntil(caches.open(CACHE).then((c) => c.addAll(requests)).then(() => worker.skipWaiting()));
});

worker.addEventListener('activate', (e) => {
  const old = caches.keys().then((names) => {
    const ours = names.filter((n) => n.startsWith(PREFIX) && n !== CACHE);
    return Promise.all(ours.slice(0, Math.max(0, ours.length - CACHES_KEPT + 1)).map((n) => caches.delete(n)));
  });
  e.waitUntil(old.then(() => worker.clients.claim()));
});

async function kept(request: Request | string): Promise<Response | undefined> {
  return (await caches.open(CACHE)).match(request);
}

/** A file of this version or of the one before. */
async function file(request: Request): Promise<Response> {
  return (await kept(request)) ?? (await caches.match(request)) ?? fetch(request);
}

/** The page, from the network if there is one with a server at its end. */
async function page(request: Request): Promise<Response> {
  const fetched = fetch(request).catch(() => undefined);
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, PAGE_MS));
  const answer = await Promise.race([fetched, late]);
  if (answer && answer.status < 500) return answer;
  return (await kept('/')) ?? (await fetched) ?? Response.error();
}

/** As the server does it: what has a dot in its last part is a file of its own. */
const FILE = /\.[^/]*$/;

worker.addEventListener('fetch', (e) => {
  const { pathname, origin } = new URL(e.request.url);
  if (e.request.method !== 'GET' || origin !== location.origin) return;
  if (pathname.startsWith('/v1/') || pathname.startsWith('/.well-known/')) return;
  if (e.request.mode === 'navigate') {
    if (!FILE.test(pathname)) e.respondWith(page(e.request));
  } else if (pathname.startsWith('/assets/') || SHELL.files.includes(pathname)) e.respondWith(file(e.request));
});

function windows(): Promise<WindowClient[]> {
  return worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
}

/** Not when somebody is looking at the chat in any window. */
async function notify(order: Order & { kind: 'notify' }): Promise<void> {
  if ((await windows()).some((w) => w.visibilityState === 'visible')) return;
  await worker.registration.showNotification(order.title, {
    body: order.body, tag: order.thread, icon: '/icons/icon-192.png', badge: '/icons/icon-192.png', data: order.thread,
  });
}

worker.addEventListener('message', (e) => {
  const order = e.data;
  if (order.kind === 'remember') remembered = { note: order.note, until: Date.now() + REMEMBER_MS };
  else if (order.kind === 'forget') remembered = undefined;
  else if (order.kind === 'notify') e.waitUntil(notify(order));
  else if (order.kind === 'recall') {
    if (remembered && Date.now() < remembered.until) {
      const channel = new BroadcastChannel('kez-chat-tabs');
      channel.postMessage(remembered.note);
      channel.close();
    }
    remembered = undefined;
  }
});

worker.addEventListener('notificationclick', (e) => {
  e.notification.close();
  const thread = String(e.notification.data);
  e.waitUntil(windows().then(async (open) => {
    if (!open[0]) return void (await worker.clients.openWindow('/#/chat/' + encodeURIComponent(thread)));
    await open[0].focus();
    open[0].postMessage({ kind: 'show', thread });
  }));
});
