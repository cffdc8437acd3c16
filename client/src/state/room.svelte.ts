// Owns: what is known of one room of the user: its description, what arrived in it, and what of that is unread.
// Never fetches and never sends.
import { mentions } from '../text/content';
import { foldName, sameName } from '../text/names';
import { GENERAL_ROOM, SERVER_NAME, type Message, type Room, type RoomKind } from '../wire/protocol';
import { isEdit } from './edits';
import type { Mark } from './marks';
import { RoomLog } from './roomlog';

/** What a room asks of the rest of the state. */
export interface RoomSurroundings {
  /** The user's name. */
  me: () => string;
  displayName: (name: string) => string;
  hasDraft: (room: string) => boolean;
}

let collator: Intl.Collator | undefined;

/** Names in the order of a list. What it takes is made with the first two of them: it costs milliseconds. */
export function byText(a: string, b: string): number {
  return (collator ??= new Intl.Collator(undefined, { sensitivity: 'base', numeric: true })).compare(a, b);
}

export class RoomView {
  readonly name: string;
  readonly kind: RoomKind;
  readonly created: number;
  readonly creator: string;
  topic: string = $state('');
  memberCount: number = $state(0);
  /** The members' names as they were told. */
  #names: readonly string[] | null = $state.raw(null);
  /** The members' names, sorted; null where they are too many to be told (`rooms.members(name)` fetches them). */
  readonly members: string[] | null = $derived(this.#names && [...this.#names].sort(byText));
  /** The newest message's number; 0 in an empty room. */
  lastSeq: number = $state(0);
  /** Up to where the user has read. */
  readSeq: number = $state(0);
  /** Messages of others that are unread; announcements do not count. */
  unread: number = $state(0);
  /** Unread messages that mention the user (`@name`, `@all`, `@here`). */
  mentioned: number = $state(0);
  /** Where the user marked the room unread, for as long as that stands: nothing counts as read by being seen then. */
  mark: Mark | null = $state.raw(null);
  /** When the newest message came (ms, server's clock), or when the room was created. */
  lastActivity: number = $state(0);
  readonly hasDraft: boolean = $derived.by(() => this.#around.hasDraft(this.name));
  /** Of a direct room: the others' names, sorted; else empty. */
  readonly others: string[] = $derived.by(() => this.#others());
  /** The room's name; of a direct room the others' display names, or 'Notes to yourself'. */
  readonly label: string = $derived.by(() => this.#label());
  /** What arrived. */
  readonly log: RoomLog;
  /** The read position that the server is known to have. */
  serverRead: number;
  /** Messages up to here are history or catching up: they make no sound. */
  caughtUpTo: number;
  /** The newest message that this page had, by which it knows the server's history again. */
  #newest: { seq: number; timestamp: number } | null = null;

  readonly #around: RoomSurroundings;

  /** `seen`: everything up to this number will not be sent by the server any more. */
  constructor(room: Room, seen: number, around: RoomSurroundings) {
    this.#around = around;
    this.name = room.name;
    this.kind = room.kind;
    this.created = room.created;
    this.creator = room.creator;
    this.lastActivity = room.last_timestamp ?? room.created;
    this.log = new RoomLog(seen);
    this.serverRead = room.read_seq;
    this.caughtUpTo = room.last_seq;
    this.told(room);
  }

  /** Everybody is in it, always. */
  get general(): boolean {
    return sameName(this.name, GENERAL_ROOM);
  }

  /** The server described the room anew. */
  told(room: Room): void {
    this.topic = room.topic;
    this.memberCount = room.member_count;
    this.#names = room.members ?? null;
    this.lastSeq = Math.max(this.lastSeq, room.last_seq);
    this.lastActivity = Math.max(this.lastActivity, room.last_timestamp ?? 0);
    this.serverRead = Math.max(this.serverRead, room.read_seq);
    this.readTo(room.read_seq);
  }

  /** The page has this message, which may be the newest one. */
  noteNewest({ seq, timestamp }: { seq: number; timestamp: number }): void {
    if (seq > (this.#newest?.seq ?? 0)) this.#newest = { seq, timestamp };
  }

  /** Whether this is a message of another history than the one that the page knows: the server was restored from a backup. */
  contradictedBy({ seq, timestamp }: Message): boolean {
    return seq === this.#newest?.seq && timestamp !== this.#newest.timestamp;
  }

  /**
   * From where to catch up. The newest message that the page has comes once more, so that it can be compared; and what another
   * device of the user read meanwhile comes too, which it would not from the read position.
   */
  get since(): number {
    return this.log.seen === this.#newest?.seq ? this.log.seen - 1 : this.log.seen;
  }

  /** People came. */
  added(names: readonly string[]): void {
    const known = this.#names;
    if (known) {
      const fresh = names.filter((name) => !known.some((member) => sameName(member, name)));
      this.#names = [...known, ...fresh];
      this.memberCount = this.#names.length;
    } else if (!names.some((name) => sameName(name, this.#around.me()))) {
      // Where the user is among them the room was described a moment ago, with all of them counted.
      this.memberCount += names.length;
    }
  }

  /** Somebody else left. */
  left(name: string): void {
    if (this.#names) {
      this.#names = this.#names.filter((member) => !sameName(member, name));
      this.memberCount = this.#names.length;
    } else {
      this.memberCount = Math.max(0, this.memberCount - 1);
    }
  }

  /** A message arrived; returns what is new by it, in order. */
  receive(message: Message): Message[] {
    return this.#count(this.log.receive(message));
  }

  /** A message of the user was acknowledged; returns what is new by it, in order. */
  acknowledged(message: Message): Message[] {
    this.lastSeq = Math.max(this.lastSeq, message.seq);
    this.lastActivity = Math.max(this.lastActivity, message.timestamp);
    this.noteNewest(message);
    return this.#count(this.log.acknowledge(message));
  }

  /** Messages before `seq` are left to history. */
  skipTo(seq: number): void {
    this.log.skipTo(seq);
    this.#recount();
  }

  /** The user has read up to `seq`; false where that was known. Never moves back. */
  readTo(seq: number): boolean {
    if (seq <= this.readSeq) return false;
    this.readSeq = seq;
    this.#recount();
    return true;
  }

  /** The user marked the room unread from a message on, or that ended (null). */
  markUnread(mark: Mark | null): void {
    this.mark = mark;
    this.#recount();
  }

  /** Up to where the server may be told that the user has read: a mark holds that back. */
  get readToTell(): number {
    return this.mark ? Math.min(this.readSeq, this.mark.seq - 1) : this.readSeq;
  }

  /** Up to where there is nothing to be counted one by one. */
  get #countedTo(): number {
    return this.mark ? this.mark.upTo : this.readSeq;
  }

  /** A message that somebody ought to read: neither the user's own nor an announcement nor the new text of another. */
  counts(message: Message): boolean {
    return !isEdit(message) && message.sender !== SERVER_NAME && !sameName(message.sender, this.#around.me());
  }

  #count(fresh: Message[]): Message[] {
    for (const message of fresh) {
      this.noteNewest(message);
      this.lastSeq = Math.max(this.lastSeq, message.seq);
      this.lastActivity = Math.max(this.lastActivity, message.timestamp);
      if (message.seq <= this.#countedTo || !this.counts(message)) continue;
      this.unread++;
      if (mentions(message.content, this.#around.me())) this.mentioned++;
    }
    return fresh;
  }

  /** Counts from the tail, which the unread messages are at the end of; those before the tail count whole, because nobody knows them. */
  #recount(): void {
    const { tail, seen } = this.log;
    const known = (tail[0]?.seq ?? seen + 1) - 1;
    const from = this.#countedTo;
    let unread = Math.max(0, known - from) + (this.mark?.unread ?? 0);
    let mentioned = this.mark?.mentioned ?? 0;
    for (let index = tail.length - 1; index >= 0; index--) {
      const message = tail[index];
      if (!message || message.seq <= from) break;
      if (!this.counts(message)) continue;
      unread++;
      if (mentions(message.content, this.#around.me())) mentioned++;
    }
    this.unread = unread;
    this.mentioned = mentioned;
  }

  #others(): string[] {
    if (this.kind !== 'direct') return [];
    return (this.members ?? []).filter((name) => !sameName(name, this.#around.me()));
  }

  #label(): string {
    if (this.kind !== 'direct') return this.name;
    if (this.others.length === 0) return 'Notes to yourself';
    return this.others.map((name) => this.#around.displayName(name)).join(', ');
  }
}

/** The order of public and private rooms: `general` first, then by name. */
export function compareChannels(a: RoomView, b: RoomView): number {
  if (a.general !== b.general) return a.general ? -1 : 1;
  return byText(a.name, b.name);
}

/** The order of direct rooms: the most recently active first. */
export function compareDirects(a: RoomView, b: RoomView): number {
  return b.lastActivity - a.lastActivity || (foldName(a.name) < foldName(b.name) ? -1 : 1);
}
