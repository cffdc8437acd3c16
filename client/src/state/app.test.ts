// The whole state against a server in memory: what a person relies on, without a browser.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { json, room, settle, user } from '../testing/fakes';
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

describe('signing in', () => {
  it('connects, and opens what the address names', async () => {
    const { app, platform } = await open({ signedIn: false, path: '/room/general' });
    expect(app.session.phase).toBe('signed-out');
    expect(platform.sockets).toHaveLength(0);
    await app.session.signIn('Ada', 'password');
    await idle();
    expect(app.connection.status).toBe('online');
    expect(app.rooms.current?.name).toBe('general');
    expect(app.people.byName('BEN')?.display_name).toBe('Ben');
  });

  it('opens nothing at `/`, and there the last room where the interface asks for it', async () => {
    const { app, platform, server } = await open({ path: '/' });
    expect(app.rooms.current).toBeNull();
    server.addRoom(room('dispatch'));
    app.rooms.openLast();
    expect(platform.addressBar.entries.map(({ path }) => path)).toEqual(['/room/general']);
  });

  it('asks for the people only where they changed', async () => {
    const server = new FakeServer();
    const first = await open({ server });
    expect(first.platform.requests.filter((request) => request.includes('/chat/users'))).toHaveLength(1);
    const second = await open({ server, storage: first.storage });
    expect(second.platform.requests.filter((request) => request.includes('/chat/users'))).toHaveLength(0);
    expect(second.app.people.all).toHaveLength(3);
    server.etag = '"2"';
    server.cut();
    await vi.advanceTimersByTimeAsync(1000);
    expect(second.platform.requests.filter((request) => request.includes('/chat/users'))).toHaveLength(1);
  });
});

describe('coming back', () => {
  /** What of the room's history a tab asks for before the server has told the rooms. */
  async function askedAhead(path: string, lastRoom: string | null, phone = false): Promise<string[]> {
    const server = new FakeServer();
    server.addRoom(room('dispatch'));
    server.silentFor.add('Hello');
    const storage = new MemoryStorage();
    if (lastRoom !== null) storage.setItem(KEYS.lastRoom('Ada'), lastRoom);
    const { platform } = await open({ server, storage, path, phone });
    return platform.requests.filter((request) => request.includes('/chat/history/'));
  }

  it('asks for the room that was left while the link is made, and for nothing else', async () => {
    expect(await askedAhead('/room/Dispatch', 'dispatch')).toEqual(['GET /chat/history/dispatch?limit=100']);
    expect(await askedAhead('/', 'dispatch')).toEqual(['GET /chat/history/dispatch?limit=100']);
    expect(await askedAhead('/', 'dispatch', true)).toEqual([]);
    expect(await askedAhead('/room/general', 'dispatch')).toEqual([]);
    expect(await askedAhead('/room/dispatch/7', 'dispatch')).toEqual([]);
    expect(await askedAhead('/room/general', null)).toEqual([]);
  });

  it('shows the room that was left without asking again', async () => {
    const server = new FakeServer();
    server.post('general', 'hi');
    server.rooms.get('general')!.room.read_seq = 1;
    const first = await open({ server });
    const { platform, shown } = await open({ server, storage: first.storage });
    expect(shown()).toEqual(['hi']);
    expect(platform.requests.filter((request) => request.includes('/chat/history/'))).toHaveLength(1);
  });
});

describe('talking', () => {
  it('shows a message at once as pending, and as sent after Ack', async () => {
    const { app, server, shown } = await open();
    server.silentFor.add('Message');
    app.outbox.send('general', 'hello');
    expect(shown()).toEqual(['hello (pending)']);
    server.silentFor.clear();
    server.cut();
    await vi.advanceTimersByTimeAsync(1000);
    expect(shown()).toEqual(['hello']);
    expect(server.rooms.get('general')?.messages).toHaveLength(1);
    expect(app.rooms.byName('general')?.unread).toBe(0);
  });

  it('says why a message failed', async () => {
    const { app, server, shown } = await open();
    server.rooms.delete('general');
    app.outbox.send('general', 'hello');
    await idle();
    expect(shown()).toEqual(['hello (failed)']);
    expect(app.outbox.messages[0]?.error).toBe('There is no such room.');
  });

  it('shows what others write, and who types until their message comes', async () => {
    const { app, server, platform, shown } = await open();
    platform.socket.receive({ action: 'Typing', data: { room: 'general', user: 'Ben' } });
    expect(app.people.typingIn('general')).toEqual(['Ben']);
    server.post('general', 'hi');
    await idle();
    expect(app.people.typingIn('general')).toEqual([]);
    expect(shown()).toEqual(['hi']);
    platform.socket.receive({ action: 'Typing', data: { room: 'general', user: 'Ben' } });
    await vi.advanceTimersByTimeAsync(6_000);
    expect(app.people.typingIn('general')).toEqual([]);
  });
});

