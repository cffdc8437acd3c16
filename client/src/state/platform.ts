// Owns: the one list of what the state takes from the browser, so that tests can put something else in its place.
// Never decides anything.
import { watchForWaking } from './wake';

/** What the state uses of `Storage`. */
export type KeyValueStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

/** What the state uses of `BroadcastChannel`. */
export interface Channel {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
  close(): void;
}

/** What the state uses of `window.history` and `window.location`. */
export interface AddressBar {
  /** The path, percent-encoded. */
  path(): string;
  /** Scheme, host and port. */
  origin(): string;
  state(): unknown;
  push(path: string, state: unknown): void;
  replace(path: string, state: unknown): void;
}

/** A media query: one column, in which list and room are views of their own. */
export const PHONE = 'max-width: 720px';

export interface Platform {
  fetch: typeof fetch;
  openSocket: (url: string) => WebSocket;
  /** The address of `GET /chat/connect`. */
  socketUrl: string;
  /** Shared by all tabs of this browser. */
  storage: KeyValueStorage;
  /** Of this tab alone; survives its reload. */
  tabStorage: KeyValueStorage;
  openChannel: (name: string) => Channel | null;
  /**
   * Source of `online`, `offline`, `storage`, `popstate`, `pagehide`, `focus`, `blur` and `visibilitychange`; and of `wake`:
   * the page goes on after it stood still.
   */
  events: EventTarget;
  addressBar: AddressBar;
  /** Whether somebody is looking at this page now. */
  attended: () => boolean;
  /** Whether the page is not in a background tab. */
  visible: () => boolean;
  /** Whether there is one column. */
  phone: () => boolean;
  /** Milliseconds since the Unix epoch, by this machine's clock: for what a person reads. It goes back and jumps when somebody sets it. */
  now: () => number;
  /** Milliseconds since some moment; never goes back: for spans. It may stand still while the machine sleeps. */
  monotonic: () => number;
  /** Runs `work` in a task of its own, after those that are waiting now; in the background too. */
  afterTask: (work: () => void) => void;
  /** From 0 up to, not including, 1. */
  random: () => number;
  /** The document's own element; null in tests without one. */
  document: Document | null;
}

/** Storage for browsers that refuse theirs (private windows, policies): lasts as long as the page. */
export class MemoryStorage implements KeyValueStorage {
  readonly #entries = new Map<string, string>();

  get length(): number {
    return this.#entries.size;
  }

  key(index: number): string | null {
    return [...this.#entries.keys()][index] ?? null;
  }

  getItem(key: string): string | null {
    return this.#entries.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.#entries.set(key, value);
  }

  removeItem(key: string): void {
    this.#entries.delete(key);
  }
}

/** `storage()` if the browser lets us use it, else storage in memory. */
function usable(storage: () => Storage): KeyValueStorage {
  try {
    const found = storage();
    found.setItem('melangerie.probe', '1');
    found.removeItem('melangerie.probe');
    return found;
  } catch {
    return new MemoryStorage();
  }
}

const now = () => Date.now();
const monotonic = () => performance.now();

/** Events of the window and of the document under one roof: `visibilitychange` and `resume` are the document's. */
function pageEvents(): EventTarget {
  const events = new EventTarget();
  const woke = () => events.dispatchEvent(new Event('wake'));
  document.addEventListener('visibilitychange', () => events.dispatchEvent(new Event('visibilitychange')));
  document.addEventListener('resume', woke);
  for (const name of ['online', 'offline', 'popstate', 'pagehide', 'focus', 'blur']) {
    window.addEventListener(name, () => events.dispatchEvent(new Event(name)));
  }
  // In the background late timers are the rule, and coming to the front tells of itself.
  watchForWaking({ now, monotonic }, () => document.visibilityState === 'visible' && woke());
  window.addEventListener('storage', ({ key, newValue }) => {
    events.dispatchEvent(Object.assign(new Event('storage'), { key, newValue }));
  });
  return events;
}

/** A message to oneself is such a task. Timers are held back in the background. */
function taskQueue(): (work: () => void) => void {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return (work) => {
    waiting.push(work);
    port2.postMessage(null);
  };
}

/** The platform that the page runs on. */
export function browserPlatform(): Platform {
  return {
    fetch: (input, init) => fetch(input, init),
    openSocket: (url) => new WebSocket(url),
    socketUrl: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/chat/connect`,
    storage: usable(() => localStorage),
    tabStorage: usable(() => sessionStorage),
    openChannel: (name) => (typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(name)),
    events: pageEvents(),
    addressBar: {
      path: () => location.pathname,
      origin: () => location.origin,
      state: () => history.state as unknown,
      push: (path, state) => history.pushState(state, '', path),
      replace: (path, state) => history.replaceState(state, '', path),
    },
    attended: () => document.visibilityState === 'visible' && document.hasFocus(),
    visible: () => document.visibilityState === 'visible',
    phone: () => matchMedia(`(${PHONE})`).matches,
    now,
    monotonic,
    afterTask: taskQueue(),
    random: () => Math.random(),
    document,
  };
}
