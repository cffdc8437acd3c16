// The client's state against a real server, without a page: what unit tests assume of the server is true.
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { WebSocket as NodeWebSocket } from 'ws';
import { App } from '../src/state/app.svelte';
import { FakePlatform } from '../src/testing/fakes';
import { Cable, PASSWORD, TestServer, type Person } from './harness';

let server: TestServer;
let cable: Cable;
let ben: Person;
const apps: App[] = [];

/** A tab whose network is real and whose browser is not. */
async function open(name: string, path = '/room/general'): Promise<App> {
  const platform = new FakePlatform({ path });
  platform.fetch = (input, init) => fetch(cable.url + String(input), init);
  platform.openSocket = () => {
    const socket = new NodeWebSocket(`${cable.url.replace('http', 'ws')}/chat/connect`);
    // A browser tells of a failed attempt by `close` alone; Node insists on somebody who hears `error`.
    socket.on('error', () => {});
    return socket as unknown as WebSocket;
  };
  const app = new App(platform);
  apps.push(app);
  app.start();
  const { exists } = (await (await fetch(`${server.url}/auth/checkuser/${name}`)).json()) as { exists: boolean };
  await (exists ? app.session.signIn(name, PASSWORD) : app.session.register(name, PASSWORD));
  await vi.waitFor(() => expect(app.rooms.loaded).toBe(true), 10_000);
  if (path !== '/') await vi.waitFor(() => expect(app.timeline.landing).not.toBeNull(), 10_000);
  app.timeline.atBottom = true;
  return app;
}

function shown(app: App): string[] {
  return app.timeline.items.flatMap((item) => {
    if (item.kind === 'message') return [item.message.content];
    return item.kind === 'pending' ? [`${item.pending.content} (${item.pending.state})`] : [];
  });
}

const eventually = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 20 });

beforeAll(async () => {
  server = await TestServer.start();
  cable = await Cable.to(server);
  ben = await server.register('Ben');
});

afterEach(() => {
  for (const app of apps.splice(0)) app.stop();
});

afterAll(async () => {
  await cable?.stop();
  await server?.stop();
});

it('registers, makes a room, talks and is answered', async () => {
  const ada = await open('Ada');
  expect(ada.connection.status).toBe('online');
  await eventually(() => expect(ada.people.byName('ben')?.name).toBe('Ben'));
  const room = await ada.rooms.create('Night shift', 'public', ['Ben']);
  expect([room.name, room.memberCount, room.members]).toEqual(['Night shift', 2, ['Ada', 'Ben']]);
  await eventually(() => expect(ada.timeline.items.map(({ kind }) => kind)).toEqual(['day', 'event']));
  expect(ada.timeline.items[1]).toMatchObject({ message: { event: { kind: 'created', user: 'Ada', users: ['Ben'] } } });
  ada.outbox.send('Night shift', '  exactly as typed\n');
  await eventually(() => expect(shown(ada)).toEqual(['  exactly as typed\n']));
  await ben.post('night SHIFT', 'hi @ada');
  await eventually(() => expect(shown(ada)).toContain('hi @ada'));
  expect(ada.timeline.items.at(-1)).toMatchObject({ mentionsMe: true, mine: false });
});

it('counts members once, whichever frames tell of them', async () => {
  const ada = await open('Ada');
  const { memberCount } = ada.rooms.byName('general')!;
  const room = await ada.rooms.create('members', 'public', []);
  await ada.rooms.add('members', 'Ben');
  await eventually(() => expect(room.members).toEqual(['Ada', 'Ben']));
  expect(room.memberCount).toBe(2);
  await server.register('Late');
  await eventually(() => expect(ada.rooms.byName('general')?.memberCount).toBe(memberCount + 1));
  await ben.call('POST', '/chat/leave/members');
  await eventually(() => expect(room.members).toEqual(['Ada']));
  await eventually(() => expect(ada.people.byName('late')).not.toBeNull());
});

it('has direct rooms named after the others, and notes to oneself', async () => {
  const ada = await open('Ada');
  expect((await ada.rooms.direct(['Ben'])).label).toBe('Ben');
  expect((await ada.rooms.direct([])).label).toBe('Notes to yourself');
  expect(ada.rooms.current?.label).toBe('Notes to yourself');
});

it('cut off, keeps what is written, and has everything once, in order, when it is back', async () => {
  await ben.create('cut', []);
  const ada = await open('Ada', '/');
  await ada.rooms.join('cut');
  await eventually(() => expect(ada.timeline.landing).not.toBeNull());
  ada.timeline.atBottom = true;
  cable.cut();
  await eventually(() => expect(ada.connection.status).toBe('offline'));
  ada.outbox.send('cut', 'written offline 1');
  ada.outbox.send('cut', 'written offline 2');
  await ben.postMany('cut', 'missed', 500);
  cable.plug();
  ada.connection.retryNow();
  await eventually(() => expect(shown(ada).at(-1)).toBe('written offline 2'));
  const missed = Array.from({ length: 500 }, (_, index) => `missed ${index + 1}`);
  expect(shown(ada)).toEqual([...missed, 'written offline 1', 'written offline 2']);
  expect(await ben.contents('cut')).toEqual([...missed, 'written offline 1', 'written offline 2']);
});

