// Owns: the wiring of the state. Makes one object for each concern, hands every frame of the server to those that it
// concerns, and connects or disconnects as the session goes. Never keeps chat of its own.
import { getContext, setContext } from 'svelte';
import { foldName, sameName } from '../text/names';
import { Api } from '../wire/api';
import { type AddedData, type HelloData, type Message, type MessageAck, type ServerFrame, type User, type WelcomeData } from '../wire/protocol';
import { Socket } from '../wire/socket';
import { Connection } from './connection.svelte';
import { Drafts } from './drafts.svelte';
import { Editing } from './editing.svelte';
import { Marks } from './marks';
import { Notices } from './notices.svelte';
import { Outbox, type PendingMessage } from './outbox.svelte';
import { People } from './people.svelte';
import type { Platform } from './platform';
import { Preferences } from './preferences.svelte';
import { Reports } from './reports.svelte';
import type { RoomView } from './room.svelte';
import { Rooms } from './rooms.svelte';
import { Router } from './router.svelte';
import { Search } from './search.svelte';
import { Session } from './session.svelte';
import { KEYS } from './storage';
import { Timeline, type Place } from './timeline.svelte';

const CONTEXT = Symbol('app');

/** Puts `app` into the context of the component that calls it. */
export function setApp(app: App): void {
  setContext(CONTEXT, app);
}

/** The App of the page; for components below the one that called `setApp`. */
export function getApp(): App {
  return getContext<App>(CONTEXT);
}

/** `Hello` must fit into a frame of 64 KiB together with the token; in bytes. */
const SINCE_BYTES = 48 * 1024;

export class App {
  readonly session: Session;
  readonly connection: Connection;
  readonly rooms: Rooms;
  readonly timeline: Timeline;
  readonly outbox: Outbox;
  readonly drafts: Drafts;
  readonly editing: Editing;
  readonly people: People;
  readonly preferences: Preferences;
  readonly notices: Notices;
  readonly search: Search;
  readonly router: Router;
  readonly reports: Reports;

  readonly platform: Platform;
  readonly #api: Api;
  readonly #socket: Socket;
  readonly #marks: Marks;
  /** The token of the last `Hello`: the one that a refusal speaks of. */
  #helloToken = '';
  /** A room was opened since the page came up: those that follow are opened by the person. */
  #entered = false;
  #endEffects: (() => void) | null = null;

  constructor(platform: Platform) {
    this.platform = platform;
    this.#api = new Api(platform.fetch, platform.now);
    this.#socket = this.#makeSocket();
    this.session = new Session(platform, this.#api, {
      signedIn: (user, changed) => this.#signedIn(user, changed),
      expired: () => this.#socket.stop(),
      signedOut: () => this.#signedOut(),
    });
    this.connection = new Connection(() => this.#socket.retryNow(), platform);
    this.preferences = new Preferences(platform);
    this.drafts = new Drafts(platform);
    this.editing = new Editing(platform);
    this.#marks = new Marks(platform, () => this.rooms.marksChanged());
    this.people = new People(platform, this.#api, (room) => this.#socket.send({ action: 'Typing', data: { room } }));
    this.rooms = this.#makeRooms();
    this.outbox = this.#makeOutbox();
    this.timeline = new Timeline(platform, this.#api, {
      me: () => this.session.name,
      outbox: () => this.outbox,
      read: (room, seq) => this.rooms.read(room, seq),
      remember: (place) => this.router.remember(place),
      serverNow: () => platform.now() + this.#api.serverAhead,
    });
    this.router = new Router(platform, (place) => this.#routed(place));
    this.notices = new Notices(platform);
    this.search = new Search(this.#api);
    this.reports = new Reports(this.#api);
  }

  /** Reads what is stored, takes the address, and connects where somebody is signed in. Called once. */
  start(): void {
    this.session.start();
    if (this.session.phase === 'signed-out') void this.#lookAround();
    else this.#prefetch();
    this.#endEffects = $effect.root(() => {
      $effect(() => this.notices.show(this.rooms.unread, this.#placeName()));
    });
  }

  /** Ends timers, listeners and the connection. */
  stop(): void {
    this.#endEffects?.();
    this.session.stop();
    this.#socket.stop();
    this.timeline.close();
    this.drafts.flush();
    this.outbox.close();
  }

  /** Tells the admin about a problem. Throws `ApiError`. */
  async report(issue: string): Promise<void> {
    await this.#api.report(this.session.name, issue);
  }

  /** The room that was open last, for the next time. */
  get #lastRoom(): string | null {
    return this.platform.storage.getItem(KEYS.lastRoom(this.session.name));
  }

  /** While the link is made: most who come back are shown the room that they left. Of others nobody knows yet whether they are the user's. */
  #prefetch(): void {
    const { route } = this.router;
    const last = this.#lastRoom;
    if (last === null) return;
    const shown = route.view === 'list' ? !this.platform.phone() : sameName(route.room, last) && route.seq === null;
    if (shown) this.timeline.prefetch(last);
  }

  #makeSocket(): Socket {
    return new Socket(this.platform, {
      hello: () => ({ action: 'Hello', data: this.#hello() }),
      // A read position that stands already: the server answers and changes nothing.
      frame: (frame) => this.#received(frame),
      up: (up) => this.#linked(up),
      ended: (code) => this.#linkEnded(code),
      retryAt: (time) => this.connection.waiting(time),
      rejected: () => void this.session.rejected(this.#helloToken),
    });
  }

  #makeRooms(): Rooms {
    return new Rooms(this.#api, this.#marks, {
      me: () => this.session.name,
      displayName: (name) => this.people.displayName(name),
      hasDraft: (room) => this.drafts.has(room),
      go: (room, seq, replace) => this.router.go(room, seq, replace),
      sendRead: (data) => this.#socket.send({ action: 'Read', data }),
      changed: () => this.#roomsChanged(),
      unmarked: () => this.timeline.attend(),
      lastRoom: () => this.#lastRoom,
    });
  }

  #makeOutbox(): Outbox {
    return new Outbox(this.platform, {
      post: ({ id, room, content, replaces }) => {
        const data = replaces === undefined ? { room, content } : { room, content, replaces };
        return this.#socket.request({ action: 'Message', data, id }) as Promise<MessageAck>;
      },
      queued: (message) => this.#queued(message),
      acked: (message, ack) => this.#show(this.rooms.acknowledged(message, ack), false),
      changed: () => this.timeline.pendingChanged(),
    });
  }

