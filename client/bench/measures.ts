// Owns: how the figures of a page that is up are taken: scrolling, typing, memory. Never judges them.
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { newBrowser, Someone } from '../e2e/browser';
import type { Person, TestServer } from '../e2e/harness';

export interface Row {
  what: string;
  target: string;
  figure: string;
}

export interface Stage {
  browser: Browser;
  server: TestServer;
  ada: Person;
  ben: Person;
}

/** The room that holds the messages. */
export const ROOM = 'archive';
/** How many of them are on their way at once. */
const BATCH = 2_000;
/** How far is scrolled, and how fast: quicker than one reads, slower than one flings. */
const SCROLL_PX = 45_000;
const SCROLL_PX_A_SECOND = 3_000;
/** A frame is late after this many ms; on time is 16.7. */
const LATE_MS = 17.5;
/** Beyond this many ms a frame was left out, not only late by a little. */
const MISSED_MS = 25;
/** For how long is typed, in ms. */
const TYPE_MS = 15_000;
/** A key is pressed so often, in ms: a fast typist. */
const KEY_MS = 80;
const MESSAGES_A_SECOND = 50;

/** Fills the room. Texts are of lengths as people write them, one to four lines. */
export async function prepare(ben: Person, count: number): Promise<void> {
  await ben.create(ROOM, ['Ada']);
  for (let done = 0; done < count; done += BATCH) {
    const words = 'the van is late again and nobody knows where the second key went '.repeat(1 + ((done / BATCH) % 4));
    await ben.postMany(ROOM, `${words}${done}`, Math.min(BATCH, count - done));
  }
}

/** Ada's browser, signed in. */
export async function signedIn({ browser, server, ada }: Stage): Promise<BrowserContext> {
  const context = await newBrowser(browser, server.url);
  await signIn(context, ada);
  return context;
}

/** Whatever page comes up in the browser, Ada is signed in there. */
export async function signIn(context: BrowserContext, ada: Person): Promise<void> {
  await context.addInitScript({ content: signingIn(ada) });
}

/** A script that signs her in on the page in which it runs first. */
export function signingIn(ada: Person): string {
  const user = { name: ada.name, display_name: ada.name, admin: true, active: true };
  return `localStorage.setItem('melangerie.session', ${JSON.stringify(JSON.stringify({ token: ada.token, user }))})`;
}

export async function openRoom(stage: Stage): Promise<{ context: BrowserContext; someone: Someone; session: CDPSession }> {
  const context = await signedIn(stage);
  const someone = await Someone.in(context, `/room/${ROOM}`);
  await someone.settled();
  await someone.page.keyboard.press('Escape');
  await someone.log.getByRole('article').first().waitFor();
  return { context, someone, session: await context.newCDPSession(someone.page) };
}

export interface TraceEvent {
  name: string;
  ts: number;
  dur?: number;
  args?: { data?: { consumedCacheSize?: number }; chrome_frame_reporter?: { state?: string; frame_type?: string } };
}

export async function traced(session: CDPSession, work: () => Promise<unknown>): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  session.on('Tracing.dataCollected', ({ value }) => void events.push(...(value as unknown as TraceEvent[])));
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: ['devtools.timeline', 'disabled-by-default-devtools.timeline', 'disabled-by-default-devtools.timeline.frame'] } });
  await work();
  const complete = new Promise((done) => session.once('Tracing.tracingComplete', done));
  await session.send('Tracing.end');
  await complete;
  return events;
}

/** Scrolls up by the wheel; the times between frames come with the trace. */
async function scrolledUp(page: Page, session: CDPSession): Promise<{ events: TraceEvent[]; between: number[] }> {
  await page.mouse.move(760, 400);
  const gesture = { x: 760, y: 400, yDistance: SCROLL_PX, speed: SCROLL_PX_A_SECOND, gestureSourceType: 'mouse', preventFling: true } as const;
  const events = await traced(session, () => session.send('Input.synthesizeScrollGesture', gesture));
  const drawn = events.filter(({ name }) => name === 'DrawFrame').map(({ ts }) => ts / 1000).sort((a, b) => a - b);
  return { events, between: drawn.slice(1).map((time, index) => time - (drawn[index] ?? time)) };
}

/** Share of the times between frames that are longer than `ms`, in percent. */
const share = (between: number[], ms: number) => ((100 * between.filter((gap) => gap > ms).length) / Math.max(1, between.length)).toFixed(1);

/** Frames a second, over all of the times between them. */
const rate = (between: number[]) => ((1000 * between.length) / between.reduce((sum, gap) => sum + gap, 0)).toFixed(1);

/** What the browser does here without us: a page of nothing but lines of text, scrolled in the same way. */
async function plainScrolling({ browser, server }: Stage): Promise<number[]> {
  const context = await newBrowser(browser, server.url);
  const page = await context.newPage();
  await page.goto('about:blank');
  await page.evaluate((height) => {
    const log = document.createElement('div');
    log.setAttribute('style', 'position: fixed; inset: 0; overflow: auto');
    for (let line = 0; line * 250 < height; line++) {
      const row = document.createElement('p');
      row.setAttribute('style', 'height: 250px; margin: 0');
      row.textContent = `the van is late again and nobody knows where the second key went ${line}`;
      log.append(row);
    }
    document.body.append(log);
    log.scrollTop = log.scrollHeight;
  }, SCROLL_PX + 5_000);
  const { between } = await scrolledUp(page, await context.newCDPSession(page));
  await context.close();
  return between;
}

