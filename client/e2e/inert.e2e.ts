// Whatever people write, and wherever a page shows it, stays text: nothing runs, nothing is loaded, nothing becomes an
// element, and it is shown as it was written.
import type { Browser, BrowserContext, Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { launch, newBrowser, Someone } from './browser';
import { Cable, Person, TestServer } from './harness';
import { Stranger, tricks, Watch } from './tricks';

let server: TestServer;
let cable: Cable;
let stranger: Stranger;
let browser: Browser;
let mallory: Person;
let corpus: string[];
let context: BrowserContext;
let watch: Watch;
let ada: Someone;
let count = 0;

beforeAll(async () => {
  [server, stranger, browser] = await Promise.all([TestServer.start(), Stranger.start(), launch()]);
  cable = await Cable.to(server);
  corpus = tricks(stranger.url);
  // The first account is the admin's, who reads reports.
  await server.register('Ada');
  mallory = await server.register('Mallory');
});

beforeEach(async () => {
  context = await newBrowser(browser, cable.url);
  watch = await Watch.over(context, cable.url, stranger);
  ada = await Someone.in(context);
  await ada.signIn('Ada');
  await ada.settled();
});

afterEach(async () => {
  cable.plug();
  await watch.expectInert(ada.page, 'at last');
  expect(ada.complaints).toEqual([]);
  await context.close();
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([cable?.stop(), stranger?.stop()]);
  await server?.stop();
});

/** A room that both are in, which is open at Ada's. */
async function room(): Promise<string> {
  const name = `room${++count}`;
  await mallory.create(name, ['Ada']);
  await ada.open(name);
  return name;
}

/** The texts of what is shown in one place, exactly. */
const texts = (places: Locator) => places.evaluateAll((elements) => elements.map((element) => element.textContent ?? ''));

/** Every message's text in the open room, from the first to the last, by scrolling through it. */
async function readTexts(): Promise<string[]> {
  await ada.settled();
  const all = new Map<string, string>();
  await expect
    .poll(async () => {
      const rows = await ada.log.getByRole('article').evaluateAll((articles) =>
        articles.map((article) => [article.closest('[data-key]')?.getAttribute('data-key') ?? '', article.querySelector('[dir=auto]')?.textContent ?? ''] as const),
      );
      for (const [key, text] of rows) all.set(key, text);
      await watch.expectInert(ada.page, 'a room');
      return ada.log.evaluate((log) => {
        log.scrollTop -= log.clientHeight * 0.7;
        return log.scrollTop === 0;
      });
    })
    .toBe(true);
  return [...all.values()];
}

it('in messages, and among the hits that find them', async () => {
  await room();
  const name = `room${count}`;
  for (const trick of corpus) await mallory.post(name, trick);
  await ada.message(corpus.at(-1)?.slice(0, 20) ?? '').first().waitFor({ state: 'attached' });
  expect(new Set(await readTexts())).toEqual(new Set(corpus));
  await ada.page.keyboard.press('Control+k');
  const field = ada.page.getByRole('searchbox', { name: 'Search messages' });
  const hits = ada.page.getByRole('complementary', { name: 'Search' });
  for (const [query, among] of [['pwned', 40], ['<img', 10], ['javascript:', 8], ['"><', 3]] as const) {
    await field.fill(query);
    await field.press('Enter');
    await hits.locator('mark').filter({ hasText: query }).first().waitFor();
    await expect.poll(() => hits.locator('mark').count()).toBeGreaterThanOrEqual(among);
    await watch.expectInert(ada.page, `hits of ${query}`);
  }
});

it('in what is searched for', async () => {
  await room();
  await ada.page.keyboard.press('Control+k');
  const field = ada.page.getByRole('searchbox', { name: 'Search messages' });
  for (const trick of corpus) {
    // The field has one line; the server does not search for the rest.
    const query = trick.split('\n')[0] ?? '';
    const answered = ada.page.waitForResponse((answer) => answer.url().includes('/chat/search'));
    await field.fill(query);
    await field.press('Enter');
    await answered;
    await watch.expectInert(ada.page, query);
  }
});

it('in messages of one’s own: a draft, unsent, refused, edited', async () => {
  const name = await room();
  const all = corpus.join('\n');
  await ada.composer.fill(all);
  await watch.expectInert(ada.page, 'a draft');
  cable.cut();
  await ada.page.getByText('No connection').waitFor();
  await ada.composer.press('Enter');
  await expect.poll(() => texts(ada.log.locator('[data-state=pending] [dir=auto]'))).toEqual([all]);
  await watch.expectInert(ada.page, 'unsent');
  // Somebody who is not in the room any more is refused.
  const { token } = await Person.at(server.url, '/auth/login', 'Ada');
  await fetch(`${server.url}/chat/leave/${name}`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
  cable.plug();
  await ada.page.getByText(`You are not in #${name} yet`).waitFor();
  await ada.page.getByRole('button', { name: 'Join the room' }).click();
  const failed = ada.log.locator('[data-state=failed]');
  await failed.getByText('Not sent.').waitFor();
  expect(await texts(failed.locator('[dir=auto]').first())).toEqual([all]);
  await watch.expectInert(ada.page, 'refused');
  await failed.getByRole('button', { name: 'Retry' }).click();
  await ada.sent('<script>pwned()</script>');
  await ada.composer.press('ArrowUp');
  await expect.poll(() => ada.composer.inputValue()).toBe(all);
  await watch.expectInert(ada.page, 'being edited');
  await ada.composer.press('Control+End');
  await ada.composer.pressSequentially('<b>!</b>');
  await ada.composer.press('Enter');
  await expect.poll(() => texts(ada.log.locator('[data-message] [dir=auto]'))).toEqual([`${all}<b>!</b>`]);
  await watch.expectInert(ada.page, 'edited');
});

it('in new texts of messages, live and after a reload', async () => {
  const name = await room();
  const sent = await mallory.post(name, 'harmless');
  await ada.message('harmless').waitFor();
  for (const trick of corpus) {
    await mallory.call('POST', '/chat/chatroom', { room: name, content: trick, replaces: sent.seq });
    await expect.poll(() => texts(ada.log.locator('[data-message] [dir=auto]'))).toEqual([trick]);
    await watch.expectInert(ada.page, trick);
  }
  await ada.page.reload();
  await ada.settled();
  expect(await texts(ada.log.locator('[data-message] [dir=auto]'))).toEqual([corpus.at(-1)]);
});

it('in reports, as the admin reads them', async () => {
  for (const trick of corpus) {
    // Who reports without an account may say to be anybody, in one line of 128 bytes.
    const name = trick.replace(/\p{Cc}/gu, ' ').slice(0, 60) || 'x';
    const answer = await fetch(`${server.url}/report`, { method: 'POST', body: JSON.stringify({ name, issue: trick }) });
    expect(answer.status, name).toBe(200);
  }
  await ada.page.getByRole('button', { name: 'Settings and more' }).click();
  await ada.page.getByRole('menuitem', { name: 'Reported problems' }).click();
  const dialog = ada.page.getByRole('dialog', { name: 'Reported problems' });
  const issues = dialog.locator('[dir=auto].issue');
  await issues.first().waitFor();
  const older = dialog.getByRole('button', { name: 'Older reports' });
  while (await older.isVisible()) {
    const before = await issues.count();
    await older.click();
    await expect.poll(() => issues.count()).toBeGreaterThan(before);
  }
  expect(new Set(await texts(issues))).toEqual(new Set(corpus));
  await watch.expectInert(ada.page, 'reports');
  await ada.page.keyboard.press('Escape');
});

it('in addresses', async () => {
  for (const trick of corpus) {
    const part = encodeURIComponent(trick);
    await ada.page.goto(`/room/${part}/${part}?q=${part}#${part}`);
    await ada.page.getByText('There is no such room').waitFor();
    expect(await ada.page.getByText(`“${trick}” is not here`, { exact: true }).count()).toBeLessThanOrEqual(1);
    await watch.expectInert(ada.page, trick);
  }
  // Not encoded at all; browsers encode what must be.
  for (const path of ['/<script>pwned()</script>', '/"><img src=x onerror=pwned()>', "/?a='><svg/onload=pwned()>", '/#javascript:pwned()', '/room/general/1"onfocus="pwned()', '/%2f%2fx']) {
    await ada.page.evaluate((to) => history.pushState(null, '', location.origin + to), path);
    await ada.page.reload();
    await ada.rooms.waitFor();
    await watch.expectInert(ada.page, path);
  }
});

it('pasted or dropped as a rich text', async () => {
  await room();
  const html = corpus.join('');
  // Copied from somebody else's page.
  const elsewhere = await newBrowser(browser, stranger.url);
  const source = await elsewhere.newPage();
  await source.goto('/');
  await source.evaluate(async (rich) => {
    const item = new ClipboardItem({ 'text/html': new Blob([rich], { type: 'text/html' }), 'text/plain': new Blob(['plain'], { type: 'text/plain' }) });
    await navigator.clipboard.write([item]);
  }, html);
  await elsewhere.close();
  stranger.asked.length = 0;
  await ada.composer.focus();
  await ada.page.keyboard.press('Control+v');
  await expect.poll(() => ada.composer.inputValue()).toBe('plain');
  await ada.page.evaluate((rich) => {
    const data = new DataTransfer();
    data.setData('text/html', rich);
    data.setData('text/uri-list', 'javascript:pwned()');
    for (const target of [document.body, document.querySelector('textarea'), document.querySelector('[role=log]')]) {
      for (const type of ['dragenter', 'dragover', 'drop']) target?.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
    }
  }, html);
  await watch.expectInert(ada.page, 'pasted');
});

it('the page that is served has no script, style or handler in it, and says that none may run', async () => {
  for (const path of ['/', '/index.html', '/room/general', '/room/general/1', '/anything']) {
    const answer = await fetch(server.url + path);
    const html = await answer.text();
    const policy = new Map((answer.headers.get('Content-Security-Policy') ?? '').split(';').map((rule) => {
      const [name = '', ...sources] = rule.trim().split(/\s+/);
      return [name, sources.join(' ')] as const;
    }));
    expect(policy.get('default-src'), path).toBe("'none'");
    expect(policy.get('script-src'), path).toBe("'self'");
    expect(policy.get('style-src'), path).toBe("'self'");
    expect(policy.get('connect-src'), path).toBe("'self'");
    expect(policy.get('base-uri'), path).toBe("'none'");
    expect(policy.get('frame-ancestors'), path).toBe("'none'");
    expect([...policy.values()].join(' '), path).not.toMatch(/unsafe|https?:|\*/);
    const scripts = [...html.matchAll(/<script\b([^>]*)>([\s\S]*?)<\/script>/gi)];
    expect(scripts.length, path).toBeGreaterThan(0);
    for (const [, attributes, content] of scripts) expect([/\bsrc="\/[\w./-]+"/.test(attributes ?? ''), content], path).toEqual([true, '']);
    expect(html, path).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:|https?:\/\//i);
  }
});
