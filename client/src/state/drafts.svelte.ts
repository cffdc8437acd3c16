// Owns: what is typed and not sent, for each room. Stored in the browser; never sent anywhere.
import { SvelteMap } from 'svelte/reactivity';
import { foldName } from '../text/names';
import type { Platform } from './platform';
import { KEYS, keysBelow } from './storage';

/** Storage is written this long after the last keystroke, and at once when the page goes away, in ms. */
const WRITE_DELAY_MS = 250;

export class Drafts {
  /** By folded room name; only drafts that are not empty. */
  readonly #texts = new SvelteMap<string, string>();
  readonly #unwritten = new Set<string>();
  readonly #platform: Platform;
  #user = '';
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(platform: Platform) {
    this.#platform = platform;
    platform.events.addEventListener('pagehide', () => this.flush());
    platform.events.addEventListener('visibilitychange', () => this.flush());
    platform.events.addEventListener('storage', (event) => this.#changedElsewhere(event as StorageEvent));
  }

  /** Takes up the drafts of a user. */
  load(user: string): void {
    this.unload();
    this.#user = user;
    const prefix = KEYS.draftsOf(user);
    for (const key of keysBelow(this.#platform.storage, prefix)) {
      const text = this.#platform.storage.getItem(key);
      if (text) this.#texts.set(key.slice(prefix.length), text);
    }
  }

  /** Forgets the drafts here; they stay stored. */
  unload(): void {
    this.flush();
    this.#user = '';
    this.#texts.clear();
  }

  /** The draft of a room, or ''. */
  get(room: string): string {
    return this.#texts.get(foldName(room)) ?? '';
  }

  /** Keeps `text`, exactly, as the draft of the room; '' removes it. Cheap enough for every keystroke. */
  set(room: string, text: string): void {
    if (this.#user === '' || this.get(room) === text) return;
    const key = foldName(room);
    if (text === '') this.#texts.delete(key);
    else this.#texts.set(key, text);
    this.#unwritten.add(key);
    this.#timer ??= setTimeout(() => this.flush(), WRITE_DELAY_MS);
  }

  /** Whether the room has a draft that is not only white space. */
  has(room: string): boolean {
    return this.get(room).trim() !== '';
  }

  /** Writes what is not written yet. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const room of this.#unwritten) {
      const text = this.#texts.get(room);
      const key = KEYS.draft(this.#user, room);
      try {
        if (text === undefined) this.#platform.storage.removeItem(key);
        else this.#platform.storage.setItem(key, text);
      } catch {
        // The browser's storage is full: the draft lasts as long as the page.
      }
    }
    this.#unwritten.clear();
  }

  /** Another tab typed, sent or cleared. */
  #changedElsewhere({ key, newValue }: StorageEvent): void {
    if (this.#user === '' || key === null) return;
    const prefix = KEYS.draftsOf(this.#user);
    if (!key.startsWith(prefix)) return;
    const room = key.slice(prefix.length);
    if (newValue) this.#texts.set(room, newValue);
    else this.#texts.delete(room);
  }
}
