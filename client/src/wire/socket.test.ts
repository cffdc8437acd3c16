import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakePlatform, room, settle, user } from '../testing/fakes';
import { ApiError } from './api';
import type { ServerFrame } from './protocol';
import {
  ANSWER_MS,
  backoff,
  CLOSE_GOING_AWAY,
  FIRST_WAIT_MS,
  GIVE_UP_MS,
  LAST_RESTART_WAIT_MS,
  LAST_WAIT_MS,
  LinkLost,
  OPENING_MS,
  QUIET_HIDDEN_MS,
  QUIET_MS,
  RESTART_MS,
  Socket,
} from './socket';

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
    ended: (code) => told.push(`ended ${code}`),
    retryAt: (time) => told.push(time === null ? 'trying' : `retry in ${time - performance.now()}`),
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
      ended: () => {},
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

describe('a server that stops', () => {
  it('is said to, and is tried often for as long as a restart takes', () => {
    const { platform, told } = connected();
    platform.socket.end(CLOSE_GOING_AWAY);
    expect(told).toContain(`ended ${CLOSE_GOING_AWAY}`);
    const stopped = performance.now();
    let longest = 0;
    for (let before = stopped; performance.now() - stopped < RESTART_MS; before = performance.now()) {
      vi.advanceTimersToNextTimer();
      platform.socket.end();
      longest = Math.max(longest, performance.now() - before);
    }
    expect(longest).toBeLessThanOrEqual(LAST_RESTART_WAIT_MS);
    vi.advanceTimersToNextTimer();
    platform.socket.end();
    expect(told.at(-1)).toBe(`retry in ${LAST_WAIT_MS * 0.75}`);
  });
});

describe('after a nap', () => {
  const answer = (platform: FakePlatform) => {
    platform.socket.answer = ({ id }) => id && platform.socket.receive({ action: 'Ack', data: {}, id });
  };

  it('a dead link is noticed within 5 s, and replaced at once', () => {
    const { platform, told } = connected();
    platform.tell('wake');
    expect(platform.socket.of('Ping')).toHaveLength(1);
    vi.advanceTimersByTime(ANSWER_MS);
    expect(told.slice(-3)).toEqual(['ended 1006', 'down', `retry in ${FIRST_WAIT_MS * 0.75}`]);
    vi.advanceTimersByTime(FIRST_WAIT_MS);
    expect(platform.sockets).toHaveLength(2);
    expect(ANSWER_MS + FIRST_WAIT_MS).toBeLessThan(5_000);
  });

  it('a link that stands is kept', () => {
    const { platform, told } = connected();
    answer(platform);
    platform.tell('wake');
    vi.advanceTimersByTime(60_000);
    expect(told).not.toContain('down');
    expect(platform.sockets).toHaveLength(1);
  });

  it('an answer that came meanwhile, and is not heard yet, is waited for', () => {
    const { platform, told } = connected();
    vi.advanceTimersByTime(QUIET_MS);
    expect(platform.socket.of('Ping')).toHaveLength(1);
    // The timer that looks for the answer runs before the answer itself does.
    platform.monotonic = () => performance.now() + 300_000;
    vi.advanceTimersByTime(ANSWER_MS);
    expect(told).not.toContain('down');
    expect(platform.socket.of('Ping')).toHaveLength(2);
    answer(platform);
    platform.socket.receive({ action: 'Ack', data: {}, id: 'r1' });
    vi.advanceTimersByTime(60_000);
    expect(told).not.toContain('down');
    expect(platform.sockets).toHaveLength(1);
  });

  it('an attempt from before is given up, and a wait ends', () => {
    const { platform, socket } = setUp();
    socket.start();
    platform.tell('wake');
    expect(platform.sockets[0]?.closed).toBe(true);
    expect(platform.sockets).toHaveLength(1);
    platform.tell('wake');
    expect(platform.sockets).toHaveLength(2);
  });
});

