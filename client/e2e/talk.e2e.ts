// Two people at two browsers: what an office does all day, and what happens when its network or its server does not.
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

/** Somebody new at a browser of their own, whose network is `cable`, or the server itself. */
async function somebody(url = cable.url): Promise<{ someone: Someone; context: BrowserContext; name: string }> {
  const context = await newBrowser(browser, url);
  contexts.push(context);
  const someone = await Someone.in(context);
  people.push(someone);
  const name = `Ada${++count}`;
  await someone.register(name);
  await someone.settled();
  return { someone, context, name };
}

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

it('two people register, make a room and talk', async () => {
  const { someone: ada, name } = await somebody();
  const { someone: eva, name: other } = await somebody(server.url);
  await ada.page.getByRole('button', { name: 'Add rooms' }).click();
  await ada.page.getByRole('menuitem', { name: 'Create a room' }).click();
  const dialog = ada.page.getByRole('dialog', { name: 'Create a room' });
  await dialog.getByRole('textbox', { name: 'Name' }).fill('Night shift');
  await dialog.getByRole('combobox', { name: /^Add people/ }).fill(other);
  await dialog.getByRole('option', { name: other }).click();
  await dialog.getByRole('button', { name: 'Create room' }).click();
  await ada.heading('Night shift').waitFor();

  await eva.open('Night shift');
  await eva.log.getByText(`${name} created the room and added you`).waitFor();
  await ada.say('Good evening!');
  await ada.sent('Good evening!');
  await eva.message('Good evening!').waitFor();
  await eva.composer.pressSequentially('And to you');
  await ada.page.getByText(`${other} is typing…`).waitFor();
  await eva.composer.press('Enter');
  await ada.message('And to you').waitFor();
  expect(await ada.page.getByText(`${other} is typing…`).count()).toBe(0);
});

it('cut off while 500 messages arrive, has every one once and in order when it is back', async () => {
  await ben.create('depot');
  const { someone: ada, context } = await somebody();
  await ada.page.goto('/room/depot');
  await ada.page.getByRole('button', { name: 'Join the room' }).click();
  await ada.settled();
  await ada.say('before');
  await ada.sent('before');

  await context.setOffline(true);
  cable.cut();
  const cut = Date.now();
  await ada.page.getByRole('status').filter({ hasText: 'No connection' }).waitFor();
  expect(Date.now() - cut).toBeLessThan(5_000);
  await ada.say('written offline');
  await ada.message('written offline').getByText('waiting').waitFor();
  await ben.postMany('depot', 'missed', 500);

  cable.plug();
  await context.setOffline(false);
  await ada.sent('written offline');
  expect(await ada.page.getByText('No connection').count()).toBe(0);
  const all = await ada.readAll(/^.*?(before|missed \d+|written offline)/);
  const texts = all.map((text) => /before|missed \d+|written offline/.exec(text)?.[0]);
  expect(texts).toEqual(['before', ...Array.from({ length: 500 }, (_, index) => `missed ${index + 1}`), 'written offline']);
});

it('tells within 5 s that nothing comes through, although no connection was closed', async () => {
  const { someone: ada } = await somebody();
  cable.unplug();
  const cut = Date.now();
  await ada.page.getByRole('status').filter({ hasText: 'No connection' }).waitFor();
  expect(Date.now() - cut).toBeLessThan(5_000);
  cable.plug();
  await ada.page.getByText('No connection').waitFor({ state: 'detached' });
});

/** Somebody in a new room of Ben's whose connection was lost just now. */
async function cutOffIn(room: string): Promise<Someone> {
  await ben.create(room);
  const { someone } = await somebody();
  await someone.page.goto(`/room/${room}`);
  await someone.page.getByRole('button', { name: 'Join the room' }).click();
  await someone.settled();
  cable.cut();
  await someone.page.getByText('No connection').waitFor();
  return someone;
}

it('reloaded with unsent messages, sends them once and in order', async () => {
  const ada = await cutOffIn('reload');
  for (const text of ['first', 'second', 'third']) await ada.say(text);
  await ada.composer.fill('not finished');
  // The page itself comes from the server, so it can be loaded again only with the network; gone it must be before.
  await ada.page.goto('about:blank');
  cable.plug();
  await ada.page.goto('/room/reload');
  for (const text of ['first', 'second', 'third']) await ada.sent(text);
  expect(await ada.composer.inputValue()).toBe('not finished');
  expect(await ben.contents('reload')).toEqual(['first', 'second', 'third']);
});

it('closed with unsent messages, sends them when the page is opened again', async () => {
  const { someone: ada, context } = await somebody();
  cable.cut();
  await ada.page.getByText('No connection').waitFor();
  await ada.say('left behind');
  await ada.page.close();
  cable.plug();
  const again = await Someone.in(context, '/room/general');
  await again.sent('left behind');
  expect((await ben.contents('general')).filter((text) => text === 'left behind')).toHaveLength(1);
});

