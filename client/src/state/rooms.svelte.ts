// Owns: the user's rooms, their order, what is unread in them, and which one is open. Never keeps messages for display.
import { foldName, sameName } from '../text/names';
import type { Api } from '../wire/api';
import { GENERAL_ROOM, type AddedData, type GapData, type LeftData, type Message, type MessageAck, type ReadData, type Room } from '../wire/protocol';
import type { Mark, Marks } from './marks';
import { byText, compareChannels, compareDirects, RoomView, type RoomSurroundings } from './room.svelte';

export interface RoomsHandlers extends RoomSurroundings {
  /** Changes the address to a room's; the router then tells which one is open. */
  go: (room: string, seq: number | null, replace: boolean) => void;
  /** Sends a read position; false where the link does not stand. */
  sendRead: (data: ReadData) => boolean;
  /** The rooms that there are changed: the open one may be another now. */
  changed: () => void;
  /** A room that stays open is not marked unread any more: what is in view is read again. */
  unmarked: () => void;
  /** The room that was open last, for the next time. */
  lastRoom: () => string | null;
}

/** Read positions leave together, this long after the first of them moved, in ms. */
const READ_DELAY_MS = 200;

export class Rooms {
  /** False until the server has told the rooms: show a skeleton. */
  loaded: boolean = $state(false);
  /** Public and private rooms, `general` first, then by label. */
  channels: RoomView[] = $state.raw([]);
  /** Direct rooms, the most recently active first. */
  directs: RoomView[] = $state.raw([]);
  /** `channels`, then `directs`. */
  readonly all: RoomView[] = $derived([...this.channels, ...this.directs]);
  /** The open room; null where none is open or the address names one that is not the user's. */
  current: RoomView | null = $state.raw(null);
  /** The room that the address names and the user is not in: public (offer to join) where `room` is set, else unknown or not for them. */
  elsewhere: { name: string; room: Room | null } | null = $state.raw(null);
  /** Sums over all rooms. */
  readonly unread: number = $derived(this.all.reduce((sum, room) => sum + room.unread, 0));
  readonly mentioned: number = $derived(this.all.reduce((sum, room) => sum + room.mentioned, 0));

