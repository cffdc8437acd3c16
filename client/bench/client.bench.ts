// Owns: the table of the client's figures, each beside its target: the built server's own page in Chromium.
import { it } from 'vitest';
import { launch } from '../e2e/browser';
import { TestServer } from '../e2e/harness';
import { firstLoad, interactive, newcomer, returning } from './loading';
import { prepare, scrolling, throughAll, typing, type Row } from './measures';

/** Messages in the room that is scrolled. */
const MESSAGES = 100_000;

it('the figures', async () => {
  const server = await TestServer.start();
  const browser = await launch();
  try {
    const ada = await server.register('Ada');
    const ben = await server.register('Ben');
    await prepare(ben, MESSAGES);
    const rows: Row[] = [];
    for (const measure of [firstLoad, newcomer, interactive, returning, scrolling, typing, throughAll]) rows.push(...(await measure({ browser, server, ada, ben })));
    const table = rows.map(({ what, target, figure }) => `| ${what} | ${target} | ${figure} |\n`);
    process.stdout.write(`\n| what | target | figure |\n| --- | --- | --- |\n${table.join('')}\n`);
  } finally {
    await browser.close();
    await server.stop();
  }
});
