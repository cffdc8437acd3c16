// Marking a room unread, against a server in memory: this browser shows it; the server's read position stays.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeChannels, room } from '../testing/fakes';
import { FakeServer } from '../testing/server';
import { closeTabs, idle, openTab } from '../testing/tab';
import type { App } from './app.svelte';

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(1_800_000_000_000);
});
afterEach(() => {
  closeTabs();
  vi.useRealTimers();
});

/** `general` with ten messages of Ben's that Ada has read, and another room. */
async function setUp() {
  const server = new FakeServer();
  server.addRoom(room('dispatch'));
  for (let number = 1; number <= 10; number++) server.post('general', `m${number}`);
  server.rooms.get('general')!.room.read_seq = 10;
  const tab = await openTab({ server });
  await vi.advanceTimersByTimeAsync(300);
  return tab;
}

function mark(app: App, seq: number): void {
  const from = app.timeline.unreadFrom(seq);
  if (from && app.rooms.current) app.rooms.markUnread(app.rooms.current, from);
}

/** The message after the New line. */
function newAt(app: App): number | null {
  const at = app.timeline.items.findIndex(({ kind }) => kind === 'new');
  const next = at < 0 ? undefined : app.timeline.items[at + 1];
  return next?.kind === 'message' ? next.seq : null;
}

describe('a room that is marked unread', () => {
  it('counts from there on, in title and rooms, and stays so while one looks at it', async () => {
    const { app, server, platform } = await setUp();
    mark(app, 7);
    await idle();
    expect([app.rooms.current?.unread, app.rooms.unread, newAt(app)]).toEqual([4, 4, 7]);
    expect(app.notices.title).toBe('(4) #general · Melangerie');
    platform.tell('focus');
    app.timeline.atBottom = true;
    server.post('general', '@ada m11');
    await vi.advanceTimersByTimeAsync(1000);
    expect([app.rooms.unread, app.rooms.mentioned, newAt(app)]).toEqual([5, 1, 7]);
    expect(platform.socket.of('Read')).toEqual([]);
    expect(server.rooms.get('general')?.room.read_seq).toBe(10);
  });

  it('is so after a reload, and after a reconnect', async () => {
    const { app, server, storage } = await setUp();
    mark(app, 7);
    server.cut();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(app.rooms.unread).toBe(4);
    const after = await openTab({ server, storage });
    await vi.advanceTimersByTimeAsync(1000);
    expect([after.app.rooms.unread, newAt(after.app), after.app.timeline.landing?.kind]).toEqual([4, 7, 'unread']);
    server.post('general', 'm11');
    await idle();
    expect(after.app.rooms.unread).toBe(5);
    expect(after.platform.socket.of('Read')).toEqual([]);
  });

  it('opens at the mark, which ends with that', async () => {
    const { app, server, platform, storage } = await setUp();
    mark(app, 7);
    app.rooms.open('dispatch');
    await idle();
    expect(app.rooms.unread).toBe(4);
    server.post('general', 'm11');
    app.rooms.open('general');
    await idle();
    expect([newAt(app), app.timeline.landing?.kind]).toEqual([7, 'unread']);
    expect(app.rooms.current?.unread).toBe(1);
    app.timeline.atBottom = true;
    await vi.advanceTimersByTimeAsync(1000);
    expect(app.rooms.unread).toBe(0);
    expect(platform.socket.of('Read').map(({ data }) => data)).toEqual([{ room: 'general', seq: 11 }]);
    expect(storage.getItem('melangerie/unread/ada')).toBeNull();
  });

  it('is read by opening it once more where it is open, and by marking it read', async () => {
    const { app, server } = await setUp();
    mark(app, 7);
    server.post('general', 'm11');
    await idle();
    app.rooms.open('general');
    await vi.advanceTimersByTimeAsync(1000);
    expect(app.rooms.unread).toBe(0);
    expect(server.rooms.get('general')?.room.read_seq).toBe(11);
    mark(app, 2);
    expect(app.rooms.unread).toBe(10);
    app.rooms.markRead('general');
    expect(app.rooms.unread).toBe(0);
  });

  it('holds back a read position that had not left yet', async () => {
    const { app, server, platform } = await setUp();
    server.post('general', 'm11');
    await vi.advanceTimersByTimeAsync(100);
    expect(app.rooms.current?.readSeq).toBe(11);
    mark(app, 11);
    await vi.advanceTimersByTimeAsync(1000);
    expect(platform.socket.of('Read')).toEqual([]);
    expect(app.rooms.unread).toBe(1);
  });

  it('from an unread message on is read up to there', async () => {
    const { app, server, platform } = await setUp();
    platform.isAttended = false;
    for (let number = 11; number <= 14; number++) server.post('general', `m${number}`);
    await idle();
    expect(app.rooms.unread).toBe(4);
    mark(app, 13);
    await vi.advanceTimersByTimeAsync(1000);
    expect([app.rooms.unread, newAt(app)]).toEqual([2, 13]);
    expect(server.rooms.get('general')?.room.read_seq).toBe(12);
  });

  it('from one\'s own message on counts it and what others wrote after it; edits and announcements do not count', async () => {
    const { app, server } = await setUp();
    app.outbox.send('general', 'mine');
    await idle();
    server.post('general', 'm12');
    server.post('general', 'm10, better', { replaces: 10 });
    server.post('general', 'Cy joined the room', { sender: 'Server' });
    app.outbox.send('general', 'mine, too');
    await idle();
    mark(app, 11);
    expect([app.rooms.unread, newAt(app)]).toEqual([2, 11]);
  });

  it('is so in the other tabs of the browser, and no more when one of them opens it', async () => {
    const { app, server, storage, platform } = await setUp();
    const other = await openTab({ server, storage, channels: new FakeChannels(), path: '/room/dispatch' });
    mark(app, 7);
    const key = 'melangerie/unread/ada';
    other.platform.tell('storage', { key, newValue: storage.getItem(key) });
    expect(other.app.rooms.unread).toBe(4);
    other.app.rooms.open('general');
    await idle();
    platform.tell('storage', { key, newValue: null });
    expect(app.rooms.unread).toBe(0);
  });

  it('does not heed what is stored and damaged, or of a room that began anew', async () => {
    const { server, storage } = await setUp();
    storage.setItem('melangerie/unread/ada', JSON.stringify({ general: { seq: 'x' }, dispatch: { seq: 9, upTo: 9, unread: 3, mentioned: 0 } }));
    expect((await openTab({ server, storage })).app.rooms.unread).toBe(0);
  });
});
