// Owns: the messages of the open room that are in memory: one window without holes, of at most a few hundred messages,
// anywhere in the room. Never fetches for rooms that are not open, never touches the DOM.
import { mentions } from '../text/content';
import { sameName } from '../text/names';
import { startOfNextDay } from '../text/time';
import { errorText, type Api } from '../wire/api';
import { LIMITS, type Message } from '../wire/protocol';
import { editedAmong, isEdit } from './edits';
import { buildItems, type TimelineItem } from './items';
import type { Mark } from './marks';
import type { Outbox } from './outbox.svelte';
import type { Platform } from './platform';
import type { RoomView } from './room.svelte';
import { MessageWindow } from './window';

export type { TimelineItem };

/** A message and how many CSS pixels its top is below the view's. */
export interface Place {
  seq: number;
  offset: number;
}

/** Where the view begins when a room is opened or jumped into. A new object each time. */
export type Landing =
  | { kind: 'bottom' }
  /** The item of kind `new`. */
  | { kind: 'unread' }
  /** A permalink or a search hit: to be marked. */
  | { kind: 'message'; seq: number }
  /** Back or forward. */
  | ({ kind: 'place' } & Place);

export interface TimelineSurroundings {
  me: () => string;
  outbox: () => Pick<Outbox, 'pendingIn'>;
  /** The user has read up to `seq`. */
  read: (room: RoomView, seq: number) => void;
  /** Where the view stands, for back and forward. */
  remember: (place: Place | null) => void;
  /** The server's clock as far as it is known, in ms since the Unix epoch. */
  serverNow: () => number;
}

/** Messages of a page of older or newer history. */
const PAGE = 100;
/** Messages before the place where a room is opened; after it comes a whole page, which most screens are filled by. */
const CONTEXT = 50;
/** A burst of messages is shown in steps of this many ms; a single one at once. */
const STEP_MS = 50;
/** Fewer than these fill no window of a large screen: what is before them is loaded without being asked for. */
const SCREENFUL = 40;

export class Timeline {
  /** The room whose items these are; '' where none is open. */
  roomName: string = $state('');
  items: TimelineItem[] = $state.raw([]);
  /** Set when a room has been opened or jumped into and `items` hold the place: scroll there. */
  landing: Landing | null = $state.raw(null);
  /** The message that a permalink or a search hit named, to be marked; a new object at each jump. */
  target: { seq: number } | null = $state.raw(null);
  /** Nothing can be shown yet: a skeleton serves. */
  loading: boolean = $state(false);
  loadingOlder: boolean = $state(false);
  loadingNewer: boolean = $state(false);
  /** The first item is the room's first message. */
  reachedStart: boolean = $state(false);
  /** The window does not reach the newest message; `loadNewer` or `jumpToLatest` gets there. */
  detached: boolean = $state(false);
  /** The first unread message when the room was opened; does not move while one reads. */
  firstUnreadSeq: number | null = $state(null);
  /** Why the last load failed, in words; null otherwise. `retry` tries again. */
  error: string | null = $state(null);

  readonly #platform: Platform;
  readonly #api: Pick<Api, 'history'>;
  readonly #around: TimelineSurroundings;
  readonly #window = new MessageWindow();
  #room: RoomView | null = $state.raw(null);
  /** Grows with each opening and jump: answers to older questions are dropped. */
  #turn = 0;
  #readAtOpening = 0;
  #atBottom = $state(true);
  /** The newest message in view, as the interface told last. */
  #inView = 0;
  #retry: (() => Promise<void>) | null = null;
  /** What `prefetch` asked for, until a room is opened; empty where it failed. */
  #ahead: { room: string; messages: Promise<Message[]> } | null = null;
  #incoming: Message[] = [];
  #stepTimer: ReturnType<typeof setTimeout> | null = null;
  #lastStep = -Infinity;
  #dayTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(platform: Platform, api: Pick<Api, 'history'>, around: TimelineSurroundings) {
    this.#platform = platform;
    this.#api = api;
    this.#around = around;
    for (const name of ['focus', 'visibilitychange']) platform.events.addEventListener(name, () => this.attend());
    // A machine that sleeps holds the timer back, which is to end the day.
    for (const name of ['wake', 'visibilitychange']) platform.events.addEventListener(name, () => this.#room && this.#newDay());
  }

