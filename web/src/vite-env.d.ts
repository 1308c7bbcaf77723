// vite-env.d.ts -- types of what Vite adds.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
/// <reference types="svelte" />
/// <reference types="vite/client" />
