// Being there: what people at their pages see of a server that stops, is killed, comes back or comes back newer, and of a
// machine that sleeps; and that nothing they write is lost or doubled by it.
import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { launch, newBrowser, Someone } from './browser';
import { Cable, TestServer, type Person } from './harness';

let server: TestServer;
let cable: Cable;
let browser: Browser;
let ben: Person;
const contexts: BrowserContext[] = [];
const people: Someone[] = [];
let count = 0;

/** Somebody new at a browser of their own, in a room. */
async function somebodyIn(room: string, url = server.url): Promise<Someone> {
  const context = await newBrowser(browser, url);
  contexts.push(context);
  const someone = await Someone.in(context);
  people.push(someone);
  await someone.register(`Ada${++count}`);
  await someone.page.goto(`/room/${room}`);
  await someone.page.getByRole('button', { name: 'Join the room' }).click();
  await someone.settled();
  return someone;
}

/** Numbered so that no text is a part of another. */
const said = (who: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `${who} ${String(from + index).padStart(2, '0')}`);

beforeAll(async () => {
  server = await TestServer.start();
  cable = await Cable.to(server);
  browser = await launch();
  ben = await server.register('Ben');
});

afterEach(async () => {
  cable.plug();
  const complaints = people.splice(0).flatMap((someone) => someone.complaints);
  await Promise.all(contexts.splice(0).map((context) => context.close()));
  expect(complaints).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
  await cable?.stop();
  await server?.stop();
});

it.each([
  ['SIGTERM', 'The server is restarting…'],
  ['SIGKILL', 'No connection'],
] as const)('the server ends by %s and comes back while two people talk: the page says so, and nothing is lost or doubled', async (signal, banner) => {
  const room = `restart-${signal}`;
  await ben.create(room);
  const [ada, eva] = [await somebodyIn(room), await somebodyIn(room)];
  const talk = async (from: number, to: number) => {
    for (let number = from; number <= to; number++) {
      for (const [someone, who] of [[ada, 'ada'], [eva, 'eva']] as const) await someone.say(said(who, number, number)[0] ?? '');
    }
  };
  await talk(1, 5);
  await Promise.all([server.halt(signal), talk(6, 12)]);
  for (const someone of [ada, eva]) await someone.page.getByText(banner).waitFor();
  await talk(13, 16);
  expect(await ada.message('ada 16').getAttribute('data-state')).toBe('pending');
  await ada.composer.fill('not finished');
  await server.run();
  await eva.say('eva 17');
  for (const someone of [ada, eva]) {
    for (const last of ['ada 16', 'eva 17']) await someone.sent(last);
    expect(await someone.page.getByText(banner).count()).toBe(0);
  }
  expect(await ada.composer.inputValue()).toBe('not finished');

  const stored = await ben.contents(room);
  expect(stored.filter((text) => text.startsWith('ada'))).toEqual(said('ada', 1, 16));
  expect(stored.filter((text) => text.startsWith('eva'))).toEqual(said('eva', 1, 17));
  for (const someone of [ada, eva]) expect(await someone.readAll(/(ada|eva) \d\d/)).toEqual(stored);
});

it('the server is restored from a backup under an open page: it shows what the server has, and what comes under numbers that it knew', async () => {
  // A server of its own: what others said would be lost, too.
  const own = await TestServer.start();
  try {
    const eva = await own.register('Eva');
    await eva.create('history');
    const ada = await somebodyIn('history', own.url);
    await eva.post('history', 'kept');
    await own.backUp();
    await eva.postMany('history', 'lost', 3);
    await eva.post('general', 'lost elsewhere');
    await ada.message('lost 3').waitFor();
    await ada.composer.fill('not finished');
    await own.restore();
    await ada.page.getByText('The server is restarting…').waitFor();
    await own.run();
    await eva.post('history', 'new');
    await ada.message('new').waitFor();
    expect(await ada.readAll(/kept|lost|new/)).toEqual(['kept', 'new']);
    expect(await ada.composer.inputValue()).toBe('not finished');
    await ada.say('answer');
    await ada.sent('answer');
    await eva.post('general', 'new elsewhere');
    await ada.page.getByRole('link', { name: /general/ }).click();
    await ada.message('new elsewhere').waitFor();
    expect(await ada.readAll(/(lost|new) elsewhere/)).toEqual(['new elsewhere']);
  } finally {
    await own.stop();
  }
});

/** Stops whatever draws pages and runs their scripts, as a closed lid does; returns what lets it go on. */
async function suspend(): Promise<() => void> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const pages = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  expect(pages).not.toEqual([]);
  const all = (signal: NodeJS.Signals) => {
    for (const id of pages) process.kill(id, signal);
  };
  all('SIGSTOP');
  return () => all('SIGCONT');
}

it('the machine sleeps, and its link dies meanwhile: noticed within 5 s, and caught up', async () => {
  await ben.create('nap');
  const ada = await somebodyIn('nap', cable.url);
  await ada.say('before the nap');
  await ada.sent('before the nap');
  const wake = await suspend();
  try {
    cable.unplug();
    await ben.postMany('nap', 'missed', 30);
    // A nap is time that passes; this is the shortest that the page calls one, and then some.
    await new Promise((over) => setTimeout(over, 6_000));
  } finally {
    wake();
  }
  const woke = performance.now();
  await ada.page.getByText('No connection').waitFor();
  expect(performance.now() - woke).toBeLessThan(5_000);
  await ada.say('after the nap');
  cable.plug();
  await ada.sent('after the nap');
  await ada.page.getByText('No connection').waitFor({ state: 'detached' });
  const stored = await ben.contents('nap');
  expect(stored).toEqual(['before the nap', ...Array.from({ length: 30 }, (_, index) => `missed ${index + 1}`), 'after the nap']);
  expect(await ada.readAll(/missed \d+|(before|after) the nap/)).toEqual(stored);
});

it('the server comes back newer: the page offers a reload, which loses nothing', async () => {
  await ben.create('update');
  const ada = await somebodyIn('update');
  let version = '';
  // Another version of the program is not at hand; its Welcome is.
  await ada.page.routeWebSocket('**/chat/connect', (page) => {
    const through = page.connectToServer();
    through.onMessage((text) => {
      const frame = JSON.parse(String(text)) as { action: string; data: { version: string } };
      if (frame.action === 'Welcome' && version !== '') frame.data.version = version;
      page.send(JSON.stringify(frame));
    });
  });
  await ada.page.reload();
  await ada.settled();
  await server.halt();
  await ada.page.getByText('The server is restarting…').waitFor();
  await ada.say('written meanwhile');
  version = '99.0.0';
  await server.run();
  await ada.sent('written meanwhile');
  await ada.composer.fill('a draft');
  await ada.page.getByText('The server was updated.').waitFor();
  await ada.expectAccessible('the server was updated');
  version = '';
  await Promise.all([ada.page.waitForEvent('load'), ada.page.getByRole('button', { name: 'Reload' }).click()]);
  await ada.settled();
  await ada.message('written meanwhile').waitFor();
  expect(await ada.composer.inputValue()).toBe('a draft');
  expect(await ada.page.getByText('The server was updated.').count()).toBe(0);
  expect(await ben.contents('update')).toEqual(['written meanwhile']);
});
