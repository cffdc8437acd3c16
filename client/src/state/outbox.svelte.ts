// Owns: messages that the server has not acknowledged. Keeps them over reloads, sends them in order, one at a time, and
// lets go of one only on its Ack. Never shows or stores sent messages.
//
// Each tab has a queue of its own in the browser's storage; the queue of a tab that has gone is adopted by the next one
// that looks. Should two tabs send the same message after all, its id makes that harmless at the server.
import { sameName } from '../text/names';
import { ApiError } from '../wire/api';
import type { MessageAck } from '../wire/protocol';
import { LinkLost } from '../wire/socket';
import type { Platform } from './platform';
import { KEYS, keysBelow, newReference, readJson, writeJson } from './storage';
import { Tab } from './tab';

export interface PendingMessage {
  /** The reference that makes a repetition harmless. */
  readonly id: string;
  readonly room: string;
  readonly content: string;
  /** The number of the sent message whose new text this is. */
  readonly replaces?: number;
  /** When it was written (ms, this machine's clock). */
  readonly created: number;
  readonly state: 'pending' | 'failed';
  /** Why it failed, in words; only where `state` is `failed`. */
  readonly error?: string;
  /** It left this machine at least once and no answer came: the server may have it. */
  readonly attempted?: boolean;
}

export interface OutboxHandlers {
  /** Sends it; rejects with `ApiError` or `LinkLost`. */
  post: (message: PendingMessage) => Promise<MessageAck>;
  /** The user wrote it just now. */
  queued: (message: PendingMessage) => void;
  /** The server has it. */
  acked: (message: PendingMessage, ack: MessageAck) => void;
  /** `messages` changed. */
  changed: () => void;
}

/** After `overloaded` (the server is stopping) the same connection is not asked again sooner, in ms. */
const OVERLOADED_WAIT_MS = 2_000;
/** A rate limit that does not say how long. */
const RATE_LIMIT_WAIT_MS = 1_000;
/** Close code of RFC 6455: the frame was too large for the server, and would be again. */
const CLOSE_TOO_LARGE = 1009;

function isPending(value: unknown): value is PendingMessage {
  const message = value as Partial<PendingMessage> | null;
  return (
    typeof message?.id === 'string' &&
    typeof message.room === 'string' &&
    typeof message.content === 'string' &&
    typeof message.created === 'number' &&
    (message.replaces === undefined || typeof message.replaces === 'number')
  );
}

function held({ room, content, created }: PendingMessage, why: string): PendingMessage {
  return { id: newReference(), room, content, created, state: 'failed', error: `${why}: the server was restored from a backup.` };
}

/** One queue of several, by the times of writing; each keeps its own order, whatever the clock did meanwhile. */
function interleave(queues: readonly PendingMessage[][]): PendingMessage[] {
  const left = queues.filter((queue) => queue.length > 0).map((queue) => [...queue]);
  const all: PendingMessage[] = [];
  while (left.length > 0) {
    const earliest = left.reduce((first, queue) => ((queue[0]?.created ?? 0) < (first[0]?.created ?? 0) ? queue : first));
    all.push(...earliest.splice(0, 1));
    if (earliest.length === 0) left.splice(left.indexOf(earliest), 1);
  }
  return all;
}

export class Outbox {
  /** Everything unsent, oldest first. */
  messages: PendingMessage[] = $state.raw([]);
  /** Until when the server asked us to wait (ms, the platform's `monotonic`); null while it does not. */
  waitingUntil: number | null = $state(null);

