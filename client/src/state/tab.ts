// Owns: which tab of the browser this is, and finding out which other tabs live. Web Locks would do it in one call, but
// browsers offer them on HTTPS only, and an office opens this page over plain HTTP.
import type { Channel, Platform } from './platform';
import { KEYS, newReference } from './storage';

/** Living tabs answer within this, in ms; answering is not throttled in background tabs as timers are. */
const ANSWER_MS = 400;

type Word = { kind: 'who' } | { kind: 'here'; tab: string; page: string };

export class Tab {
  /** Survives a reload of the tab. Changes when the tab turns out to be a duplicate, which copies its storage. */
  id: string;
  /** This load of the page. */
  readonly #page = newReference();
  readonly #platform: Platform;
  readonly #channel: Channel | null;
  #answers: { tab: string; page: string }[] = [];

  constructor(platform: Platform) {
    this.#platform = platform;
    const stored = platform.tabStorage.getItem(KEYS.tab);
    this.id = stored ?? newReference();
    if (stored === null) this.#store();
    this.#channel = platform.openChannel('melangerie');
    if (this.#channel) this.#channel.onmessage = ({ data }) => this.#heard(data as Word);
  }

  close(): void {
    this.#channel?.close();
  }

  /** Asks the other tabs who they are. `duplicate`: one of them has this tab's id, which this tab has therefore changed. */
  async survey(): Promise<{ living: Set<string>; duplicate: boolean }> {
    this.#answers = [];
    this.#channel?.postMessage({ kind: 'who' } satisfies Word);
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    const others = this.#answers.filter(({ page }) => page !== this.#page);
    const duplicate = others.some(({ tab }) => tab === this.id);
    if (duplicate) {
      this.id = newReference();
      this.#store();
    }
    return { living: new Set(others.map(({ tab }) => tab)), duplicate };
  }

  #heard(word: Word): void {
    if (word.kind === 'who') this.#channel?.postMessage({ kind: 'here', tab: this.id, page: this.#page } satisfies Word);
    else this.#answers.push(word);
  }

  #store(): void {
    try {
      this.#platform.tabStorage.setItem(KEYS.tab, this.id);
    } catch {
      // Then a reload is a new tab, whose predecessor's messages it adopts.
    }
  }
}
