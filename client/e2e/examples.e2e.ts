// Owns: the proof that the clients in docs/examples, written from docs/protocol.md alone, do against a real server what
// they say. Reads only what they print and what the server then has. Never knows how they do it.
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Message, Room, ServerFrame } from '../src/wire/protocol';
import { PASSWORD, Person, TestServer } from './harness';

const EXAMPLES = resolve('../docs/examples');

/** A place where the Node example finds its library, as after `npm install ws`. */
let installed: string;

beforeAll(async () => {
  installed = await mkdtemp(join(tmpdir(), 'melangerie-examples-'));
  await symlink(resolve('node_modules'), join(installed, 'node_modules'));
  await copyFile(join(EXAMPLES, 'chat.mjs'), join(installed, 'chat.mjs'));
});

afterAll(() => rm(installed, { recursive: true, force: true }));

const LANGUAGES = [
  { language: 'Node', file: 'chat.mjs', command: () => [process.execPath, join(installed, 'chat.mjs')] },
  { language: 'Python', file: 'chat.py', command: () => [process.env['PYTHON'] ?? 'python3', join(EXAMPLES, 'chat.py')] },
];

/** What a stream has said line by line; whoever waits for a line hears of it. */
class Lines {
  readonly all: string[] = [];
  #waiting: (() => void)[] = [];
  #ended = false;

  constructor(stream: NodeJS.ReadableStream) {
    const lines = createInterface({ input: stream });
    lines.on('line', (line) => {
      this.all.push(line);
      this.#tell();
    });
    lines.on('close', () => {
      this.#ended = true;
      this.#tell();
    });
  }

