// Owns: one WebSocket to the server, opened again and again for as long as it is wanted; says whether the link stands,
// and matches answers to requests. Never knows chat: what is said first is handed in.
import { ApiError } from './api';
import type { ErrorBody, ServerFrame, UserFrame } from './protocol';

/** What the user of a Socket is asked for and told. */
export interface SocketHandlers {
  /** The frame that authenticates, asked for at each opening. */
  hello: () => UserFrame;
  /** Every frame that answers no request, in the order of arrival. The first of a connection is `Welcome`. */
  frame: (frame: ServerFrame) => void;
  /** The link stands, or does not (any more). */
  up: (up: boolean) => void;
  /** A link, or an attempt at one, ended with this close code (RFC 6455, section 7.4). Told before `up` and `retryAt`. */
  ended: (code: number) => void;
  /** The next attempt is due at this time (ms, `monotonic`), or is under way (null). */
  retryAt: (time: number | null) => void;
  /** The server refuses the token; the socket has stopped. */
  rejected: () => void;
}

/** What the socket takes from its surroundings. */
export interface SocketPlatform {
  openSocket: (url: string) => WebSocket;
  socketUrl: string;
  /** Source of `online`, `offline`, `visibilitychange` and `wake`. */
  events: EventTarget;
  visible: () => boolean;
  /** Milliseconds that never go back. */
  monotonic: () => number;
  /** Runs `work` once what the browser has waiting by now is done: a task, not a microtask, and never held back in the background. */
  afterTask: (work: () => void) => void;
  random: () => number;
}

/** The link was lost before the answer came: whether the server did what was asked is unknown. */
export class LinkLost extends Error {
  constructor(
    /** The WebSocket's close code; 1006 where there was none. */
    readonly closeCode: number,
  ) {
    super('The connection was lost.');
    this.name = 'LinkLost';
  }
}

/** A visible page asks a link that has been silent this long; with `ANSWER_MS` a dead one shows within 5 s. */
export const QUIET_MS = 1_500;
/** Nobody looks: one question a minute keeps the link from rotting unseen. */
export const QUIET_HIDDEN_MS = 60_000;
/** A link that gives no sign for this long after a question is told as lost ... */
export const ANSWER_MS = 2_000;
/** ... and is given up after this much more, for a new one. */
export const GIVE_UP_MS = 5_000;
/** An answer that is looked for this much too late had no chance to be heard: the page stood still. */
const LATE_MS = 1_000;
/** An attempt that has not led to `Welcome` by then is given up. */
export const OPENING_MS = 10_000;
/** Waits between attempts double from the first to the last. */
export const FIRST_WAIT_MS = 500;
export const LAST_WAIT_MS = 15_000;
/** A link that stood this long was a good one: the waits begin anew. */
const STABLE_MS = 10_000;

/** A server that said that it stops is commonly back within this time ... */
export const RESTART_MS = 30_000;
/** ... during which the waits grow to this at most: people wait for it. */
export const LAST_RESTART_WAIT_MS = 2_000;

/** Close codes of the server: the token is not good (any more). */
const CLOSE_UNAUTHORIZED = 4401;
/** RFC 6455, section 7.4.1: going away. The server stops. */
export const CLOSE_GOING_AWAY = 1001;
/** RFC 6455, section 7.4.1: abnormal closure, never sent. */
const CLOSE_ABNORMAL = 1006;

/** The wait before attempt number `attempt` (0, 1, 2 …), in ms: doubling up to `last`, the upper half random so that an office does not come back in step. */
export function backoff(attempt: number, random: number, last = LAST_WAIT_MS): number {
  const full = Math.min(last, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10));
  return full / 2 + (full / 2) * random;
}

interface Request {
  resolve: (data: unknown) => void;
  reject: (error: Error) => void;
}

type Timer = ReturnType<typeof setTimeout>;

export class Socket {
  readonly #platform: SocketPlatform;
  readonly #handlers: SocketHandlers;
  readonly #requests = new Map<string, Request>();
  #wanted = false;
  #socket: WebSocket | null = null;
  #welcomed = false;
  /** What was last told through `up`. */
  #up = false;
  #attempt = 0;
  #upSince = 0;
  #lastHeard = 0;
  /** When the server said last that it stops. */
  #stoppedAt = -Infinity;
  /** Frames received on this link; tells whether anything came since a question. */
  #framesHeard = 0;
  #references = 0;
  /** Frames that came right after another; they are taken together. */
  #waiting: unknown[] = [];
  /** A frame was taken a moment ago: `#takeWaiting` is due. */
  #taking = false;
  #retryTimer: Timer | null = null;
  #watchTimer: Timer | null = null;

