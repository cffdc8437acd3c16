// Owns: a server of one user's rooms in memory, for unit tests of the whole state. Speaks the protocol through the fakes;
// keeps the promises that the client relies on: one order, exactly once by id, catching up, at most 500 with a Gap.
import type { Message, Room, User, UserFrame } from '../wire/protocol';
import { json, room, token, user, type FakePlatform, type FakeWebSocket, type Route } from './fakes';

const CATCH_UP = 500;

export class FakeServer {
  readonly me: User = user('Ada');
  users: User[] = [user('Ada'), user('Ben'), user('Cy')];
  etag = '"1"';
  version = '1.0.0';
  token = token(1_800_000_000, 1_800_000_000 + 30 * 24 * 3600);
  reachable = true;
  /** Frames of these actions are taken and not answered. */
  silentFor = new Set<string>();
  readonly rooms = new Map<string, { room: Room; messages: Message[] }>();
  readonly publicRooms: Room[] = [];
  readonly #links = new Set<FakeWebSocket>();

  constructor() {
    this.addRoom(room('general', { last_seq: 0 }));
  }

  addRoom(described: Room): void {
    this.rooms.set(described.name, { room: described, messages: [] });
  }

  /** Makes this server the one behind a tab. */
  serve(platform: FakePlatform): void {
    platform.route = this.route;
    const open = platform.openSocket;
    platform.openSocket = () => {
      const socket = open();
      const link = platform.socket;
      // One frame after the other, as a connection's thread takes them: catching up is sent before the next is read.
      link.answer = (frame) => queueMicrotask(() => link.readyState === 1 && this.#heard(link, frame));
      queueMicrotask(() => (this.reachable ? link.open() : link.end()));
      return socket;
    };
  }

  /** Everybody's link ends. */
  cut(code = 1006): void {
    const links = [...this.#links];
    this.#links.clear();
    for (const link of links) link.end(code);
  }

  /** Somebody else posts. */
  post(name: string, content: string, more: Partial<Message> = {}): Message {
    const found = this.rooms.get(name);
    if (!found) throw new Error(`no room ${name}`);
    const message: Message = {
      room: name,
      seq: found.messages.length + 1,
      sender: 'Ben',
      content,
      timestamp: 1_800_000_000_000 + found.messages.length,
      ...more,
    };
    found.messages.push(message);
    found.room.last_seq = message.seq;
    for (const link of this.#links) link.receive({ action: 'Message', data: message });
    return message;
  }

  route: Route = ({ path, query, body, headers }) => {
    if (!this.reachable) return null;
    if (path === '/auth/login') {
      const { name } = body as { name: string };
      return json({ token: this.token, user: user(name) });
    }
    if (headers.get('authorization') !== `Bearer ${this.token}`) return json({ code: 'unauthorized', message: 'Sign in.' }, 401);
    if (path === '/chat/users') {
      if (headers.get('if-none-match') === this.etag) return json(null, 304);
      return json(this.users, 200, { ETag: this.etag });
    }
    if (path === '/chat/rooms') return json(this.publicRooms);
    if (path.startsWith('/chat/history/')) return this.#history(path.slice('/chat/history/'.length), query);
    return json({ code: 'not_found', message: `There is no ${path}.` }, 404);
  };

  #history(name: string, query: URLSearchParams): Response {
    const before = Number(query.get('before') ?? Infinity);
    const after = Number(query.get('after') ?? 0);
    const limit = Number(query.get('limit') ?? 50);
    const fitting = (this.rooms.get(name)?.messages ?? []).filter(({ seq }) => seq < before && seq > after);
    const page = query.has('after') ? fitting.slice(0, limit) : fitting.slice(-limit);
    const all = this.rooms.get(name)?.messages ?? [];
    return json({ messages: page.map((message) => newest(message, all)), more: page.length < fitting.length });
  }

  #heard(link: FakeWebSocket, frame: UserFrame): void {
    if (this.silentFor.has(frame.action)) return;
    if (frame.action === 'Hello') return this.#hello(link, frame.data.token, frame.data.since ?? {});
    if (frame.action === 'Message') return this.#message(link, frame.data, frame.id);
    if (frame.action === 'Read') {
      const found = this.rooms.get(frame.data.room);
      if (found) found.room.read_seq = Math.max(found.room.read_seq, Math.min(frame.data.seq, found.room.last_seq));
      for (const other of this.#links) {
        if (other !== link) other.receive({ action: 'Read', data: { room: frame.data.room, seq: found?.room.read_seq ?? 0 } });
      }
    }
    if (frame.id !== undefined) link.receive({ action: 'Ack', data: {}, id: frame.id });
  }

  #hello(link: FakeWebSocket, given: string, since: Record<string, number>): void {
    if (given !== this.token) {
      link.receive({ action: 'Error', data: { code: 'unauthorized', message: 'Sign in.' } });
      link.end(4401);
      return;
    }
    this.#links.add(link);
    const rooms = [...this.rooms.values()];
    link.receive({
      action: 'Welcome',
      data: { user: this.me, rooms: rooms.map((entry) => ({ ...entry.room })), online: ['Ada'], users: this.etag, version: this.version },
    });
    for (const { room: described, messages } of rooms) {
      const from = since[described.name] ?? described.read_seq;
      const missed = messages.filter(({ seq }) => seq > from);
      const sent = missed.slice(-CATCH_UP);
      const first = sent[0];
      if (first && sent.length < missed.length) {
        link.receive({ action: 'Gap', data: { room: described.name, after: from, before: first.seq } });
      }
      for (const message of sent) link.receive({ action: 'Message', data: message });
    }
  }

  #message(link: FakeWebSocket, { room: name, content, replaces }: { room: string; content: string; replaces?: number }, id?: string): void {
    const found = this.rooms.get(name);
    if (!found) {
      link.receive({ action: 'Error', data: { code: 'room_not_found', message: 'There is no such room.' }, id });
      return;
    }
    const known = found.messages.find((message) => message.sender === this.me.name && message.id === id);
    const stored = known ?? this.post(name, content, { sender: this.me.name, id, replaces });
    if (id !== undefined) link.receive({ action: 'Ack', data: { room: name, seq: stored.seq, timestamp: stored.timestamp }, id });
  }
}

/** A message as pages hold it: with its newest text. */
function newest(message: Message, all: readonly Message[]): Message {
  const edit = all.filter(({ replaces, sender }) => replaces === message.seq && sender === message.sender).at(-1);
  return edit && message.replaces === undefined ? { ...message, content: edit.content, edited: edit.timestamp } : message;
}
