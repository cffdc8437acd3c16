// Owns: the start of the page. Makes the one App and puts the interface on it.
import { mount } from 'svelte';
import './app.css';
import AppView from './App.svelte';
import { App } from './state/app.svelte';
import { browserPlatform } from './state/platform';

const target = document.getElementById('app');
if (!target) throw new Error('index.html has no element with the id "app"');

const app = new App(browserPlatform());
app.start();
mount(AppView, { target, props: { app } });