describe('cut off', () => {
  it('tells so, keeps what is written, and catches up: everything once, in order', async () => {
    const { app, server, shown } = await open();
    server.post('general', 'before');
    server.reachable = false;
    server.cut();
    expect(app.connection.status).toBe('offline');
    app.outbox.send('general', 'written offline');
    for (let number = 1; number <= 500; number++) server.post('general', `missed ${number}`);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(app.connection.status).toBe('offline');
    server.reachable = true;
    await vi.advanceTimersByTimeAsync(16_000);
    await idle();
    expect(app.connection.status).toBe('online');
    const missed = Array.from({ length: 500 }, (_, index) => `missed ${index + 1}`);
    expect(shown()).toEqual(['before', ...missed, 'written offline']);
    expect(app.timeline.firstUnreadSeq).toBe(2);
  });

  it('in the middle of catching up goes on from there', async () => {
    const { server, platform, shown } = await open();
    server.reachable = false;
    server.cut();
    for (let number = 1; number <= 20; number++) server.post('general', `missed ${number}`);
    server.reachable = true;
    platform.tell('online');
    await settle();
    server.cut();
    await vi.advanceTimersByTimeAsync(2_000);
    await idle();
    expect(shown()).toEqual(Array.from({ length: 20 }, (_, index) => `missed ${index + 1}`));
    // The last of them comes once more, to be compared.
    expect(platform.socket.of('Hello')[0]?.data.since).toEqual({ general: 19 });
  });

  it('a room that is opened meanwhile shows what is written in it, and all of it when the link is back', async () => {
    const server = new FakeServer();
    server.addRoom(room('kitchen'));
    for (const content of ['one', 'two']) server.post('kitchen', content);
    server.rooms.get('kitchen')!.room.read_seq = 2;
    const { app, shown } = await open({ server });
    server.reachable = false;
    server.cut();
    app.rooms.open('kitchen');
    await idle();
    expect(app.timeline.error).not.toBeNull();
    app.outbox.send('kitchen', 'mine');
    await idle();
    expect(shown()).toEqual(['mine (pending)']);
    expect(app.timeline.landing).toEqual({ kind: 'bottom' });
    server.post('kitchen', 'three');
    server.reachable = true;
    await vi.advanceTimersByTimeAsync(20_000);
    await idle();
    expect(app.timeline.error).toBeNull();
    expect(shown()).toEqual(['one', 'two', 'three', 'mine']);
  });

  it('only in doubt, what could not be loaded is loaded when the doubt has proved wrong', async () => {
    const server = new FakeServer();
    server.addRoom(room('kitchen'));
    for (const content of ['one', 'two']) server.post('kitchen', content);
    server.rooms.get('kitchen')!.room.read_seq = 2;
    const { app, platform, shown } = await open({ server });
    server.silentFor.add('Ping');
    server.reachable = false;
    await vi.advanceTimersByTimeAsync(4_000);
    app.rooms.open('kitchen');
    await idle();
    expect([app.connection.status, app.timeline.error !== null]).toEqual(['offline', true]);
    server.reachable = true;
    platform.socket.receive({ action: 'Presence', data: { online: ['Ben'], offline: [] } });
    await idle();
    expect([app.connection.status, app.timeline.error]).toEqual(['online', null]);
    expect(shown()).toEqual(['one', 'two']);
  });

  it('while another device read on from what was not read here shows all of it', async () => {
    const server = new FakeServer();
    const { app, platform, shown } = await open({ server });
    for (const content of ['one', 'two']) server.post('general', content);
    await idle();
    platform.isAttended = false;
    server.post('general', 'three');
    await idle();
    await meanwhile(server, () => {
      for (const content of ['four', 'five']) server.post('general', content);
      server.rooms.get('general')!.room.read_seq = 5;
    });
    expect(shown()).toEqual(['one', 'two', 'three', 'four', 'five']);
    expect(app.rooms.byName('general')?.unread).toBe(0);
  });

  it('while another device read, having paged down from a search hit, shows all of it', async () => {
    const server = new FakeServer();
    for (let number = 1; number <= 300; number++) server.post('general', `m${number}`);
    server.rooms.get('general')!.room.read_seq = 300;
    const { app, shown } = await open({ server, path: '/room/general/50' });
    while (app.timeline.detached) await app.timeline.loadNewer();
    await meanwhile(server, () => {
      for (const content of ['missed', 'missed too']) server.post('general', content);
      server.rooms.get('general')!.room.read_seq = 302;
    });
    expect(shown().slice(-3)).toEqual(['m300', 'missed', 'missed too']);
  });

  it.each([['', 0], [', having scrolled up', 300]])('while another device read and answered%s shows all of it', async (_, before) => {
    const server = new FakeServer();
    const earlier = Array.from({ length: before }, (_, index) => `before ${index + 1}`);
    for (const content of earlier) server.post('general', content);
    server.rooms.get('general')!.room.read_seq = before;
    const { app, shown } = await open({ server, path: before > 0 ? '/room/general/50' : '/room/general' });
    if (before === 0) server.post('general', 'seen');
    await idle();
    const seq = before + (before > 0 ? 3 : 4);
    await meanwhile(server, () => {
      for (const content of ['missed', 'missed too']) server.post('general', content);
      server.post('general', 'my answer', { sender: 'Ada' });
      server.rooms.get('general')!.room.read_seq = seq;
    });
    for (let page = 0; page < 10 && app.timeline.detached; page++) await app.timeline.loadNewer();
    await idle();
    expect(shown().slice(-4)).toEqual([...(before > 0 ? ['before 300'] : ['seen']), 'missed', 'missed too', 'my answer']);
    expect(app.rooms.byName('general')).toMatchObject({ unread: 0, lastSeq: seq });
    expect(app.timeline.detached).toBe(false);
  });

  it('for longer than is sent shows the hole page by page', async () => {
    const { app, server, shown } = await open();
    await meanwhile(server, () => {
      for (let number = 1; number <= 1200; number++) server.post('general', `missed ${number}`);
    });
    expect(shown()[0]).toBe('missed 1');
    const seen = new Set<string>(shown());
    for (let page = 0; page < 30 && app.timeline.detached; page++) {
      await app.timeline.loadNewer();
      for (const content of shown()) seen.add(content);
    }
    expect([...seen]).toEqual(Array.from({ length: 1200 }, (_, index) => `missed ${index + 1}`));
  });

  it('messages written before a reload go out once, in order', async () => {
    const server = new FakeServer();
    const before = await open({ server });
    server.reachable = false;
    server.cut();
    before.app.outbox.send('general', 'one');
    before.app.outbox.send('general', 'two');
    before.app.drafts.set('general', 'half a sent');
    before.platform.tell('pagehide');
    server.reachable = true;
    const after = await open({ server, storage: before.storage, tabStorage: before.tabStorage });
    expect(after.shown()).toEqual(['one', 'two']);
    expect(after.app.drafts.get('general')).toBe('half a sent');
    expect(server.rooms.get('general')?.messages.map(({ content }) => content)).toEqual(['one', 'two']);
  });
});

