// Owns: one search and its results. Never changes the timeline: the interface opens a hit with `rooms.open(room, seq)`.
import { errorText, type Api } from '../wire/api';
import type { Message } from '../wire/protocol';

/** Hits that are asked for. */
const HITS = 50;

export class Search {
  /** What was searched for last. */
  text: string = $state('');
  /** The only room that was searched; null: all of the user's. */
  room: string | null = $state(null);
  state: 'idle' | 'searching' | 'done' | 'failed' = $state('idle');
  /** Newest first. */
  results: Message[] = $state.raw([]);
  /** There are older hits than the last one here. */
  more: boolean = $state(false);
  /** The server stopped early: everything newer than this was searched (ms, server's clock). Null where all was. */
  searchedBackTo: number | null = $state(null);
  /** Where `state` is `failed`: why, in words. */
  error: string = $state('');

  readonly #api: Pick<Api, 'search'>;
  #turn = 0;

  constructor(api: Pick<Api, 'search'>) {
    this.#api = api;
  }

  /** Searches; a later call replaces an earlier one. Empty text clears. */
  async query(text: string, room: string | null = null): Promise<void> {
    this.clear();
    if (text.trim() === '') return;
    const turn = this.#turn;
    this.text = text;
    this.room = room;
    this.state = 'searching';
    try {
      const page = await this.#api.search(text, room, HITS);
      if (turn !== this.#turn) return;
      this.results = page.messages;
      this.more = page.more;
      this.searchedBackTo = page.complete === false ? (page.searched_back_to ?? null) : null;
      this.state = 'done';
    } catch (error) {
      if (turn !== this.#turn) return;
      this.error = errorText(error);
      this.state = 'failed';
    }
  }

  clear(): void {
    this.#turn++;
    this.text = '';
    this.room = null;
    this.state = 'idle';
    this.results = [];
    this.more = false;
    this.searchedBackTo = null;
    this.error = '';
  }
}
