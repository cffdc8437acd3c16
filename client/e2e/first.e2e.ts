// The first minutes: who comes to an empty server, who comes to a closed one, and who is brought into a room by others.
import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { launch, newBrowser, Someone } from './browser';
import { TestServer } from './harness';

let browser: Browser;
const servers: TestServer[] = [];
const contexts: BrowserContext[] = [];
const people: Someone[] = [];

async function serverWith(...options: string[]): Promise<TestServer> {
  const server = await TestServer.start(options);
  servers.push(server);
  return server;
}

async function visitor(server: TestServer): Promise<Someone> {
  const context = await newBrowser(browser, server.url);
  contexts.push(context);
  const someone = await Someone.in(context);
  people.push(someone);
  return someone;
}

beforeAll(async () => {
  browser = await launch();
});

afterEach(async () => {
  const complaints = people.splice(0).flatMap((someone) => someone.complaints);
  await Promise.all(contexts.splice(0).map((context) => context.close()));
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  expect(complaints).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
});

it('whoever comes first is told that the account will be the admin’s, and nobody after', async () => {
  const server = await serverWith();
  const first = await visitor(server);
  await first.page.getByText('Nobody has an account here yet. The one that you create now is the admin’s.').waitFor();
  expect(await first.page.getByRole('tab', { name: 'Create account' }).getAttribute('aria-selected')).toBe('true');
  await first.expectAccessible('an empty server');
  await first.register('Ada');
  await first.page.getByText('Admin · Online').waitFor();
  const second = await visitor(server);
  await second.page.getByRole('tab', { name: 'Create account' }).click();
  await second.page.getByText('Choose a name that your colleagues know.').waitFor();
  expect(await second.page.getByText('Nobody has an account here yet').count()).toBe(0);
});

it('where no accounts can be made none is offered', async () => {
  const server = await serverWith('--close-registration');
  await server.register('Ada');
  const someone = await visitor(server);
  await someone.page.getByText('New accounts are closed here').waitFor();
  expect(await someone.page.getByRole('tab').count()).toBe(0);
  await someone.expectAccessible('closed registration');
  await someone.page.getByRole('textbox', { name: 'Name' }).fill('Ada');
  await someone.page.getByLabel('Password', { exact: true }).fill('correct horse battery');
  await someone.page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await someone.rooms.waitFor();
});

it('offers adding people where somebody may be missing, so not in general', async () => {
  const server = await serverWith();
  const ada = await visitor(server);
  await ada.register('Ada');
  const { page } = ada;
  const members = page.getByRole('complementary').filter({ has: page.getByRole('heading', { name: '1 member' }) });
  const offers = async () => {
    await page.getByRole('button', { name: 'More for this room' }).click();
    await page.getByRole('menuitem', { name: 'Mark as read' }).waitFor();
    const menu = await page.getByRole('menuitem', { name: 'Add people' }).count();
    await page.keyboard.press('Escape');
    return [menu, await members.getByRole('button', { name: 'Add people' }).count()];
  };
  await ada.settled();
  await page.getByRole('button', { name: 'Members', exact: true }).click();
  await members.getByText('Ada').waitFor();
  expect(await offers()).toEqual([0, 0]);
  await page.getByRole('button', { name: 'Add rooms' }).click();
  await page.getByRole('menuitem', { name: 'Create a room' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Name' }).fill('office');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await ada.heading('office').waitFor();
  await members.getByText('Ada').waitFor();
  expect(await offers()).toEqual([1, 1]);
});

it('whoever is added to a room is told so', async () => {
  const server = await serverWith();
  const ben = await server.register('Ben');
  const ada = await visitor(server);
  await ada.register('Ada');
  await ada.settled();
  await ben.create('made together', ['Ada']);
  await ada.page.getByText('Ben added you to made together', { exact: true }).waitFor();
  await ben.create('later', [], 'private');
  await ben.call('POST', '/chat/adduser/later/Ada');
  await ada.page.getByText('Ben added you to later', { exact: true }).waitFor();
});

it('what V8 does only once is done beside the page: compiling its script, looking through the languages', async () => {
  const server = await serverWith();
  const html = await (await fetch(server.url)).text();
  const [, path = ''] = /<script type="module"[^>]* src="([^"]+)"/.exec(html) ?? [];
  expect(await (await fetch(server.url + path)).text()).toMatch(/^\/\/# allFunctionsCalledOnLoad\n/);
  const context = await newBrowser(browser, server.url);
  contexts.push(context);
  const page = await context.newPage();
  const worker = page.waitForEvent('worker');
  await page.goto('/');
  expect((await worker).url()).toBe(`${server.url}/languages.js`);
});