describe('the session', () => {
  it('that ends asks for the password, and loses neither drafts nor unsent messages', async () => {
    const { app, server, platform, shown } = await open();
    server.post('general', 'hi');
    server.token = 'another';
    server.cut(4401);
    await idle();
    expect(app.session.phase).toBe('expired');
    app.outbox.send('general', 'unsent');
    app.drafts.set('general', 'a draft');
    expect(shown()).toEqual(['hi', 'unsent (pending)']);
    const before = platform.sockets.length;
    await vi.advanceTimersByTimeAsync(120_000);
    expect(platform.sockets).toHaveLength(before);
    await app.session.signInAgain('password');
    await idle();
    expect(app.session.phase).toBe('signed-in');
    expect(shown()).toEqual(['hi', 'unsent']);
    expect(app.drafts.get('general')).toBe('a draft');
  });

  it('that is ended by the person forgets what was shown, and keeps what was written', async () => {
    const { app, server, storage, shown } = await open();
    server.post('general', 'hi');
    app.drafts.set('general', 'a draft');
    app.session.signOut();
    expect(shown()).toEqual([]);
    expect(app.rooms.all).toEqual([]);
    expect(app.people.all).toEqual([]);
    expect(app.drafts.get('general')).toBe('');
    await app.session.signIn('Ada', 'password');
    await idle();
    expect(app.drafts.get('general')).toBe('a draft');
    expect(storage.getItem('melangerie.session')).not.toBeNull();
  });
});

