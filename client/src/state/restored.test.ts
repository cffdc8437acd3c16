// What a page does when the server was restored from a backup under it: it shows what the server has now, and nothing that waits
// reaches another message or room than the one it was written for.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { json, room, user } from '../testing/fakes';
import { FakeServer } from '../testing/server';
import { closeTabs, idle, meanwhile, openTab as open } from '../testing/tab';
import { MemoryStorage } from './platform';
import { KEYS } from './storage';

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(1_800_000_000_000);
});
afterEach(() => {
  closeTabs();
  vi.useRealTimers();
});

describe('a server that was restored from a backup', () => {
  /** The server forgets the room's messages after `seq`. */
  function restore(server: FakeServer, name: string, seq: number): void {
    const found = server.rooms.get(name)!;
    found.messages.length = seq;
    found.room.last_seq = seq;
    found.room.read_seq = Math.min(found.room.read_seq, seq);
  }

  it('is shown as it is now: without what it lost, with what is new under the same numbers', async () => {
    const server = new FakeServer();
    server.addRoom(room('dispatch'));
    const { app, shown } = await open({ server });
    for (const content of ['kept', 'lost', 'lost too']) server.post('general', content);
    for (const content of ['kept', 'lost']) server.post('dispatch', content);
    await idle();
    app.outbox.send('general', 'mine');
    app.drafts.set('general', 'half a sent');
    await idle();
    await meanwhile(server, () => {
      restore(server, 'general', 1);
      restore(server, 'dispatch', 1);
      server.post('general', 'new');
      app.outbox.send('general', 'unsent');
    });
    expect(app.connection.status).toBe('online');
    expect(shown()).toEqual(['kept', 'new', 'unsent']);
    expect(app.rooms.byName('dispatch')).toMatchObject({ lastSeq: 1, unread: 1 });
    expect(app.drafts.get('general')).toBe('half a sent');
    server.post('general', 'newer');
    server.post('dispatch', 'newer');
    await idle();
    expect(shown()).toEqual(['kept', 'new', 'unsent', 'newer']);
    expect(app.rooms.byName('dispatch')).toMatchObject({ lastSeq: 2, unread: 2 });
  });

  it.each([
    ['as many messages as before', 'live', 1],
    ['more messages than before', 'live', 5],
    ['as many messages as before, of which the page had read', 'read', 1],
    ['more messages than before, of which the page had read', 'read', 5],
  ] as const)('is seen by the open room, though that has %s', async (_, how, count) => {
    const server = new FakeServer();
    server.post('general', 'kept');
    if (how === 'read') {
      server.post('general', 'lost');
      server.rooms.get('general')!.room.read_seq = 2;
    }
    const { shown } = await open({ server });
    if (how === 'live') server.post('general', 'lost');
    await idle();
    expect(shown()).toEqual(['kept', 'lost']);
    const fresh = Array.from({ length: count }, (_, index) => `new ${index + 1}`);
    await meanwhile(server, () => {
      restore(server, 'general', 1);
      // Later than what was lost.
      for (const content of fresh) server.post('general', content, { timestamp: 1_800_000_100_000 });
    });
    expect(shown()).toEqual(['kept', ...fresh]);
  });

  it('is not seen by a room that is missing because the user left it on another device', async () => {
    const server = new FakeServer();
    server.addRoom(room('plan'));
    const { app, platform } = await open({ server });
    server.post('general', 'oen', { sender: 'Ada' });
    await idle();
    const before = platform.sockets.length;
    await meanwhile(server, () => {
      app.outbox.send('general', 'one', 1);
      server.rooms.delete('plan');
    });
    expect(platform.sockets).toHaveLength(before + 1);
    expect(app.outbox.messages).toEqual([]);
    expect(server.rooms.get('general')?.messages.at(-1)).toMatchObject({ content: 'one', replaces: 1 });
  });

  it('gets no edit before it is known as one, though it has grown to what it was', async () => {
    const { app, server, platform, shown } = await open();
    for (const content of ['one', 'tow']) server.post('general', content, { sender: 'Ada' });
    await idle();
    await meanwhile(server, () => {
      app.outbox.send('general', 'two', 2);
      restore(server, 'general', 0);
      for (const content of ['another', 'and another']) server.post('general', content, { sender: 'Ada', timestamp: 1_800_000_100_000 });
    });
    expect(platform.sockets.flatMap((socket) => socket.of('Message'))).toEqual([]);
    expect(shown()).toEqual(['another', 'and another', 'two (failed)']);
  });

  it('is seen by a direct room that is missing, and found anew is what was searched for', async () => {
    const server = new FakeServer();
    server.addRoom(room('direct-1', { kind: 'direct', members: ['Ada', 'Ben'] }));
    const { app, platform } = await open({ server });
    const { route } = platform;
    platform.route = (request) => (request.path === '/chat/search' ? json({ messages: [], more: false }) : route(request));
    await app.search.query('plan');
    await meanwhile(server, () => void server.rooms.delete('direct-1'));
    expect(app.rooms.byName('direct-1')).toBeNull();
    expect(app.search).toMatchObject({ text: 'plan', state: 'done' });
    expect(platform.requests.filter((request) => request.includes('/chat/search'))).toHaveLength(2);
  });

  it('gets nothing by itself that was written for another room of the name', async () => {
    const server = new FakeServer();
    server.addRoom(room('direct-1', { kind: 'direct', members: ['Ada', 'Ben'] }));
    const { app } = await open({ server });
    await meanwhile(server, () => {
      app.outbox.send('direct-1', 'for Ben');
      server.addRoom(room('direct-1', { kind: 'direct', members: ['Ada', 'Cy'], created: 2_000 }));
    });
    expect(server.rooms.get('direct-1')?.messages).toEqual([]);
    expect(app.outbox.messages).toMatchObject([{ content: 'for Ben', state: 'failed' }]);
  });

  it('is seen by a room of the same name that is another one, however long it is', async () => {
    const { server, shown } = await open();
    server.post('general', 'lost');
    await idle();
    await meanwhile(server, () => {
      server.addRoom(room('general', { created: 2_000 }));
      for (const content of ['new', 'newer']) server.post('general', content);
    });
    expect(shown()).toEqual(['new', 'newer']);
  });

  it('is not taken for one while it is what the page knows', async () => {
    const { server, platform } = await open();
    server.post('general', 'hi');
    await idle();
    const before = platform.sockets.length;
    await meanwhile(server, () => undefined);
    expect(platform.sockets).toHaveLength(before + 1);
  });

  it('never gets a new text for another message than the one it was written for', async () => {
    const { app, server, shown } = await open();
    for (const content of ['one', 'tow', 'three']) server.post('general', content, { sender: 'Ada' });
    await idle();
    app.editing.begin('general', 1, 'one');
    app.editing.type('general', 'won');
    app.drafts.set('general', 'half a sent');
    await meanwhile(server, () => {
      app.outbox.send('general', 'two', 2);
      restore(server, 'general', 0);
      for (const content of ['another', 'and another']) server.post('general', content, { sender: 'Ada' });
    });
    // What was typed is not lost: it is the user's to send or to discard.
    expect(shown()).toEqual(['another', 'and another', 'two (failed)']);
    expect(app.outbox.messages[0]?.error).toContain('restored from a backup');
    expect([app.editing.of('general'), app.drafts.get('general')]).toEqual([null, 'half a sent\nwon']);
    app.outbox.retry(app.outbox.messages[0]!.id);
    await idle();
    expect(shown()).toEqual(['another', 'and another', 'two']);
  });

  it('is not marked unread where what was marked is lost, not even when the room has grown again', async () => {
    const server = new FakeServer();
    server.addRoom(room('dispatch'));
    const { app, storage } = await open({ server });
    for (const content of ['kept', 'lost']) server.post('dispatch', content);
    await idle();
    app.rooms.markUnread(app.rooms.byName('dispatch')!, { seq: 1, upTo: 2, unread: 2, mentioned: 0 });
    await meanwhile(server, () => restore(server, 'dispatch', 1));
    expect(app.rooms.byName('dispatch')).toMatchObject({ unread: 1, mark: null });
    for (const content of ['new', 'newer']) server.post('dispatch', content);
    const again = await open({ server, storage });
    expect(again.app.rooms.byName('dispatch')).toMatchObject({ unread: 3, mark: null });
  });

  it('has the people that it has now', async () => {
    const { app, server, platform } = await open();
    platform.socket.receive({ action: 'User', data: user('Dora') });
    server.post('general', 'lost');
    await idle();
    await meanwhile(server, () => restore(server, 'general', 0));
    expect(app.people.byName('Dora')).toBeNull();
    expect(app.people.all).toHaveLength(3);
  });

  it('shows nothing of what was asked for before it was', async () => {
    const server = new FakeServer();
    for (const content of ['kept', 'lost', 'lost too']) server.post('general', content);
    server.rooms.get('general')!.room.read_seq = 3;
    server.silentFor.add('Hello');
    const storage = new MemoryStorage();
    storage.setItem(KEYS.lastRoom('Ada'), 'general');
    const { platform, shown } = await open({ server, storage });
    expect(platform.requests.filter((request) => request.includes('/chat/history/'))).toHaveLength(1);
    server.silentFor.clear();
    restore(server, 'general', 1);
    for (const content of ['new', 'newer']) server.post('general', content);
    platform.socket.end();
    await vi.advanceTimersByTimeAsync(2_000);
    await idle();
    expect(shown()).toEqual(['kept', 'new', 'newer']);
  });
});
