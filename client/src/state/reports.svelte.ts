// Owns: the problems that people reported, for the admin. Never shown to anybody else.
import { errorText, type Api } from '../wire/api';
import type { Report } from '../wire/protocol';

const PAGE = 50;

export class Reports {
  /** Newest first. */
  items: Report[] = $state.raw([]);
  more: boolean = $state(false);
  state: 'idle' | 'loading' | 'done' | 'failed' = $state('idle');
  /** Where `state` is `failed`: why, in words. */
  error: string = $state('');

  readonly #api: Pick<Api, 'reports'>;
  #turn = 0;

  constructor(api: Pick<Api, 'reports'>) {
    this.#api = api;
  }

  /** Loads the newest. */
  load(): Promise<void> {
    return this.#fetch(null);
  }

  /** Loads the page before the oldest here. */
  async loadMore(): Promise<void> {
    const oldest = this.items.at(-1);
    if (oldest && this.state !== 'loading') await this.#fetch(oldest.seq);
  }

  /** Nobody is signed in any more. */
  clear(): void {
    this.#turn++;
    this.items = [];
    this.more = false;
    this.state = 'idle';
  }

  async #fetch(before: number | null): Promise<void> {
    const turn = ++this.#turn;
    this.state = 'loading';
    try {
      const page = await this.#api.reports(before, PAGE);
      if (turn !== this.#turn) return;
      // Pages are oldest first, as history is.
      const older = page.messages.sort((a, b) => b.seq - a.seq);
      this.items = before === null ? older : [...this.items, ...older];
      this.more = page.more;
      this.state = 'done';
    } catch (error) {
      if (turn !== this.#turn) return;
      this.error = errorText(error);
      this.state = 'failed';
    }
  }
}