it('notices within 5 s that nothing comes through any more', async () => {
  const ada = await open('Ada');
  const unplugged = Date.now();
  cable.unplug();
  await eventually(() => expect(ada.connection.status).toBe('offline'));
  expect(Date.now() - unplugged).toBeLessThan(5_000);
  cable.plug();
  ada.connection.retryNow();
  await eventually(() => expect(ada.connection.status).toBe('online'));
});

it('misses more than 500, and shows the hole page by page', async () => {
  await ben.create('hole', []);
  const ada = await open('Ada', '/');
  await ada.rooms.join('hole');
  await eventually(() => expect(ada.timeline.landing).not.toBeNull());
  ada.timeline.atBottom = true;
  cable.cut();
  await ben.postMany('hole', 'missed', 620);
  cable.plug();
  ada.connection.retryNow();
  await eventually(() => expect(shown(ada).length).toBeGreaterThan(0));
  const seen = new Set(shown(ada));
  for (let page = 0; page < 20 && ada.timeline.detached; page++) {
    await ada.timeline.loadNewer();
    for (const content of shown(ada)) seen.add(content);
  }
  await eventually(() => expect(shown(ada).at(-1)).toBe('missed 620'));
  // The last of them may have come after the hole was filled.
  for (const content of shown(ada)) seen.add(content);
  expect([...seen]).toEqual(Array.from({ length: 620 }, (_, index) => `missed ${index + 1}`));
});

it('survives a restart of the server', async () => {
  const ada = await open('Ada');
  await server.halt();
  await eventually(() => expect(ada.connection.status).toBe('offline'));
  ada.outbox.send('general', 'while it was down');
  await server.run();
  await eventually(() => expect(shown(ada)).toContain('while it was down'));
});

it('reads in one tab for all', async () => {
  await ben.create('tabs', []);
  const one = await open('Ada', '/');
  await one.rooms.join('tabs');
  one.rooms.open('general');
  const two = await open('Ada', '/');
  await ben.post('tabs', 'hi');
  await eventually(() => expect([one.rooms.byName('tabs')?.unread, two.rooms.byName('tabs')?.unread]).toEqual([1, 1]));
  one.rooms.markRead('tabs');
  await eventually(() => expect(two.rooms.byName('tabs')?.unread).toBe(0));
});

it('changes the password and stays; elsewhere it asks for the new one', async () => {
  const here = await open('Eve');
  const there = await open('Eve');
  there.drafts.set('general', 'a draft');
  await here.session.changePassword(PASSWORD, 'another password');
  await eventually(() => expect(there.session.phase).toBe('expired'));
  await eventually(() => expect([here.session.phase, here.connection.status]).toEqual(['signed-in', 'online']));
  there.outbox.send('general', 'from Eve');
  await expect(there.session.signInAgain(PASSWORD)).rejects.toMatchObject({ code: 'unauthorized' });
  await there.session.signInAgain('another password');
  await eventually(() => expect(shown(there)).toContain('from Eve'));
  expect(there.drafts.get('general')).toBe('a draft');
  await expect(here.session.changePassword('wrong one', 'x'.repeat(8))).rejects.toMatchObject({ code: 'forbidden' });
  expect(here.session.phase).toBe('signed-in');
});

it('reports a problem, which the admin alone reads', async () => {
  const ada = await open('Ada');
  await ada.report('The printer is on fire.');
  const admin = await open('Ben');
  expect(admin.session.user?.admin).toBe(true);
  await admin.reports.load();
  expect([admin.reports.state, admin.reports.error]).toEqual(['done', '']);
  expect(admin.reports.items[0]).toMatchObject({ name: 'Ada', issue: 'The printer is on fire.', signed_in: true });
  await ada.reports.load();
  expect(ada.reports.state).toBe('failed');
});

it('searches', async () => {
  const ada = await open('Ada');
  await ben.post('general', 'The Quick fox');
  await ada.search.query('quick');
  expect([ada.search.state, ada.search.error, ada.search.searchedBackTo]).toEqual(['done', '', null]);
  expect(ada.search.results[0]?.content).toBe('The Quick fox');
});

it('tells why a message is refused', async () => {
  const ada = await open('Ada');
  ada.outbox.send('no such room', 'x');
  await eventually(() => expect(ada.outbox.messages[0]).toMatchObject({ state: 'failed' }));
  expect(ada.outbox.messages[0]?.error).toMatch(/\w+ .*\.$/);
});

it('sees who comes, goes and types', async () => {
  const ada = await open('Ada');
  const cy = await open('Cy');
  await eventually(() => expect(ada.people.isOnline('cy')).toBe(true));
  cy.people.typing('general');
  await eventually(() => expect(ada.people.typingIn('general')).toEqual(['Cy']));
  cy.outbox.send('general', 'done');
  await eventually(() => expect(ada.people.typingIn('general')).toEqual([]));
  cy.stop();
  await eventually(() => expect(ada.people.isOnline('cy')).toBe(false));
});