describe('unread messages', () => {
  it('are counted: those of others, mentions apart, announcements not', async () => {
    const server = new FakeServer();
    server.addRoom(room('dispatch'));
    const { app, platform } = await open({ server });
    platform.isAttended = false;
    server.post('dispatch', 'one');
    server.post('dispatch', '@ada two');
    server.post('dispatch', 'mine', { sender: 'Ada' });
    server.post('dispatch', 'Cy joined the room', { sender: 'Server' });
    expect(app.rooms.byName('dispatch')).toMatchObject({ unread: 2, mentioned: 1 });
    expect([app.rooms.unread, app.rooms.mentioned]).toEqual([2, 1]);
    await idle();
    expect(app.notices.title).toBe('(2) #general · Melangerie');
    app.rooms.markRead('dispatch');
    expect(app.rooms.unread).toBe(0);
  });

  it('are cleared in the other tabs by reading in one', async () => {
    const server = new FakeServer();
    server.addRoom(room('dispatch'));
    const one = await open({ server });
    const two = await open({ server, storage: one.storage });
    server.post('dispatch', 'hi');
    expect(two.app.rooms.unread).toBe(1);
    one.app.rooms.open('dispatch');
    await idle();
    one.app.timeline.atBottom = true;
    await idle();
    expect(one.app.rooms.unread).toBe(0);
    expect(two.app.rooms.unread).toBe(0);
  });

  it('that were read while cut off are told to the server later', async () => {
    const { app, server } = await open();
    server.addRoom(room('dispatch'));
    server.cut();
    await idle();
    await vi.advanceTimersByTimeAsync(1000);
    server.post('dispatch', 'hi');
    server.reachable = false;
    server.cut();
    app.rooms.markRead('dispatch');
    await idle();
    expect(server.rooms.get('dispatch')?.room.read_seq).toBe(0);
    server.reachable = true;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(server.rooms.get('dispatch')?.room.read_seq).toBe(1);
    expect(app.rooms.byName('dispatch')?.unread).toBe(0);
  });

  it('of a page that is loaded again are the same', async () => {
    const server = new FakeServer();
    for (let number = 1; number <= 30; number++) server.post('general', `missed ${number}`);
    server.rooms.get('general')!.room.read_seq = 10;
    const { app } = await open({ server, path: '/' });
    expect(app.rooms.unread).toBe(20);
  });
});

describe('the address', () => {
  it('leads to rooms and messages, back and forward too, with the place', async () => {
    const server = new FakeServer();
    server.addRoom(room('dispatch'));
    for (let number = 1; number <= 300; number++) server.post('general', `m${number}`);
    server.rooms.get('general')!.room.read_seq = 300;
    const { app, platform } = await open({ server });
    app.timeline.rememberPlace({ seq: 220, offset: 8 });
    app.rooms.open('dispatch');
    await idle();
    expect(app.rooms.current?.name).toBe('dispatch');
    platform.travel(-1);
    await idle();
    expect(app.rooms.current?.name).toBe('general');
    expect(app.timeline.landing).toEqual({ kind: 'place', seq: 220, offset: 8 });
    app.rooms.open('general', 50);
    await idle();
    expect(app.timeline.target).toEqual({ seq: 50 });
    expect(platform.addressBar.path()).toBe('/room/general/50');
    platform.travel(-1);
    await idle();
    expect(app.timeline.landing).toMatchObject({ kind: 'place', seq: 220 });
  });

  it('of a message survives a reconnect without jumping again', async () => {
    const server = new FakeServer();
    for (let number = 1; number <= 300; number++) server.post('general', `m${number}`);
    const { app } = await open({ server, path: '/room/general/50' });
    const { landing } = app.timeline;
    expect(landing).toEqual({ kind: 'message', seq: 50 });
    server.cut();
    await vi.advanceTimersByTimeAsync(1000);
    expect(app.timeline.landing).toBe(landing);
  });

  it('of a room that one is not in offers to join where it is public', async () => {
    const server = new FakeServer();
    server.publicRooms.push(room('Lunch'));
    const { app } = await open({ server, path: '/room/lunch' });
    expect(app.rooms.current).toBeNull();
    expect(app.rooms.elsewhere).toMatchObject({ name: 'lunch', room: { name: 'Lunch' } });
    app.rooms.open('secret');
    await idle();
    expect(app.rooms.elsewhere).toEqual({ name: 'secret', room: null });
    app.rooms.open('general');
    expect(app.rooms.elsewhere).toBeNull();
  });
});

