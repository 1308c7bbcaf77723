// tests/browser/stack.mjs -- a private PostgreSQL, NATS and two nodes on free ports, and a balancer
// in front of them.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { once } from 'node:events';

/** For whatever is waited for: long enough for a machine that has much else to do. */
export const PATIENCE_MS = 90000;
export const SERVER = 'localhost';

export async function poll(what, test, ms = PATIENCE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const got = await Promise.resolve().then(test).catch(() => undefined);
    if (got) return got;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain: ${what}`);
    await new Promise((go) => setTimeout(go, 25));
  }
}

const listens = (...at) => new Promise((resolve) => {
  const server = createServer().unref().listen(...at, () => resolve(server)).on('error', () => resolve(undefined));
});

/** Ours to our end, as tests/support/proc.c does it: below those of outgoing connections, and claimed by a name. */
async function freePort() {
  for (;;) {
    const port = 10240 + Math.floor(Math.random() * (32000 - 10240));
    const tried = await listens(port, '127.0.0.1');
    if (!tried) continue;
    await new Promise((go) => tried.close(go));
    if (await listens(`\0kez-test-port-${port}`)) return port;
  }
}

function isListening(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
    socket.on('error', () => resolve(false));
  });
}

/** PostgreSQL refuses to run as root. */
function postgresUser() {
  if (process.getuid() !== 0) return {};
  const line = readFileSync('/etc/passwd', 'utf8').split('\n').find((l) => l.startsWith('postgres:'));
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

export class Stack {
  #children = [];
  #dir = mkdtempSync(join(tmpdir(), 'kez-browser-'));
  nodes = [];

  constructor(program, webDir) {
    // However this ends: nothing is left running.
    process.on('exit', () => this.#children.forEach((c) => c.exitCode === null && c.signalCode === null && c.kill('SIGKILL')));
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
    this.program = program;
    this.webDir = webDir;
  }

  #launch(name, command, args, options = {}) {
    const log = openSync(join(this.#dir, `${name}.log`), 'a');
    const child = spawn(command, args, { stdio: ['ignore', log, log], ...options });
    this.#children.push(child);
    return child;
  }

  log(name) {
    return readFileSync(join(this.#dir, `${name}.log`), 'utf8');
  }

  async #postgres() {
    const versions = readdirSync('/usr/lib/postgresql').filter((v) => existsSync(`/usr/lib/postgresql/${v}/bin/initdb`));
    const bin = `/usr/lib/postgresql/${versions.sort((a, b) => b - a)[0]}/bin`;
    const user = postgresUser();
    const dir = mkdtempSync(join(tmpdir(), 'kez-browser-pg-'));
    this.pgDir = dir;
    if (user.uid) chownSync(dir, user.uid, user.gid);
    const made = spawnSync(`${bin}/initdb`, ['-D', `${dir}/data`, '-U', 'kez', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
      { cwd: dir, encoding: 'utf8', ...user });
    if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
    const port = await freePort();
    this.#launch('postgres', `${bin}/postgres`, ['-D', `${dir}/data`, '-p', String(port), '-k', dir, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'],
      { cwd: dir, ...user });
    this.database = `postgresql://kez@127.0.0.1:${port}/postgres`;
    await poll('PostgreSQL', () => spawnSync('psql', ['-X', '-c', 'SELECT 1', this.database]).status === 0);
  }

  async #nats() {
    const port = await freePort();
    const program = existsSync('/usr/sbin/nats-server') ? '/usr/sbin/nats-server' : 'nats-server';
    this.#launch('nats', program, ['-a', '127.0.0.1', '-p', String(port)]);
    this.nats = `nats://127.0.0.1:${port}`;
    await poll('NATS', () => isListening(port));
  }

  async startNode(i) {
    const node = (this.nodes[i] ??= { port: await freePort(), admin: await freePort() });
    node.url = `http://127.0.0.1:${node.port}`;
    node.child = this.#launch(`node-${i}`, this.program, [
      '--server', SERVER, '--bind', `127.0.0.1:${node.port}`, '--admin-bind', `127.0.0.1:${node.admin}`, '--nats-name', `node-${i}`,
      '--drain-time', '1', '--web-dir', this.webDir, '--database-url', this.database, '--nats-url', this.nats,
    ]);
    await poll(`node ${i}`, async () => (await fetch(`http://127.0.0.1:${node.admin}/readyz`)).ok).catch((e) => {
      throw new Error(`${e.message}\n${this.log(`node-${i}`).slice(-1200)}`);
    });
    return node;
  }

  /** What an operator asks on the admin listener. */
  async admin(i, method, path) {
    const answer = await fetch(`http://127.0.0.1:${this.nodes[i].admin}${path}`, { method });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  }

  /** As after a restore: all nodes stop, every inbox gets a new epoch, all nodes start. */
  async newEpoch() {
    for (const i of this.nodes.keys()) await this.killNode(i, 'SIGTERM');
    const done = spawnSync(this.program, ['--new-epoch', '--server', SERVER, '--database-url', this.database], { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`--new-epoch: ${done.stderr}`);
    for (const i of this.nodes.keys()) await this.startNode(i);
  }

  async killNode(i, signal = 'SIGKILL') {
    const { child } = this.nodes[i];
    child.kill(signal);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  /** Takes each connection to the first node that answers, as any load balancer does. */
  async #balancer() {
    this.isOpen = true;
    this.sockets = new Set();
    const server = createServer((client) => {
      if (!this.isOpen) return client.destroy();
      this.sockets.add(client);
      client.on('close', () => this.sockets.delete(client));
      this.#forward(client, 0);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.balancer = server;
    this.url = `http://127.0.0.1:${server.address().port}`;
  }

  #forward(client, i) {
    const node = this.nodes[i];
    if (!node) return client.destroy();
    const upstream = connect(node.port, '127.0.0.1');
    upstream.setNoDelay();
    client.setNoDelay();
    client.on('error', () => upstream.destroy());
    upstream.once('error', () => this.#forward(client, i + 1));
    upstream.once('connect', () => {
      upstream.removeAllListeners('error');
      upstream.on('error', () => client.destroy());
      upstream.on('close', () => client.destroy());
      client.on('close', () => upstream.destroy());
      client.pipe(upstream).pipe(this.#buffering(client)).pipe(client);
    });
  }

  /** While `isBuffering`, what an event stream brings is kept back until it ends, as some proxies do it. */
  #buffering(client) {
    let isStream = false;
    client.on('data', (bytes) => (isStream ||= /^GET \/v1\/inbox\/[^ ]*\/stream/.test(bytes.toString('latin1'))));
    const kept = [];
    return new Transform({
      transform: (bytes, _encoding, done) => {
        if (!isStream || !this.isBuffering) return done(null, bytes);
        kept.push(bytes);
        done();
      },
      flush: (done) => done(null, Buffer.concat(kept)),
    });
  }

  /** The network of everybody behind the balancer. */
  cut() {
    this.isOpen = false;
    for (const socket of this.sockets) socket.destroy();
  }

  heal() {
    this.isOpen = true;
  }

  async streams(i) {
    const text = await (await fetch(`http://127.0.0.1:${this.nodes[i].admin}/metrics`)).text();
    return Number(/^kez_streams(?:\{[^}]*\})? (\d+)/m.exec(text)?.[1] ?? NaN);
  }

  async start() {
    await Promise.all([this.#postgres(), this.#nats()]);
    await this.startNode(0);
    await this.startNode(1);
    await this.#balancer();
  }

  async stop() {
    if (this.balancer) this.cut();
    this.balancer?.close();
    for (const child of this.#children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill(child.spawnfile.endsWith('postgres') ? 'SIGQUIT' : 'SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
      await once(child, 'exit');
      clearTimeout(timer);
    }
    rmSync(this.#dir, { recursive: true, force: true });
    if (this.pgDir) rmSync(this.pgDir, { recursive: true, force: true });
  }
}
