// Pages of other origins, opened in the browser of somebody who is signed in: they can neither connect, nor read, nor
// write, nor show our page as theirs. Two strangers: one on another port of our host, one under another name.
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { launch, newBrowser, Someone } from './browser';
import { PASSWORD, TestServer } from './harness';
import { Stranger } from './tricks';

const READ = ['/', '/health', '/early.js', '/languages.js', '/favicon.svg', '/manifest.webmanifest', '/auth/me', '/auth/checkuser/Ada', '/chat/list', '/chat/rooms', '/chat/users', '/chat/online', '/chat/members/general', '/chat/history/general', '/chat/search?q=secret', '/reports'];

let server: TestServer;
let stranger: Stranger;
let browser: Browser;
let context: BrowserContext;
let ada: Someone;
let token: string;
let page: Page;

beforeAll(async () => {
  [server, stranger, browser] = await Promise.all([TestServer.start(), Stranger.start(), launch()]);
  const person = await server.register('Ada');
  token = person.token;
  await person.post('general', 'a secret');
});

beforeEach(async () => {
  context = await newBrowser(browser, server.url);
  ada = await Someone.in(context);
  await ada.signIn('Ada');
  await ada.settled();
  page = await context.newPage();
});

afterEach(async () => {
  expect(ada.complaints).toEqual([]);
  await context.close();
});

afterAll(async () => {
  await browser?.close();
  await stranger?.stop();
  await server?.stop();
});

const strangers = () => [`${stranger.url}/`, `http://localhost:${stranger.port}/`];

it('cannot open the WebSocket', async () => {
  for (const url of strangers()) {
    await page.goto(url);
    const session = await context.newCDPSession(page);
    await session.send('Network.enable');
    const statuses: number[] = [];
    session.on('Network.webSocketHandshakeResponseReceived', ({ response }) => void statuses.push(response.status));
    const outcome = await page.evaluate(
      (address) =>
        new Promise((done) => {
          const socket = new WebSocket(address);
          socket.onopen = () => done('open');
          socket.onclose = ({ code }) => done(code);
        }),
      `${server.url.replace('http', 'ws')}/chat/connect`,
    );
    expect(outcome, url).toBe(1006);
    await session.detach();
  }
  // What the browser was answered; it tells no page.
  const upgrade = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };
  for (const url of strangers()) expect(await statusOf('/chat/connect', { ...upgrade, Origin: new URL(url).origin })).toBe(403);
});

it('can read nothing, with credentials or without, even with a token', async () => {
  for (const url of strangers()) {
    await page.goto(url);
    const read = await page.evaluate(
      async ([base, paths, bearer]) => {
        const found: string[] = [];
        const attempts: RequestInit[] = [
          {},
          { credentials: 'include' },
          { headers: { Authorization: `Bearer ${bearer}` } },
          { mode: 'no-cors', credentials: 'include' },
          { method: 'HEAD' },
        ];
        for (const path of paths) {
          for (const attempt of attempts) {
            try {
              const answer = await fetch(base + path, attempt);
              const text = await answer.text();
              if (answer.type !== 'opaque' || text !== '' || answer.status !== 0) found.push(`${path} ${JSON.stringify(attempt)}: ${answer.status}`);
            } catch {
              // Refused, as it should be.
            }
          }
        }
        return found;
      },
      [server.url, READ, token] as const,
    );
    expect(read, url).toEqual([]);
  }
});

it('can write nothing by forms or simple requests: no account, no report, no message', async () => {
  for (const url of strangers()) {
    await page.goto(url);
    await page.evaluate(
      async ([base, password]) => {
        const bodies: [string, object][] = [
          ['/auth/createuser', { name: 'Forged', password }],
          ['/report', { name: 'Forged', issue: 'forged' }],
          ['/chat/chatroom', { room: 'general', content: 'forged' }],
          ['/auth/logout', {}],
        ];
        for (const [path, body] of bodies) {
          await fetch(base + path, { method: 'POST', mode: 'no-cors', credentials: 'include', body: JSON.stringify(body) }).catch(() => {});
          navigator.sendBeacon(base + path, JSON.stringify(body));
        }
        // A form whose one field spells JSON, as text/plain allows.
        for (const [path, body] of bodies) {
          const frame = document.createElement('iframe');
          frame.name = `sink${path}`;
          document.body.append(frame);
          const form = document.createElement('form');
          Object.assign(form, { method: 'post', enctype: 'text/plain', action: base + path, target: frame.name });
          const [head = '', tail = ''] = JSON.stringify({ ...body, x: '|' }).split('|');
          const field = document.createElement('input');
          Object.assign(field, { name: head, value: tail });
          form.append(field);
          document.body.append(form);
          const loaded = new Promise((done) => (frame.onload = done));
          form.submit();
          await loaded;
        }
      },
      [server.url, PASSWORD] as const,
    );
  }
  const get = async (path: string) => (await fetch(server.url + path, { headers: { Authorization: `Bearer ${token}` } })).json();
  expect(await get('/auth/checkuser/Forged')).toEqual({ exists: false });
  expect(await get('/reports')).toMatchObject({ messages: [] });
  expect(JSON.stringify(await get('/chat/history/general'))).not.toContain('forged');
});

it('cannot frame a page, nor reach into one that it opens', async () => {
  for (const url of strangers()) {
    await page.goto(url);
    await page.evaluate(
      (address) =>
        new Promise((done) => {
          const frame = document.createElement('iframe');
          frame.src = address;
          frame.onload = done;
          document.body.append(frame);
        }),
      `${server.url}/room/general`,
    );
    // The browser's own page that says so, whose address depends on the process that it ended up in.
    const framed = page.frames().slice(1).map((frame) => frame.url());
    expect(framed.length, url).toBe(1);
    expect(['', 'chrome-error://chromewebdata/'], url).toContain(framed[0]);
    const [popup] = await Promise.all([
      context.waitForEvent('page'),
      page.evaluate((address) => {
        Object.assign(window, { opened: open(address) });
      }, `${server.url}/room/general`),
    ]);
    const opened = new Someone(popup);
    await opened.settled();
    expect(await popup.evaluate(() => opener === null), url).toBe(true);
    const reached = await page.evaluate(() => {
      const { opened: other } = window as unknown as { opened: Window };
      const attempts: [string, () => unknown][] = [
        ['document', () => other.document.title],
        ['storage', () => other.localStorage.length],
        ['address', () => other.location.href],
      ];
      other.postMessage({ action: 'Hello' }, '*');
      return attempts.flatMap(([what, attempt]) => {
        try {
          return attempt() === undefined ? [] : [what];
        } catch {
          return [];
        }
      });
    });
    expect(reached, url).toEqual([]);
    expect(opened.complaints).toEqual([]);
    await popup.close();
  }
});

it('learns nothing from a link that leads to it', async () => {
  await ada.say(`look at ${stranger.url}/linked please`);
  const link = ada.log.getByRole('link', { name: `${stranger.url}/linked` });
  const [opened] = await Promise.all([context.waitForEvent('page'), link.click()]);
  await opened.waitForLoadState();
  expect(await opened.evaluate(() => [opener, document.referrer])).toEqual([null, '']);
});

/** The status that the server answers with; `fetch` would not send these headers. */
async function statusOf(path: string, headers: Record<string, string>): Promise<number> {
  const { request } = await import('node:http');
  return new Promise((done, failed) => {
    const asked = request(server.url + path, { headers });
    asked.on('error', failed);
    asked.on('response', (answer) => done(answer.resume().statusCode ?? 0));
    asked.on('upgrade', (_, socket) => (socket.destroy(), done(101)));
    asked.end();
  });
}