  /** Waits until a line contains `text`; fails where the stream ends before. */
  async have(text: string): Promise<void> {
    while (!this.all.some((line) => line.includes(text))) {
      if (this.#ended) throw new Error(`It ended without saying "${text}". It said: ${JSON.stringify(this.all)}`);
      await new Promise<void>((told) => this.#waiting.push(told));
    }
  }

  #tell(): void {
    for (const told of this.#waiting.splice(0)) told();
  }
}

/** An example that runs, and who types into it. */
class Example {
  readonly printed: Lines;
  readonly complained: Lines;
  /** Its exit code, once it has ended and all that it said is here; null where a signal ended it. */
  readonly ended: Promise<number | null>;

  constructor(readonly process: ChildProcessWithoutNullStreams) {
    this.printed = new Lines(process.stdout);
    this.complained = new Lines(process.stderr);
    this.ended = new Promise((done, failed) => process.once('error', failed).once('close', done));
    // An example that is gone takes no more lines; what it then did not do is what a test sees.
    process.stdin.on('error', () => {});
  }

  type(...lines: string[]): void {
    this.process.stdin.write(lines.map((line) => `${line}\n`).join(''));
  }

  /** Ends its stdin, and waits until it has ended of itself. */
  leave(): Promise<number | null> {
    this.process.stdin.end();
    return this.ended;
  }
}

/** The way from an example to the server, which is taken from under it piece by piece. */
class Relay {
  readonly #listener = createServer((near) => this.#join(near));
  readonly #sockets = new Set<Socket>();
  #deaf = false;
  #port = 0;

  constructor(readonly server: TestServer) {}

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Connections are taken, on the same port each time. */
  async open(): Promise<void> {
    this.#deaf = false;
    await new Promise<void>((listening) => this.#listener.listen(this.#port, '127.0.0.1', listening));
    this.#port = (this.#listener.address() as AddressInfo).port;
  }

  /** What the example sends arrives; what the server answers is lost. */
  deafen(): void {
    this.#deaf = true;
  }

  /** Every connection is reset, and new ones are refused. */
  async close(): Promise<void> {
    if (!this.#listener.listening) return;
    const closed = new Promise((done) => this.#listener.close(done));
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  #join(near: Socket): void {
    const far = connect(this.server.port, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      // Resets are what this is for; "close" follows.
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    near.pipe(far);
    far.on('data', (bytes) => {
      if (!this.#deaf) near.write(bytes);
    });
  }
}

/** Connects `person`, and resolves to a wait for a message with some content. */
async function listen(person: Person): Promise<(content: string) => Promise<void>> {
  const socket = new WebSocket(`${person.url.replace('http', 'ws')}/chat/connect`, {
    headers: { Authorization: `Bearer ${person.token}` },
  });
  const frames: ServerFrame[] = [];
  let ended = false;
  let told = () => {};
  socket.on('message', (data) => {
    frames.push(JSON.parse(String(data)) as ServerFrame);
    told();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    ended = true;
    told();
  });
  const have = async (fits: (frame: ServerFrame) => boolean) => {
    while (!frames.some(fits)) {
      if (ended) throw new Error('The connection ended before what was waited for.');
      await new Promise<void>((resume) => (told = resume));
    }
  };
  await have(({ action }) => action === 'Welcome');
  return async (content) => {
    await have((frame) => frame.action === 'Message' && frame.data.content === content);
    socket.terminate();
  };
}

/** Ends the server as a power cut would, without a chance to tidy up. */
async function kill(server: TestServer): Promise<void> {
  // The lock of the data directory names the process that holds it.
  const holder = await readFile(join(server.directory, 'data', 'lock'), 'utf8');
  process.kill(Number(holder), 'SIGKILL');
  await server.halt();
}

test.each(LANGUAGES)('the example in $language has at most 50 lines', async ({ file }) => {
  const lines = (await readFile(join(EXAMPLES, file), 'utf8')).trimEnd().split('\n');
  expect(lines.length).toBeLessThanOrEqual(50);
});

describe.each(LANGUAGES)('the example in $language', ({ command }) => {
  let server: TestServer;
  let ben: Person;
  let examples: Example[];

  beforeEach(async () => {
    examples = [];
    // With its rate limits, as people run it.
    server = await TestServer.start([]);
    ben = await server.register('Ben');
  });

  afterEach(async () => {
    for (const { process } of examples) process.kill('SIGKILL');
    await Promise.all(examples.map(({ ended }) => ended));
    await server.stop();
  });

  function start(url: string, name: string, password = PASSWORD): Example {
    return run('--register', url, name, password);
  }

  function run(...args: string[]): Example {
    const [program = '', script = ''] = command();
    // Whatever proxy this machine uses, it does not lead to this server.
    const env = { ...process.env, NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' };
    const example = new Example(spawn(program, [script, ...args], { env }));
    examples.push(example);
    return example;
  }

  test('registers, prints what others say and sends what is typed', async () => {
    const eva = start(server.url, 'Eva');
    eva.type('Grüße, "Ben" 🥐');
    await eva.printed.have('[general] Eva: Grüße, "Ben" 🥐');
    await ben.post('general', 'Servus');
    await eva.printed.have('[general] Ben: Servus');
    // What would command the terminal, or look like a message of somebody else, does neither.
    await ben.post('general', '\u001b[2Jgone\n[general] Eva: never said');
    await eva.printed.have('[general] Ben:  [2Jgone [general] Eva: never said');
    expect(await eva.leave()).toBe(0);
    expect(eva.printed.all).toHaveLength(3);
    expect(eva.complained.all).toEqual([]);
    expect((await ben.contents('general')).filter((content) => content.startsWith('Grüße'))).toEqual(['Grüße, "Ben" 🥐']);
  });

  test('signs in where the account is there', async () => {
    await server.register('Eva');
    const eva = run(server.url, 'Eva', PASSWORD);
    eva.type('Back');
    await eva.printed.have('[general] Eva: Back');
    expect(await eva.leave()).toBe(0);
    expect(await ben.contents('general')).toEqual(['Back']);
  });

  test('loses and repeats nothing when the server is killed', async () => {
    const relay = new Relay(server);
    await relay.open();
    try {
      const eva = start(relay.url, 'Eva');
      eva.type('before');
      await eva.printed.have('Eva: before');

      const benHears = await listen(ben);
      relay.deafen();
      eva.type('stored, but its Ack is lost');
      await benHears('stored, but its Ack is lost');
      await kill(server);
      await relay.close();
      await eva.complained.have('cannot be reached');
      eva.type('typed meanwhile');
      await server.run();
      await ben.post('general', 'written meanwhile');
      await relay.open();
      await eva.printed.have('Eva: typed meanwhile');

      expect(await eva.leave()).toBe(0);
      const contents = ['before', 'stored, but its Ack is lost', 'written meanwhile', 'typed meanwhile'];
      const senders = ['Eva', 'Eva', 'Ben', 'Eva'];
      expect(await ben.contents('general')).toEqual(contents);
      expect(eva.printed.all).toEqual(contents.map((content, number) => `[general] ${senders[number]}: ${content}`));
      // However often it tried, it said so once.
      expect(eva.complained.all).toHaveLength(1);
    } finally {
      await relay.close();
    }
  });

  test('prints all that is written after the server was restored from a backup, though its numbers are known', async () => {
    await ben.create('ops');
    await server.backUp();
    const relay = new Relay(server);
    await relay.open();
    try {
      const eva = run(relay.url, 'Ben', PASSWORD);
      const read = async () => (await ben.call<Room[]>('GET', '/chat/list')).map(({ read_seq }) => read_seq);
      await ben.post('ops', 'lost');
      await ben.post('general', 'lost');
      await eva.printed.have('[general] Ben: lost');
      await ben.post('general', 'lost too');
      await expect.poll(read).toEqual((await ben.call<Room[]>('GET', '/chat/list')).map(({ last_seq }) => last_seq));
      await relay.close();
      await eva.complained.have('cannot be reached');
      await server.restore();
      await server.run();
      // One room has less than it knew, the other one more.
      await ben.postMany('ops', 'new', 20);
      await ben.post('general', 'new');
      await relay.open();
      await eva.printed.have('[general] Ben: new');
      eva.type('answer');
      await eva.printed.have('Ben: answer');
      expect(await eva.leave()).toBe(0);
      const ops = ['lost', ...Array.from({ length: 20 }, (_, number) => `new ${number + 1}`)];
      expect(eva.printed.all.filter((line) => line.startsWith('[ops] Ben'))).toEqual(ops.map((content) => `[ops] Ben: ${content}`));
      const general = ['lost', 'lost too', 'new', 'answer'];
      expect(eva.printed.all.filter((line) => line.startsWith('[general] Ben'))).toEqual(general.map((content) => `[general] Ben: ${content}`));
      expect(eva.complained.all).toHaveLength(1);
    } finally {
      await relay.close();
    }
  });

  test('waits for a server that is not there yet', async () => {
    await server.halt();
    const eva = start(server.url, 'Eva');
    eva.type('early');
    await eva.complained.have('cannot be reached');
    await server.run();
    await eva.printed.have('Eva: early');
    expect(await eva.leave()).toBe(0);
    expect(await ben.contents('general')).toEqual(['early']);
    expect(eva.complained.all).toHaveLength(1);
  });

  test('sends more than the rate limit lets through at once, all of it and in order', async () => {
    const lines = Array.from({ length: 130 }, (_, number) => `line ${number + 1}`);
    const eva = start(server.url, 'Eva');
    eva.type(...lines);
    expect(await eva.leave()).toBe(0);
    expect(await ben.contents('general')).toEqual(lines);
  });

  test('says what is wrong with a line and goes on with the next', async () => {
    const eva = start(server.url, 'Eva');
    eva.type('   ', 'after it');
    await eva.printed.have('Eva: after it');
    expect(await eva.leave()).toBe(1);
    expect(eva.printed.all).toEqual([expect.stringMatching(/^! .*empty/), '[general] Eva: after it']);
    expect(await ben.contents('general')).toEqual(['after it']);
  });

  test('prints an edit as one, and tells what it has read', async () => {
    const eva = start(server.url, 'Eva');
    eva.type('here');
    await eva.printed.have('[general] Eva: here');
    const { seq: replaces } = await ben.post('general', 'Servas');
    const { seq } = await ben.call<Message>('POST', '/chat/chatroom', { room: 'general', content: 'Servus', replaces });
    await eva.printed.have('[general] Ben (edited): Servus');
    const elsewhere = await Person.at(server.url, '/auth/login', 'Eva');
    await expect.poll(async () => (await elsewhere.call<Room[]>('GET', '/chat/list'))[0]?.read_seq).toBe(seq);
    expect(await eva.leave()).toBe(0);
  });

  test('says how it is used', async () => {
    const lost = run();
    expect(await lost.ended).toBe(1);
    expect(lost.complained.all).toEqual([expect.stringMatching(/^usage: /)]);
    expect(lost.printed.all).toEqual([]);
  });

  test('makes no account unless it is asked to', async () => {
    const mistyped = run(server.url, 'Evva', PASSWORD);
    expect(await mistyped.ended).toBe(1);
    expect(mistyped.complained.all).toEqual([expect.stringMatching(/^Wrong name or password: ./)]);
    expect(await ben.call('GET', '/auth/checkuser/Evva')).toEqual({ exists: false });
  });

  test('stops with a message where the password is wrong', async () => {
    const wrong = start(server.url, 'Ben', 'incorrect horse battery');
    expect(await wrong.ended).toBe(1);
    expect(wrong.complained.all).toEqual([expect.stringMatching(/^Wrong name or password: ./)]);
    expect(wrong.printed.all).toEqual([]);
  });

  test('stops with a message when it is signed out everywhere', async () => {
    const eva = start(server.url, 'Eva');
    eva.type('here');
    await eva.printed.have('Eva: here');
    const elsewhere = await Person.at(server.url, '/auth/login', 'Eva');
    await elsewhere.call('POST', '/auth/logout');
    expect(await eva.ended).toBe(1);
    expect(eva.complained.all).toEqual([expect.stringMatching(/^Signed out/)]);
  });
});