  constructor(platform: SocketPlatform, handlers: SocketHandlers) {
    this.#platform = platform;
    this.#handlers = handlers;
    platform.events.addEventListener('online', () => this.#stirred());
    platform.events.addEventListener('offline', () => this.#stirred());
    platform.events.addEventListener('visibilitychange', () => platform.visible() && this.#stirred());
    platform.events.addEventListener('wake', () => this.#woke());
  }

  /** The link stands and frames can be sent. */
  get ready(): boolean {
    return this.#welcomed;
  }

  /** Connects, and stays connected until `stop`. */
  start(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempt = 0;
    this.#open();
  }

  /** Closes the link and opens none. */
  stop(): void {
    this.#wanted = false;
    this.#clearRetry();
    this.#drop(CLOSE_ABNORMAL);
  }

  /** Closes the link and opens a new one at once, with a new `hello`. */
  restart(): void {
    this.stop();
    this.start();
  }

  /** Tries at once where a wait is under way. */
  retryNow(): void {
    if (this.#wanted && this.#retryTimer !== null) {
      this.#clearRetry();
      this.#open();
    }
  }

  /** Sends without asking for an answer. False where the link does not stand. */
  send(frame: UserFrame): boolean {
    if (!this.#welcomed || this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /**
   * Sends and waits for the answer to `frame.id` (one is made where it is absent). Resolves with the data of the answer;
   * rejects with `ApiError` where the server refuses and with `LinkLost` where no answer can come any more.
   */
  request(frame: UserFrame): Promise<unknown> {
    const id = frame.id ?? `r${++this.#references}`;
    return new Promise((resolve, reject) => {
      this.#requests.set(id, { resolve, reject });
      if (this.send({ ...frame, id })) return;
      this.#requests.delete(id);
      reject(new LinkLost(CLOSE_ABNORMAL));
    });
  }

  #open(): void {
    this.#handlers.retryAt(null);
    let socket: WebSocket;
    try {
      socket = this.#platform.openSocket(this.#platform.socketUrl);
    } catch {
      this.#retryLater();
      return;
    }
    this.#socket = socket;
    socket.onopen = () => socket.send(JSON.stringify(this.#handlers.hello()));
    socket.onmessage = (event: MessageEvent) => this.#socket === socket && this.#arrived(event.data);
    socket.onclose = (event: CloseEvent) => this.#socket === socket && this.#closed(socket, event.code);
    this.#watch(OPENING_MS, () => this.#lost(CLOSE_ABNORMAL));
  }

  /**
   * A frame is taken at once where none came just before. Those that come in a row, as hundreds do after `Welcome`, are taken
   * together, in their order and in one task, so that the page is drawn once for all of them.
   */
  #arrived(data: unknown): void {
    this.#lastHeard = this.#platform.monotonic();
    this.#framesHeard++;
    this.#waiting.push(data);
    if (!this.#taking) this.#takeWaiting();
  }

  #takeWaiting(): void {
    this.#taking = this.#waiting.length > 0;
    if (!this.#taking) return;
    try {
      while (this.#waiting.length > 0) this.#heard(this.#waiting.shift());
    } finally {
      // Should a handler throw, the frames behind are not left lying.
      this.#platform.afterTask(() => this.#takeWaiting());
    }
  }

  /** What came before the end is taken before it. */
  #closed(socket: WebSocket, code: number): void {
    this.#takeWaiting();
    // A handler may have stopped the link, and begun another one.
    if (this.#socket === socket) this.#lost(code);
  }

  #heard(data: unknown): void {
    let frame: ServerFrame;
    try {
      frame = JSON.parse(String(data)) as ServerFrame;
    } catch {
      return; // Not from our server; it proves only that the link stands.
    }
    if (!this.#welcomed) this.#opened(frame);
    else if (!this.#up) this.#tellUp(true);
    if (frame.id !== undefined && this.#answered(frame)) return;
    this.#handlers.frame(frame);
  }

  #opened(frame: ServerFrame): void {
    if (frame.action !== 'Welcome') return;
    this.#welcomed = true;
    this.#upSince = this.#lastHeard;
    this.#watchSilence();
    this.#tellUp(true);
  }

  #answered(frame: ServerFrame): boolean {
    const request = this.#requests.get(frame.id ?? '');
    if (!request) return false;
    this.#requests.delete(frame.id ?? '');
    if (frame.action === 'Error') request.reject(ApiError.fromBody(0, frame.data satisfies ErrorBody));
    else request.resolve(frame.data);
    return true;
  }

  #lost(code: number): void {
    const now = this.#platform.monotonic();
    const stood = this.#welcomed && now - this.#upSince >= STABLE_MS;
    if (code === CLOSE_GOING_AWAY) this.#stoppedAt = now;
    this.#handlers.ended(code);
    this.#drop(code);
    if (code === CLOSE_UNAUTHORIZED) {
      this.#wanted = false;
      this.#handlers.rejected();
      return;
    }
    if (stood) this.#attempt = 0;
    this.#retryLater();
  }

  /** Forgets the socket; whoever waits for an answer learns that none will come. */
  #drop(code: number): void {
    const socket = this.#socket;
    this.#socket = null;
    // Nothing of it was taken yet: it is sent again on the next link.
    this.#waiting = [];
    this.#welcomed = false;
    this.#clearWatch();
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.#tellUp(false);
    const waiting = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of waiting) request.reject(new LinkLost(code));
  }

  #retryLater(): void {
    if (!this.#wanted) return;
    const now = this.#platform.monotonic();
    const last = now - this.#stoppedAt < RESTART_MS ? LAST_RESTART_WAIT_MS : LAST_WAIT_MS;
    const wait = backoff(this.#attempt++, this.#platform.random(), last);
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      this.#open();
    }, wait);
    this.#handlers.retryAt(now + wait);
  }

  #tellUp(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    this.#handlers.up(up);
  }

  /**
   * The network changed or somebody looks at the page again: ask now instead of later. The browser's own word is not
   * taken for it, because the server may well run on this machine, without any network.
   */
  #stirred(): void {
    if (this.#welcomed) this.#ask();
    else this.retryNow();
  }

  /** The page stood still: the link, or the attempt at one, is as old as the nap was long. */
  #woke(): void {
    if (this.#welcomed) this.#ask(true);
    else if (this.#socket) this.#lost(CLOSE_ABNORMAL);
    else this.retryNow();
  }

  /** Waits until the link has been silent for long enough to ask. */
  #watchSilence(): void {
    const quiet = this.#platform.visible() ? QUIET_MS : QUIET_HIDDEN_MS;
    const left = this.#lastHeard + quiet - this.#platform.monotonic();
    this.#watch(Math.max(left, 0), () => {
      if (this.#platform.monotonic() - this.#lastHeard < quiet) this.#watchSilence();
      else this.#ask();
    });
  }

  /** After a nap a link that gives no sign is given up at once: whoever wakes up wants to read. */
  #ask(afterNap = false): void {
    const before = this.#framesHeard;
    const due = this.#platform.monotonic() + ANSWER_MS;
    this.request({ action: 'Ping' }).catch(() => {
      // A refusal is an answer too; a lost link is told by `up`.
    });
    this.#watch(ANSWER_MS, () => {
      if (this.#framesHeard > before) this.#watchSilence();
      else if (afterNap) this.#lost(CLOSE_ABNORMAL);
      else if (this.#platform.monotonic() - due > LATE_MS) this.#ask(true);
      else this.#doubt(before);
    });
  }

  /** No answer came: told as lost, and given up a while later. */
  #doubt(before: number): void {
    this.#tellUp(false);
    this.#watch(GIVE_UP_MS, () => {
      if (this.#framesHeard > before) this.#watchSilence();
      else this.#lost(CLOSE_ABNORMAL);
    });
  }

  #watch(delay: number, then: () => void): void {
    this.#clearWatch();
    this.#watchTimer = setTimeout(then, delay);
  }

  #clearWatch(): void {
    if (this.#watchTimer !== null) clearTimeout(this.#watchTimer);
    this.#watchTimer = null;
  }

  #clearRetry(): void {
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
  }
}
