// Owns: who there is, who is online and who types. Never decides who is in a room.
import { SvelteMap } from 'svelte/reactivity';
import { foldName, sameName } from '../text/names';
import type { Api } from '../wire/api';
import type { PresenceData, TypingData, User } from '../wire/protocol';
import type { Platform } from './platform';
import { byText } from './room.svelte';
import { KEYS, readJson, writeJson } from './storage';

/** Somebody types for this long after their last `Typing` frame, in ms. */
export const TYPING_SHOWN_MS = 6_000;
/** While one types a frame leaves at most this often, in ms. */
export const TYPING_SENT_MS = 3_000;

interface Typist {
  room: string;
  user: string;
  /** By the platform's `monotonic`. */
  until: number;
}

interface CachedUsers {
  etag: string;
  users: User[];
}

function isCached(value: unknown): value is CachedUsers {
  const cached = value as Partial<CachedUsers> | null;
  return typeof cached?.etag === 'string' && Array.isArray(cached.users);
}

export class People {
  readonly #users = new SvelteMap<string, User>();
  /** Everybody with an account, by display name. */
  readonly all: User[] = $derived([...this.#users.values()].sort((a, b) => byText(a.display_name, b.display_name)));
  #online: ReadonlySet<string> = $state.raw(new Set());
  /** Somebody tells us who comes and goes. */
  #told = $state(false);
  #typists: readonly Typist[] = $state.raw([]);

  readonly #platform: Platform;
  readonly #api: Pick<Api, 'users'>;
  readonly #sendTyping: (room: string) => void;
  #etag: string | null = null;
  #typingTimer: ReturnType<typeof setTimeout> | null = null;
  #lastSent = { room: '', at: -Infinity };

  constructor(platform: Platform, api: Pick<Api, 'users'>, sendTyping: (room: string) => void) {
    this.#platform = platform;
    this.#api = api;
    this.#sendTyping = sendTyping;
  }

  /** The user of that name, ignoring case. */
  byName(name: string): User | null {
    return this.#users.get(foldName(name)) ?? null;
  }

  /** What to call somebody: the display name, or the name where nothing is known of them. */
  displayName(name: string): string {
    return this.byName(name)?.display_name ?? name;
  }

  /** Undefined where that is not known, since the link is down. */
  isOnline(name: string): boolean | undefined {
    return this.#told ? this.#online.has(foldName(name)) : undefined;
  }

  /** Names of the others who type in the room now. */
  typingIn(room: string): string[] {
    return this.#typists.filter((typist) => sameName(typist.room, room)).map(({ user }) => user);
  }

  /** The interface tells that the user types; at most one frame in 3 s leaves. */
  typing(room: string): void {
    const now = this.#platform.monotonic();
    if (sameName(this.#lastSent.room, room) && now - this.#lastSent.at < TYPING_SENT_MS) return;
    this.#lastSent = { room, at: now };
    this.#sendTyping(room);
  }

  /** The user sent a message: the next keystroke is news again. */
  typingEnded(): void {
    this.#lastSent = { room: '', at: -Infinity };
  }

  /** Takes up what this browser remembers. */
  load(): void {
    const cached = readJson(this.#platform.storage, KEYS.people);
    if (isCached(cached)) this.#take(cached);
  }

  /** The link stands: who is online, and whether anybody changed. */
  async welcome(online: readonly string[], etag: string): Promise<void> {
    this.#online = new Set(online.map(foldName));
    if (etag !== this.#etag) await this.#refresh();
  }

  /** Somebody is new or changed. */
  told(user: User): void {
    this.#users.set(foldName(user.name), user);
  }

  /** Some came, some went. */
  presence({ online, offline }: PresenceData): void {
    const next = new Set(this.#online);
    for (const name of offline) next.delete(foldName(name));
    for (const name of online) next.add(foldName(name));
    this.#online = next;
    for (const name of offline) this.stopped(name);
  }

  /** Somebody types. */
  typed({ room, user }: TypingData): void {
    const others = this.#typists.filter((typist) => !(sameName(typist.room, room) && sameName(typist.user, user)));
    this.#typists = [...others, { room, user, until: this.#platform.monotonic() + TYPING_SHOWN_MS }];
    this.#scheduleExpiry();
  }

  /** Somebody types no more: their message came, they left, or they went; in one room or in all. */
  stopped(user: string, room: string | null = null): void {
    if (this.#typists.length === 0) return;
    this.#typists = this.#typists.filter(
      (typist) => !sameName(typist.user, user) || (room !== null && !sameName(typist.room, room)),
    );
  }

  /**
   * Whether the link stands. While it does not nobody is known to type, nor to be there; where that was only a doubt nothing
   * was missed, and who was there is told as before.
   */
  linked(up: boolean): void {
    this.#told = up;
    if (!up) this.#typists = [];
  }

  /** Nobody is signed in any more: a stranger at this browser has no business with the list. */
  clear(): void {
    this.#users.clear();
    this.#online = new Set();
    this.#typists = [];
    this.#etag = null;
    this.#platform.storage.removeItem(KEYS.people);
  }

  async #refresh(): Promise<void> {
    let answer;
    try {
      answer = await this.#api.users(this.#etag);
    } catch {
      return; // Names serve until the next Welcome tells the ETag again.
    }
    if (!answer.changed) return;
    this.#take({ etag: answer.etag, users: answer.value });
    writeJson(this.#platform.storage, KEYS.people, { etag: answer.etag, users: answer.value } satisfies CachedUsers);
  }

  #take({ etag, users }: CachedUsers): void {
    this.#etag = etag;
    const names = new Set(users.map(({ name }) => foldName(name)));
    for (const key of this.#users.keys()) if (!names.has(key)) this.#users.delete(key);
    for (const user of users) this.told(user);
  }

  #scheduleExpiry(): void {
    const first = Math.min(...this.#typists.map(({ until }) => until));
    if (this.#typingTimer !== null || first === Infinity) return;
    this.#typingTimer = setTimeout(
      () => {
        this.#typingTimer = null;
        const now = this.#platform.monotonic();
        this.#typists = this.#typists.filter(({ until }) => until > now);
        this.#scheduleExpiry();
      },
      Math.max(0, first - this.#platform.monotonic()),
    );
  }
}
