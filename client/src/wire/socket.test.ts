import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakePlatform, room, settle, user } from '../testing/fakes';
import { ApiError } from './api';
import type { ServerFrame } from './protocol';
import { ANSWER_MS, backoff, FIRST_WAIT_MS, GIVE_UP_MS, LAST_WAIT_MS, LinkLost, OPENING_MS, QUIET_HIDDEN_MS, QUIET_MS, Socket } from './socket';

const WELCOME: ServerFrame = {
  action: 'Welcome',
  data: { user: user('Ada'), rooms: [room('general')], online: ['Ada'], users: '"1"', version: '1' },
};

function setUp() {
  const platform = new FakePlatform();
  const told: string[] = [];
  const frames: ServerFrame[] = [];
  const socket = new Socket(platform, {
    hello: () => ({ action: 'Hello', data: { token: 't' } }),
    frame: (frame) => frames.push(frame),
    up: (up) => told.push(up ? 'up' : 'down'),
    retryAt: (time) => told.push(time === null ? 'trying' : `retry in ${time - Date.now()}`),
    rejected: () => told.push('rejected'),
  });
  return { platform, socket, told, frames };
}

function connected() {
  const all = setUp();
  all.socket.start();
  all.platform.socket.open();
  all.platform.socket.receive(WELCOME);
  return all;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('opening', () => {
  it('says Hello first and is ready after Welcome only', () => {
    const { platform, socket, frames } = setUp();
    socket.start();
    platform.socket.open();
    expect(platform.socket.sent).toEqual([{ action: 'Hello', data: { token: 't' } }]);
    expect(socket.send({ action: 'Typing', data: { room: 'general' } })).toBe(false);
    platform.socket.receive(WELCOME);
    expect(socket.send({ action: 'Typing', data: { room: 'general' } })).toBe(true);
    expect(frames).toEqual([WELCOME]);
  });

  it('gives up an attempt that leads to no Welcome', () => {
    const { platform, socket } = setUp();
    socket.start();
    platform.socket.open();
    vi.advanceTimersByTime(OPENING_MS);
    expect(platform.sockets[0]?.closed).toBe(true);
    vi.advanceTimersByTime(FIRST_WAIT_MS);
    expect(platform.sockets).toHaveLength(2);
  });

  it('stops for good where the server refuses the token', () => {
    const { platform, socket, told } = setUp();
    socket.start();
    platform.socket.open();
    platform.socket.end(4401);
    expect(told).toContain('rejected');
    vi.advanceTimersByTime(10 * LAST_WAIT_MS);
    platform.tell('online');
    expect(platform.sockets).toHaveLength(1);
  });
});

describe('backoff', () => {
  it('doubles from the first wait to the last, the upper half by chance', () => {
    expect([0, 1, 2, 3, 4, 5, 60].map((attempt) => backoff(attempt, 1))).toEqual([500, 1000, 2000, 4000, 8000, 15000, 15000]);
    expect(backoff(0, 0)).toBe(250);
    expect(backoff(60, 0)).toBe(LAST_WAIT_MS / 2);
  });

  it('waits longer after each failure and tells when the next attempt is due', () => {
    const { platform, socket, told } = setUp();
    socket.start();
    for (const wait of [375, 750, 1500]) {
      platform.socket.end();
      expect(told.at(-1)).toBe(`retry in ${wait}`);
      vi.advanceTimersByTime(wait - 1);
      const before = platform.sockets.length;
      vi.advanceTimersByTime(1);
      expect(platform.sockets).toHaveLength(before + 1);
      expect(told.at(-1)).toBe('trying');
    }
  });

  it('begins anew after a link that stood, not after one that fell at once', () => {
    const { platform, told } = connected();
    platform.socket.end();
    expect(told.at(-1)).toBe('retry in 375');
    vi.advanceTimersByTime(375);
    platform.socket.open();
    platform.socket.receive(WELCOME);
    platform.socket.end();
    expect(told.at(-1)).toBe('retry in 750');
    vi.advanceTimersByTime(750);
    platform.socket.answer = ({ id }) => id && platform.socket.receive({ action: 'Ack', data: {}, id });
    platform.socket.open();
    platform.socket.receive(WELCOME);
    vi.advanceTimersByTime(30_000);
    platform.socket.end();
    expect(told.at(-1)).toBe('retry in 375');
  });

  it('tries at once when the network returns, when somebody looks, and when asked', () => {
    for (const stir of [
      (platform: FakePlatform) => platform.tell('online'),
      (platform: FakePlatform) => platform.tell('visibilitychange'),
      (_: FakePlatform, socket: Socket) => socket.retryNow(),
    ]) {
      const { platform, socket } = connected();
      platform.socket.end();
      stir(platform, socket);
      expect(platform.sockets).toHaveLength(2);
      vi.advanceTimersByTime(FIRST_WAIT_MS);
      expect(platform.sockets).toHaveLength(2);
      socket.stop();
    }
  });
});

describe('a dead link', () => {
  it('shows within 5 s, and is replaced', () => {
    const { platform, told } = connected();
    vi.advanceTimersByTime(QUIET_MS);
    expect(platform.socket.of('Ping')).toHaveLength(1);
    expect(told).not.toContain('down');
    vi.advanceTimersByTime(ANSWER_MS);
    expect(told.filter((word) => word === 'down')).toHaveLength(1);
    expect(QUIET_MS + ANSWER_MS).toBeLessThan(5_000);
    vi.advanceTimersByTime(GIVE_UP_MS);
    expect(platform.sockets[0]?.closed).toBe(true);
    expect(told.at(-1)).toMatch(/^retry in/);
  });

  it('that speaks again was none', () => {
    const { platform, told } = connected();
    vi.advanceTimersByTime(QUIET_MS + ANSWER_MS);
    expect(told.at(-1)).toBe('down');
    platform.socket.receive({ action: 'Presence', data: { online: [], offline: [] } });
    expect(told.at(-1)).toBe('up');
    platform.socket.answer = ({ id }) => id && platform.socket.receive({ action: 'Ack', data: {}, id });
    vi.advanceTimersByTime(GIVE_UP_MS + 60_000);
    expect(platform.sockets).toHaveLength(1);
  });

  it('is looked for at once when the browser speaks of a change, whose word alone means nothing', () => {
    const { platform, told } = connected();
    vi.advanceTimersByTime(100);
    platform.tell('offline');
    expect(platform.socket.of('Ping')).toHaveLength(1);
    expect(told).not.toContain('down');
    vi.advanceTimersByTime(ANSWER_MS);
    expect(told.at(-1)).toBe('down');
  });

  it('is asked about seldom where nobody looks', () => {
    const { platform } = setUp();
    platform.isVisible = false;
    const socket = new Socket(platform, {
      hello: () => ({ action: 'Hello', data: { token: 't' } }),
      frame: () => {},
      up: () => {},
      retryAt: () => {},
      rejected: () => {},
    });
    socket.start();
    platform.socket.open();
    platform.socket.receive(WELCOME);
    vi.advanceTimersByTime(QUIET_HIDDEN_MS - 1);
    expect(platform.socket.of('Ping')).toHaveLength(0);
    vi.advanceTimersByTime(1);
    expect(platform.socket.of('Ping')).toHaveLength(1);
  });

  it('is not asked while frames arrive', () => {
    const { platform } = connected();
    for (let step = 0; step < 20; step++) {
      vi.advanceTimersByTime(QUIET_MS / 2);
      platform.socket.receive({ action: 'Presence', data: { online: [], offline: [] } });
    }
    expect(platform.socket.of('Ping')).toHaveLength(0);
  });
});

describe('requests', () => {
  it('are matched with their answers by id, in any order', async () => {
    const { platform, socket, frames } = connected();
    const first = socket.request({ action: 'Message', data: { room: 'general', content: 'a' }, id: 'a' });
    const second = socket.request({ action: 'Message', data: { room: 'general', content: 'b' }, id: 'b' });
    platform.socket.receive({ action: 'Error', data: { code: 'forbidden', message: 'No.' }, id: 'b' });
    platform.socket.receive({ action: 'Ack', data: { seq: 1 }, id: 'a' });
    await expect(first).resolves.toEqual({ seq: 1 });
    await expect(second).rejects.toMatchObject({ code: 'forbidden', message: 'No.' } satisfies Partial<ApiError>);
    expect(frames).toEqual([WELCOME]);
  });

  it('end with the link, and fail at once without one', async () => {
    const { platform, socket } = connected();
    const asked = socket.request({ action: 'Message', data: { room: 'general', content: 'a' } });
    const outcome = expect(asked).rejects.toMatchObject({ closeCode: 1009 });
    platform.socket.end(1009);
    await outcome;
    await expect(socket.request({ action: 'Typing', data: { room: 'general' } })).rejects.toBeInstanceOf(LinkLost);
  });

  it('nothing of an abandoned socket is heard', async () => {
    const { platform, socket, frames } = connected();
    const old = platform.socket;
    socket.restart();
    old.receive({ action: 'Presence', data: { online: ['Ben'], offline: [] } });
    old.end();
    await settle();
    expect(frames).toEqual([WELCOME]);
    expect(platform.sockets).toHaveLength(2);
  });
});
