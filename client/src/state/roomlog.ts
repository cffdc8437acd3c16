// Owns: what has arrived of one room: up to which number everything was seen, and the newest messages. Pure; never
// counts, never fetches.
import type { Message } from '../wire/protocol';

/** Of a room, at most so many of the newest messages stay in memory while it is not open. Twice a catch-up's 500 may pile up before a cut. */
export const TAIL_KEPT = 500;

export class RoomLog {
  /** Messages without a hole that end at `seen`; empty where nothing arrived yet. */
  tail: Message[] = [];
  /** Everything up to this number arrived or was left to history on purpose. */
  seen: number;
  /** Acknowledged messages of the user that are ahead of `seen`: what lies between is still on its way. */
  readonly #early = new Map<number, Message>();

  constructor(seen: number) {
    this.seen = seen;
  }

  /** Messages of the user that are stored, but ahead of what arrived, in order. */
  get early(): Message[] {
    return [...this.#early.values()].sort((a, b) => a.seq - b.seq);
  }

  /** A message arrived; returns what is new by it, in order (none: it was known). */
  receive(message: Message): Message[] {
    if (message.seq <= this.seen) return [];
    // The server leaves no hole without a Gap; should one be there, history fills it, and the tail begins behind it.
    if (message.seq > this.seen + 1) this.tail = [];
    const fresh = [message];
    this.#early.delete(message.seq);
    for (let seq = message.seq + 1; ; seq++) {
      const next = this.#early.get(seq);
      if (!next) break;
      this.#early.delete(seq);
      fresh.push(next);
    }
    this.tail.push(...fresh);
    this.seen = message.seq + fresh.length - 1;
    if (this.tail.length > 2 * TAIL_KEPT) this.tail = this.tail.slice(-TAIL_KEPT);
    return fresh;
  }

  /** The server acknowledged a message of the user; returns what is new by it, as `receive`. */
  acknowledge(message: Message): Message[] {
    if (message.seq === this.seen + 1) return this.receive(message);
    if (message.seq > this.seen) this.#early.set(message.seq, message);
    return [];
  }

  /** The server will not send what lies before `seq`: history has it. */
  skipTo(seq: number): void {
    if (seq - 1 <= this.seen) return;
    this.seen = seq - 1;
    this.tail = [];
    for (const early of this.#early.keys()) if (early < seq) this.#early.delete(early);
  }
}
