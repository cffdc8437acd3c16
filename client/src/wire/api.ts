// Owns: HTTP to the server. Knows the token and the form of errors; never retries, never keeps state of the chat.
import type { ErrorBody, Health, Message, Page, ReportPage, Room, RoomKind, SearchPage, SignedIn, User } from './protocol';

/** What the server (or the lack of one) answered. */
export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 where there was no answer or it came over the WebSocket. */
    readonly status: number,
    /** The server's stable word; `network` where there was no answer. */
    readonly code: string,
    /** A sentence for the person. */
    message: string,
    /** Where rate limited: how long to wait, in ms. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
  }

  static fromBody(status: number, body: ErrorBody): ApiError {
    return new ApiError(status, body.code, body.message, body.retry_after_ms ?? null);
  }
}

/** The sentence to show for anything that was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An answer that takes longer than this counts as none, in ms. Hashing passwords may queue at the server. */
const ANSWER_DEADLINE_MS = 20_000;

/** Where in a room to read; `before` and `after` exclude what they name. `limit` is 1 to 200. */
export interface HistoryRange {
  before?: number;
  after?: number;
  limit: number;
}

/** A list that may not have changed. */
export type Cached<T> = { changed: false } | { changed: true; value: T; etag: string };

interface CallOptions {
  body?: unknown;
  /** Open endpoints of accounts take no token: a bad one must not be in the way. */
  anonymous?: boolean;
  headers?: Record<string, string>;
}

function segments(...names: string[]): string {
  return names.map((name) => encodeURIComponent(name)).join('/');
}

function parameters(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
}

/** A body that is no JSON (a proxy's page, a cut answer) is an error of the network, not of the person. */
async function readError(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as ErrorBody;
    if (typeof body.code === 'string' && typeof body.message === 'string') return ApiError.fromBody(response.status, body);
  } catch {
    // Falls through to the general sentence.
  }
  return new ApiError(response.status, 'network', `The server answered with status ${response.status}. Try again.`);
}

export class Api {
  /** Sent with every call that is not anonymous; null: nobody is signed in. */
  token: string | null = null;
  /** Told when the server refuses the token that was sent. */
  onRejected: (token: string) => void = () => {};
  /** How far the server's clock is ahead of this machine's, in ms, to a second or two; 0 until an answer told. */
  serverAhead = 0;

  readonly #fetch: typeof fetch;
  readonly #now: () => number;

  /** `now`: this machine's clock, in ms since the Unix epoch. */
  constructor(fetchImplementation: typeof fetch, now: () => number) {
    this.#fetch = fetchImplementation;
    this.#now = now;
  }

  register(name: string, password: string): Promise<SignedIn> {
    return this.#json('POST', '/auth/createuser', { body: { name, password }, anonymous: true });
  }

  login(name: string, password: string): Promise<SignedIn> {
    return this.#json('POST', '/auth/login', { body: { name, password }, anonymous: true });
  }

  async nameTaken(name: string): Promise<boolean> {
    const answer = await this.#json<{ exists: boolean }>('GET', `/auth/checkuser/${segments(name)}`, { anonymous: true });
    return answer.exists;
  }

  health(): Promise<Health> {
    return this.#json('GET', '/health', { anonymous: true });
  }

  renew(): Promise<SignedIn> {
    return this.#json('POST', '/auth/renew');
  }

  changePassword(old: string, fresh: string): Promise<SignedIn> {
    return this.#json('POST', '/auth/password', { body: { old, new: fresh } });
  }

  async logoutEverywhere(): Promise<void> {
    await this.#call('POST', '/auth/logout');
  }

  publicRooms(): Promise<Room[]> {
    return this.#json('GET', '/chat/rooms');
  }

  /** Everybody with an account, or that nothing changed since `etag`. */
  async users(etag: string | null): Promise<Cached<User[]>> {
    const headers: Record<string, string> = etag === null ? {} : { 'If-None-Match': etag };
    const response = await this.#call('GET', '/chat/users', { headers });
    if (response.status === 304) return { changed: false };
    return { changed: true, value: (await response.json()) as User[], etag: response.headers.get('ETag') ?? '' };
  }

  members(room: string): Promise<string[]> {
    return this.#json('GET', `/chat/members/${segments(room)}`);
  }

  createRoom(name: string, kind: Exclude<RoomKind, 'direct'>, users: string[]): Promise<Room> {
    return this.#json('POST', `/chat/create/${segments(name, ...users)}?${parameters({ kind })}`);
  }

  directRoom(users: string[]): Promise<Room> {
    return this.#json('POST', `/chat/direct/${segments(...users)}`);
  }

  addUser(room: string, user: string): Promise<Room> {
    return this.#json('POST', `/chat/adduser/${segments(room, user)}`);
  }

  join(room: string): Promise<Room> {
    return this.#json('POST', `/chat/join/${segments(room)}`);
  }

  async leave(room: string): Promise<void> {
    await this.#call('POST', `/chat/leave/${segments(room)}`);
  }

  history(room: string, { before, after, limit }: HistoryRange): Promise<Page> {
    return this.#json('GET', `/chat/history/${segments(room)}?${parameters({ before, after, limit })}`);
  }

  search(text: string, room: string | null, limit: number): Promise<SearchPage> {
    return this.#json('GET', `/chat/search?${parameters({ q: text, room: room ?? undefined, limit })}`);
  }

  async report(name: string, issue: string): Promise<void> {
    await this.#call('POST', '/report', { body: { name, issue } });
  }

  reports(before: number | null, limit: number): Promise<ReportPage> {
    return this.#json('GET', `/reports?${parameters({ before: before ?? undefined, limit })}`);
  }

  /** Posts over HTTP; the page itself posts over the WebSocket. */
  post(room: string, content: string, id?: string): Promise<Message> {
    return this.#json('POST', '/chat/chatroom', { body: { room, content, id } });
  }

  async #json<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    const response = await this.#call(method, path, options);
    try {
      return (await response.json()) as T;
    } catch {
      throw new ApiError(0, 'network', 'The answer of the server was cut off. Try again.');
    }
  }

  async #call(method: string, path: string, { body, anonymous = false, headers = {} }: CallOptions = {}): Promise<Response> {
    const token = anonymous ? null : this.token;
    const all: Record<string, string> = { ...headers };
    if (token !== null) all['Authorization'] = `Bearer ${token}`;
    if (body !== undefined) all['Content-Type'] = 'application/json';
    let response: Response;
    try {
      response = await this.#fetch(path, {
        method,
        headers: all,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
      });
    } catch {
      throw new ApiError(0, 'network', 'The server does not answer. Check the network, then try again.');
    }
    const date = Date.parse(response.headers.get('Date') ?? '');
    if (!Number.isNaN(date)) this.serverAhead = date - this.#now();
    if (response.ok || response.status === 304) return response;
    if (response.status === 401 && token !== null) this.onRejected(token);
    throw await readError(response);
  }
}