/** Scrolls up through pages that have to be loaded. */
export async function scrolling(stage: Stage): Promise<Row[]> {
  const { context, someone, session } = await openRoom(stage);
  const { events, between } = await scrolledUp(someone.page, session);
  await context.close();
  const plain = await plainScrolling(stage);
  const tasks = events.filter(({ name }) => name === 'RunTask' || name === 'ThreadControllerImpl::RunTask').map(({ dur = 0 }) => dur / 1000);
  return [
    { what: `100,000 messages, ${SCROLL_PX} px scrolled upwards at ${SCROLL_PX_A_SECOND} px/s: time between frames, p50, p95, p99`, target: '16.7 ms', figure: `${fine(between, 0.5)}, ${fine(between, 0.95)}, ${fine(between, 0.99)} ms` },
    { what: 'the same: frames a second', target: '60', figure: rate(between) },
    { what: `the same: frames left out, which come after more than ${MISSED_MS} ms; late by a little, after more than ${LATE_MS}`, target: '≤ 1 %; none set', figure: `${share(between, MISSED_MS)} %; ${share(between, LATE_MS)} %` },
    { what: `a plain page of ${Math.ceil((SCROLL_PX + 5_000) / 250)} lines, scrolled so: frames a second; left out; late by a little; p95, p99`, target: 'what the browser does here by itself', figure: `${rate(plain)}; ${share(plain, MISSED_MS)} %; ${share(plain, LATE_MS)} %; ${fine(plain, 0.95)}, ${fine(plain, 0.99)} ms` },
    { what: 'our page: longest task', target: '≤ 50 ms', figure: `${fine(tasks, 1)} ms` },
  ];
}

/** Runs in the page: how long from each key to the next paint. The browser tells in steps of 8 ms, and nothing below 16. */
function watchKeys(): void {
  const found: number[] = [];
  Object.assign(window, { keys: found });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === 'keydown') found.push(entry.duration);
  }).observe({ type: 'event', durationThreshold: 16 } as PerformanceObserverInit);
}

/** Types while messages arrive in the room that is open. */
export async function typing(stage: Stage): Promise<Row[]> {
  const { context, someone } = await openRoom(stage);
  const { page } = someone;
  await someone.composer.focus();
  await page.evaluate(watchKeys);
  let typed = 0;
  let sent = 0;
  let over = false;
  const arriving = (async () => {
    for (const begun = performance.now(); !over; await pause(20)) {
      const due = Math.floor(((performance.now() - begun) / 1000) * MESSAGES_A_SECOND);
      for (; sent < due; sent++) void stage.ben.post(ROOM, `a message while somebody types ${sent}`);
    }
  })();
  const begun = performance.now();
  while (performance.now() - begun < TYPE_MS) {
    await page.keyboard.press('abcdefghij '[typed++ % 11] ?? 'a');
    await pause(Math.max(0, begun + typed * KEY_MS - performance.now()));
  }
  over = true;
  await arriving;
  const slow = await page.evaluate(() => (window as unknown as { keys: number[] }).keys);
  await someone.composer.fill('');
  await context.close();
  const all = [...Array.from({ length: Math.max(0, typed - slow.length) }, () => 0), ...slow];
  const duration = (part: number) => (at(all, part) < 16 ? '< 16' : String(at(all, part)));
  return [{ what: `${typed} keys while ${sent} messages arrived at ${MESSAGES_A_SECOND} a second: key to next paint, p50, p95, p99, longest`, target: 'p95 ≤ 32 ms', figure: `${duration(0.5)}, ${duration(0.95)}, ${duration(0.99)}, ${duration(1)} ms` }];
}

/** Runs in the page: goes to the room's beginning, page by page, as fast as they come. */
async function toBeginning(log: Element): Promise<void> {
  while (!/This is the beginning/.test(log.textContent ?? '')) {
    log.scrollTop = 0;
    await new Promise((next) => requestAnimationFrame(() => setTimeout(next, 0)));
  }
}

/** All of the room passes by: what stays in memory and in the page is bounded. */
export async function throughAll(stage: Stage): Promise<Row[]> {
  const { context, someone, session } = await openRoom(stage);
  const before = await inUse(session);
  const begun = performance.now();
  await someone.log.evaluate(toBeginning);
  const seconds = (performance.now() - begun) / 1000;
  const after = await inUse(session);
  await context.close();
  const mib = (bytes: number) => (bytes / 1024 / 1024).toFixed(1);
  return [
    { what: `all 100,000 messages paged backwards by scrolling, in ${seconds.toFixed(0)} s: heap before and after`, target: 'grows by ≤ 10 MiB', figure: `${mib(before.heap)}, ${mib(after.heap)} MiB` },
    { what: 'the same: nodes in the page before and after', target: 'bounded', figure: `${before.nodes}, ${after.nodes}` },
  ];
}

async function inUse(session: CDPSession): Promise<{ heap: number; nodes: number }> {
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  const { nodes } = await session.send('Memory.getDOMCounters');
  return { heap: usedSize, nodes };
}

export const pause = (ms: number) => new Promise((over) => setTimeout(over, ms));

/** The value below which `part` of them lie, exactly. */
export function quantile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
}

export const at = (values: number[], part: number) => Math.round(quantile(values, part));
const fine = (values: number[], part: number) => quantile(values, part).toFixed(1);

