// Owns: a real browser and the people in it. Finds things on the page as people do: by their roles and names.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Locator, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { PASSWORD } from './harness';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 740 };

/** How the browser is started; `args` are its own switches. */
export const started = (...args: string[]) => ({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    ...args,
  ],
});

export function launch(): Promise<Browser> {
  return chromium.launch(started());
}

export interface Surroundings {
  phone?: boolean;
  theme?: 'light' | 'dark';
}

/** What a person has before them. */
export const surroundings = (url: string, { phone = false, theme = 'light' }: Surroundings = {}): BrowserContextOptions => ({
  baseURL: url,
  viewport: phone ? PHONE : DESKTOP,
  hasTouch: phone,
  isMobile: phone,
  colorScheme: theme,
  locale: 'en-GB',
  reducedMotion: 'reduce',
  permissions: ['clipboard-read', 'clipboard-write'],
});

/** A browser of one person, with nothing stored in it. */
export async function newBrowser(browser: Browser, url: string, around: Surroundings = {}): Promise<BrowserContext> {
  const context = await browser.newContext(surroundings(url, around));
  context.setDefaultTimeout(30_000);
  return context;
}

/** What a page must never say on its console: refusals of the Content-Security-Policy, and errors that nobody caught. */
const NEVER = /Content Security Policy|Uncaught|state_unsafe|effect_update_depth|each_key_duplicate/;

/** Somebody at a page. */
export class Someone {
  readonly complaints: string[] = [];

  constructor(readonly page: Page) {
    page.on('pageerror', (error) => this.complaints.push(String(error.stack ?? error)));
    page.on('console', (message) => {
      if (message.type() === 'error' && NEVER.test(message.text())) this.complaints.push(message.text());
    });
  }

  static async in(context: BrowserContext, path = '/'): Promise<Someone> {
    const someone = new Someone(await context.newPage());
    await someone.page.goto(path);
    return someone;
  }

  /** Makes an account, as somebody new does. */
  async register(name: string): Promise<void> {
    await this.page.getByRole('tab', { name: 'Create account' }).click();
    await this.#credentials(name, 'Create account');
  }

  async signIn(name: string): Promise<void> {
    await this.page.getByRole('tab', { name: 'Sign in' }).click();
    await this.#credentials(name, 'Sign in');
  }

  async #credentials(name: string, button: string): Promise<void> {
    await this.page.getByRole('textbox', { name: 'Name' }).fill(name);
    await this.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await this.page.getByRole('button', { name: button, exact: true }).click();
    await this.rooms.waitFor();
  }

  get rooms(): Locator {
    return this.page.getByRole('navigation', { name: 'Rooms and people' });
  }

  /** A room's row among the rooms. Its name begins with the room's, and goes on with what is unread. */
  room(name: string): Locator {
    return this.rooms.getByRole('link', { name: new RegExp(`(^|\\s)${name}\\b`) });
  }

  async open(name: string): Promise<void> {
    await this.room(name).click();
    await this.heading(name).waitFor();
    await this.settled();
  }

  heading(name: string): Locator {
    return this.page.getByRole('heading', { level: 1, name, exact: true });
  }

  get log(): Locator {
    return this.page.getByRole('log');
  }

  get composer(): Locator {
    return this.page.getByRole('textbox', { name: /^Message / });
  }

  /** The log shows what it has to show. */
  async settled(): Promise<void> {
    await this.page.locator('[role=log][aria-busy=false]').waitFor();
  }

  /** A message with this text in view or near it. */
  message(text: string): Locator {
    return this.log.getByRole('article').filter({ hasText: text });
  }

  async say(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press('Enter');
  }

  /** Waits until the message is stored. */
  async sent(text: string): Promise<void> {
    await this.message(text).getByRole('link').filter({ has: this.page.locator('time') }).waitFor();
  }

  /** The texts `pattern` finds in the log, from the first message that is loaded to the last, by scrolling through it as one reads. */
  async readAll(pattern: RegExp): Promise<string[]> {
    await this.settled();
    return this.log.evaluate(readThrough, pattern.source);
  }

  /** Nothing is wrong with the page for those who cannot see, point or hear. */
  async expectAccessible(screen: string): Promise<void> {
    await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate(
      () => (window as unknown as { axe: { run: (options: object) => Promise<AxeResults> } }).axe.run({ resultTypes: ['violations'] }),
    );
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(' ')} ${failureSummary}`).join(' | ')}`);
    expect(found, screen).toEqual([]);
  }

  /** Nothing sticks out sideways. */
  async expectNoSideways(screen: string): Promise<void> {
    const { content, window: room } = await this.page.evaluate(() => ({
      content: document.documentElement.scrollWidth,
      window: document.documentElement.clientWidth,
    }));
    expect(content, `${screen}: width of the content`).toBeLessThanOrEqual(room);
  }
}

/** Runs in the page: scrolls through the log from its beginning to its end, and collects what matches, in order. */
async function readThrough(log: Element, source: string): Promise<string[]> {
  const pattern = new RegExp(source);
  const frame = () => new Promise((next) => requestAnimationFrame(() => setTimeout(next, 0)));
  /** Waits until the page has come to rest: what is loaded, how high it is, where it stands. */
  const rest = async () => {
    for (let before = '', same = 0; same < 4; ) {
      await frame();
      const now = `${log.scrollHeight} ${log.scrollTop} ${log.querySelectorAll('article').length}`;
      same = now === before ? same + 1 : 0;
      before = now;
    }
  };
  // Older history is loaded as one comes near the beginning, which says that it is one.
  while (!/This is the beginning/.test(log.textContent ?? '') || log.scrollTop > 0) {
    log.scrollTop = 0;
    await rest();
  }
  const seen: string[] = [];
  let previous: string[] = [];
  for (;;) {
    const here = [...log.querySelectorAll('article')].flatMap((article) => pattern.exec(article.textContent ?? '')?.[0] ?? []);
    // What was in the page a step ago is read already; only its continuation is new. A double within a step stays one.
    const known = new Set(previous);
    const fresh = here.filter((text) => !known.has(text));
    seen.push(...fresh, ...here.filter((text, index) => here.indexOf(text) !== index));
    previous = here;
    const before = log.scrollTop;
    log.scrollTop = before + log.clientHeight * 0.8;
    await rest();
    const atEnd = log.scrollTop <= before && !/Jump to latest/.test(document.body.textContent ?? '');
    if (atEnd) return seen;
  }
}