describe('a clock that is set', () => {
  it.each([-86_400_000, 86_400_000])('by %i ms changes neither questions nor waits', (step) => {
    const { platform, told } = connected();
    vi.advanceTimersByTime(QUIET_MS - 1);
    vi.setSystemTime(Date.now() + step);
    expect(platform.socket.of('Ping')).toHaveLength(0);
    vi.advanceTimersByTime(1);
    expect(platform.socket.of('Ping')).toHaveLength(1);
    platform.socket.receive({ action: 'Ack', data: {}, id: 'r1' });
    vi.setSystemTime(Date.now() - 2 * step);
    vi.advanceTimersByTime(ANSWER_MS + 1);
    expect(platform.socket.of('Ping')).toHaveLength(2);
    vi.advanceTimersByTime(ANSWER_MS + GIVE_UP_MS);
    expect(told.at(-1)).toBe(`retry in ${FIRST_WAIT_MS * 0.75}`);
    vi.setSystemTime(Date.now() + step);
    vi.advanceTimersByTime(FIRST_WAIT_MS);
    expect(platform.sockets).toHaveLength(2);
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

describe('frames in a row', () => {
  /** Connected, with tasks that run when the test says so. */
  function held() {
    const all = connected();
    const tasks: (() => void)[] = [];
    all.platform.afterTask = (work) => void tasks.push(work);
    return { ...all, runTask: () => tasks.shift()?.(), tasks };
  }

  const typing = (room: string): ServerFrame => ({ action: 'Typing', data: { room, user: 'Ben' } });
  const rooms = (frames: ServerFrame[]) => frames.flatMap((frame) => (frame.action === 'Typing' ? [frame.data.room] : []));

  it('the first is taken at once, the others together and in order, and then it is as before', () => {
    const { platform, frames, runTask, tasks } = held();
    for (const name of ['a', 'b', 'c']) platform.socket.receive(typing(name));
    expect(rooms(frames)).toEqual(['a']);
    runTask();
    expect(rooms(frames)).toEqual(['a', 'b', 'c']);
    platform.socket.receive(typing('d'));
    runTask();
    expect(rooms(frames)).toEqual(['a', 'b', 'c', 'd']);
    runTask();
    expect(tasks).toEqual([]);
    platform.socket.receive(typing('e'));
    expect(rooms(frames)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('an answer that waits is heard before the end of the link', async () => {
    const { platform, socket, frames, told } = held();
    const asked = socket.request({ action: 'Ping' });
    const id = platform.socket.of('Ping').at(-1)?.id;
    platform.socket.receive(typing('a'));
    platform.socket.receive({ action: 'Ack', data: null, id: id ?? '' });
    platform.socket.receive(typing('b'));
    told.length = 0;
    platform.socket.end();
    expect(await asked).toBeNull();
    expect(rooms(frames)).toEqual(['a', 'b']);
    expect(told[0]).toBe('ended 1006');
  });

  it('those of a link that was dropped do not reach the next one', () => {
    const { platform, socket, frames, runTask } = held();
    platform.socket.receive(typing('a'));
    platform.socket.receive(typing('old'));
    socket.restart();
    platform.socket.open();
    platform.socket.receive(WELCOME);
    platform.socket.receive(typing('new'));
    for (let task = 0; task < 3; task++) runTask();
    expect(rooms(frames)).toEqual(['a', 'new']);
  });

  it('a fault in taking one of them does not keep the others', () => {
    const { platform, socket, runTask } = held();
    const taken: string[] = [];
    socket.stop();
    const faulty = new Socket(platform, {
      hello: () => ({ action: 'Hello', data: { token: 't' } }),
      frame: (frame) => {
        if (frame.action !== 'Typing') return;
        if (frame.data.room === 'bad') throw new Error('a fault');
        taken.push(frame.data.room);
      },
      up: () => {},
      ended: () => {},
      retryAt: () => {},
      rejected: () => {},
    });
    faulty.start();
    platform.socket.open();
    platform.socket.receive(WELCOME);
    for (const name of ['a', 'bad', 'b']) platform.socket.receive(typing(name));
    expect(() => runTask()).toThrow('a fault');
    runTask();
    expect(taken).toEqual(['a', 'b']);
  });
});
