// Owns: how the figures of a page that comes up are taken: what is fetched for it, and when it can be used. Never judges them.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext } from 'playwright-core';
import { started, surroundings } from '../e2e/browser';
import type { Person } from '../e2e/harness';
import { KEYS } from '../src/state/storage';
import type { Room as RoomData } from '../src/wire/protocol';
import { BareBrowser, type Visit } from './bare';
import { at, openRoom, pause, quantile, ROOM, signedIn, signIn, signingIn, traced, type Row, type Stage } from './measures';

/** Loads of which the median counts. */
const LOADS = 5;
/** The CPU is slowed so many times, as browsers' developers do to stand for a slow laptop. */
const SLOWED = 6;
/** Visits before one counts as a return. With the third Chromium has what it keeps. */
const VISITS = 4;
/** What is there when one can write and read. */
const ROOM_USABLE = ['#composer, textarea', '[role=log][aria-busy=false] article'];
/** What is there when one can sign in. */
const FORM_USABLE = ['input[name=name]', 'input[name=password]', 'button[type=submit]'];

/** What comes over the wire, headers included, when somebody opens the page for the first time. */
export async function firstLoad(stage: Stage): Promise<Row[]> {
  const context = await signedIn(stage);
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  // To the machine it runs on Chromium offers Brotli without HTTPS, too; nobody else's server is told of it.
  await session.send('Network.setExtraHTTPHeaders', { headers: { 'Accept-Encoding': 'gzip, deflate' } });
  const paths = new Map<string, string>();
  let bytes = 0;
  let files = 0;
  session.on('Network.requestWillBeSent', ({ requestId, request }) => void paths.set(requestId, new URL(request.url).pathname));
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (/^\/(auth|chat)\//.test(paths.get(requestId) ?? '')) return;
    bytes += encodedDataLength;
    files++;
  });
  await page.goto('/room/general', { waitUntil: 'networkidle' });
  await context.close();
  return [{ what: `first load, ${files} files, compressed as the browser asks for over plain HTTP`, target: '≤ 150 KiB', figure: `${(bytes / 1024).toFixed(1)} KiB` }];
}

/** Runs in the page: when all of `needed` is there and no task of 50 ms or more was under way. */
function timeToInteractive(needed: string[]): Promise<number> {
  return new Promise((done) => {
    let busyUntil = 0;
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) busyUntil = Math.max(busyUntil, startTime + duration);
    }).observe({ type: 'longtask', buffered: true });
    let usable = 0;
    const look = () => {
      const ready = needed.every((selector) => document.querySelector(selector));
      if (ready && usable === 0) usable = performance.now();
      // Quiet for a second after it could be used: what came before is all that stood in the way.
      if (usable > 0 && performance.now() - Math.max(usable, busyUntil) > 1_000) done(Math.max(usable, busyUntil));
      else setTimeout(look, 4);
    };
    look();
  });
}

/** Ada has read the room, as one has who comes back to it. */
async function readAll(stage: Stage): Promise<void> {
  const { context } = await openRoom(stage);
  for (;;) {
    const rooms = await stage.ada.call<RoomData[]>('GET', '/chat/list');
    if (rooms.some(({ name, last_seq, read_seq }) => name === ROOM && read_seq === last_seq)) break;
    await pause(50);
  }
  await context.close();
}

/** The room's page as it stands when all is there, without a script: what the browser does here by itself with what is seen. */
async function staticPage(stage: Stage): Promise<{ url: string; stop: () => void }> {
  const { context, someone } = await openRoom(stage);
  const html = (await someone.page.content())
    .replaceAll(/<script.*?<\/script>/gs, '')
    .replaceAll(' crossorigin=""', '')
    .replaceAll('href="/', `href="${stage.server.url}/`);
  await context.close();
  const server = createServer((_, answer) => answer.setHeader('Content-Type', 'text/html; charset=utf-8').end(html));
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, stop: () => void server.close() };
}

/** A script by which the browser knows her and the room that she was in last, as after an update of the page. */
function cameBack({ ada }: Stage): string {
  return `${signingIn(ada)}; localStorage.setItem(${JSON.stringify(KEYS.lastRoom(ada.name))}, ${JSON.stringify(ROOM)})`;
}

