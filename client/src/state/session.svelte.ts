// Owns: who is signed in, and the token: stores it, renews it, shares it among the tabs of this browser. Never opens the
// socket and never touches drafts or unsent messages.
import { foldName } from '../text/names';
import { ApiError, type Api } from '../wire/api';
import type { Registration, SignedIn, User } from '../wire/protocol';
import type { Platform } from './platform';
import { KEYS, readJson, writeJson } from './storage';

/**
 * `loading`: nothing is known yet (only before `App.start`). `expired`: somebody was signed in, and the server asks for the
 * password again; `user`, drafts and unsent messages are still there, and the interface stays behind a dialog.
 */
export type Phase = 'loading' | 'signed-out' | 'signed-in' | 'expired';

/** What the rest of the state does when the session changes. */
export interface SessionHandlers {
  /** A token is there for `user`; `changed`: it is another person than before, or there was nobody. */
  signedIn: (user: User, changed: boolean) => void;
  /** The server asks for the password again. */
  expired: () => void;
  /** Nobody is signed in any more. */
  signedOut: () => void;
}

/** How often an open page looks whether half of the token's life has passed, in ms. */
const RENEWAL_CHECK_MS = 60 * 60 * 1000;

interface TokenTimes {
  /** Seconds since the Unix epoch (RFC 7519, section 4.1). */
  iat: number;
  exp: number;
}

/** When a token was made and when it ends; null where it is not a JWT. */
export function tokenTimes(token: string): TokenTimes | null {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const claims = JSON.parse(atob(payload)) as Partial<TokenTimes>;
    return typeof claims.iat === 'number' && typeof claims.exp === 'number' ? { iat: claims.iat, exp: claims.exp } : null;
  } catch {
    return null;
  }
}

/** Whether half of the token's life has passed at `now` (ms). */
export function renewalDue(token: string, now: number): boolean {
  const times = tokenTimes(token);
  return times !== null && now / 1000 >= (times.iat + times.exp) / 2;
}

function isSignedIn(value: unknown): value is SignedIn {
  const session = value as Partial<SignedIn> | null;
  return typeof session?.token === 'string' && typeof session.user?.name === 'string';
}

export class Session {
  phase: Phase = $state('loading');
  /** Who may make an account, as the server told last; told while nobody is signed in. */
  registration: Registration = $state('open');
  /** Null in the phases `loading` and `signed-out`. */
  user: User | null = $state.raw(null);
  /** The name of the user, or ''. */
  readonly name: string = $derived(this.user?.name ?? '');

  readonly #platform: Platform;
  readonly #api: Api;
  readonly #handlers: SessionHandlers;
  #renewalTimer: ReturnType<typeof setInterval> | null = null;
  /** While the password is being changed, the old token's end is expected and the new one under way. */
  #changing: Promise<unknown> | null = null;

  constructor(platform: Platform, api: Api, handlers: SessionHandlers) {
    this.#platform = platform;
    this.#api = api;
    this.#handlers = handlers;
    api.onRejected = (token) => void this.rejected(token);
    platform.events.addEventListener('storage', (event) => {
      const { key } = event as StorageEvent;
      // `null`: the person cleared the browser's storage.
      if (key === KEYS.session || key === null) this.#storedElsewhere();
    });
  }

