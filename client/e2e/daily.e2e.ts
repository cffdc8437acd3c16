// What one notices in an hour of use: writing, reading, finding one's way. One person at a desktop, others over HTTP.
import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { launch, newBrowser, Someone } from './browser';
import { Person, TestServer } from './harness';

let server: TestServer;
let browser: Browser;
let context: BrowserContext;
let ben: Person;
let ada: Someone;
let name: string;
let count = 0;

/** A room that Ada is in, with Ben, before her page is opened. */
async function room(title: string): Promise<string> {
  const unique = `${title}${count}`;
  await ben.create(unique, [name]);
  return unique;
}

beforeAll(async () => {
  server = await TestServer.start();
  browser = await launch();
  ben = await server.register('Ben');
});

beforeEach(async () => {
  name = `Ada${++count}`;
  context = await newBrowser(browser, server.url);
  ada = await Someone.in(context);
  await ada.register(name);
  await ada.settled();
});

afterEach(async () => {
  await context.close();
  expect(ada.complaints).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

it('Enter sends exactly what was typed, Shift+Enter adds a line, an input method that composes is left alone', async () => {
  await ada.composer.fill('  first ');
  await ada.composer.press('Shift+Enter');
  await ada.composer.pressSequentially('second <b>&amp;');
  await ada.composer.dispatchEvent('keydown', { key: 'Enter', isComposing: true, keyCode: 229 });
  expect(await ada.composer.inputValue()).toBe('  first \nsecond <b>&amp;');
  await ada.composer.press('Enter');
  expect(await ada.composer.inputValue()).toBe('');
  await ada.sent('second <b>&amp;');
  expect(await ben.contents('general')).toContain('  first \nsecond <b>&amp;');
});

it('the box grows with its text, up to a third of the window', async () => {
  const height = async () => (await ada.composer.boundingBox())?.height ?? 0;
  const one = await height();
  await ada.composer.fill('a\nb\nc');
  const three = await height();
  expect(three).toBeGreaterThan(one);
  await ada.composer.fill('line\n'.repeat(100));
  expect(await height()).toBeGreaterThan(three);
  expect(await height()).toBeLessThanOrEqual(800 / 3 + 1);
});

it('drafts stay with their room over switching and reloading, and are shown', async () => {
  const other = await room('drafts');
  await ada.composer.fill('half a sentence');
  await ada.open(other);
  expect(await ada.composer.inputValue()).toBe('');
  await ada.rooms.getByRole('link', { name: 'general draft' }).waitFor();
  await ada.page.reload();
  await ada.open('general');
  expect(await ada.composer.inputValue()).toBe('half a sentence');
  await ada.composer.press('Escape');
  expect(await ada.composer.inputValue()).toBe('half a sentence');
});

it('@, # and : complete, by arrows, Tab, Enter and Esc', async () => {
  await room('completion');
  await ada.composer.pressSequentially('@be');
  await ada.page.getByRole('option', { name: /Ben/ }).waitFor();
  await ada.composer.press('Tab');
  expect(await ada.composer.inputValue()).toBe('@Ben ');
  await ada.composer.pressSequentially('#compl');
  await ada.composer.press('Enter');
  expect(await ada.composer.inputValue()).toBe(`@Ben #completion${count} `);
  await ada.composer.pressSequentially(':thumb');
  await ada.page.getByRole('option', { name: /thumbsup/ }).waitFor();
  await ada.composer.press('ArrowDown');
  await ada.composer.press('ArrowUp');
  await ada.composer.press('Enter');
  expect(await ada.composer.inputValue()).toBe(`@Ben #completion${count} 👍 `);
  await ada.composer.pressSequentially('@be');
  await ada.composer.press('Escape');
  expect(await ada.page.getByRole('option').count()).toBe(0);
  expect(await ada.composer.inputValue()).toBe(`@Ben #completion${count} 👍 @be`);
});

it('typing with nothing focused goes to the composer', async () => {
  await ada.page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await ada.page.keyboard.type('hello');
  expect(await ada.composer.inputValue()).toBe('hello');
});

it('a message tells when it was stored, with its number, and has an address of its own', async () => {
  await ada.say('stored');
  await ada.sent('stored');
  const link = ada.message('stored').getByRole('link').filter({ has: ada.page.locator('time') });
  expect(await link.getAttribute('title')).toMatch(/stored on disk, no\. \d+$/);
  const href = (await link.getAttribute('href')) ?? '';
  expect(href).toMatch(/^\/room\/general\/\d+$/);
  await ben.postMany('general', `later${count}`, 150);
  await ada.page.goto(href);
  await ada.settled();
  await ada.message('stored').waitFor();
  await expect.poll(() => inView('stored')).toBe(true);
});

it('an unread room opens at the first unread message, under a line that stays while one reads', async () => {
  const unread = await room('unread');
  await ben.postMany(unread, 'old', 60);
  await ada.open(unread);
  await expect.poll(() => inView('old 60')).toBe(false);
  await ada.page.getByRole('button', { name: 'Jump to latest' }).click();
  await expect.poll(() => inView('old 60')).toBe(true);
  await ada.open('general');
  await ben.postMany(unread, 'fresh', 80);
  await ada.rooms.getByRole('link', { name: `${unread} 80 unread` }).click();
  await ada.settled();
  await expect.poll(() => inView('fresh 1')).toBe(true);
  expect(await inView('fresh 80')).toBe(false);
  await ada.log.getByText('From here on:').waitFor();
  await ada.page.getByRole('button', { name: /Jump to latest/ }).getByText(/^\d+ new$/).waitFor();
  await ben.post(unread, 'while reading');
  expect(await inView('fresh 1')).toBe(true);
  await ada.page.getByRole('button', { name: /Jump to latest/ }).click();
  await expect.poll(() => inView('while reading')).toBe(true);
  const rows = await ada.readAll(/(old|fresh) \d+|while reading/);
  expect(rows.slice(-81)).toEqual([...Array.from({ length: 80 }, (_, index) => `fresh ${index + 1}`), 'while reading']);
});

it('scrolled up, arriving messages do not move the view and are counted', async () => {
  const busy = await room('busy');
  await ben.postMany(busy, 'm', 200);
  await ada.open(busy);
  const jump = ada.page.getByRole('button', { name: /Jump to latest/ });
  await jump.click();
  await jump.waitFor({ state: 'detached' });
  await ada.log.hover();
  await ada.page.mouse.wheel(0, -1_500);
  await jump.waitFor();
  const text = await topMessage();
  const before = await position(text);
  await ben.postMany(busy, 'more', 12);
  await jump.getByText('12 new').waitFor();
  expect(Math.abs((await position(text)) - before)).toBeLessThanOrEqual(1);
  await jump.click();
  await expect.poll(() => inView('more 12')).toBe(true);
});

it('older history loads on scrolling and keeps the place, to the very beginning', async () => {
  const long = await room('long');
  await ben.postMany(long, 'm', 700);
  await ada.open(long);
  await ada.page.getByRole('button', { name: /Jump to latest/ }).click();
  await expect.poll(() => inView('m 700')).toBe(true);
  const all = await ada.readAll(/m \d+/);
  expect(all).toEqual(Array.from({ length: 700 }, (_, index) => `m ${index + 1}`));
  expect(await ada.page.getByRole('article').count()).toBeLessThan(120);
});

it('Alt+Up and Alt+Down go among rooms, with Shift among unread ones, Esc marks as read', async () => {
  const one = await room('a-one');
  const two = await room('b-two');
  await ada.room(two).waitFor();
  await ada.page.keyboard.press('Alt+ArrowDown');
  await ada.heading(one).waitFor();
  await ada.page.keyboard.press('Alt+ArrowUp');
  await ada.heading('general').waitFor();
  await ben.post(two, 'news');
  await ada.rooms.getByRole('link', { name: `${two} 1 unread` }).waitFor();
  await ada.page.keyboard.press('Alt+Shift+ArrowDown');
  await ada.heading(two).waitFor();
  await ada.message('news').waitFor();
});

it('mentions are counted and marked; title and rooms tell what is unread', async () => {
  const noisy = await room('noisy');
  await ben.post(noisy, 'nothing for anybody');
  await ben.post(noisy, `@${name.toLowerCase()} look`);
  await ada.rooms.getByRole('link', { name: `${noisy} 1 mention of you` }).waitFor();
  await expect.poll(() => ada.page.title()).toBe('(2) #general · Melangerie');
  await expect.poll(() => ada.page.locator('link[rel=icon]').getAttribute('href')).toMatch(/^data:image\/png/);
  await ada.open(noisy);
  await ada.message('look').waitFor();
  await expect.poll(() => ada.page.title()).toBe(`#${noisy} · Melangerie`);
  await expect.poll(() => ada.page.locator('link[rel=icon]').getAttribute('href')).toMatch(/favicon\.svg$/);
});

it('back and forward restore room and place', async () => {
  const long = await room('places');
  await ben.postMany(long, 'm', 300);
  await ada.open(long);
  await ada.page.getByRole('button', { name: /Jump to latest/ }).click();
  await ada.log.hover();
  await ada.page.mouse.wheel(0, -2_000);
  await ada.page.getByRole('button', { name: /Jump to latest/ }).waitFor();
  const text = await topMessage();
  const before = await position(text);
  await ada.open('general');
  await ada.page.goBack();
  await ada.heading(long).waitFor();
  await ada.message(text).first().waitFor();
  await expect.poll(async () => Math.abs((await position(text)) - before)).toBeLessThanOrEqual(2);
  await ada.page.goForward();
  await ada.heading('general').waitFor();
});

it('search finds a part of a word and leads to the message in its room', async () => {
  const deep = await room('deep');
  await ben.post(deep, `the Teapot${count} is hot`);
  await ben.postMany(deep, 'm', 150);
  await ada.page.keyboard.press('Control+k');
  const field = ada.page.getByRole('searchbox', { name: 'Search messages' });
  await field.fill(`teapot${count}`);
  await field.press('Enter');
  const hit = ada.page.getByRole('list', { name: 'Hits' }).getByRole('link').first();
  // The frame around what was found is whole: whatever reaches beyond the text is cut off.
  const cut = await hit.locator('mark').evaluate((mark) => {
    const { boxShadow } = getComputedStyle(mark);
    const beyond = boxShadow.includes('inset') ? 0 : Number.parseFloat(boxShadow.match(/\S+px$/)?.[0] ?? '0');
    const text = mark.parentElement?.getBoundingClientRect() ?? new DOMRect();
    return text.top - (mark.getBoundingClientRect().top - beyond);
  });
  expect(cut).toBeLessThanOrEqual(0);
  await hit.click();
  await ada.heading(deep).waitFor();
  await expect.poll(() => inView(`Teapot${count}`)).toBe(true);
});

it('direct messages, notes to oneself, leaving and joining', async () => {
  const gone = await room('gone');
  await ada.page.getByRole('button', { name: 'New direct message' }).click();
  const dialog = ada.page.getByRole('dialog', { name: 'Write to somebody' });
  await dialog.getByRole('combobox', { name: 'To' }).fill('Ben');
  await dialog.getByRole('option', { name: /Ben/ }).click();
  await dialog.getByRole('button', { name: 'Start' }).click();
  await ada.heading('Ben').waitFor();
  // However short the name is, what is said of them stands beside it.
  const apart = await ada.heading('Ben').evaluate((heading) => {
    const about = heading.nextElementSibling?.getBoundingClientRect() ?? new DOMRect();
    const name = document.createRange();
    name.selectNodeContents(heading);
    return about.left - name.getBoundingClientRect().right;
  });
  expect(apart).toBeLessThanOrEqual(16);
  await ada.say('just us');
  await ada.sent('just us');
  await ada.open(gone);
  await ada.page.getByRole('button', { name: 'More for this room' }).click();
  await ada.page.getByRole('menuitem', { name: 'Leave the room' }).click();
  await ada.page.getByRole('dialog', { name: `Leave ${gone}?` }).getByRole('button', { name: 'Leave the room' }).click();
  await ada.heading('general').waitFor();
  expect(await ada.room(gone).count()).toBe(0);
  await ada.page.getByRole('button', { name: 'Add rooms' }).click();
  await ada.page.getByRole('menuitem', { name: 'Browse rooms' }).click();
  const browse = ada.page.getByRole('dialog', { name: 'Browse rooms' });
  await browse.getByRole('searchbox', { name: 'Find a room' }).fill(gone);
  await browse.getByRole('button', { name: `Join ${gone}` }).click();
  await ada.heading(gone).waitFor();
});

it('settings: the theme stays, the password changes, other browsers are signed out', async () => {
  await ada.page.getByRole('button', { name: 'Settings and more' }).click();
  await ada.page.getByRole('menuitem', { name: 'Settings' }).click();
  const dialog = ada.page.getByRole('dialog', { name: 'Settings' });
  await dialog.getByRole('radio', { name: 'Dark' }).check({ force: true });
  await expect.poll(() => ada.page.locator('html').getAttribute('data-theme')).toBe('dark');
  await dialog.getByLabel('Current password').fill('correct horse battery');
  await dialog.getByLabel('New password').fill('another battery');
  await dialog.getByRole('button', { name: 'Change password' }).click();
  await dialog.getByText('Your password is changed.').waitFor();
  await dialog.getByRole('button', { name: 'Close' }).click();
  await ada.say('still here');
  await ada.sent('still here');
  await ada.page.reload();
  expect(await ada.page.locator('html').getAttribute('data-theme')).toBe('dark');
});

/** Whether a message is on the screen, wholly. */
function inView(text: string): Promise<boolean> {
  return ada.log.evaluate((log, wanted) => {
    const article = [...log.querySelectorAll('article')].find((candidate) => new RegExp(`${wanted}(?!\\d)`).test(candidate.textContent ?? ''));
    if (!article) return false;
    const [box, frame] = [article.getBoundingClientRect(), log.getBoundingClientRect()];
    return box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
  }, text);
}

/** The text of the first message that is wholly on the screen. */
function topMessage(): Promise<string> {
  return ada.log.evaluate((log) => {
    const frame = log.getBoundingClientRect();
    const article = [...log.querySelectorAll('article')].find((candidate) => candidate.getBoundingClientRect().top >= frame.top);
    return /m \d+/.exec(article?.textContent ?? '')?.[0] ?? '';
  });
}

/** Where a message stands on the screen, in CSS pixels from the top. */
function position(text: string): Promise<number> {
  return ada.log.evaluate((log, wanted) => {
    const article = [...log.querySelectorAll('article')].find((candidate) => new RegExp(`${wanted}(?!\\d)`).test(candidate.textContent ?? ''));
    return article?.getBoundingClientRect().top ?? Number.NaN;
  }, text);
}
