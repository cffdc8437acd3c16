// Owns: what a person chose for this browser. Stored under `melangerie.preferences`, which public/early.js reads too.
import type { Platform } from './platform';
import { KEYS, readJson, writeJson } from './storage';

export type Theme = 'system' | 'light' | 'dark';

const THEMES: readonly unknown[] = ['system', 'light', 'dark'];

export class Preferences {
  theme: Theme = $state('system');
  /** Whether a sound tells of new messages. */
  sound: boolean = $state(true);

  readonly #platform: Platform;

  constructor(platform: Platform) {
    this.#platform = platform;
    this.#read();
    platform.events.addEventListener('storage', (event) => {
      if ((event as StorageEvent).key === KEYS.preferences) this.#read();
    });
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.#write();
  }

  setSound(sound: boolean): void {
    this.sound = sound;
    this.#write();
  }

  #read(): void {
    const stored = readJson(this.#platform.storage, KEYS.preferences) as Partial<Record<'theme' | 'sound', unknown>> | null;
    this.theme = THEMES.includes(stored?.theme) ? (stored?.theme as Theme) : 'system';
    this.sound = stored?.sound !== false;
    this.#apply();
  }

  #write(): void {
    writeJson(this.#platform.storage, KEYS.preferences, { theme: this.theme, sound: this.sound });
    this.#apply();
  }

  /** The style sheet follows the system where the attribute is absent. */
  #apply(): void {
    const root = this.#platform.document?.documentElement;
    if (!root) return;
    if (this.theme === 'system') delete root.dataset['theme'];
    else root.dataset['theme'] = this.theme;
  }
}