  #hello(): HelloData {
    const token = this.#api.token ?? '';
    this.#helloToken = token;
    return { token, since: this.rooms.since(SINCE_BYTES) };
  }

  #signedIn(user: User, changed: boolean): void {
    if (changed) {
      this.people.load();
      this.drafts.load(user.name);
      this.editing.load(user.name);
      this.#marks.load(user.name);
      void this.outbox.load(user.name);
    }
    this.#socket.start();
  }

  #signedOut(): void {
    this.#socket.stop();
    this.connection.reset();
    this.#forget();
    this.drafts.unload();
    this.editing.load('');
    this.#marks.load('');
    this.outbox.unload();
    this.reports.clear();
    void this.#lookAround();
  }

  /** Forgets what the server told, and which room was open. */
  #forget(): void {
    this.timeline.close();
    this.timeline.dropPrefetched();
    this.rooms.clear();
    this.people.clear();
    this.search.clear();
    this.#entered = false;
  }

  /** Nobody is signed in: who may make an account here, and which version of the server did this page come from? */
  async #lookAround(): Promise<void> {
    try {
      const { version, registration } = await this.#api.health();
      this.connection.told(version);
      this.session.registration = registration;
    } catch {
      // Whoever tries to sign in learns what is wrong.
    }
  }

  #linked(up: boolean): void {
    this.connection.up(up);
    this.people.linked(up);
    if (!up && !this.#socket.ready) this.outbox.pause();
    // What could not be loaded meanwhile can be now.
    if (up && this.timeline.error !== null) void this.timeline.retry();
  }

  /** What was asked for over a link that ended may be another server's, restored meanwhile. */
  #linkEnded(code: number): void {
    this.connection.ended(code);
    this.timeline.dropPrefetched();
  }

  #received(frame: ServerFrame): void {
    switch (frame.action) {
      case 'Welcome':
        return this.#welcomed(frame.data);
      case 'Message':
        return this.#messageCame(frame.data);
      case 'Gap':
        return this.#gapCame(this.rooms.gap(frame.data));
      case 'Room':
        return void this.rooms.told(frame.data);
      case 'Added':
        return this.#added(frame.data);
      case 'Left':
        this.people.stopped(frame.data.user, frame.data.room);
        return this.rooms.left(frame.data);
      case 'Read':
        return this.rooms.readElsewhere(frame.data);
      case 'Typing':
        return this.people.typed(frame.data);
      case 'Presence':
        return this.people.presence(frame.data);
      case 'User':
        this.session.told(frame.data);
        return this.people.told(frame.data);
      default:
        // Answers reach those who asked; what a newer server may send besides is ignored.
        return;
    }
  }

  #welcomed({ user, rooms, online, users, version }: WelcomeData): void {
    if (this.rooms.haveLost(rooms)) return this.#reset(this.rooms.replaced(rooms));
    this.session.told(user);
    this.connection.told(version);
    this.people.told(user);
    void this.people.welcome(online, users);
    this.rooms.welcome(rooms);
    // What was missed comes before the answer. It may show that the server was restored, and that an edit is for another message.
    if (this.outbox.hasEdits) void this.#socket.request({ action: 'Ping' }).then(() => this.outbox.resume(), () => undefined);
    else this.outbox.resume();
  }

  /**
   * The server was restored from a backup, and the rooms `replaced` are others than they were: what follows builds on messages that
   * it does not have. The page begins anew, as if it had been loaded.
   */
  #reset(replaced: readonly string[] = []): void {
    const { text, room } = this.search;
    this.#forget();
    this.outbox.restored(replaced);
    void this.search.query(text, room);
    for (const [name, edit] of this.editing.endAll()) this.drafts.set(name, [this.drafts.get(name), edit].filter(Boolean).join('\n'));
    this.#socket.restart();
  }

  #messageCame(message: Message): void {
    if (this.rooms.contradictedBy(message)) return this.#reset();
    this.people.stopped(message.sender, message.room);
    this.#show(this.rooms.receive(message), true);
  }

  #added(data: AddedData): void {
    this.rooms.added(data);
    const { room, adder, added } = data;
    const me = this.session.name;
    if (adder === undefined || sameName(adder, me) || !added.some((name) => sameName(name, me))) return;
    const view = this.rooms.byName(room);
    // A direct room speaks for itself with its first message.
    if (!view || view.kind === 'direct') return;
    this.notices.added = { room: view.label, by: adder };
    if (this.preferences.sound) this.notices.sound();
  }

  #gapCame(room: RoomView | null): void {
    if (room) void this.timeline.gap(room);
  }

  /** Hands what is new to the timeline, and to the ear where it is for it. */
  #show(arrived: { room: RoomView; fresh: Message[] } | null, audible: boolean): void {
    if (!arrived) return;
    const { room, fresh } = arrived;
    this.timeline.receive(room, fresh);
    if (!audible || !this.preferences.sound) return;
    const heard = fresh.some((message) => message.seq > room.caughtUpTo && room.counts(message));
    if (heard && !(room === this.rooms.current && this.platform.attended())) this.notices.sound();
  }

  /** The user sent something: they want to see it, at the end of the room; an edit is where its message is. */
  #queued({ room, replaces }: PendingMessage): void {
    this.people.typingEnded();
    if (replaces !== undefined) return;
    if (this.rooms.current && foldName(this.rooms.current.name) === foldName(room)) void this.timeline.jumpToLatest();
  }

  /** Rooms came or went: what the address names may be there now, or no more. */
  #roomsChanged(): void {
    const { route } = this.router;
    const open = route.view === 'room' ? this.rooms.byName(route.room) : null;
    if (open !== this.rooms.current || open === null) this.#routed(null);
  }

  /** The address changed: opens what it names. */
  #routed(place: Place | null): void {
    const { route } = this.router;
    if (!this.rooms.loaded) return;
    if (route.view === 'list') {
      this.rooms.current = null;
      this.rooms.elsewhere = null;
      this.timeline.close();
      return;
    }
    const room = this.rooms.byName(route.room);
    if (!room) {
      void this.#routedElsewhere(route.room);
      return;
    }
    this.rooms.elsewhere = null;
    if (room === this.rooms.current) this.#movedInside(route.seq, place);
    else this.#openRoom(room, route.seq, place);
  }

  #openRoom(room: RoomView, seq: number | null, place: Place | null): void {
    this.rooms.current = room;
    try {
      this.platform.storage.setItem(KEYS.lastRoom(this.session.name), room.name);
    } catch {
      // Then the next visit begins in `general`.
    }
    void this.timeline.open(room, seq, place);
    // A page that comes up again shows what was open: nobody opened it. A mark stands until somebody does.
    if (this.#entered) this.rooms.unmark(room);
    this.#entered = true;
  }

  /** The address changed within the open room: to a message, or back to a place in it. */
  #movedInside(seq: number | null, place: Place | null): void {
    const room = this.rooms.current;
    if (!room) return;
    if (place) void this.timeline.open(room, null, place);
    else if (seq !== null) void this.timeline.jumpTo(seq);
    else if (this.timeline.target) void this.timeline.jumpToLatest();
  }

  /** The address names a room that the user is not in: public ones can be joined. */
  async #routedElsewhere(name: string): Promise<void> {
    this.rooms.current = null;
    this.timeline.close();
    if (foldName(this.rooms.elsewhere?.name ?? '') === foldName(name)) return;
    this.rooms.elsewhere = { name, room: null };
    const found = await this.rooms.browse().catch(() => []);
    if (foldName(this.rooms.elsewhere?.name ?? '') !== foldName(name)) return;
    this.rooms.elsewhere = { name, room: found.find((room) => foldName(room.name) === foldName(name)) ?? null };
  }

  #placeName(): string | null {
    const room = this.rooms.current;
    if (!room) return null;
    return room.kind === 'direct' ? room.label : `#${room.label}`;
  }
}
