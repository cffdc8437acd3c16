// Every screen in both sizes and both themes: nothing that axe finds, nothing that sticks out sideways, nothing refused
// by the Content-Security-Policy. With SCREENSHOTS=<directory> it leaves a picture of each.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, newBrowser, Someone, type Surroundings } from './browser';
import { Cable, TestServer, type Person } from './harness';

let server: TestServer;
let cable: Cable;
let browser: Browser;
let ben: Person;
let count = 0;

const pictures = process.env['SCREENSHOTS'];

beforeAll(async () => {
  server = await TestServer.start();
  cable = await Cable.to(server);
  browser = await launch();
  ben = await server.register('Ben');
  await ben.post('general', 'Good morning! The numbers are at https://depot.example/numbers?week=47.');
  await ben.call('POST', '/report', { name: 'Ben', issue: 'The coffee machine says “descale”.' });
});

afterAll(async () => {
  await browser?.close();
  await cable?.stop();
  await server?.stop();
});

/** One walk through all screens. */
class Tour {
  constructor(
    readonly someone: Someone,
    readonly surroundings: Required<Surroundings>,
  ) {}

  get page() {
    return this.someone.page;
  }

  async look(screen: string): Promise<void> {
    const { phone, theme } = this.surroundings;
    const title = `${screen}, ${phone ? 'phone' : 'desktop'}, ${theme}`;
    if (pictures) {
      mkdirSync(pictures, { recursive: true });
      await this.page.screenshot({ path: join(pictures, `${title.replaceAll(', ', '-').replaceAll(' ', '-')}.png`) });
    }
    await this.someone.expectAccessible(title);
    await this.someone.expectNoSideways(title);
  }

  /** On a phone the rooms are a screen of their own. */
  async toRooms(): Promise<void> {
    if (!this.surroundings.phone) return;
    const back = this.page.getByRole('button', { name: 'Back to the rooms' });
    if (await back.isVisible()) await back.click();
  }

  async dialog(title: string | RegExp, ready: (dialog: Locator) => Promise<void> = async () => {}): Promise<void> {
    const dialog = this.page.getByRole('dialog', { name: title });
    await dialog.waitFor();
    await ready(dialog);
    await this.look(`dialog ${typeof title === 'string' ? title : title.source}`);
    await this.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  }

  async menu(button: string, item: string): Promise<void> {
    await this.page.getByRole('button', { name: button }).click();
    await this.page.getByRole('menuitem', { name: item }).click();
  }

  async room(name: string): Promise<void> {
    await this.toRooms();
    await this.someone.open(name);
  }
}

