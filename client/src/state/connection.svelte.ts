// Owns: what a person is told about the link to the server. Never knows chat.

export type Status = 'connecting' | 'online' | 'offline';

export class Connection {
  /** `connecting` only until the first answer; later losses are `offline` until the link stands again. */
  status: Status = $state('connecting');
  /** When the link was lost (ms, this machine's clock); null while it stands. */
  offlineSince: number | null = $state(null);
  /** When the next attempt is due (ms, this machine's clock); null while online or while an attempt is under way. */
  retryAt: number | null = $state(null);
  /** The version that the server told last; '' before. */
  serverVersion: string = $state('');
  /** The server has been updated since the page was loaded: offer a reload. */
  updateAvailable: boolean = $state(false);

  /** Tries at once instead of at `retryAt`. */
  retryNow(): void {
    throw new Error('skeleton');
  }
}