  /** Messages of others that one has not seen yet: for `Jump to latest`. */
  get newCount(): number {
    return this.#room?.unread ?? 0;
  }

  /** Set by the interface: the newest item is in view. */
  get atBottom(): boolean {
    return this.#atBottom;
  }

  set atBottom(atBottom: boolean) {
    this.#atBottom = atBottom;
    if (!atBottom || this.detached) return;
    this.#inView = this.#window.last;
    this.attend();
  }

  /** Asks for the newest messages of the room that will be opened first, before the server has told the rooms. */
  prefetch(room: string): void {
    const messages = this.#api.history(room, { limit: PAGE }).then((page) => page.messages, () => []);
    this.#ahead = { room, messages };
  }

  /** What was asked for ahead may not hold any more. */
  dropPrefetched(): void {
    this.#ahead = null;
  }

  /** Shows a room: at a message, at a place that was left, or at the first unread message. */
  open(room: RoomView, seq: number | null = null, place: Place | null = null): Promise<void> {
    this.#begin(room);
    const ahead = this.#takeAhead(room);
    const read = room.mark ? room.mark.seq - 1 : room.readSeq;
    this.firstUnreadSeq = room.mark?.seq ?? null;
    this.#readAtOpening = read;
    this.items = [];
    this.landing = null;
    this.target = null;
    this.#atBottom = false;
    this.#inView = 0;
    this.#dropIncoming();
    this.#scheduleDay();
    if (seq !== null) return this.#show(seq, { kind: 'message', seq });
    if (place) return this.#show(place.seq, { kind: 'place', ...place });
    if (read < room.lastSeq && !this.#tailReaches(room, read + 1)) return this.#show(read, { kind: 'unread' }, ahead);
    return this.#showLatest({ kind: 'unread' }, ahead);
  }

  /** Shows nothing. */
  close(): void {
    this.#turn++;
    this.#room = null;
    this.roomName = '';
    this.items = [];
    this.#window.reset([]);
    this.landing = null;
    this.target = null;
    this.loading = this.loadingOlder = this.loadingNewer = false;
    this.error = null;
    this.#dropIncoming();
    if (this.#dayTimer !== null) clearTimeout(this.#dayTimer);
  }

  /** Loads the page before the first item; does nothing where there is none or one is being loaded. */
  async loadOlder(): Promise<void> {
    const room = this.#room;
    if (!room || this.loading || this.loadingOlder || this.reachedStart || this.#window.length === 0) return;
    this.loadingOlder = true;
    await this.#load(
      () => this.#api.history(room.name, { before: this.#window.first, limit: PAGE }),
      ({ messages }) => {
        this.#window.prepend(messages);
        this.#window.dropNewest();
        this.#rebuild();
      },
      () => this.loadOlder(),
    );
  }

  /** Loads the page after the last item, where detached. */
  async loadNewer(): Promise<void> {
    const room = this.#room;
    if (!room || this.loading || this.loadingNewer || !this.detached) return;
    this.loadingNewer = true;
    await this.#load(
      () => this.#api.history(room.name, { after: this.#window.last, limit: PAGE }),
      ({ messages }) => {
        this.#window.append(messages);
        this.#window.append(room.log.tail);
        this.#window.dropOldest();
        this.#rebuild();
      },
      () => this.loadNewer(),
    );
  }

  /** Shows the message `seq` with what is around it. */
  async jumpTo(seq: number): Promise<void> {
    if (!this.#room) return;
    const original = this.loading ? undefined : this.#window.at(seq)?.replaces;
    if (original !== undefined) return this.jumpTo(original);
    if (!this.loading && this.#window.at(seq)) {
      this.target = { seq };
      this.landing = { kind: 'message', seq };
      return;
    }
    this.#begin(this.#room);
    await this.#show(seq, { kind: 'message', seq });
  }

  /** Shows the newest messages. */
  async jumpToLatest(): Promise<void> {
    if (!this.#room) return;
    this.target = null;
    if (!this.loading && !this.detached) {
      this.landing = { kind: 'bottom' };
      return;
    }
    this.#begin(this.#room);
    await this.#showLatest({ kind: 'bottom' });
  }

  /** Loads again what `error` speaks of. */
  async retry(): Promise<void> {
    const retry = this.#retry;
    this.error = null;
    this.#retry = null;
    await retry?.();
  }

  /** The interface tells the newest message that is in view; it counts as read while somebody looks at the page. */
  seen(seq: number): void {
    this.#inView = seq;
    this.attend();
  }

  /** The interface tells the first message in view, for back and forward. Null: at the bottom. */
  rememberPlace(place: Place | null): void {
    if (this.#room) this.#around.remember(place);
  }

  /** New messages of a room, in order. */
  receive(room: RoomView, messages: readonly Message[]): void {
    if (room !== this.#room || messages.length === 0) return;
    this.#incoming.push(...messages);
    const wait = this.#lastStep + STEP_MS - this.#platform.monotonic();
    if (wait <= 0) this.flush();
    else this.#stepTimer ??= setTimeout(() => this.flush(), wait);
  }

  /** Shows at once what arrived. */
  flush(): void {
    if (this.#stepTimer !== null) clearTimeout(this.#stepTimer);
    this.#stepTimer = null;
    const room = this.#room;
    const incoming = this.#incoming;
    this.#incoming = [];
    if (!room || this.loading) return;
    this.#lastStep = this.#platform.monotonic();
    const following = this.#atBottom && !this.detached;
    for (const message of incoming) this.#noteNew(room, message, following);
    if (following || !this.#window.full) this.#window.append(incoming);
    if (following && this.#window.full) this.#window.dropOldest();
    this.#rebuild();
    if (following && !this.detached) {
      this.#inView = this.#window.last;
      this.attend();
    }
  }

  /** What marking the room unread from `seq` on comes to; null where the message is not here. The New line moves there. */
  unreadFrom(seq: number): Mark | null {
    const room = this.#room;
    const marked = this.#window.at(seq);
    if (!room || !marked) return null;
    this.flush();
    const { tail, seen } = room.log;
    const last = this.#window.last;
    const beyond = tail.filter((message) => message.seq > last);
    // One's own message can be marked, too; of those after it the ones to be read count, and those that nobody here knows.
    const known = [...this.#window.messages, ...beyond].filter((message) => message.seq >= seq);
    const counted = known.filter((message) => message === this.#window.at(seq) || room.counts(message));
    const unknown = Math.max(0, (beyond[0]?.seq ?? seen + 1) - 1 - last);
    const mentioned = counted.filter((message) => room.counts(message) && mentions(message.content, this.#around.me())).length;
    this.firstUnreadSeq = seq;
    this.#rebuild();
    return { seq, upTo: Math.max(seen, last), unread: counted.length + unknown, mentioned };
  }

  /** The newest sent message of the user that is loaded, as it reads now; null where there is none, or the room's end is not here. */
  get lastMine(): { seq: number; content: string } | null {
    if (this.detached) return null;
    for (let index = this.items.length - 1; index >= 0; index--) {
      const item = this.items[index];
      if (item?.kind === 'message' && item.mine) return { seq: item.seq, content: (item.edit ?? item.message).content };
    }
    return null;
  }

  /** What is unsent changed. */
  pendingChanged(): void {
    if (this.#room && !this.loading) this.flush();
  }

  /** The server left a hole in what it sent: where the reader was at the newest message, the next page shows what follows. */
  async gap(room: RoomView): Promise<void> {
    if (room !== this.#room || this.loading) return;
    const followed = !this.detached;
    this.flush();
    if (followed) await this.loadNewer();
    await this.#renew(room);
  }

  /** Edits of what is shown may lie in a hole: asks for the newest texts. Should that fail, they come with the pages of the hole. */
  async #renew(room: RoomView): Promise<void> {
    if (this.#window.length === 0) return;
    const turn = this.#turn;
    const last = this.#window.last;
    try {
      for (let after = this.#window.first - 1; after < last; after += LIMITS.pageSize) {
        const { messages } = await this.#api.history(room.name, { after, limit: LIMITS.pageSize });
        if (turn !== this.#turn) return;
        this.#window.renew(messages);
      }
    } catch {
      return;
    }
    this.#rebuild();
  }

  /** Whether what arrived since reaches back to `seq`, without a hole. */
  #tailReaches(room: RoomView, seq: number): boolean {
    const first = room.log.tail[0];
    return first !== undefined && first.seq <= seq && room.log.seen >= room.lastSeq;
  }

  #begin(room: RoomView): void {
    this.#turn++;
    this.#room = room;
    this.roomName = room.name;
    this.loading = true;
    this.loadingOlder = this.loadingNewer = false;
    this.error = null;
    this.#window.reset([]);
  }

  #takeAhead(room: RoomView): Promise<Message[]> | null {
    const ahead = this.#ahead;
    this.#ahead = null;
    return ahead !== null && sameName(ahead.room, room.name) ? ahead.messages : null;
  }

  /** Fills the window with what is around `seq`. */
  async #show(seq: number, landing: Landing, ahead: Promise<Message[]> | null = null): Promise<void> {
    const room = this.#room;
    if (!room) return;
    await this.#load(
      () => aheadOr(ahead, room, Math.max(1, seq + 1 - CONTEXT), () => this.#fetchAround(room, seq)),
      (messages) => this.#land(room, messages, landing),
      () => {
        this.#begin(room);
        return this.#show(seq, landing);
      },
    );
  }

  async #fetchAround(room: RoomView, seq: number): Promise<Message[]> {
    const [before, after] = await Promise.all([
      this.#api.history(room.name, { before: seq + 1, limit: CONTEXT }),
      this.#api.history(room.name, { after: seq, limit: PAGE }),
    ]);
    return [...before.messages, ...after.messages];
  }

  /** Fills the window with the newest messages: what arrived, or the newest page of history. */
  async #showLatest(landing: Landing, ahead: Promise<Message[]> | null = null): Promise<void> {
    const room = this.#room;
    if (!room) return;
    const { tail } = room.log;
    if (room.lastSeq === 0 || (tail.length > 0 && tail.at(-1)?.seq === room.lastSeq)) {
      this.#land(room, tail, landing);
      return;
    }
    await this.#load(
      () => aheadOr(ahead, room, Infinity, async () => (await this.#api.history(room.name, { limit: PAGE })).messages),
      (messages) => this.#land(room, messages, landing),
      () => {
        this.#begin(room);
        return this.#showLatest(landing);
      },
    );
  }

  #land(room: RoomView, messages: readonly Message[], landing: Landing): void {
    this.#window.reset(messages);
    this.#window.append(room.log.tail);
    const original = landing.kind === 'message' ? this.#window.at(landing.seq)?.replaces : undefined;
    if (original !== undefined) {
      void this.#showOriginal(original);
      return;
    }
    if (landing.kind !== 'unread') this.#window.dropOldest();
    this.loading = false;
    this.firstUnreadSeq ??= this.#findFirstUnread(room);
    this.#dropIncoming();
    this.#rebuild();
    if (landing.kind === 'message') this.target = this.#window.at(landing.seq) ? { seq: landing.seq } : null;
    this.landing = this.#possible(landing);
    if (this.#window.length < SCREENFUL) void this.loadOlder();
  }

  /** What `landing` names may not be there: no unread message, a message that never was. */
  #possible(landing: Landing): Landing {
    if (landing.kind === 'unread' && (this.firstUnreadSeq === null || !this.#window.at(this.firstUnreadSeq))) return { kind: 'bottom' };
    if ((landing.kind === 'message' || landing.kind === 'place') && !this.#window.at(landing.seq)) return { kind: 'bottom' };
    return landing;
  }

  /** What an address or a hit names is the new text of an earlier message: that one is shown. */
  async #showOriginal(seq: number): Promise<void> {
    if (!this.#room) return;
    this.#begin(this.#room);
    await this.#show(seq, { kind: 'message', seq });
  }

  #findFirstUnread(room: RoomView): number | null {
    if (this.#window.first > this.#readAtOpening + 1) return null;
    return this.#window.messages.find((message) => message.seq > this.#readAtOpening && room.counts(message))?.seq ?? null;
  }

  #noteNew(room: RoomView, message: Message, following: boolean): void {
    if (room.mark || !room.counts(message)) return;
    // What comes while nobody looks is new to whoever comes back; what comes while one reads moves no line.
    const caughtUp = room.readSeq >= (this.firstUnreadSeq ?? 0);
    const away = !this.#platform.attended() || message.seq <= room.caughtUpTo;
    const firstUnread = room.readSeq < message.seq && !this.#unreadBefore(room, message.seq);
    if (firstUnread && (this.firstUnreadSeq === null ? away || !following : away && caughtUp)) this.firstUnreadSeq = message.seq;
  }

  /** Whether another unread message stands before `seq`. */
  #unreadBefore(room: RoomView, seq: number): boolean {
    const from = Math.max(room.readSeq + 1, this.#window.first);
    for (let earlier = from; earlier < seq; earlier++) {
      const message = this.#window.at(earlier);
      if (message && room.counts(message)) return true;
    }
    return false;
  }

  /** What is in view is read, while somebody looks at the page. */
  attend(): void {
    const room = this.#room;
    if (!room || this.loading || this.#inView === 0 || !this.#platform.attended()) return;
    this.#around.read(room, Math.min(this.#inView, this.#window.last));
  }

  #rebuild(): void {
    const room = this.#room;
    if (!room) return;
    const last = this.#window.at(room.lastSeq);
    if (last) room.noteNewest(last);
    this.reachedStart = this.#window.length === 0 ? room.lastSeq === 0 : this.#window.first === 1;
    this.detached = this.#window.last < room.log.seen;
    const atEnd = !this.detached || this.#window.length === 0;
    const pending = this.#around.outbox().pendingIn(room.name);
    // Wherever a text was replaced, and whichever came first.
    this.#window.edit([...this.#window.messages, ...room.log.tail, ...room.log.early].filter(isEdit).sort((a, b) => a.seq - b.seq));
    this.items = buildItems(
      {
        messages: this.#window.messages,
        early: atEnd ? editedAmong(room.log.early) : [],
        pending: atEnd ? pending : pending.filter(isEdit),
        firstUnreadSeq: this.firstUnreadSeq,
        me: this.#around.me(),
        now: this.#around.serverNow(),
        serverAhead: this.#around.serverNow() - this.#platform.now(),
      },
      this.items,
    );
  }

  /** Nothing could be loaded: what the user wrote here is still there to be seen. */
  #showUnsent(): void {
    this.#rebuild();
    this.landing = { kind: 'bottom' };
  }

  async #load<T>(fetch: () => Promise<T>, use: (answer: T) => void, again: () => Promise<void>): Promise<void> {
    const turn = this.#turn;
    try {
      const answer = await fetch();
      if (turn !== this.#turn) return;
      this.loadingOlder = this.loadingNewer = false;
      this.error = null;
      this.#retry = null;
      use(answer);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.loading = this.loadingOlder = this.loadingNewer = false;
      this.error = errorText(error);
      this.#retry = again;
      if (this.#window.length === 0) this.#showUnsent();
    }
  }

  #dropIncoming(): void {
    this.#incoming = [];
    if (this.#stepTimer !== null) clearTimeout(this.#stepTimer);
    this.#stepTimer = null;
  }

  #scheduleDay(): void {
    if (this.#dayTimer !== null) clearTimeout(this.#dayTimer);
    const now = this.#around.serverNow();
    this.#dayTimer = setTimeout(() => this.#newDay(), startOfNextDay(now) - now + 1000);
  }

  /** `Today` is `Yesterday` after midnight. */
  #newDay(): void {
    if (!this.loading) this.#rebuild();
    this.#scheduleDay();
  }
}

/** The newest messages, asked for ahead, where nothing came since and they reach back to `from`; else what `fetch` brings. */
function aheadOr(ahead: Promise<Message[]> | null, room: RoomView, from: number, fetch: () => Promise<Message[]>): Promise<Message[]> {
  if (!ahead) return fetch();
  return ahead.then((messages) => {
    const [first, last] = [messages[0], messages.at(-1)];
    return first && last && last.seq >= room.lastSeq && first.seq <= from ? messages : fetch();
  });
}