  readonly #api: Api;
  readonly #handlers: RoomsHandlers;
  readonly #marks: Pick<Marks, 'get' | 'set'>;
  readonly #byName = new Map<string, RoomView>();
  /** Members of large rooms, as fetched; forgotten when they change. */
  readonly #members = new Map<string, Promise<string[]>>();
  #readTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(api: Api, marks: Pick<Marks, 'get' | 'set'>, handlers: RoomsHandlers) {
    this.#api = api;
    this.#marks = marks;
    this.#handlers = handlers;
  }

  /** The user's room of that name, ignoring case. */
  byName(name: string): RoomView | null {
    // Reading the lists makes whoever asks learn of rooms that come and go.
    return this.all.length === 0 ? null : (this.#byName.get(foldName(name)) ?? null);
  }

  /** Opens the room by way of the address; back returns to where one was. */
  open(name: string, seq?: number): void {
    const room = this.byName(name);
    if (room && room === this.current && seq === undefined) this.unmark(room);
    this.#handlers.go(name, seq ?? null, false);
  }

  /** Opens the room that was open last, else `general`, in place of the address `/`. */
  openLast(): void {
    const last = this.#handlers.lastRoom();
    const room = (last === null ? null : this.byName(last)) ?? this.byName(GENERAL_ROOM) ?? this.all[0];
    if (room) this.#handlers.go(room.name, null, true);
  }

  /** Opens the next room in the order of `all`, for Alt+Down. */
  next(unreadOnly = false): void {
    this.#step(1, unreadOnly);
  }

  /** Opens the previous room, for Alt+Up. */
  previous(unreadOnly = false): void {
    this.#step(-1, unreadOnly);
  }

  /** Marks all of the room read, here and in the user's other tabs. */
  markRead(name: string): void {
    const room = this.byName(name);
    if (!room) return;
    this.unmark(room);
    this.read(room, room.lastSeq);
  }

  /** Marks the room unread from `mark.seq` on, in this browser, until it is opened again or marked read. */
  markUnread(room: RoomView, mark: Mark): void {
    // Whoever says where the unread begins has read what is before it.
    this.read(room, mark.seq - 1);
    this.#marks.set(room.name, mark);
    room.markUnread(mark);
  }

  /** The room was opened again, or read: its mark ends. */
  unmark(room: RoomView): void {
    if (!room.mark) return;
    this.#marks.set(room.name, null);
    room.markUnread(null);
    this.#afterMark(room);
  }

  /** Another tab of this browser marked or unmarked. */
  marksChanged(): void {
    for (const room of this.#byName.values()) {
      const mark = this.#marks.get(room.name);
      if (mark?.seq === room.mark?.seq && mark?.upTo === room.mark?.upTo) continue;
      room.markUnread(mark);
      if (!mark) this.#afterMark(room);
    }
  }

  /** The public rooms, by name. Throws `ApiError`. */
  async browse(): Promise<Room[]> {
    const rooms = await this.#api.publicRooms();
    return rooms.sort((a, b) => byText(a.name, b.name));
  }

  /** Makes a room and opens it. Throws `ApiError`: `room_exists`, `bad_name`, `user_not_found`. */
  async create(name: string, kind: 'public' | 'private', users: string[]): Promise<RoomView> {
    return this.#enter(await this.#api.createRoom(name, kind, users));
  }

  /** Finds or makes the direct room with these people (none: notes to oneself) and opens it. Throws `ApiError`. */
  async direct(users: string[]): Promise<RoomView> {
    return this.#enter(await this.#api.directRoom(users));
  }

  /** Joins a public room and opens it. Throws `ApiError`. */
  async join(name: string): Promise<RoomView> {
    return this.#enter(await this.#api.join(name));
  }

  /** Leaves a room; opens `general` where it was the open one. Throws `ApiError`. */
  async leave(name: string): Promise<void> {
    await this.#api.leave(name);
    this.#remove(name);
  }

  /** Throws `ApiError`: `already_member`, `user_not_found`, `forbidden`. */
  async add(room: string, user: string): Promise<void> {
    await this.#api.addUser(room, user);
  }

  /** The members' names, sorted: at once where the room knows them, else fetched. Throws `ApiError`. */
  members(room: string): Promise<string[]> {
    const known = this.byName(room)?.members;
    if (known) return Promise.resolve(known);
    const key = foldName(room);
    const asked = this.#members.get(key);
    if (asked) return asked;
    const fetched = this.#api.members(room).then((names) => names.sort(byText));
    this.#members.set(key, fetched);
    fetched.catch(() => this.#members.delete(key));
    return fetched;
  }

  /** The link stands: these are the rooms. What was missed follows. */
  welcome(rooms: readonly Room[]): void {
    this.#members.clear();
    const told = new Set(rooms.map((room) => foldName(room.name)));
    for (const key of this.#byName.keys()) if (!told.has(key)) this.#byName.delete(key);
    for (const room of rooms) {
      const known = this.#byName.get(foldName(room.name));
      if (known) this.#again(known, room);
      else this.#make(room);
    }
    this.loaded = true;
    this.#order();
    this.#sendReads();
    this.#handlers.changed();
  }

  /** Whether the server has less than this page knows: it was restored from a backup. Other rooms than direct ones may have been left elsewhere. */
  haveLost(rooms: readonly Room[]): boolean {
    const told = new Map(rooms.map((room) => [foldName(room.name), room]));
    return [...this.#byName].some(([key, known]) => {
      const room = told.get(key);
      if (!room) return known.kind === 'direct';
      return room.last_seq < known.lastSeq || room.created !== known.created;
    });
  }

  /** Names of those of `rooms` that are others than the ones that this page knows by these names. */
  replaced(rooms: readonly Room[]): string[] {
    return rooms.filter((room) => (this.byName(room.name)?.created ?? room.created) !== room.created).map(({ name }) => name);
  }

  /** Whether a message is of another history than the one that this page knows: the server was restored from a backup. */
  contradictedBy(message: Message): boolean {
    return this.byName(message.room)?.contradictedBy(message) ?? false;
  }

  /** Where to catch up, for `Hello`, except where that is the read position, which another device may move on: not of the open room. At most `bytes` of JSON; the rest is caught up from the read position, and what is known of that is dropped. */
  since(bytes: number): Record<string, number> {
    const since: [string, number][] = [];
    let left = bytes;
    const rooms = [...this.#byName.values()].filter((room) => room === this.current || room.since !== room.serverRead);
    rooms.sort((a, b) => Number(b === this.current) - Number(a === this.current) || b.lastActivity - a.lastActivity);
    for (const room of rooms) {
      left -= 4 * room.name.length + 24;
      if (left < 0) break;
      since.push([room.name, room.since]);
    }
    // A room may be called `__proto__`, which is no name to assign to.
    return Object.fromEntries(since);
  }

  /** A room became the user's, or changed. */
  told(room: Room): RoomView {
    const known = this.#byName.get(foldName(room.name));
    this.#members.delete(foldName(room.name));
    if (known) {
      known.told(room);
      return known;
    }
    // What made the user a member is read; whatever is newer arrives, or is caught up.
    const fresh = this.#make(room);
    this.#order();
    this.#handlers.changed();
    return fresh;
  }

  /** People came into a room. */
  added({ room, added }: AddedData): void {
    this.#members.delete(foldName(room));
    this.byName(room)?.added(added);
  }

  /** Somebody left a room; perhaps the user, in another tab. */
  left({ room, user }: LeftData): void {
    this.#members.delete(foldName(room));
    if (sameName(user, this.#handlers.me())) this.#remove(room);
    else this.byName(room)?.left(user);
  }

  /** The user has read elsewhere. */
  readElsewhere({ room, seq }: ReadData): void {
    const view = this.byName(room);
    if (!view) return;
    view.serverRead = Math.max(view.serverRead, seq);
    view.readTo(seq);
  }

  /** The user has read here. What is marked unread stays so, however long one looks at it. */
  read(room: RoomView, seq: number): void {
    if (!room.mark && room.readTo(Math.min(seq, room.lastSeq))) this.#sendReadsSoon();
  }

  /** The server sends nothing of a room between two messages: history has it. */
  gap({ room, before }: GapData): RoomView | null {
    const view = this.byName(room);
    view?.skipTo(before);
    return view;
  }

  /** A message arrived; returns the room and what is new by it. */
  receive(message: Message): { room: RoomView; fresh: Message[] } | null {
    const room = this.byName(message.room);
    if (!room) return null;
    const fresh = room.receive(message);
    this.#moved(room);
    return { room, fresh };
  }

  /** A message of the user is stored; returns the room and what is new by it. */
  acknowledged(message: { id: string; content: string; replaces?: number }, ack: MessageAck): { room: RoomView; fresh: Message[] } | null {
    const room = this.byName(ack.room);
    if (!room) return null;
    const { id, content, replaces } = message;
    const edit = replaces === undefined ? {} : { replaces };
    const fresh = room.acknowledged({ ...ack, room: room.name, sender: this.#handlers.me(), content, id, ...edit });
    this.#moved(room);
    return { room, fresh };
  }

  /** Nobody is signed in any more, or what is known does not hold any more. */
  clear(): void {
    if (this.#readTimer !== null) clearTimeout(this.#readTimer);
    this.#readTimer = null;
    this.#byName.clear();
    this.#members.clear();
    this.loaded = false;
    this.current = null;
    this.elsewhere = null;
    this.#order();
  }

  /** Opens a room that the server has just described. */
  #enter(room: Room): RoomView {
    const view = this.told(room);
    this.open(view.name);
    return view;
  }

  /** A room that was not known. */
  #make(described: Room): RoomView {
    const room = new RoomView(described, described.read_seq, this.#handlers);
    this.#byName.set(foldName(room.name), room);
    const mark = this.#marks.get(room.name);
    // What was marked may be lost: the server was restored from a backup.
    if (mark && mark.upTo > described.last_seq) this.#marks.set(room.name, null);
    else if (mark) room.markUnread(mark);
    return room;
  }

  /** What a mark held back can be told now, and what is in view is read. */
  #afterMark(room: RoomView): void {
    this.#sendReadsSoon();
    if (room === this.current) this.#handlers.unmarked();
  }

  #again(known: RoomView, room: Room): void {
    known.serverRead = room.read_seq;
    known.caughtUpTo = room.last_seq;
    known.told(room);
  }

  #remove(name: string): void {
    if (!this.#byName.delete(foldName(name))) return;
    this.#marks.set(name, null);
    const wasOpen = this.current !== null && sameName(this.current.name, name);
    this.#order();
    if (wasOpen) this.#handlers.go(GENERAL_ROOM, null, true);
    else this.#handlers.changed();
  }

  #order(): void {
    const all = [...this.#byName.values()];
    this.channels = all.filter(({ kind }) => kind !== 'direct').sort(compareChannels);
    this.directs = all.filter(({ kind }) => kind === 'direct').sort(compareDirects);
  }

  /** Activity changes the order of direct rooms only, and only where the room is not the first already. */
  #moved(room: RoomView): void {
    if (room.kind === 'direct' && this.directs[0] !== room) this.directs = [...this.directs].sort(compareDirects);
  }

  #step(by: 1 | -1, unreadOnly: boolean): void {
    const { all, current } = this;
    const from = current ? all.indexOf(current) : by === 1 ? -1 : 0;
    for (let step = 1; step <= all.length; step++) {
      const room = all[(((from + by * step) % all.length) + all.length) % all.length];
      if (room && room !== current && (!unreadOnly || room.unread > 0)) {
        this.open(room.name);
        return;
      }
    }
  }

  #sendReadsSoon(): void {
    this.#readTimer ??= setTimeout(() => this.#sendReads(), READ_DELAY_MS);
  }

  /** Tells the server what it does not know yet; what cannot leave now leaves after the next `Welcome`. */
  #sendReads(): void {
    if (this.#readTimer !== null) clearTimeout(this.#readTimer);
    this.#readTimer = null;
    for (const room of this.#byName.values()) {
      const seq = room.readToTell;
      if (seq <= room.serverRead) continue;
      if (!this.#handlers.sendRead({ room: room.name, seq })) return;
      room.serverRead = seq;
    }
  }
}