async function signingIn(tour: Tour, name: string): Promise<void> {
  const { page } = tour;
  await page.getByRole('heading', { name: 'Melangerie' }).first().waitFor();
  await tour.look('sign in');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await tour.look('sign in with errors');
  await page.getByRole('tab', { name: 'Create account' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('not a name!');
  await page.getByRole('button', { name: 'Create account', exact: true }).click();
  await tour.look('create account with errors');
  await page.getByRole('textbox', { name: 'Name' }).fill(name);
  await page.getByLabel('Password', { exact: true }).fill('correct horse battery');
  await page.getByRole('button', { name: 'Create account', exact: true }).click();
  await page.getByRole('link', { name: /general/ }).waitFor();
  await tour.look('just registered');
}

async function talking(tour: Tour, room: string): Promise<void> {
  const { page, someone } = tour;
  await tour.room('general');
  await someone.say(`@Ben thank you, ${room}`);
  await someone.sent(`@Ben thank you, ${room}`);
  await tour.look('general');
  await tour.room(room);
  await someone.message('line 20').waitFor({ state: 'attached' });
  await tour.look('an unread room');
  await page.getByRole('button', { name: /Jump to latest/ }).click();
  await someone.composer.fill('@be');
  await page.getByRole('option', { name: /Ben/ }).waitFor();
  await tour.look('completion');
  await page.keyboard.press('Escape');
  await someone.composer.fill('x'.repeat(16_400));
  await page.getByText(/too long/).waitFor();
  await tour.look('too long a message');
  await someone.composer.fill('');
}

async function panes(tour: Tour): Promise<void> {
  const { page } = tour;
  await page.getByRole('button', { name: 'Members', exact: true }).click();
  await page.getByRole('heading', { name: '2 members' }).waitFor();
  await tour.look('members');
  await page.getByRole('button', { name: /^(Close|Back)\b/ }).click();
  await page.getByRole('button', { name: 'Search', exact: true }).click();
  await tour.look('search');
  const field = page.getByRole('searchbox', { name: 'Search messages' });
  await field.fill('line 4');
  await field.press('Enter');
  await page.getByRole('list', { name: 'Hits' }).waitFor();
  await tour.look('search with hits');
  await field.fill('nobody ever wrote this');
  await field.press('Enter');
  await page.getByText('Nothing found').waitFor();
  await tour.look('search without hits');
  await page.getByRole('button', { name: /^(Close|Back)\b/ }).click();
}

async function dialogs(tour: Tour, room: string): Promise<void> {
  const { page } = tour;
  await tour.menu('More for this room', 'Add people');
  await tour.dialog(/^Add people to/);
  await tour.menu('More for this room', 'Leave the room');
  await tour.dialog(`Leave ${room}?`);
  await tour.toRooms();
  await tour.look('rooms');
  await tour.menu('Add rooms', 'Browse rooms');
  await tour.dialog('Browse rooms', (dialog) => dialog.getByRole('list', { name: 'Public rooms' }).waitFor());
  await tour.menu('Add rooms', 'Create a room');
  await tour.dialog('Create a room');
  await page.getByRole('button', { name: 'New direct message' }).click();
  await tour.dialog('Write to somebody', (dialog) => dialog.getByRole('option').first().waitFor());
  await tour.menu('Settings and more', 'Settings');
  await tour.dialog('Settings');
  await tour.menu('Settings and more', 'Report a problem');
  await tour.dialog('Report a problem');
}

async function exceptions(tour: Tour, name: string): Promise<void> {
  const { page, someone } = tour;
  await page.goto('/room/no such room');
  await page.getByText('is not here').waitFor();
  await tour.look('no such room');
  await page.goto('/room/open to all');
  await page.getByRole('button', { name: 'Join the room' }).waitFor();
  await tour.look('a room to join');
  await page.getByRole('button', { name: 'Join the room' }).click();
  await someone.settled();
  await tour.look('a room just joined');
  cable.cut();
  await page.getByText('No connection').waitFor();
  await someone.say(`unsent by ${name}`);
  await someone.message(`unsent by ${name}`).waitFor();
  await tour.look('cut off');
  cable.plug();
  await someone.sent(`unsent by ${name}`);
}

describe.each([
  { phone: false, theme: 'light' },
  { phone: false, theme: 'dark' },
  { phone: true, theme: 'light' },
  { phone: true, theme: 'dark' },
] as const)('phone: $phone, theme: $theme', (surroundings) => {
  it('shows every screen as it should', async () => {
    cable.plug();
    const name = `Zoe${++count}`;
    const room = `room${count}`;
    if (count === 1) await ben.create('open to all');
    const context = await newBrowser(browser, cable.url, surroundings);
    const someone = await Someone.in(context);
    const tour = new Tour(someone, surroundings);
    await signingIn(tour, name);
    await ben.create(room, [name]);
    await ben.postMany(room, 'line', 40);
    await talking(tour, room);
    await panes(tour);
    await dialogs(tour, room);
    await exceptions(tour, name);
    await context.close();
    expect(someone.complaints).toEqual([]);
  });

  it('shows the admin what was reported', async () => {
    const context = await newBrowser(browser, server.url, surroundings);
    const someone = await Someone.in(context);
    const tour = new Tour(someone, surroundings);
    await someone.signIn('Ben');
    await tour.toRooms();
    await tour.menu('Settings and more', 'Reported problems');
    await tour.dialog('Reported problems', (dialog) => dialog.getByText('descale').waitFor());
    await context.close();
    expect(someone.complaints).toEqual([]);
  });
});