/** From navigation until one can write and the messages are there: 100,000 in the room, nothing in the cache. First all are unread, then none. */
export async function interactive(stage: Stage): Promise<Row[]> {
  const room = `${stage.server.url}/room/${ROOM}`;
  const before = cameBack(stage);
  const [unread = []] = await loads([{ ...page(room, ROOM_USABLE), before }]);
  await readAll(stage);
  const still = await staticPage(stage);
  const [read = [], floor = []] = await loads([{ ...page(room, ROOM_USABLE), before }, page(still.url, ROOM_USABLE)]);
  still.stop();
  const ratio = (quantile(read, 0.5) / quantile(floor, 0.5)).toFixed(1);
  return [
    { what: `time to interactive, CPU slowed ${SLOWED} times, median of ${LOADS}`, target: '≤ 1,000 ms', figure: told(read) },
    { what: 'the same page as static HTML without a script, by turns with it; ratio', target: 'what the browser does here by itself', figure: `${told(floor)}; ${ratio}` },
    { what: 'the same, all 100,000 unread: the newest 500 come one by one', target: '≤ 1,200 ms', figure: told(unread) },
  ];
}

const told = (times: number[]) => `${at(times, 0.5)} ms (${at(times, 0)} to ${at(times, 1)})`;

const page = (url: string, needed: string[]) => ({ url, before: '', slowed: SLOWED, ask: timeToInteractive, argument: needed });

/** Times of each of the pages, which are loaded by turns, each as if for the first time. */
async function loads(pages: Visit<number, string[]>[]): Promise<number[][]> {
  const times: number[][] = pages.map(() => []);
  await withProfile((profile) =>
    withBare(profile, [], async (browser) => {
      for (let load = 0; load < LOADS; load++) {
        for (const [index, each] of pages.entries()) times[index]?.push(await browser.visit(each, true));
      }
    }),
  );
  return times;
}

/** Somebody who was never here: until the form can be used in which one signs in. */
export async function newcomer({ server }: Stage): Promise<Row[]> {
  const [times = []] = await loads([page(`${server.url}/`, FORM_USABLE)]);
  return [{ what: `a newcomer, nothing in the cache: until the form to sign in can be used, CPU slowed ${SLOWED} times`, target: '≤ 1,000 ms', figure: told(times) }];
}

/**
 * Somebody who comes back, all read: script and styles are in the browser's cache. Chromium also keeps what V8 compiled, from
 * the second visit on; whether it uses that is asked of it. Where it fetches scripts beside the page's thread it does not,
 * but compiles them there once more.
 */
export async function returning(stage: Stage): Promise<Row[]> {
  const usual = await returns(stage);
  const kept = await returns(stage, '--disable-features=BackgroundResourceFetch');
  const what = `a return, all read, script and styles in the browser's cache, CPU slowed ${SLOWED} times`;
  return [
    { what, target: '≤ 1,000 ms', figure: usual },
    { what: 'the same, with scripts fetched on the page’s thread', target: '≤ 1,000 ms', figure: kept },
  ];
}

async function returns(stage: Stage, ...args: string[]): Promise<string> {
  const { server, ada } = stage;
  return withProfile(async (profile) => {
    const compiled = await visits(profile, server.url, ada, args);
    const times: number[] = [];
    const visit = { ...page(`${server.url}/room/${ROOM}`, ROOM_USABLE), before: cameBack(stage) };
    await withBare(profile, args, async (browser) => {
      for (let load = 0; load < LOADS; load++) times.push(await browser.visit(visit, false));
    });
    return `${told(times)}; ${compiled > 0 ? `${Math.round(compiled / 1024)} KiB of compiled code used` : 'compiled code not used'}`;
  });
}

/** Fills the caches of a profile; returns how many bytes of compiled code the last visit took from there. */
async function visits(profile: string, url: string, ada: Person, args: string[]): Promise<number> {
  const context = await chromium.launchPersistentContext(profile, { ...started(...args), ...surroundings(url) });
  await signIn(context, ada);
  let compiled = 0;
  for (let visit = 0; visit < VISITS; visit++) compiled = await keptCode(context, `/room/${ROOM}`);
  await context.close();
  return compiled;
}

/** With a browser, which ends whatever happens. */
async function withBare(profile: string, switches: string[], work: (browser: BareBrowser) => Promise<void>): Promise<void> {
  const browser = await BareBrowser.start(profile, ...switches);
  try {
    await work(browser);
  } finally {
    await browser.stop();
  }
}

/** With a directory for a browser's profile, which goes with it. */
async function withProfile<T>(work: (profile: string) => Promise<T>): Promise<T> {
  const profile = await mkdtemp(join(tmpdir(), 'melangerie-profile-'));
  try {
    return await work(profile);
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A visit; returns how many bytes of compiled code the browser took from its cache for it. */
async function keptCode(context: BrowserContext, url: string): Promise<number> {
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  const events = await traced(session, async () => {
    await page.goto(url, { waitUntil: 'commit' });
    await page.evaluate(timeToInteractive, ROOM_USABLE);
  });
  await page.close();
  return events.reduce((sum, { name, args }) => sum + (name === 'v8.compileModule' ? (args?.data?.consumedCacheSize ?? 0) : 0), 0);
}