it('opened with something unsent, lands at what is new all the same', async () => {
  const ada = await cutOffIn('landing');
  await ada.say('on its way');
  await ada.page.goto('about:blank');
  await ben.postMany('landing', 'meanwhile', 60);
  // It stays on its way.
  await ada.page.routeWebSocket('**/chat/connect', (page) => {
    const through = page.connectToServer();
    page.onMessage((text) => {
      if (!String(text).includes('"action":"Message"')) through.send(text);
    });
  });
  cable.plug();
  await ada.page.goto('/room/landing');
  await ada.settled();
  await ada.log.getByText('meanwhile 1', { exact: true }).waitFor();
  const toEnd = await ada.log.evaluate((log) => log.scrollHeight - log.clientHeight - log.scrollTop);
  expect(toEnd).toBeGreaterThan(300);
});

it('asks for the password over the page when the session has ended, and keeps drafts and unsent messages', async () => {
  const { someone: ada, context } = await somebody();
  await ada.composer.fill('a draft');
  const token = await ada.page.evaluate(() => (JSON.parse(localStorage.getItem('melangerie.session') ?? '{}') as { token: string }).token);
  await fetch(`${server.url}/auth/logout`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
  const dialog = ada.page.getByRole('dialog', { name: 'Please sign in again' });
  await dialog.waitFor();
  await ada.expectAccessible('session expired');
  await ada.page.keyboard.press('Escape');
  await ada.page.keyboard.press('Escape');
  expect(await dialog.isVisible()).toBe(true);
  await dialog.getByLabel('Password', { exact: true }).fill('not the password');
  await dialog.getByRole('button', { name: 'Sign in' }).click();
  await dialog.getByRole('alert').waitFor();
  await dialog.getByLabel('Password', { exact: true }).fill('correct horse battery');
  await dialog.getByRole('button', { name: 'Sign in' }).click();
  await dialog.waitFor({ state: 'detached' });
  expect(await ada.composer.inputValue()).toBe('a draft');
  await ada.composer.press('Enter');
  await ada.sent('a draft');
  await context.close();
});

it('read in one tab, is read in the others', async () => {
  await ben.create('news');
  const { someone: one, context } = await somebody();
  await one.page.goto('/room/news');
  await one.page.getByRole('button', { name: 'Join the room' }).click();
  await one.settled();
  await one.open('general');
  const two = await Someone.in(context, '/room/general');
  await ben.post('news', 'extra');
  await one.rooms.getByRole('link', { name: 'news 1 unread' }).waitFor();
  await two.rooms.getByRole('link', { name: 'news 1 unread' }).waitFor();
  await expect.poll(() => two.page.title()).toBe('(1) #general · Melangerie');
  await one.open('news');
  await one.message('extra').waitFor();
  await two.rooms.getByRole('link', { name: 'news', exact: true }).waitFor();
  await expect.poll(() => two.page.title()).toBe('#general · Melangerie');
});

it('goes on by itself after a restart of the server', async () => {
  const { someone: ada } = await somebody();
  await server.halt();
  await ada.page.getByText('The server is restarting…').waitFor();
  await ada.say('while it was away');
  await server.run();
  await ada.sent('while it was away');
  expect(await ada.page.getByText('The server is restarting…').count()).toBe(0);
});

it('says why a message was not sent, and offers to try again, to change it or to drop it', async () => {
  await ben.create('leaving');
  const { someone: ada, name } = await somebody();
  await ada.page.goto('/room/leaving');
  await ada.page.getByRole('button', { name: 'Join the room' }).click();
  await ada.settled();
  cable.cut();
  await ada.page.getByText('No connection').waitFor();
  await ada.say('too late');
  const token = await ada.page.evaluate(() => (JSON.parse(localStorage.getItem('melangerie.session') ?? '{}') as { token: string }).token);
  await fetch(`${server.url}/chat/leave/leaving`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
  cable.plug();
  await ada.page.getByText('You are not in #leaving yet').waitFor();
  await ada.page.getByRole('button', { name: 'Join the room' }).click();
  const failed = ada.message('too late');
  await failed.getByText('Not sent.').waitFor();
  await ada.expectAccessible('a failed message');
  await failed.getByRole('button', { name: 'Edit' }).click();
  await expect.poll(() => ada.composer.inputValue()).toBe('too late');
  await failed.waitFor({ state: 'detached' });
  await ada.composer.fill('in time');
  await ada.composer.press('Enter');
  await ada.sent('in time');
  expect(name).toMatch(/^Ada/);
});
