// vite.config.ts -- builds what a node serves from --web-dir.
//
// The node's Content-Security-Policy allows scripts and styles from files of its own only, so
// nothing may be inlined.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

const node = process.env['KEZ_NODE'] ?? 'http://127.0.0.1:6969';

export default defineConfig({
  plugins: [svelte({ configFile: false })],
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
