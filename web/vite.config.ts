// vite.config.ts -- builds what a node serves from --web-dir.
//
// The node's Content-Security-Policy allows scripts and styles from files of its own only, so
// nothing may be inlined.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const node = process.env['KEZ_NODE'] ?? 'http://127.0.0.1:6969';

/** Tells the service worker what this build consists of. */
function shell(): Plugin {
  return {
    name: 'kez-shell',
    apply: 'build',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const worker = bundle['worker.js'];
      const page = bundle['index.html'];
      if (worker?.type !== 'chunk' || page?.type !== 'asset') throw new Error('the build has no worker, or no page');
      const assets = Object.keys(bundle).filter((name) => name.startsWith('assets/')).sort();
      const others = ['app.webmanifest', ...readdirSync('public/icons').sort().map((name) => `icons/${name}`)];
      const digest = createHash('sha256').update(assets.join(' ')).update(page.source).update(worker.code);
      for (const name of others) digest.update(readFileSync(`public/${name}`));
      const files = ['/', ...[...assets, ...others].map((name) => `/${name}`)];
      worker.code = `const SHELL = ${JSON.stringify({ version: digest.digest('hex').slice(0, 16), files })};\n${worker.code}`;
    },
  };
}

export default defineConfig({
  plugins: [svelte({ configFile: false }), shell()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    rolldownOptions: {
      checks: { pluginTimings: false },
      input: { index: 'index.html', worker: 'src/worker.ts' },
      output: {
        // A service worker rules the folder it lies in, and its name must stay.
        entryFileNames: (chunk) => (chunk.name === 'worker' ? 'worker.js' : 'assets/[name]-[hash].js'),
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
  server: { proxy: { '/v1': node, '/.well-known': node, '/openapi.yaml': node } },
  resolve: { conditions: ['browser'] },
  test: { environment: 'node', include: ['tests/**/*.test.ts'], testTimeout: 20000 },
});
