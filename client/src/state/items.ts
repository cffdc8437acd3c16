// Owns: turning messages into rows: day separators, groups, the New line, announcements. Pure.
import { mentions } from '../text/content';
import { sameName } from '../text/names';
import { dayKey, formatDayLabel, startOfDay, startOfNextDay } from '../text/time';
import { SERVER_NAME, type Message } from '../wire/protocol';
import { isEdit } from './edits';
import type { PendingMessage } from './outbox.svelte';

/** One row. `key` stays the same for as long as the row means the same, from pending to sent. */
export type TimelineItem =
  | { kind: 'day'; key: string; label: string; date: number }
  /** The first unread message follows. */
  | { kind: 'new'; key: string }
  /** Something that `Server` announces. */
  | { kind: 'event'; key: string; seq: number; message: Message }
  /** `first`: show the author; the rows after it continue the group. `edit`: its new text, which is not acknowledged yet. */
  | { kind: 'message'; key: string; seq: number; message: Message; first: boolean; mine: boolean; mentionsMe: boolean; edit: PendingMessage | null }
  /** Not acknowledged yet. */
  | { kind: 'pending'; key: string; pending: PendingMessage; first: boolean };

/** Messages of one author that are this close to the first of their group stand under one name, in ms; before it, too, where the server's clock went back. */
export const GROUP_MS = 5 * 60 * 1000;

/** What the rows are made of. */
export interface ItemsInput {
  /** Stored messages, in order. */
  messages: readonly Message[];
  /** Acknowledged messages of the user beyond those, whose predecessors are still on their way. */
  early: readonly Message[];
  /** Unsent messages of the user in this room. */
  pending: readonly PendingMessage[];
  firstUnreadSeq: number | null;
  me: string;
  /** ms, the server's clock: it is what the messages' times are told by. */
  now: number;
  /** How far the server's clock is ahead of this machine's, in ms. */
  serverAhead: number;
}

/** Who speaks, since when: what decides whether the next row continues a group. */
interface Group {
  sender: string;
  since: number;
}

class Builder {
  readonly items: TimelineItem[] = [];
  readonly #input: ItemsInput;
  readonly #pendingById: Map<string, PendingMessage>;
  /** The newest unsent text of each message, by its number. */
  readonly #edits = new Map<number, PendingMessage>();
  readonly #old: Map<string, TimelineItem>;
  /** The local day of the row before, from its first ms up to, not including, its last. */
  #dayFrom = 0;
  #dayTo = 0;
  readonly #keys = new Set<string>();
  #group: Group | null = null;
  /** The time of the last stored message; 0 where there is none. */
  #last = 0;

  constructor(input: ItemsInput, previous: readonly TimelineItem[]) {
    this.#input = input;
    this.#pendingById = new Map();
    for (const message of input.pending) {
      if (message.replaces === undefined) this.#pendingById.set(message.id, message);
      else this.#edits.set(message.replaces, message);
    }
    this.#old = new Map(previous.map((item) => [item.key, item]));
  }

  message(message: Message): void {
    if (isEdit(message)) return;
    this.#last = message.timestamp;
    this.#separateDay(message.timestamp);
    if (message.seq === this.#input.firstUnreadSeq) {
      this.#push({ kind: 'new', key: 'new' });
      this.#group = null;
    }
    if (message.sender === SERVER_NAME) {
      this.#push({ kind: 'event', key: `seq:${message.seq}`, seq: message.seq, message });
      this.#group = null;
      return;
    }
    const mine = sameName(message.sender, this.#input.me);
    const first = this.#begins(message.sender, message.timestamp);
    // Keys hold the id only of one's own messages: an id is unique for one sender, not for all.
    const key = mine && message.id !== undefined ? `id:${message.id}` : `seq:${message.seq}`;
    const unacknowledged = mine && message.id !== undefined ? this.#pendingById.get(message.id) : undefined;
    if (unacknowledged) {
      this.#pendingById.delete(unacknowledged.id);
      this.#push({ kind: 'pending', key, pending: unacknowledged, first });
      return;
    }
    const mentionsMe = !mine && mentions(message.content, this.#input.me);
    const edit = mine ? (this.#edits.get(message.seq) ?? null) : null;
    this.#push({ kind: 'message', key, seq: message.seq, message, first, mine, mentionsMe, edit });
  }

  pending(): void {
    for (const pending of this.#pendingById.values()) {
      // By the server's clock, which will tell its time, and after what is stored, as it will be.
      const time = Math.max(pending.created + this.#input.serverAhead, this.#last);
      this.#separateDay(time);
      const first = this.#begins(this.#input.me, time);
      this.#push({ kind: 'pending', key: `id:${pending.id}`, pending, first });
    }
  }

  /** Where the server's clock went back over midnight by no more than clocks are corrected by, the day goes on. */
  #separateDay(time: number): void {
    if (time >= this.#dayFrom - GROUP_MS && time < this.#dayTo) return;
    this.#dayFrom = startOfDay(time);
    this.#dayTo = startOfNextDay(time);
    this.#group = null;
    this.#push({ kind: 'day', key: this.#unique(`day:${dayKey(time)}`), label: formatDayLabel(time, this.#input.now), date: time });
  }

  #begins(sender: string, time: number): boolean {
    const group = this.#group;
    if (group && sameName(group.sender, sender) && Math.abs(time - group.since) < GROUP_MS) return false;
    this.#group = { sender, since: time };
    return true;
  }

  /** A clock that went back may begin a day twice; a list must not hold a key twice. */
  #unique(key: string): string {
    let unique = key;
    while (this.#keys.has(unique)) unique += "'";
    this.#keys.add(unique);
    return unique;
  }

  /** Rows that did not change stay the same objects, so that nothing of them is rendered again. */
  #push(item: TimelineItem): void {
    const old = this.#old.get(item.key);
    this.items.push(old && same(old, item) ? old : item);
  }
}

/** Whether two rows of the same key show the same. */
function same(a: TimelineItem, b: TimelineItem): boolean {
  if (a.kind === 'message' && b.kind === 'message') {
    return a.message === b.message && a.first === b.first && a.mine === b.mine && a.mentionsMe === b.mentionsMe && a.edit === b.edit;
  }
  if (a.kind === 'pending' && b.kind === 'pending') return a.pending === b.pending && a.first === b.first;
  if (a.kind === 'day' && b.kind === 'day') return a.label === b.label;
  if (a.kind === 'event' && b.kind === 'event') return a.message === b.message;
  return a.kind === b.kind;
}

/** The rows for `input`; those of `previous` that still hold are taken over as they are. */
export function buildItems(input: ItemsInput, previous: readonly TimelineItem[] = []): TimelineItem[] {
  const builder = new Builder(input, previous);
  for (const message of input.messages) builder.message(message);
  for (const message of input.early) builder.message(message);
  builder.pending();
  return builder.items;
}
