// Owns: stand-ins for what the state takes from a browser and a server, for unit tests. Never in the built page.
import type { AddressBar, Channel, Platform } from '../state/platform';
import { MemoryStorage } from '../state/platform';
import type { Message, Room, ServerFrame, User, UserFrame } from '../wire/protocol';

/** A WebSocket that the test is the server of. */
export class FakeWebSocket {
  readyState = 0;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  /** What the client sent, decoded. */
  readonly sent: UserFrame[] = [];
  closed = false;
  /** Called with each frame that the client sends. */
  answer: (frame: UserFrame) => void = () => {};

  send(text: string): void {
    const frame = JSON.parse(text) as UserFrame;
    this.sent.push(frame);
    this.answer(frame);
  }

  close(): void {
    this.readyState = 3;
    this.closed = true;
  }

  /** The server accepts. */
  open(): void {
    this.readyState = 1;
    this.onopen?.(new Event('open'));
  }

  /** The server sends a frame. */
  receive(frame: ServerFrame): void {
    this.onmessage?.(new MessageEvent('message', { data: JSON.stringify(frame) }));
  }

  /** The link ends. */
  end(code = 1006): void {
    this.readyState = 3;
    this.onclose?.(Object.assign(new Event('close'), { code }) as CloseEvent);
  }

  /** What the client sent under one action. */
  of<A extends UserFrame['action']>(action: A): Extract<UserFrame, { action: A }>[] {
    return this.sent.filter((frame) => frame.action === action) as Extract<UserFrame, { action: A }>[];
  }
}

/** All tabs of a fake browser hear each other. */
export class FakeChannels {
  readonly #open: Channel[] = [];

  join(): Channel {
    const channel: Channel = {
      onmessage: null,
      postMessage: (message) => {
        for (const other of this.#open) if (other !== channel) other.onmessage?.(new MessageEvent('message', { data: message }));
      },
      close: () => void this.#open.splice(this.#open.indexOf(channel), 1),
    };
    this.#open.push(channel);
    return channel;
  }
}

class FakeAddressBar implements AddressBar {
  readonly entries: { path: string; state: unknown }[];
  index = 0;

  constructor(path: string) {
    this.entries = [{ path, state: null }];
  }

  path(): string {
    return this.entries[this.index]?.path ?? '/';
  }

  origin(): string {
    return 'http://chat.test:8080';
  }

  state(): unknown {
    return this.entries[this.index]?.state;
  }

  push(path: string, state: unknown): void {
    this.entries.splice(++this.index, Infinity, { path, state });
  }

  replace(path: string, state: unknown): void {
    this.entries[this.index] = { path, state };
  }
}

/** Answers a request, or nothing where the server is not to be reached. */
export type Route = (request: { method: string; path: string; query: URLSearchParams; body: unknown; headers: Headers }) => Response | null;

/** A browser's tab. `storage` and `channels` may be shared with another tab. */
export class FakePlatform implements Platform {
  readonly sockets: FakeWebSocket[] = [];
  readonly socketUrl = 'ws://chat.test:8080/chat/connect';
  readonly events = new EventTarget();
  readonly addressBar: FakeAddressBar;
  readonly storage: MemoryStorage;
  readonly tabStorage: MemoryStorage;
  readonly document = null;
  readonly requests: string[] = [];
  isAttended = true;
  isVisible = true;
  isPhone = false;
  route: Route = () => null;
  readonly #channels: FakeChannels;

  constructor({ storage = new MemoryStorage(), tabStorage = new MemoryStorage(), channels = new FakeChannels(), path = '/' } = {}) {
    this.storage = storage;
    this.tabStorage = tabStorage;
    this.#channels = channels;
    this.addressBar = new FakeAddressBar(path);
  }

  fetch = (async (input: string, init: RequestInit = {}) => {
    const url = new URL(input, 'http://chat.test:8080');
    this.requests.push(`${init.method} ${input}`);
    const answer = this.route({
      method: init.method ?? 'GET',
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      body: init.body === undefined ? undefined : JSON.parse(String(init.body)),
      headers: new Headers(init.headers),
    });
    if (!answer) throw new TypeError('fetch failed');
    return answer;
  }) as typeof fetch;

  openSocket = (): WebSocket => {
    const socket = new FakeWebSocket();
    this.sockets.push(socket);
    return socket as unknown as WebSocket;
  };

  openChannel = (): Channel => this.#channels.join();
  attended = (): boolean => this.isAttended;
  visible = (): boolean => this.isVisible;
  phone = (): boolean => this.isPhone;
  now = (): number => Date.now();
  monotonic = (): number => performance.now();
  random = (): number => 0.5;
  /** Tests send each frame for itself; whoever sends many in a row holds `work` back. */
  afterTask = (work: () => void): void => work();

  /** The newest socket. */
  get socket(): FakeWebSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('no socket was opened');
    return socket;
  }

  tell(name: string, data: object = {}): void {
    this.events.dispatchEvent(Object.assign(new Event(name), data));
  }

  /** The person goes back or forward. */
  travel(by: number): void {
    this.addressBar.index += by;
    this.tell('popstate');
  }
}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(status === 204 || status === 304 ? null : JSON.stringify(value), { status, headers });
}

export function user(name: string, more: Partial<User> = {}): User {
  return { name, display_name: name, admin: false, active: true, ...more };
}

export function room(name: string, more: Partial<Room> = {}): Room {
  return {
    name,
    kind: 'public',
    topic: '',
    member_count: more.members?.length ?? 2,
    members: ['Ada', 'Ben'],
    last_seq: 0,
    read_seq: 0,
    created: 1_000,
    creator: 'Ada',
    ...more,
  };
}

/** Messages from `first` to `last`, a second apart. */
export function messages(first: number, last: number, more: Partial<Message> = {}): Message[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => {
    const seq = first + index;
    return { room: 'general', seq, sender: 'Ben', content: `message ${seq}`, timestamp: 1_700_000_000_000 + seq * 1000, ...more };
  });
}

/** A token with these times, in seconds. */
export function token(iat: number, exp: number, name = 'Ada'): string {
  const part = (value: object) => btoa(JSON.stringify(value)).replaceAll('=', '').replaceAll('+', '-').replaceAll('/', '_');
  return `${part({ alg: 'HS256' })}.${part({ sub: name, iat, exp })}.c2ln`;
}

/** Lets everything that waits for nothing but its turn go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
