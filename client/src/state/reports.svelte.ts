// Owns: the problems that people reported, for the admin. Never shown to anybody else.
import type { Report } from '../wire/protocol';

export class Reports {
  /** Newest first. */
  items: Report[] = $state.raw([]);
  more: boolean = $state(false);
  state: 'idle' | 'loading' | 'done' | 'failed' = $state('idle');
  /** Where `state` is `failed`: why, in words. */
  error: string = $state('');

  /** Loads the newest. */
  load(): Promise<void> {
    throw new Error('skeleton');
  }

  /** Loads the page before the oldest here. */
  loadMore(): Promise<void> {
    throw new Error('skeleton');
  }
}
