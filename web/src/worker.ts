// worker.ts -- the service worker: opens the app without a network, shows notifications, and keeps
// an open account through a reload.
//
// Code comes from the network first, so that a new version is used at once; files with a hash in
// their name never change and come from the cache first. Requests to the server are left alone.
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
const CACHE = 'kez-chat-1';
const SHELL = ['/', '/app.webmanifest', '/icons/icon.svg'];
/** A reload takes less; a worker that is put to sleep forgets anyway. */
const REMEMBER_MS = 15000;

let remembered: { note: unknown; until: number } | undefined;

worker.addEventListener('install', (e) => {
  e.waitUntil(caches.open(CACHE).then((c) => c.addAll(SHELL)).then(() => worker.skipWaiting()));
});

worker.addEventListener('activate', (e) => {
  const old = caches.keys().then((names) => Promise.all(names.filter((n) => n !== CACHE).map((n) => caches.delete(n))));
  e.waitUntil(old.then(() => worker.clients.claim()));
});

async function cacheFirst(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await cache.put(request, answer.clone());
  return answer;
}

async function networkFirst(request: Request, key: string): Promise<Response> {
  const cache = await caches.open(CACHE);
  try {
    const answer = await fetch(request);
    if (answer.ok) await cache.put(key, answer.clone());
    return answer;
  } catch {
    return (await cache.match(key)) ?? Response.error();
  }
}

worker.addEventListener('fetch', (e) => {
  const url = new URL(e.request.url);
  if (e.request.method !== 'GET' || url.origin !== location.origin) return;
  if (url.pathname.startsWith('/v1/') || url.pathname.startsWith('/.well-known/')) return;
  if (e.request.mode === 'navigate') e.respondWith(networkFirst(e.request, '/'));
  else if (url.pathname.startsWith('/assets/') || url.pathname.startsWith('/icons/')) e.respondWith(cacheFirst(e.request));
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