describe('rooms that come and go', () => {
  it('appear when somebody adds the user, and go when another tab leaves them', async () => {
    const { app, server, platform } = await open();
    server.addRoom(room('lunch', { last_seq: 4, read_seq: 4 }));
    platform.socket.receive({ action: 'Room', data: room('lunch', { last_seq: 4, read_seq: 4 }) });
    expect(app.rooms.byName('lunch')?.unread).toBe(0);
    app.rooms.open('lunch');
    await idle();
    platform.socket.receive({ action: 'Left', data: { room: 'lunch', user: 'Ada' } });
    expect(app.rooms.byName('lunch')).toBeNull();
    expect(app.rooms.current?.name).toBe('general');
  });

  it('keep their members and their number', async () => {
    const { app, platform } = await open();
    const general = app.rooms.byName('general');
    platform.socket.receive({ action: 'Added', data: { room: 'general', added: ['Cy'] } });
    expect(general?.members).toEqual(['Ada', 'Ben', 'Cy']);
    platform.socket.receive({ action: 'Added', data: { room: 'general', added: ['cy'] } });
    expect(general?.memberCount).toBe(3);
    platform.socket.receive({ action: 'Left', data: { room: 'general', user: 'Ben' } });
    expect(general?.members).toEqual(['Ada', 'Cy']);
  });

  it('of thousands count only, and are fetched once until somebody comes', async () => {
    const server = new FakeServer();
    server.rooms.clear();
    server.addRoom(room('general', { members: undefined, member_count: 5000 }));
    const { app, platform } = await open({ server });
    platform.route = () => json(['Zoe', 'Ada']);
    expect(await app.rooms.members('general')).toEqual(['Ada', 'Zoe']);
    await app.rooms.members('general');
    expect(platform.requests.filter((request) => request.includes('/chat/members/'))).toHaveLength(1);
    platform.socket.receive({ action: 'Added', data: { room: 'general', added: ['Cy'] } });
    expect(app.rooms.byName('general')?.memberCount).toBe(5001);
    await app.rooms.members('general');
    expect(platform.requests.filter((request) => request.includes('/chat/members/'))).toHaveLength(2);
  });

  it('are named and ordered for people', async () => {
    const server = new FakeServer();
    server.users.push(user('cy', { display_name: 'Cyrill' }));
    server.addRoom(room('Zoo'));
    server.addRoom(room('apples'));
    server.addRoom(room('direct-1', { kind: 'direct', members: ['Ada'], created: 1 }));
    server.addRoom(room('direct-2', { kind: 'direct', members: ['cy', 'Ada', 'Ben'], created: 2 }));
    const { app } = await open({ server });
    expect(app.rooms.all.map(({ label }) => label)).toEqual(['general', 'apples', 'Zoo', 'Ben, Cyrill', 'Notes to yourself']);
    server.post('direct-1', 'note');
    expect(app.rooms.directs.map(({ label }) => label)).toEqual(['Notes to yourself', 'Ben, Cyrill']);
  });

  it('are walked through, all or the unread ones', async () => {
    const server = new FakeServer();
    for (const name of ['a', 'b', 'c']) server.addRoom(room(name));
    const { app } = await open({ server });
    server.post('c', 'hi');
    app.rooms.next();
    expect(app.rooms.current?.name).toBe('a');
    app.rooms.next(true);
    expect(app.rooms.current?.name).toBe('c');
    app.rooms.next();
    expect(app.rooms.current?.name).toBe('general');
    app.rooms.previous();
    expect(app.rooms.current?.name).toBe('c');
  });
});

