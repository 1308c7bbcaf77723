// tests/browser/wire.mjs -- what a hostile client would send, and rows by the thousand; with the web
// client's own modules.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(fileURLToPath(new URL('../../web/package.json', import.meta.url)));
const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { createServer } = await import(pathToFileURL(require.resolve('vite')).href);
const vite = await createServer({ root, server: { middlewareMode: true, watch: null, hmr: false, ws: false }, appType: 'custom', logLevel: 'error', optimizeDeps: { noDiscovery: true } });
const load = (name) => vite.ssrLoadModule(`/src/lib/${name}.ts`);
const [{ Api }, { sealMessage, recipientsOf }, { identityFromSeed }, phrase, { randomId, ulid }] =
  await Promise.all(['api', 'envelope', 'keys', 'phrase', 'bytes'].map(load));

export const closeWire = () => vite.close();

export const hostileTexts = [
  '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>',
  'javascript:alert(1) https://evil.example/"onmouseover="alert(1)',
  '\u202Eevil\u202C \u2066isolated\u2069 z' + '\u0335\u0489'.repeat(200),
  'W'.repeat(100 * 1024),
  '\n'.repeat(90 * 1024) + 'end',
  'after all that',
];

function identityOf(person) {
  return identityFromSeed(phrase.seedOfEntropy(phrase.entropyOfWords(person.words)));
}

function signer(person) {
  return { identity: identityOf(person), handle: person.name, server: 'localhost' };
}

export async function rowsOf(person, url) {
  return (await new Api({ base: url }).poll(signer(person), 0, '', 500)).messages;
}

export async function epochOf(person, url) {
  return (await new Api({ base: url }).poll(signer(person), 0, '', 1)).epoch;
}

/** What another device of the same person may do. */
export async function drop(person, url, upTo) {
  await new Api({ base: url }).signed(signer(person), 'DELETE', `/v1/inbox/${person.name}?upto=${upTo}`);
}

/** Without a signature, as anybody can. */
export async function unsigned(url, to, envelope) {
  const answer = await fetch(`${url}/v1/messages`, { method: 'POST', body: JSON.stringify({ to, envelope }) });
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
}

/** A message sealed and signed properly by `from`, with any body. */
export async function say(url, from, to, body, more = {}) {
  const { envelope, hash, id } = sealed(from, to, body, more);
  await new Api({ base: url }).post(signer(from), to.name, id, JSON.stringify(envelope));
  return hash;
}

function sealed(from, to, body, more = {}) {
  const identity = identityOf(from);
  const id = randomId();
  const message = {
    type: 'kez.chat.message', version: 1, id, sender: identity.primary, recipients: recipientsOf(identity.primary, [identityOf(to).primary]),
    sent_at: new Date().toISOString(), prev: null, body, ...more,
  };
  return { id, ...sealMessage(identity, message) };
}

/** Named after `victim`, and signed with another key. */
export async function forge(url, mallory, victim, to, text) {
  const sender = identityOf(victim).primary;
  await say(url, mallory, to, { type: 'text', text }, { sender, recipients: recipientsOf(sender, [identityOf(to).primary]) });
}

/** Genuine, by `author`; and brought by somebody else. */
export async function relay(url, mallory, author, to, text) {
  const { envelope, id } = sealed(author, to, { type: 'text', text });
  await new Api({ base: url }).post(signer(mallory), to.name, id, JSON.stringify(envelope));
}

export async function group(url, from, others, title) {
  await new Api({ base: url }).createConversation(signer(from), ulid(Date.now()), title, others.map((p) => p.name));
}

/** Shows a text to a page as another tab of it would: larger than a server takes. */
export async function inject(person, from, text) {
  const [me, sender] = [identityOf(person).primary, identityOf(from).primary];
  await show(person, [{
    kind: 'message', key: 'injected', thread: sender, place: { era: 0, seq: 1e6 }, at: new Date().toISOString(), id: 'injected', sender, text,
    sentAt: new Date().toISOString(), hash: `injected by ${me}`,
  }]);
}

function show(person, items) {
  return person.page.evaluate(([name, changes]) => {
    const channel = new BroadcastChannel(name);
    channel.postMessage(changes);
    channel.close();
  }, [`kez-chat-model:localhost:${person.name}`, items.map((value) => ({ kind: 'item', id: value.key, value }))]);
}

/** What `other` wrote, at times of old; likewise. */
export function past(person, other, lines) {
  const sender = identityOf(other).primary;
  return show(person, lines.map(([at, text], i) => ({
    kind: 'message', key: `past${i}`, thread: sender, place: { era: -1, seq: i + 1 }, at, id: `past${i}`, sender, text, sentAt: at, hash: `past ${i}`,
  })));
}

/** Many messages of some years, likewise. */
export async function fill(person, count) {
  const { primary } = identityOf(person);
  const words = 'calm quick letters over water and stone until evening comes with rain on tin roofs somewhere'.split(' ');
  await show(person, Array.from({ length: count }, (_, i) => {
    const at = new Date(Date.UTC(2024, 0, 1) + i * 1200000).toISOString();
    const text = `${i}: ` + Array.from({ length: 3 + ((i * 7919) % 40) }, (_, j) => words[(i * 31 + j * 17) % words.length]).join(' ');
    return {
      kind: 'message', key: `fill${i}`, thread: primary, place: { era: 0, seq: 10 + i }, at, id: `fill${i}`,
      sender: i % 3 ? primary : 'ed25519:' + '0'.repeat(64), text, sentAt: at, send: 'sent',
    };
  }));
}
