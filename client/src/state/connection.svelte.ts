// Owns: what a person is told about the link to the server. Never knows chat.
import type { Clocks } from './wake';
import { CLOSE_GOING_AWAY, RESTART_MS } from '../wire/socket';

export type Status = 'connecting' | 'online' | 'offline';

export class Connection {
  /** `connecting` only until the first answer; later losses are `offline` until the link stands again. */
  status: Status = $state('connecting');
  /** Offline because the server said that it stops, and not for so long that it would have come back. */
  restarting: boolean = $state(false);
  /** When the link was lost (ms, this machine's clock); null while it stands. */
  offlineSince: number | null = $state(null);
  /** When the next attempt is due (ms, the platform's `monotonic`); null while online or while an attempt is under way. */
  retryAt: number | null = $state(null);
  /** The version that the server told last; '' before. */
  serverVersion: string = $state('');
  /** The server has been updated since the page was loaded: offer a reload. */
  updateAvailable: boolean = $state(false);

  readonly #retry: () => void;
  readonly #clocks: Clocks;
  #stoppedAt = 0;

  constructor(retry: () => void, clocks: Clocks) {
    this.#retry = retry;
    this.#clocks = clocks;
  }

  /** Tries at once instead of at `retryAt`. */
  retryNow(): void {
    this.#retry();
  }

  /** The link stands, or does not. */
  up(up: boolean): void {
    if (up) {
      this.status = 'online';
      this.restarting = false;
      this.offlineSince = null;
      this.retryAt = null;
    } else {
      if (this.status === 'online') this.status = 'offline';
      this.offlineSince ??= this.#clocks.now();
    }
  }

  /** A link, or an attempt at one, ended with this close code. */
  ended(code: number): void {
    if (code !== CLOSE_GOING_AWAY) return;
    this.restarting = true;
    this.#stoppedAt = this.#clocks.monotonic();
  }

  /** The next attempt is due then. The first one that fails ends `connecting`: there is something to tell. */
  waiting(until: number | null): void {
    this.retryAt = until;
    if (this.#clocks.monotonic() - this.#stoppedAt >= RESTART_MS) this.restarting = false;
    if (until !== null && this.status === 'connecting') {
      this.status = 'offline';
      this.offlineSince ??= this.#clocks.now();
    }
  }

  /** The server told its version. The page came from the version that was told first. */
  told(version: string): void {
    if (this.serverVersion !== '' && version !== this.serverVersion) this.updateAvailable = true;
    this.serverVersion = version;
  }

  /** Nobody is signed in: there is no link to tell of. */
  reset(): void {
    this.status = 'connecting';
    this.restarting = false;
    this.offlineSince = null;
    this.retryAt = null;
  }
}