  readonly #platform: Platform;
  readonly #handlers: OutboxHandlers;
  readonly #tab: Tab;
  #user = '';
  /** The link stands. */
  #ready = false;
  /** The one message that is on its way. */
  #sending: string | null = null;
  #waitTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(platform: Platform, handlers: OutboxHandlers) {
    this.#platform = platform;
    this.#handlers = handlers;
    this.#tab = new Tab(platform);
  }

  /** Takes up what a user left unsent in this tab, and in tabs that are gone. */
  async load(user: string): Promise<void> {
    this.unload();
    this.#user = user;
    const own = this.#stored(KEYS.outbox(user, this.#tab.id));
    this.#set(own);
    const { living, duplicate } = await this.#tab.survey();
    if (this.#user !== user) return;
    // The tab that this one was duplicated from sends what was taken up; only what was written here since is ours.
    if (duplicate) this.#set(this.messages.filter(({ id }) => !own.some((message) => message.id === id)));
    this.#adopt(living);
  }

  /** Forgets what is unsent here; it stays stored. */
  unload(): void {
    this.#user = '';
    this.pause();
    this.#stopWaiting();
    this.messages = [];
    this.#handlers.changed();
  }

  close(): void {
    this.unload();
    this.#tab.close();
  }

  /** The link stands: what is unsent goes out. */
  resume(): void {
    this.#ready = true;
    void this.#pump();
  }

  /** The link does not stand. */
  pause(): void {
    this.#ready = false;
  }

  /**
   * Queues a message exactly as typed; it appears at once in the timeline. The content must satisfy `checkContent`.
   * With `replaces` it is the new text of that message, in place of an earlier one that has not left.
   */
  send(room: string, content: string, replaces?: number): PendingMessage {
    const message: PendingMessage = {
      id: newReference(),
      room,
      content,
      created: this.#platform.now(),
      state: 'pending',
      ...(replaces === undefined ? {} : { replaces }),
    };
    if (replaces !== undefined) this.#dropEdits(room, replaces);
    this.#set([...this.messages, message]);
    this.#handlers.queued(message);
    void this.#pump();
    return message;
  }

  /** Sends a failed message again, with the same id. */
  retry(id: string): void {
    this.#change(id, ({ error: _, ...message }) => ({ ...message, state: 'pending' }));
    void this.#pump();
  }

  /** Takes a message that is not on its way back; returns its text, for the composer. Null where it is too late (sent, or perhaps sent). */
  edit(id: string): string | null {
    const content = this.messages.find((message) => message.id === id)?.content;
    return content !== undefined && this.remove(id) ? content : null;
  }

  /** Discards a message that is not on its way. False where it is too late. */
  remove(id: string): boolean {
    const message = this.messages.find((candidate) => candidate.id === id);
    if (!message || this.#sending === id) return false;
    // What left this machine unanswered may be stored: taking it back would promise too much.
    if (message.state === 'pending' && message.attempted) return false;
    this.#set(this.messages.filter((candidate) => candidate.id !== id));
    return true;
  }

  /** Discards unsent texts of a message that a newer one takes the place of; one that may have left stays, and goes first. */
  #dropEdits(room: string, replaces: number): void {
    for (const edit of this.pendingIn(room)) if (edit.replaces === replaces) this.remove(edit.id);
  }

  /**
   * The server was restored from a backup: what edits were to replace is gone, or may be another message, and the rooms
   * `replaced` are others than they were. What is for them is not sent before the user says so, an edit as a message.
   */
  restored(replaced: readonly string[]): void {
    this.#set(
      this.messages.map((message) => {
        if (message.replaces !== undefined) return held(message, 'It was to change a message that may be lost');
        const room = replaced.some((name) => sameName(name, message.room));
        return room ? held(message, 'It was written for another room of this name') : message;
      }),
    );
  }

  /** Whether an edit waits. */
  get hasEdits(): boolean {
    return this.messages.some(({ replaces }) => replaces !== undefined);
  }

  /** What is unsent in a room, oldest first. */
  pendingIn(room: string): PendingMessage[] {
    return this.messages.filter((message) => sameName(message.room, room));
  }

  /** Whether the message is unsent as far as is known. */
  has(id: string | undefined): boolean {
    return id !== undefined && this.messages.some((message) => message.id === id);
  }

  async #pump(): Promise<void> {
    while (this.#ready && this.#sending === null && this.waitingUntil === null) {
      const next = this.messages.find((message) => message.state === 'pending');
      if (!next) return;
      this.#sending = next.id;
      const user = this.#user;
      this.#change(next.id, (message) => ({ ...message, attempted: true }));
      try {
        const ack = await this.#handlers.post(next);
        this.#sending = null;
        if (this.#user === user) this.#acked(next, ack);
      } catch (error) {
        this.#sending = null;
        if (this.#user === user) this.#refused(next, error);
      }
    }
  }

  #acked(message: PendingMessage, ack: MessageAck): void {
    this.#set(this.messages.filter(({ id }) => id !== message.id), false);
    this.#handlers.acked(message, ack);
    this.#handlers.changed();
  }

  #refused({ id }: PendingMessage, error: unknown): void {
    if (error instanceof LinkLost && error.closeCode !== CLOSE_TOO_LARGE) {
      this.pause();
      return;
    }
    if (error instanceof ApiError) {
      if (error.code === 'rate_limited') {
        this.#wait(error.retryAfterMs ?? RATE_LIMIT_WAIT_MS);
        return;
      }
      if (error.code === 'overloaded') {
        this.#wait(error.retryAfterMs ?? OVERLOADED_WAIT_MS);
        return;
      }
      // The session's end is told elsewhere; the message waits for the next one.
      if (error.code === 'unauthorized') {
        this.pause();
        return;
      }
    }
    const text = error instanceof ApiError ? error.message : 'The message is too large for the server. Split it.';
    this.#change(id, (message) => ({ ...message, state: 'failed', error: text }));
  }

  #wait(ms: number): void {
    this.waitingUntil = this.#platform.monotonic() + ms;
    this.#waitTimer = setTimeout(() => {
      this.#stopWaiting();
      void this.#pump();
    }, ms);
  }

  #stopWaiting(): void {
    if (this.#waitTimer !== null) clearTimeout(this.#waitTimer);
    this.#waitTimer = null;
    this.waitingUntil = null;
  }

  #change(id: string, change: (message: PendingMessage) => PendingMessage): void {
    this.#set(this.messages.map((message) => (message.id === id ? change(message) : message)));
  }

  #set(messages: PendingMessage[], tell = true): void {
    this.messages = messages;
    const key = KEYS.outbox(this.#user, this.#tab.id);
    if (this.#user !== '') {
      if (messages.length === 0) this.#platform.storage.removeItem(key);
      else writeJson(this.#platform.storage, key, messages);
    }
    if (tell) this.#handlers.changed();
  }

  /** Takes over the queues of tabs that are gone, in the order of writing, ahead of what is written from now on. */
  #adopt(living: Set<string>): void {
    const prefix = KEYS.outboxesOf(this.#user);
    const orphans = keysBelow(this.#platform.storage, prefix).filter((key) => {
      const tab = key.slice(prefix.length);
      return tab !== this.#tab.id && !living.has(tab);
    });
    const known = new Set(this.messages.map(({ id }) => id));
    const adopted = orphans.map((key) => this.#stored(key).filter(({ id }) => !known.has(id)));
    if (adopted.some((queue) => queue.length > 0)) {
      this.#set(interleave([...adopted, this.messages]));
      void this.#pump();
    }
    // Only after they are stored under this tab's key.
    for (const key of orphans) this.#platform.storage.removeItem(key);
  }

  #stored(key: string): PendingMessage[] {
    const stored = readJson(this.#platform.storage, key);
    return Array.isArray(stored) ? stored.filter(isPending) : [];
  }
}
