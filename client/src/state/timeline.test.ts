import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakePlatform, messages, room, settle } from '../testing/fakes';
import { ApiError, type HistoryRange } from '../wire/api';
import type { Message } from '../wire/protocol';
import type { PendingMessage } from './outbox.svelte';
import { RoomView } from './room.svelte';
import { Timeline } from './timeline.svelte';
import { WINDOW_KEPT, WINDOW_SLACK } from './window';

/** A room of `last` messages that the user has read up to `read`, its history, and a timeline. */
function setUp({ last = 0, read = last, seen = read }: { last?: number; read?: number; seen?: number } = {}) {
  const platform = new FakePlatform();
  const stored = messages(1, last);
  const asked: HistoryRange[] = [];
  const pending: PendingMessage[] = [];
  let broken = false;
  const around = { me: () => 'Ada', displayName: (name: string) => name, hasDraft: () => false };
  const view = new RoomView(room('general', { last_seq: last, read_seq: read }), seen, around);
  const api = {
    history: async (_: string, range: HistoryRange) => {
      asked.push(range);
      if (broken) throw new ApiError(0, 'network', 'No answer.');
      const { before = Infinity, after = 0, limit } = range;
      const fitting = stored.filter(({ seq }) => seq < before && seq > after);
      const page = range.after === undefined ? fitting.slice(-limit) : fitting.slice(0, limit);
      return { messages: page, more: page.length < fitting.length };
    },
  };
  const timeline = new Timeline(platform, api, {
    me: () => 'Ada',
    outbox: () => ({ pendingIn: () => pending }),
    read: (into, seq) => void into.readTo(seq),
    remember: () => {},
    serverNow: () => Date.now(),
  });
  /** The server stores and sends messages. */
  const arrive = (to: number, more: Partial<Message> = {}) => {
    for (const message of messages(stored.length + 1, to, more)) {
      stored.push(message);
      timeline.receive(view, view.receive(message));
    }
    vi.advanceTimersByTime(60);
  };
  const shown = () => timeline.items.flatMap((item) => (item.kind === 'message' ? [item.seq] : []));
  const breakHistory = (now: boolean) => (broken = now);
  return { platform, view, timeline, asked, pending, stored, arrive, shown, breakHistory };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('opening', () => {
  it('a room that is read lands at the bottom of the newest page', async () => {
    const { timeline, view, shown } = setUp({ last: 1000 });
    const opening = timeline.open(view);
    expect(timeline.loading).toBe(true);
    await opening;
    expect(timeline.loading).toBe(false);
    expect(shown()).toEqual(range(901, 1000));
    expect(timeline.landing).toEqual({ kind: 'bottom' });
    expect(timeline.reachedStart).toBe(false);
    expect(timeline.items.some(({ kind }) => kind === 'new')).toBe(false);
  });

  it('an empty room shows that it is empty', async () => {
    const { timeline, view } = setUp();
    await timeline.open(view);
    expect(timeline.items).toEqual([]);
    expect(timeline.reachedStart).toBe(true);
    expect(timeline.loading).toBe(false);
  });

  it('an unread room lands at the first unread message, with what is before it', async () => {
    const { timeline, view, arrive, shown } = setUp({ last: 100 });
    arrive(130);
    await timeline.open(view);
    await settle();
    expect(timeline.landing).toEqual({ kind: 'unread' });
    expect(timeline.firstUnreadSeq).toBe(101);
    const at = timeline.items.findIndex(({ kind }) => kind === 'new');
    expect(timeline.items[at + 1]).toMatchObject({ seq: 101 });
    expect(shown()).toEqual(range(1, 130));
    expect(timeline.reachedStart).toBe(true);
  });

  it('fetches what is around the first unread message where it has not arrived', async () => {
    const { timeline, view, shown, asked } = setUp({ last: 900, read: 200 });
    view.skipTo(401);
    await timeline.open(view);
    expect(asked).toEqual([
      { before: 201, limit: 50 },
      { after: 200, limit: 100 },
    ]);
    expect(shown()).toEqual(range(151, 300));
    expect(timeline.detached).toBe(true);
    expect(timeline.firstUnreadSeq).toBe(201);
  });

  it('uses the newest page that was asked for ahead', async () => {
    const { timeline, view, shown, asked } = setUp({ last: 1000 });
    timeline.prefetch('General');
    await timeline.open(view);
    expect(shown()).toEqual(range(901, 1000));
    expect(asked).toEqual([{ limit: 100 }]);
    await timeline.open(view);
    expect(asked).toEqual([{ limit: 100 }, { limit: 100 }]);
  });

  it('uses what was asked for ahead for unread messages too, where it has as much before them as is asked for otherwise', async () => {
    const { timeline, view, shown, asked } = setUp({ last: 1000, read: 950 });
    timeline.prefetch('general');
    await timeline.open(view);
    expect(shown()).toEqual(range(901, 1000));
    expect([timeline.firstUnreadSeq, timeline.landing]).toEqual([951, { kind: 'unread' }]);
    expect(asked).toEqual([{ limit: 100 }]);
  });

  it('tells of a failure until something is loaded', async () => {
    const { timeline, view, shown, breakHistory } = setUp({ last: 1000 });
    await timeline.open(view);
    breakHistory(true);
    await timeline.loadOlder();
    expect(timeline.error).toBe('No answer.');
    breakHistory(false);
    await timeline.loadOlder();
    expect([timeline.error, shown()[0]]).toEqual([null, 801]);
  });

  describe('asks again where what was asked for ahead', () => {
    it('does not reach back far enough before the unread', async () => {
      const { timeline, view, shown } = setUp({ last: 1000, read: 949 });
      timeline.prefetch('general');
      await timeline.open(view);
      expect(shown()).toEqual(range(900, 1000));
    });

    it('is not the newest any more', async () => {
      const { timeline, view, shown, stored } = setUp({ last: 1000 });
      timeline.prefetch('general');
      stored.push(...messages(1001, 1001));
      view.told(room('general', { last_seq: 1001, read_seq: 1001 }));
      await timeline.open(view);
      expect(shown()).toEqual(range(902, 1001));
    });

    it('failed', async () => {
      const { timeline, view, shown, breakHistory } = setUp({ last: 1000 });
      breakHistory(true);
      timeline.prefetch('general');
      breakHistory(false);
      await timeline.open(view);
      expect(shown()).toEqual(range(901, 1000));
    });

    it('is of another room, or was dropped', async () => {
      const { timeline, view, asked } = setUp({ last: 1000 });
      timeline.prefetch('dispatch');
      await timeline.open(view);
      timeline.prefetch('general');
      timeline.dropPrefetched();
      await timeline.open(view);
      expect(asked).toHaveLength(4);
    });
  });

  it('joins what arrives while history is on its way, without a hole and without a double', async () => {
    const { timeline, view, arrive, shown } = setUp({ last: 100 });
    const opening = timeline.open(view);
    arrive(105);
    await opening;
    arrive(110);
    expect(shown().at(-1)).toBe(110);
    expect(shown()).toEqual(range(1, 110));
    expect(timeline.detached).toBe(false);
  });

  it('another room forgets the answer for the first', async () => {
    const { timeline, view } = setUp({ last: 100 });
    const opening = timeline.open(view);
    timeline.close();
    await opening;
    expect(timeline.items).toEqual([]);
    expect(timeline.roomName).toBe('');
  });

  it('that fails says why, and can be tried again', async () => {
    const { timeline, view, shown, breakHistory } = setUp({ last: 10 });
    breakHistory(true);
    await timeline.open(view);
    expect(timeline.error).toBe('No answer.');
    expect(timeline.loading).toBe(false);
    breakHistory(false);
    await timeline.retry();
    expect(timeline.error).toBeNull();
    expect(shown()).toEqual(range(1, 10));
  });
});

describe('history', () => {
  it('goes back page by page to the start, holding a bounded window', async () => {
    const { timeline, view, shown } = setUp({ last: 5000 });
    await timeline.open(view);
    for (let page = 0; page < 60 && !timeline.reachedStart; page++) {
      await timeline.loadOlder();
      expect(shown().length).toBeLessThanOrEqual(WINDOW_KEPT);
    }
    expect(shown()).toEqual(range(1, WINDOW_KEPT));
    expect(timeline.detached).toBe(true);
    for (let page = 0; page < 60 && timeline.detached; page++) await timeline.loadNewer();
    expect(shown()).toEqual(range(5001 - WINDOW_KEPT, 5000));
  });

  it('asks once for a page', async () => {
    const { timeline, view, asked } = setUp({ last: 500 });
    await timeline.open(view);
    asked.length = 0;
    await Promise.all([timeline.loadOlder(), timeline.loadOlder(), timeline.loadOlder()]);
    expect(asked).toHaveLength(1);
  });

  it('of 100,000 messages costs no more than that of 1,000', async () => {
    const { timeline, view, shown } = setUp({ last: 100_000 });
    await timeline.open(view);
    await timeline.jumpTo(50_000);
    expect(shown()).toEqual(range(49_951, 50_100));
    expect(timeline.items.length).toBeLessThan(WINDOW_KEPT);
    await timeline.jumpToLatest();
    expect(shown().at(-1)).toBe(100_000);
  });

  it('jumps to a message and marks it, also where it is here already', async () => {
    const { timeline, view, asked } = setUp({ last: 3000 });
    await timeline.open(view, 1500);
    expect(timeline.landing).toEqual({ kind: 'message', seq: 1500 });
    expect(timeline.target).toEqual({ seq: 1500 });
    asked.length = 0;
    const before = timeline.target;
    await timeline.jumpTo(1500);
    expect(asked).toEqual([]);
    expect(timeline.target).not.toBe(before);
    await timeline.open(view, 999_999);
    expect(timeline.landing).toEqual({ kind: 'bottom' });
    expect(timeline.target).toBeNull();
  });

  it('restores a place that was left', async () => {
    const { timeline, view, shown } = setUp({ last: 3000 });
    await timeline.open(view, null, { seq: 700, offset: -12 });
    expect(timeline.landing).toEqual({ kind: 'place', seq: 700, offset: -12 });
    expect(shown()).toContain(700);
  });
});

describe('arriving messages', () => {
  it('follow a reader at the bottom and are read', async () => {
    const { timeline, view, arrive, shown } = setUp({ last: 100 });
    await timeline.open(view);
    timeline.atBottom = true;
    arrive(103);
    expect(shown().at(-1)).toBe(103);
    expect(view.readSeq).toBe(103);
    expect(timeline.newCount).toBe(0);
    expect(timeline.firstUnreadSeq).toBeNull();
  });

  it('are counted, not read, where one is scrolled up', async () => {
    const { timeline, view, arrive, shown } = setUp({ last: 100 });
    await timeline.open(view);
    timeline.atBottom = false;
    arrive(103);
    expect(timeline.newCount).toBe(3);
    expect(view.readSeq).toBe(100);
    expect(view.unread).toBe(3);
    expect(shown().at(-1)).toBe(103);
    timeline.atBottom = true;
    expect(timeline.newCount).toBe(0);
    expect(view.readSeq).toBe(103);
  });

  it('are not read while nobody looks; the New line stands before the first of them', async () => {
    const { timeline, view, platform, arrive } = setUp({ last: 100 });
    await timeline.open(view);
    timeline.atBottom = true;
    platform.isAttended = false;
    arrive(105);
    expect(view.readSeq).toBe(100);
    expect(timeline.firstUnreadSeq).toBe(101);
    platform.isAttended = true;
    platform.tell('focus');
    expect(view.readSeq).toBe(105);
    expect(timeline.firstUnreadSeq).toBe(101);
    arrive(110);
    expect(timeline.firstUnreadSeq).toBe(101);
    platform.isAttended = false;
    arrive(111);
    expect(timeline.firstUnreadSeq).toBe(111);
  });

  it('move the New line in no case while one reads scrolled up', async () => {
    const { timeline, view, arrive } = setUp({ last: 100 });
    arrive(110);
    await timeline.open(view);
    expect(timeline.newCount).toBe(10);
    timeline.seen(105);
    expect(view.readSeq).toBe(105);
    expect(timeline.newCount).toBe(5);
    timeline.atBottom = false;
    arrive(120);
    timeline.seen(120);
    arrive(130);
    expect(timeline.firstUnreadSeq).toBe(101);
  });

  it('in a burst are shown in few steps', async () => {
    const { timeline, view } = setUp({ last: 100 });
    await timeline.open(view);
    timeline.atBottom = true;
    const steps = new Set<unknown>([timeline.items]);
    for (const message of messages(101, 600)) {
      timeline.receive(view, view.receive(message));
      steps.add(timeline.items);
    }
    vi.advanceTimersByTime(60);
    steps.add(timeline.items);
    expect(steps.size).toBeLessThanOrEqual(3);
    expect(timeline.items.flatMap((item) => (item.kind === 'message' ? [item.seq] : []))).toEqual(range(1, 600));
  });

  it('never let the window grow without bound', async () => {
    const { timeline, view, arrive, shown } = setUp({ last: 100 });
    await timeline.open(view);
    timeline.atBottom = true;
    for (let to = 150; to <= 3000; to += 50) arrive(to);
    expect(shown().length).toBeLessThanOrEqual(WINDOW_KEPT + WINDOW_SLACK);
    expect(shown().at(-1)).toBe(3000);
    timeline.atBottom = false;
    for (let to = 3050; to <= 6000; to += 50) arrive(to);
    expect(shown().length).toBeLessThanOrEqual(WINDOW_KEPT + WINDOW_SLACK + 50);
    expect(timeline.detached).toBe(true);
    expect(timeline.newCount).toBe(3000);
    await timeline.jumpToLatest();
    expect(shown().at(-1)).toBe(6000);
    timeline.atBottom = true;
    expect(timeline.newCount).toBe(0);
  });

  it('after a Gap are joined by the page in between, so that nothing is skipped', async () => {
    const { timeline, view, stored, shown } = setUp({ last: 100 });
    await timeline.open(view);
    timeline.atBottom = true;
    stored.push(...messages(101, 1000));
    view.skipTo(501);
    const filling = timeline.gap(view);
    for (const message of messages(501, 1000)) timeline.receive(view, view.receive(message));
    await filling;
    vi.advanceTimersByTime(60);
    expect(shown()).toEqual(range(1, 200));
    expect(timeline.detached).toBe(true);
    while (timeline.detached) await timeline.loadNewer();
    expect(shown().at(-1)).toBe(1000);
    expect(shown()).toEqual(range(shown()[0] ?? 0, 1000));
  });
});

describe('unsent messages', () => {
  it('stand at the end, and only where the end is in the window', async () => {
    const { timeline, view, pending } = setUp({ last: 3000 });
    pending.push({ id: 'x', room: 'general', content: 'hi', created: Date.now(), state: 'pending' });
    await timeline.open(view);
    expect(timeline.items.at(-1)).toMatchObject({ kind: 'pending', key: 'id:x' });
    view.log.seen = 3000;
    await timeline.jumpTo(100);
    expect(timeline.items.some(({ kind }) => kind === 'pending')).toBe(false);
  });
});

describe('midnight', () => {
  it('makes Today Yesterday', async () => {
    vi.setSystemTime(new Date(2026, 10, 20, 23, 59));
    const { timeline, view, arrive } = setUp();
    arrive(1, { timestamp: Date.now() });
    await timeline.open(view);
    expect(timeline.items[0]).toMatchObject({ label: 'Today' });
    vi.advanceTimersByTime(2 * 60_000);
    expect(timeline.items[0]).toMatchObject({ label: 'Yesterday' });
    timeline.close();
  });
});
