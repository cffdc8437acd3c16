// Owns: one search and its results. Never changes the timeline: the interface opens a hit with `rooms.open(room, seq)`.
import type { Message } from '../wire/protocol';

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

  /** Searches; a later call replaces an earlier one. Empty text clears. */
  query(text: string, room: string | null = null): Promise<void> {
    throw new Error(`skeleton ${text} ${room}`);
  }

  clear(): void {
    throw new Error('skeleton');
  }
}
