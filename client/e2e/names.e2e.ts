// Names: those that the rules allow and that mean something to a program, and those that no rule allows and a broken server
// might send all the same. Each is a name like any other, on every screen.
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { launch, newBrowser, Someone } from './browser';
import { Cable, TestServer, type Person } from './harness';
import { Stranger, tricks, Watch } from './tricks';

/** Words of the language and of the web, and letters that look like signs or run the other way. */
const NAMES = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'null', 'undefined', 'NaN', 'script', 'onerror', 'javascript', 'index.html', 'x.js', 'room', '1', '-1', '..a', 'ＳＣＲＩＰＴ', 'ſcript', 'شركة', 'ﬁle', 'İ'];

let server: TestServer;
let cable: Cable;
let stranger: Stranger;
let browser: Browser;
let ben: Person;
let context: BrowserContext;
let watch: Watch;
let ada: Someone;

beforeAll(async () => {
  [server, stranger, browser] = await Promise.all([TestServer.start(), Stranger.start(), launch()]);
  cable = await Cable.to(server);
  await server.register('Ada');
  ben = await server.register('Ben');
});

beforeEach(async () => {
  context = await newBrowser(browser, cable.url);
  watch = await Watch.over(context, cable.url, stranger);
  ada = await Someone.in(context);
});

afterEach(async () => {
  await watch.expectInert(ada.page, 'at last');
  expect(ada.complaints).toEqual([]);
  await context.close();
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([cable?.stop(), stranger?.stop()]);
  await server?.stop();
});

it('those that mean something to a program are rooms and people like any other', async () => {
  const people = await Promise.all(NAMES.map((name) => server.register(name)));
  await ada.signIn('Ada');
  for (const person of people) {
    const { name } = person;
    await ben.create(name, ['Ada', name]);
    await person.post(name, `from ${name} to @Ada and @${name}`);
  }
  for (const name of NAMES) {
    await ada.page.goto(`/room/${encodeURIComponent(name)}`);
    await ada.heading(name).waitFor();
    await ada.settled();
    await ada.message(`from ${name} to`).waitFor();
    expect(await ada.message(`from ${name} to`).locator('.user').allTextContents()).toEqual(['@Ada', `@${name}`]);
    await ada.say(`mine in ${name}`);
    await ada.sent(`mine in ${name}`);
    await ada.composer.fill(`a draft for ${name}`);
    await watch.expectInert(ada.page, name);
  }
  // Cut off, and back: each room is caught up once, whatever it is called.
  await ada.open('general');
  cable.cut();
  await ada.page.getByText('No connection').waitFor();
  for (const person of people) await person.post(person.name, `missed in ${person.name}`);
  cable.plug();
  await ada.page.getByText('No connection').waitFor({ state: 'detached' });
  for (const name of NAMES) {
    await ada.page.evaluate((path) => {
      history.pushState(null, '', path);
      dispatchEvent(new PopStateEvent('popstate'));
    }, `/room/${encodeURIComponent(name)}`);
    await ada.heading(name).waitFor();
    await ada.settled();
    await ada.message(`missed in ${name}`).waitFor();
    expect(await ada.readAll(/(from|mine in|missed in) \S+/)).toEqual([`from ${name}`, `mine in ${name}`, `missed in ${name}`]);
    expect(await ada.composer.inputValue()).toBe(`a draft for ${name}`);
  }
  await watch.expectInert(ada.page, 'caught up');
});

/** Answers of a server that keeps no rule: every name, title and text in them is one of `texts`. */
async function lie(page: Page, texts: string[]): Promise<void> {
  const user = (name: string) => ({ name, display_name: name, admin: false, active: true });
  const room = (text: string, index: number) => ({
    name: text,
    kind: ['public', 'private', 'direct'][index % 3],
    topic: text,
    member_count: 2,
    members: ['Eva', text],
    last_seq: 2,
    read_seq: 0,
    created: 1_700_000_000_000,
    creator: text,
  });
  const messages = (text: string) => [
    { room: text, seq: 1, sender: 'Server', content: text, timestamp: 1_700_000_000_000, event: { kind: 'created', user: text, users: [text, 'Eva'] } },
    { room: text, seq: 2, sender: text, content: text, timestamp: 1_700_000_000_000, id: text },
  ];
  const rooms = texts.map(room);
  const answer = (path: string, body: (url: URL) => unknown) =>
    page.route(path, (route) => route.fulfill({ json: body(new URL(route.request().url())), headers: { ETag: '"lie"' } }));
  await answer('**/chat/users', () => ['Eva', ...texts].map(user));
  await answer('**/chat/rooms', () => rooms.map((described) => ({ ...described, kind: 'public' })));
  await answer('**/chat/members/*', () => ['Eva', ...texts]);
  await answer('**/chat/search?*', () => ({ messages: texts.flatMap(messages), more: true }));
  await answer('**/chat/history/*', ({ pathname }) => ({ messages: messages(decodeURIComponent(pathname.split('/')[3] ?? '')), more: false }));
  await answer('**/reports?*', () => ({
    messages: texts.map((text, seq) => ({ seq, name: text, signed_in: true, issue: text, timestamp: 1_700_000_000_000 })),
    more: false,
  }));
  await page.routeWebSocket('**/chat/connect', (client) => {
    const through = client.connectToServer();
    const send = (action: string, data: unknown) => client.send(JSON.stringify({ action, data }));
    through.onMessage((text) => {
      const frame = JSON.parse(String(text)) as { action: string; data: { user: { admin: boolean }; rooms: unknown[]; users: string; version: string } };
      if (frame.action !== 'Welcome') return client.send(text);
      frame.data.user.admin = true;
      frame.data.rooms.push(...rooms);
      frame.data.users = '"lie"';
      frame.data.version = texts[0] ?? '';
      client.send(JSON.stringify(frame));
      for (const trick of texts) for (const message of messages(trick)) send('Message', message);
      send('Presence', { online: texts, offline: [] });
      send('Typing', { room: 'general', user: texts[0] });
      send('Added', { room: 'general', adder: texts[0], added: ['Eva'] });
      send('User', user(texts[1] ?? ''));
    });
  });
}

