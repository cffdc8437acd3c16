// Owns: the part of a room's messages that is in memory: one run without holes, of bounded length. Pure.
import type { Message } from '../wire/protocol';
import { edited, supersedes } from './edits';

/** Messages that a window keeps; what is further from the reader is dropped and loaded again when wanted. */
export const WINDOW_KEPT = 600;
/** A reader who looks at older messages is not interrupted by a cut before the window has grown by this many more. */
export const WINDOW_SLACK = 200;

export class MessageWindow {
  #messages: Message[] = [];
  /** Of messages that an edit changed here: the edit's number. */
  readonly #editOf = new WeakMap<Message, number>();

  get messages(): readonly Message[] {
    return this.#messages;
  }

  /** Number of the first message; 0 where there is none. */
  get first(): number {
    return this.#messages[0]?.seq ?? 0;
  }

  /** Number of the last message; 0 where there is none. */
  get last(): number {
    return this.#messages.at(-1)?.seq ?? 0;
  }

  get length(): number {
    return this.#messages.length;
  }

  /** The message `seq`, if it is here. */
  at(seq: number): Message | null {
    return this.#messages[seq - this.first] ?? null;
  }

  /** Begins anew with `messages`, in order and without holes. */
  reset(messages: readonly Message[]): void {
    this.#messages = [...messages];
  }

  /** Adds those of `messages` (in order) that continue the window at its end; returns how many. An empty window stands before the room's first message. */
  append(messages: readonly Message[]): number {
    const before = this.#messages.length;
    for (const message of messages) {
      if (message.seq === this.last + 1) this.#messages.push(message);
    }
    return this.#messages.length - before;
  }

  /** Adds those of `messages` (in order) that continue the window at its beginning; returns how many. */
  prepend(messages: readonly Message[]): number {
    const page = messages.filter(({ seq }) => seq < this.first);
    if (page.length === 0 || page.at(-1)?.seq !== this.first - 1) return 0;
    this.#messages = [...page, ...this.#messages];
    return page.length;
  }

  /** Gives messages that are here the newer texts that are among `edits`. What is no edit, or not for these, changes nothing. */
  edit(edits: Iterable<Message>): void {
    for (const edit of edits) {
      const original = edit.replaces === undefined ? null : this.at(edit.replaces);
      if (!original || !supersedes(edit, original, this.#editOf.get(original))) continue;
      const message = edited(original, edit);
      this.#editOf.set(message, edit.seq);
      this.#messages[original.seq - this.first] = message;
    }
  }

  /** Takes over what a page tells of messages that are here already: their texts may have been replaced since. */
  renew(page: readonly Message[]): void {
    for (const message of page) {
      const known = this.at(message.seq);
      if (known && (message.edited ?? 0) > (known.edited ?? 0)) this.#messages[message.seq - this.first] = message;
    }
  }

  /** Drops the oldest down to the bound. */
  dropOldest(): void {
    if (this.#messages.length > WINDOW_KEPT) this.#messages = this.#messages.slice(-WINDOW_KEPT);
  }

  /** Drops the newest down to the bound. */
  dropNewest(): void {
    if (this.#messages.length > WINDOW_KEPT) this.#messages = this.#messages.slice(0, WINDOW_KEPT);
  }

  /** The window is as large as a reader's patience allows: it takes no more at its end. */
  get full(): boolean {
    return this.#messages.length >= WINDOW_KEPT + WINDOW_SLACK;
  }
}
