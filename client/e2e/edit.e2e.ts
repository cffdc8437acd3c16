// Changing what one sent, and coming back to what one has read: two people, each in a browser.
import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { launch, newBrowser, Someone } from './browser';
import { TestServer } from './harness';

let server: TestServer;
let browser: Browser;
let contexts: BrowserContext[] = [];
let ada: Someone;
let ben: Someone;
let count = 0;

async function somebody(name: string, phone = false): Promise<Someone> {
  const context = await newBrowser(browser, server.url, { phone });
  contexts.push(context);
  // On a phone the list of rooms is a view of its own, from which one comes to a room.
  const someone = await Someone.in(context, phone ? '/' : '/room/general');
  await someone.register(name);
  if (phone) await someone.open('general');
  await someone.settled();
  return someone;
}

beforeAll(async () => {
  server = await TestServer.start();
  browser = await launch();
});

beforeEach(async () => {
  count++;
  ada = await somebody(`Ada${count}`);
  ben = await somebody(`Ben${count}`);
});

afterEach(async () => {
  for (const context of contexts.splice(0)) await context.close();
  expect([...ada.complaints, ...ben.complaints]).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

/** The message with this text, once it says that it was edited. */
function editedMessage(someone: Someone, text: string) {
  return someone.message(text).filter({ has: someone.page.getByText('edited', { exact: true }) });
}

it('Up edits the last message, for everybody and for good; Esc gives the edit up and brings the draft back', async () => {
  await ada.say(`helo${count}`);
  await ada.sent(`helo${count}`);
  await ben.message(`helo${count}`).waitFor();
  const shown = await ben.log.getByRole('article').count();
  await ada.composer.press('ArrowUp');
  await expect.poll(() => ada.composer.inputValue()).toBe(`helo${count}`);
  await ada.page.getByText('Editing a sent message').waitFor();
  await ada.expectAccessible('editing');
  await ada.composer.fill(`hello${count}`);
  await ada.composer.press('Enter');
  expect(await ada.composer.inputValue()).toBe('');
  for (const someone of [ada, ben]) {
    await editedMessage(someone, `hello${count}`).waitFor();
    expect(await someone.message(`helo${count}`).count()).toBe(0);
    expect(await editedMessage(someone, `hello${count}`).getByText('edited', { exact: true }).getAttribute('title')).toMatch(/^Edited .*\d/);
  }
  expect(await ben.log.getByRole('article').count()).toBe(shown);
  await ada.expectAccessible('edited');
  for (const someone of [ada, ben]) {
    await someone.page.reload();
    await someone.settled();
    await editedMessage(someone, `hello${count}`).waitFor();
    expect(await someone.message(`helo${count}`).count()).toBe(0);
  }

  // What was typed is a draft; the message's own action edits beside it.
  await ada.composer.fill('half a sent');
  await ada.message(`hello${count}`).hover();
  await ada.page.getByRole('button', { name: 'Edit', exact: true }).click();
  await expect.poll(() => ada.composer.inputValue()).toBe(`hello${count}`);
  await ada.composer.pressSequentially(' and more');
  await ada.composer.press('Escape');
  await expect.poll(() => ada.composer.inputValue()).toBe('half a sent');
  expect(await ada.message('and more').count()).toBe(0);

  // An edit without a change, or without a text, sends nothing.
  await ada.composer.fill('');
  await ada.composer.press('ArrowUp');
  await expect.poll(() => ada.composer.inputValue()).toBe(`hello${count}`);
  await ada.composer.fill('');
  await ada.composer.press('Enter');
  await ada.page.getByText('An edit cannot be empty.').waitFor();
  await ada.composer.fill(`hello${count}`);
  await ada.composer.press('Enter');
  await expect.poll(() => ada.composer.inputValue()).toBe('');
  await ada.say(`next${count}`);
  await ada.sent(`next${count}`);
  // The message with its newest text, its one edit, and the next.
  const reader = await server.register(`Reader${count}`);
  expect((await reader.contents('general')).slice(-3)).toEqual([`hello${count}`, `hello${count}`, `next${count}`]);
});

it('an edit that is cut off is on its message, goes out by itself, once, also after a reload', async () => {
  await ada.say(`draught${count}`);
  await ada.sent(`draught${count}`);
  await server.halt();
  await ada.composer.press('ArrowUp');
  await expect.poll(() => ada.composer.inputValue()).toBe(`draught${count}`);
  await ada.composer.fill(`draft${count}`);
  await ada.composer.press('Enter');
  await ada.message(`draft${count}`).getByText(/edit$/).waitFor();
  expect(await ada.message(`draft${count}`).getAttribute('data-state')).toBe('pending');
  await server.run();
  await editedMessage(ada, `draft${count}`).waitFor();
  await editedMessage(ben, `draft${count}`).waitFor();
  await ada.page.reload();
  await editedMessage(ada, `draft${count}`).waitFor();
  expect(await ada.message(`draft${count}`).count()).toBe(1);
});

it('mark unread from here stays over a reload, until the room is opened again or marked read', async () => {
  for (const number of [1, 2, 3]) {
    await ben.say(`point ${count}.${number}`);
    await ben.sent(`point ${count}.${number}`);
  }
  await ada.message(`point ${count}.3`).waitFor();
  await expect.poll(() => ada.page.title()).toBe('#general · Melangerie');
  await ada.message(`point ${count}.2`).hover();
  await ada.page.getByRole('button', { name: 'Mark unread from here' }).click();
  const unread = ada.rooms.getByRole('link', { name: 'general 2 unread' });
  await unread.waitFor();
  await expect.poll(() => ada.page.title()).toBe('(2) #general · Melangerie');
  expect(await afterNewLine()).toContain(`point ${count}.2`);
  await ada.expectAccessible('marked unread');
  await ada.page.reload();
  await ada.settled();
  await unread.waitFor();
  await expect.poll(() => ada.page.title()).toBe('(2) #general · Melangerie');
  expect(await afterNewLine()).toContain(`point ${count}.2`);
  await ben.say(`point ${count}.4`);
  await ada.rooms.getByRole('link', { name: 'general 3 unread' }).waitFor();
  await ada.composer.press('Escape');
  await expect.poll(() => ada.page.title()).toBe('#general · Melangerie');
  await ada.page.reload();
  await ada.settled();
  await expect.poll(() => ada.page.title()).toBe('#general · Melangerie');
});

it('on a phone both are within a finger\'s reach', async () => {
  const name = `Cy${count}`;
  const cy = await somebody(name, true);
  await cy.say(`fone${count}`);
  await cy.sent(`fone${count}`);
  await cy.message(`fone${count}`).click();
  for (const label of ['Edit', 'Mark unread from here']) {
    const box = await cy.page.getByRole('button', { name: label, exact: true }).boundingBox();
    expect(Math.min(box?.width ?? 0, box?.height ?? 0), label).toBeGreaterThanOrEqual(44);
  }
  await cy.page.getByRole('button', { name: 'Edit', exact: true }).click();
  await expect.poll(() => cy.composer.inputValue()).toBe(`fone${count}`);
  const cancel = cy.page.getByRole('button', { name: 'Cancel' });
  expect((await cancel.boundingBox())?.height).toBeGreaterThanOrEqual(44);
  await cy.expectAccessible('editing on a phone');
  await cy.expectNoSideways('editing on a phone');
  await cy.composer.fill(`phone${count}`);
  await cy.page.getByRole('button', { name: 'Save' }).click();
  await editedMessage(cy, `phone${count}`).waitFor();
  expect(cy.complaints).toEqual([]);
});

/** The text of the message below the New line. */
function afterNewLine(): Promise<string> {
  return ada.log.evaluate((log) => {
    const rows = [...log.querySelectorAll('[data-key]')];
    const at = rows.findIndex((row) => row.getAttribute('data-key') === 'new');
    return rows[at + 1]?.textContent ?? '';
  });
}