it('those that no rule allows are shown as they are: rooms, topics, people, announcements, reports, hits', async () => {
  // A name has one line, and case makes no other of it.
  const lines = tricks(stranger.url).filter((text) => !/[\n\t]/.test(text));
  const texts = [...new Map(lines.map((text) => [text.toLowerCase(), text])).values()];
  await ada.register('Eva');
  await lie(ada.page, texts);
  await ada.page.reload();
  await ada.settled();
  await ada.page.getByText(`${texts[0]} added you to general`, { exact: true }).waitFor();
  await ada.page.getByText(`${texts[0]} is typing…`, { exact: true }).waitFor();
  await watch.expectInert(ada.page, 'general');

  const links = ada.rooms.locator('a[href^="/room/"]');
  expect(await links.count()).toBe(texts.length + 1);
  const shown = new Set<string>();
  for (let index = 0; index <= texts.length; index++) {
    await links.nth(index).click();
    await ada.settled();
    const title = (await ada.page.getByRole('main').getByRole('heading', { level: 1 }).textContent()) ?? '';
    shown.add(title);
    if (title !== 'general') await expect.poll(() => ada.log.locator('[data-message] [dir=auto]').allTextContents()).toEqual([title]);
    await watch.expectInert(ada.page, title);
  }
  expect(shown).toEqual(new Set(['general', ...texts]));

  const screens: [string, () => Promise<void>][] = [
    ['members', () => ada.page.getByRole('button', { name: /^Members|members$/ }).first().click()],
    ['search', async () => {
      await ada.page.keyboard.press('Control+k');
      await ada.page.getByRole('searchbox', { name: 'Search messages' }).fill('pwned');
      await ada.page.getByRole('complementary', { name: 'Search' }).locator('mark').first().waitFor();
    }],
    ['completing people', async () => {
      await ada.composer.fill('@');
      await ada.composer.press('End');
    }],
    ['completing rooms', () => ada.composer.fill('#')],
  ];
  for (const [screen, open] of screens) {
    await open();
    await watch.expectInert(ada.page, screen);
  }
  await ada.composer.fill('');
  const dialogs: [string, string, string, RegExp?][] = [
    ['Add rooms', 'Browse rooms', 'Browse rooms'],
    ['Add rooms', 'Create a room', 'Create a room', /^Add people/],
    ['Settings and more', 'Reported problems', 'Reported problems'],
    ['Settings and more', 'Settings', 'Settings'],
  ];
  for (const [button, item, title, picker] of dialogs) {
    await ada.page.getByRole('button', { name: button }).click();
    await ada.page.getByRole('menuitem', { name: item, exact: true }).click();
    const dialog = ada.page.getByRole('dialog', { name: title });
    await dialog.waitFor();
    if (picker) {
      await dialog.getByRole('combobox', { name: picker }).fill('<');
      await dialog.getByRole('option').first().click();
    } else if (item !== 'Settings') await dialog.getByText('<script>pwned()</script>', { exact: true }).first().waitFor();
    await watch.expectInert(ada.page, title);
    while (await dialog.isVisible()) await ada.page.keyboard.press('Escape');
  }
});

it('what a server says of an error is text, too', async () => {
  const [text = ''] = tricks(stranger.url);
  await ada.page.route('**/auth/login', (route) => route.fulfill({ status: 401, json: { code: 'unauthorized', message: text } }));
  await ada.page.getByRole('tab', { name: 'Sign in' }).click();
  await ada.page.getByRole('textbox', { name: 'Name' }).fill(text);
  await ada.page.getByLabel('Password', { exact: true }).fill(text);
  await ada.page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await ada.page.getByRole('alert').getByText(text, { exact: true }).waitFor();
  await watch.expectInert(ada.page, 'signing in');
});
