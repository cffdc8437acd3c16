// Owns: the wiring of the state. Makes one object for each concern, hands every frame of the server to those that it
// concerns, and connects or disconnects as the session goes. Never keeps state of its own.
import { getContext, setContext } from 'svelte';
import { Connection } from './connection.svelte';
import { Drafts } from './drafts.svelte';
import { Notices } from './notices.svelte';
import { Outbox } from './outbox.svelte';
import { People } from './people.svelte';
import type { Platform } from './platform';
import { Preferences } from './preferences.svelte';
import { Reports } from './reports.svelte';
import { Rooms } from './rooms.svelte';
import { Router } from './router.svelte';
import { Search } from './search.svelte';
import { Session } from './session.svelte';
import { Timeline } from './timeline.svelte';

const CONTEXT = Symbol('app');

/** Puts `app` into the context of the component that calls it. */
export function setApp(app: App): void {
  setContext(CONTEXT, app);
}

/** The App of the page; for components below the one that called `setApp`. */
export function getApp(): App {
  return getContext<App>(CONTEXT);
}

export class App {
  readonly session = new Session();
  readonly connection = new Connection();
  readonly rooms = new Rooms();
  readonly timeline = new Timeline();
  readonly outbox = new Outbox();
  readonly drafts = new Drafts();
  readonly people = new People();
  readonly preferences = new Preferences();
  readonly notices = new Notices();
  readonly search = new Search();
  readonly router = new Router();
  readonly reports = new Reports();

  constructor(readonly platform: Platform) {}

  /** Reads what is stored, takes the address, and connects where somebody is signed in. Called once. */
  start(): void {
    throw new Error('skeleton');
  }

  /** Ends timers, listeners and the connection. */
  stop(): void {
    throw new Error('skeleton');
  }

  /** Tells the admin about a problem. Throws `ApiError`. */
  report(issue: string): Promise<void> {
    throw new Error(`skeleton ${issue}`);
  }
}