  /** Takes up the session that this browser has, if any. */
  start(): void {
    const stored = readJson(this.#platform.storage, KEYS.session);
    if (isSignedIn(stored)) this.#adopt(stored);
    else this.phase = 'signed-out';
    void this.#renewWhenDue();
    this.#renewalTimer = setInterval(() => void this.#renewWhenDue(), RENEWAL_CHECK_MS);
  }

  stop(): void {
    if (this.#renewalTimer !== null) clearInterval(this.#renewalTimer);
  }

  /** Throws `ApiError`: `unauthorized`, `rate_limited` (with `retryAfterMs`), `network` (no answer). */
  async signIn(name: string, password: string): Promise<void> {
    this.#keep(await this.#api.login(name, password));
  }

  /** Makes an account and signs in. Throws `ApiError`: `user_exists`, `bad_name`, `bad_password`, `registration_closed`, `rate_limited`, `network`. */
  async register(name: string, password: string): Promise<void> {
    this.#keep(await this.#api.register(name, password));
  }

  /** Whether somebody has this name already (for a hint while one registers). Throws `ApiError`. */
  nameTaken(name: string): Promise<boolean> {
    return this.#api.nameTaken(name);
  }

  /** In the phase `expired`: signs the same user in again. Throws as `signIn`. */
  async signInAgain(password: string): Promise<void> {
    await this.signIn(this.name, password);
  }

  /** Signs out in this browser, all its tabs. Drafts and unsent messages stay stored for the next time. */
  signOut(): void {
    this.#platform.storage.removeItem(KEYS.session);
    this.#leave();
  }

  /** Signs out everywhere. Throws `ApiError`. */
  async signOutEverywhere(): Promise<void> {
    await this.#expectingRejection(async () => {
      await this.#api.logoutEverywhere();
      this.signOut();
    });
  }

  /** Changes the password; other browsers are signed out, this one stays. Throws `ApiError`: `forbidden` (old is wrong), `bad_password`. */
  async changePassword(old: string, fresh: string): Promise<void> {
    await this.#expectingRejection(async () => this.#keep(await this.#api.changePassword(old, fresh)));
  }

  /** The server has told who the user is, newest. */
  told(user: User): void {
    if (foldName(user.name) !== foldName(this.name)) return;
    this.user = user;
    if (this.#api.token !== null) writeJson(this.#platform.storage, KEYS.session, { token: this.#api.token, user });
  }

  /** The server refused `token`. Asks for the password unless there is a newer token already. */
  async rejected(token: string): Promise<void> {
    // Changing the password and signing out everywhere end the token on purpose; what follows it is their business.
    await this.#changing?.catch(() => {});
    if (this.phase !== 'signed-in') return;
    if (token !== this.#api.token) {
      // A newer token came meanwhile; whoever was refused with the old one begins again with it.
      if (this.user) this.#handlers.signedIn(this.user, false);
      return;
    }
    const stored = readJson(this.#platform.storage, KEYS.session);
    if (isSignedIn(stored) && stored.token !== token) {
      this.#adopt(stored);
      return;
    }
    this.phase = 'expired';
    this.#handlers.expired();
  }

  async #expectingRejection(work: () => Promise<void>): Promise<void> {
    const done = work();
    this.#changing = done;
    try {
      await done;
    } finally {
      this.#changing = null;
    }
  }

  async #renewWhenDue(): Promise<void> {
    const { token } = this.#api;
    // By the server's clock as soon as it is known: this machine's may be years off, and would have every token look old.
    if (this.phase !== 'signed-in' || token === null || !renewalDue(token, this.#platform.now() + this.#api.serverAhead)) return;
    try {
      const renewed = await this.#api.renew();
      // Somebody may have signed out, or in again, while the answer was under way.
      if (this.#api.token === token) this.#keep(renewed);
    } catch (error) {
      // The old one still serves for half its life; the next hour tries again.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  #keep(session: SignedIn): void {
    writeJson(this.#platform.storage, KEYS.session, session);
    this.#adopt(session);
  }

  #adopt({ token, user }: SignedIn): void {
    const changed = this.phase === 'loading' || foldName(user.name) !== foldName(this.name);
    if (changed && this.user) this.#handlers.signedOut();
    this.#api.token = token;
    this.user = user;
    this.phase = 'signed-in';
    this.#handlers.signedIn(user, changed);
  }

  #leave(): void {
    this.#api.token = null;
    this.phase = 'signed-out';
    this.#handlers.signedOut();
    this.user = null;
  }

  /** Another tab signed in, out, or renewed the token. */
  #storedElsewhere(): void {
    const stored = readJson(this.#platform.storage, KEYS.session);
    if (!isSignedIn(stored)) {
      if (this.phase !== 'signed-out') this.#leave();
    } else if (stored.token !== this.#api.token) {
      this.#adopt(stored);
    }
  }
}
