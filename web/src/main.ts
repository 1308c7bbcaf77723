// main.ts -- where the page begins.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import './style.css';
import { mount } from 'svelte';
import { app } from './app.svelte';
import App from './App.svelte';
import { t } from './texts';

document.documentElement.lang = t.code;
document.documentElement.dir = t.dir;
mount(App, { target: document.getElementById('app')! });
void app.start();
if (import.meta.env.PROD && 'serviceWorker' in navigator) void navigator.serviceWorker.register('/worker.js').catch(() => undefined);