describe('presence', () => {
  it('follows who comes and goes', async () => {
    const { app, platform } = await open();
    platform.socket.receive({ action: 'Presence', data: { online: ['Ben'], offline: [] } });
    expect([app.people.isOnline('ben'), app.people.isOnline('Cyrill')]).toEqual([true, false]);
    platform.socket.receive({ action: 'Typing', data: { room: 'general', user: 'Ben' } });
    platform.socket.receive({ action: 'Presence', data: { online: [], offline: ['Ben'] } });
    expect(app.people.isOnline('Ben')).toBe(false);
    expect(app.people.typingIn('general')).toEqual([]);
  });

  it('is not known while the link is down', async () => {
    const { app, platform, server } = await open();
    platform.socket.receive({ action: 'Presence', data: { online: ['Ben'], offline: [] } });
    server.cut();
    expect([app.people.isOnline('Ben'), app.people.isOnline('Cyrill')]).toEqual([undefined, undefined]);
    await vi.advanceTimersByTimeAsync(1000);
    expect([app.people.isOnline('Ada'), app.people.isOnline('Cyrill')]).toEqual([true, false]);
  });

  it('is known as before after a doubt that proved wrong', async () => {
    const { app, platform, server } = await open();
    platform.socket.receive({ action: 'Presence', data: { online: ['Ben'], offline: [] } });
    server.silentFor.add('Ping');
    await vi.advanceTimersByTimeAsync(4000);
    expect([app.connection.status, app.people.isOnline('Ben')]).toEqual(['offline', undefined]);
    platform.socket.receive({ action: 'Presence', data: { online: ['Cyrill'], offline: [] } });
    expect(app.connection.status).toBe('online');
    expect(['Ada', 'Ben', 'Cyrill'].map((name) => app.people.isOnline(name))).toEqual([true, true, true]);
  });

  it('tells typing at most once in 3 s, and again after a message', async () => {
    const { app, platform } = await open();
    for (let key = 0; key < 20; key++) {
      app.people.typing('general');
      vi.advanceTimersByTime(100);
    }
    expect(platform.socket.of('Typing')).toHaveLength(1);
    app.outbox.send('general', 'x');
    app.people.typing('general');
    expect(platform.socket.of('Typing')).toHaveLength(2);
  });
});

describe('an update of the server', () => {
  it('is noticed', async () => {
    const { app, server } = await open();
    expect(app.connection.updateAvailable).toBe(false);
    server.version = '1.0.1';
    server.cut();
    await vi.advanceTimersByTimeAsync(1000);
    expect(app.connection.updateAvailable).toBe(true);
  });
});

describe('Hello', () => {
  it('names a room whatever it is called', async () => {
    const { app, server } = await open();
    for (const name of ['__proto__', 'constructor']) {
      app.rooms.told(room(name));
      server.addRoom(room(name));
      for (const content of ['hi', 'there']) server.post(name, content);
    }
    await idle();
    expect(Object.entries(app.rooms.since(1000))).toEqual(expect.arrayContaining([['__proto__', 1], ['constructor', 1]]));
  });

  it('stays below the bound of a frame however many rooms there are', async () => {
    const server = new FakeServer();
    for (let number = 0; number < 1500; number++) server.addRoom(room(`${'名'.repeat(55)}${number}`, { members: undefined }));
    const { platform } = await open({ server });
    for (const name of server.rooms.keys()) for (const content of ['hi', 'there']) server.post(name, content);
    server.cut();
    await vi.advanceTimersByTimeAsync(1000);
    const hello = platform.socket.of('Hello')[0];
    expect(new TextEncoder().encode(JSON.stringify(hello)).length).toBeLessThan(64 * 1024);
    expect(Object.keys(hello?.data.since ?? {}).length).toBeGreaterThan(100);
    expect(hello?.data.since).toHaveProperty('general');
  });
});
