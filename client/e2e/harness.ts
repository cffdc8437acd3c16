// Owns: what every end-to-end test needs around the page: a server of its own on a free port with a directory of its own,
// a proxy by which its network can be cut, and people who talk to it without a browser. Never knows the page.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { createServer, connect, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import type { Message, Page, Room, ServerFrame, SignedIn } from '../src/wire/protocol';

/** The server under test. */
export const BINARY = resolve(process.env['MELANGERIE_BIN'] ?? '../target/debug/melangerie');

export const PASSWORD = 'correct horse battery';

/** A running server; its data directory goes with it. */
export class TestServer {
  #process: ChildProcess | null = null;
  #port = 0;

  private constructor(
    readonly directory: string,
    readonly options: string[],
  ) {}

  static async start(options: string[] = ['--no-rate-limits']): Promise<TestServer> {
    const server = new TestServer(await mkdtemp(join(tmpdir(), 'melangerie-e2e-')), options);
    await server.run();
    return server;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts the process; after a stop on the same port, as a restarted server would be. */
  async run(): Promise<void> {
    const listen = `127.0.0.1:${this.#port}`;
    const child = spawn(BINARY, ['--listen', listen, '--data', this.#data, ...this.options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#process = child;
    const lines = createInterface({ input: child.stdout });
    this.#port = await new Promise<number>((found, failed) => {
      child.once('error', failed);
      child.once('exit', (code) => failed(new Error(`${BINARY} ended with ${code} before it listened`)));
      lines.on('line', (line) => {
        const match = /^listening on http:\/\/.*:(\d+)/.exec(line);
        if (match) found(Number(match[1]));
      });
    });
  }

  /** Ends the process, in good order or, with `SIGKILL`, at once; waits for its end. */
  async halt(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill(signal);
    await ended;
  }

  /** Ends the process, copies its data directory as an operator would, and starts it again. */
  async backUp(): Promise<void> {
    await this.halt();
    await cp(this.#data, this.#backup, { recursive: true });
    await this.run();
  }

  /** Ends the process and puts the copy of `backUp` in the place of its data directory; `run` starts from it. */
  async restore(): Promise<void> {
    await this.halt();
    await rm(this.#data, { recursive: true });
    await cp(this.#backup, this.#data, { recursive: true });
  }

  get #data(): string {
    return join(this.directory, 'data');
  }

  get #backup(): string {
    return join(this.directory, 'backup');
  }

  async stop(): Promise<void> {
    await this.halt();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Registers somebody, who then talks over HTTP. */
  register(name: string): Promise<Person> {
    return Person.at(this.url, '/auth/createuser', name);
  }
}

/** Somebody without a browser. */
export class Person {
  private constructor(
    readonly url: string,
    readonly name: string,
    readonly token: string,
  ) {}

  static async at(url: string, path: string, name: string): Promise<Person> {
    const answer = await fetch(url + path, { method: 'POST', body: JSON.stringify({ name, password: PASSWORD }) });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    const { token, user } = (await answer.json()) as SignedIn;
    return new Person(url, user.name, token);
  }

  post(room: string, content: string): Promise<Message> {
    return this.call('POST', '/chat/chatroom', { room, content });
  }

  /** Posts `prefix 1` to `prefix n`, in this order, over a WebSocket; done when all are acknowledged. */
  async postMany(room: string, prefix: string, n: number): Promise<void> {
    const socket = new WebSocket(`${this.url.replace('http', 'ws')}/chat/connect`, {
      headers: { Authorization: `Bearer ${this.token}` },
    });
    await new Promise<void>((done, failed) => {
      socket.on('error', failed);
      socket.on('close', () => failed(new Error('the server closed the connection')));
      socket.on('open', () => {
        for (let number = 1; number <= n; number++) {
          socket.send(JSON.stringify({ action: 'Message', data: { room, content: `${prefix} ${number}` }, id: randomUUID() }));
        }
      });
      let acked = 0;
      socket.on('message', (data) => {
        const { action, data: body } = JSON.parse(String(data)) as ServerFrame;
        if (action === 'Error') failed(new Error(JSON.stringify(body)));
        if (action === 'Ack' && ++acked === n) done();
      });
    });
    socket.terminate();
  }

  create(room: string, users: string[] = [], kind = 'public'): Promise<Room> {
    return this.call('POST', `/chat/create/${[room, ...users].map(encodeURIComponent).join('/')}?kind=${kind}`);
  }

  /** Everything in a room, oldest first, announcements left out. */
  async contents(room: string): Promise<string[]> {
    const all: Message[] = [];
    for (let more = true; more; ) {
      const path = `/chat/history/${encodeURIComponent(room)}?after=${all.at(-1)?.seq ?? 0}&limit=200`;
      const page = await this.call<Page>('GET', path);
      all.push(...page.messages);
      more = page.more;
    }
    return all.filter(({ sender }) => sender !== 'Server').map(({ content }) => content);
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(this.url + path, {
      method,
      headers: { Authorization: `Bearer ${this.token}` },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
    const text = await answer.text();
    return (text === '' ? null : JSON.parse(text)) as T;
  }
}

/** A stretch of network between a page and the server, which can be cut as a pulled plug cuts it. */
export class Cable {
  readonly #listener: TcpServer;
  readonly #pairs = new Set<[Socket, Socket]>();
  #plugged = true;

  private constructor(listener: TcpServer) {
    this.#listener = listener;
  }

  static async to(server: TestServer): Promise<Cable> {
    const listener = createServer((near) => cable.#join(near, server.port));
    const cable = new Cable(listener);
    await new Promise<void>((ready) => listener.listen(0, '127.0.0.1', ready));
    return cable;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  /** Nothing gets through any more, either way, and nobody is told: sockets stay open and silent. */
  unplug(): void {
    this.#plugged = false;
    for (const [near, far] of this.#pairs) {
      near.unpipe(far);
      far.unpipe(near);
      near.pause();
      far.pause();
    }
  }

  /** Everything that was open is reset, and nothing new opens. */
  cut(): void {
    this.#plugged = false;
    this.#reset();
  }

  /** The network is back; what was open before is not. */
  plug(): void {
    this.#reset();
    this.#plugged = true;
  }

  async stop(): Promise<void> {
    this.#reset();
    await new Promise((done) => this.#listener.close(done));
  }

  #join(near: Socket, port: number): void {
    // Ends and resets of either side are what this is for.
    near.on('error', () => {});
    if (!this.#plugged) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    far.on('error', () => near.destroy());
    const pair: [Socket, Socket] = [near, far];
    this.#pairs.add(pair);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    near.on('close', () => this.#pairs.delete(pair));
    near.pipe(far);
    far.pipe(near);
  }

  #reset(): void {
    for (const [near, far] of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    this.#pairs.clear();
  }
}
