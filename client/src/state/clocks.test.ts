// What a clock that is set, here or at the server, and a machine that sleeps must not do to what a person sees.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakePlatform, json, messages, room, settle, token, user } from '../testing/fakes';
import { Api } from '../wire/api';
import type { Message } from '../wire/protocol';
import { CLOSE_GOING_AWAY, RESTART_MS } from '../wire/socket';
import { Connection } from './connection.svelte';
import { buildItems, GROUP_MS, type ItemsInput } from './items';
import { Outbox, type PendingMessage } from './outbox.svelte';
import { People, TYPING_SENT_MS, TYPING_SHOWN_MS } from './people.svelte';
import { RoomView } from './room.svelte';
import { Session } from './session.svelte';
import { Timeline } from './timeline.svelte';
import { WAKE_CHECK_MS, WAKE_LATE_MS, watchForWaking } from './wake';

const NOON = new Date(2026, 10, 20, 12).getTime();
const MIDNIGHT = new Date(2026, 10, 21).getTime();
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MONTH_S = 30 * 24 * 3600;

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(NOON);
});
afterEach(() => void vi.useRealTimers());

function at(seq: number, timestamp: number, sender = 'Ben'): Message {
  return { room: 'general', seq, sender, content: `m${seq}`, timestamp };
}

/** The rows in short: a day's label, the number of a message with `*` where it begins a group, `?` for one that is not sent. */
function outline(stored: Message[], more: Partial<ItemsInput> = {}): string[] {
  const input = { messages: stored, early: [], pending: [], firstUnreadSeq: null, me: 'Ada', now: NOON, serverAhead: 0, ...more };
  return buildItems(input).flatMap((item) => {
    if (item.kind === 'day') return [item.label];
    if (item.kind === 'message') return [item.seq + (item.first ? '*' : '')];
    return item.kind === 'pending' ? [item.first ? '?*' : '?'] : [];
  });
}

function unsent(created: number): PendingMessage {
  return { id: 'x', room: 'general', content: 'x', created, state: 'pending' };
}

describe("the server's clock", () => {
  it('went back: messages keep their order', () => {
    const stored = [at(1, NOON), at(2, NOON - 3 * HOUR), at(3, NOON - 3 * HOUR + 1), at(4, NOON + 1)];
    expect(outline(stored)).toEqual(['Today', '1*', '2*', '3', '4*']);
  });

  it('was corrected by seconds: the group goes on', () => {
    expect(outline([at(1, NOON), at(2, NOON - 2_000)])).toEqual(['Today', '1*', '2']);
    expect(outline([at(1, NOON), at(2, NOON - GROUP_MS)])).toEqual(['Today', '1*', '2*']);
  });

  it('was corrected by seconds over midnight: the new day goes on', () => {
    const stored = [at(1, MIDNIGHT - 1), at(2, MIDNIGHT), at(3, MIDNIGHT - 1_000), at(4, MIDNIGHT + 1)];
    expect(outline(stored, { now: MIDNIGHT })).toEqual(['Yesterday', '1*', 'Today', '2*', '3', '4']);
  });

  it('was a day ahead: the days are told as the messages have them', () => {
    expect(outline([at(1, NOON - DAY), at(2, NOON), at(3, NOON - DAY)])).toEqual(['Yesterday', '1*', 'Today', '2*', 'Yesterday', '3*']);
  });

  it.each([-DAY, -HOUR, HOUR, DAY])('is %i ms from ours: what is not sent yet stands where it will be', (serverAhead) => {
    const here = NOON - serverAhead;
    const stored = [at(1, NOON - 1_000, 'Ada')];
    expect(outline(stored, { pending: [unsent(here)], serverAhead })).toEqual(['Today', '1*', '?']);
  });

  it('tells the day, whatever ours says', async () => {
    const platform = new FakePlatform();
    platform.route = () => json([], 200, { Date: new Date(NOON + 40 * DAY).toUTCString() });
    const api = new Api(platform.fetch, platform.now);
    await api.publicRooms();
    expect(api.serverAhead).toBe(40 * DAY);
  });
});

describe("this machine's clock", () => {
  it('set back by an hour holds back no message that arrives', () => {
    const platform = new FakePlatform();
    const view = new RoomView(room('general'), 0, { me: () => 'Ada', displayName: (name) => name, hasDraft: () => false });
    const timeline = new Timeline(platform, { history: () => Promise.resolve({ messages: [], more: false }) }, {
      me: () => 'Ada',
      outbox: () => ({ pendingIn: () => [] }),
      read: () => {},
      remember: () => {},
      serverNow: () => Date.now(),
    });
    void timeline.open(view);
    const arrive = (seq: number) => timeline.receive(view, view.receive(messages(seq, seq)[0] as Message));
    arrive(1);
    vi.setSystemTime(NOON - HOUR);
    arrive(2);
    vi.advanceTimersByTime(60);
    expect(timeline.items.filter(({ kind }) => kind === 'message')).toHaveLength(2);
    timeline.close();
  });

  it('set forward ends no typing, set back keeps none', () => {
    const platform = new FakePlatform();
    const sent: string[] = [];
    const people = new People(platform, { users: () => Promise.resolve({ changed: false }) }, (name) => sent.push(name));
    people.typed({ room: 'general', user: 'Ben' });
    people.typing('general');
    vi.setSystemTime(NOON + HOUR);
    vi.advanceTimersByTime(TYPING_SENT_MS - 1);
    people.typing('general');
    expect(people.typingIn('general')).toEqual(['Ben']);
    expect(sent).toHaveLength(1);
    vi.setSystemTime(NOON - HOUR);
    vi.advanceTimersByTime(TYPING_SHOWN_MS);
    people.typing('general');
    expect(people.typingIn('general')).toEqual([]);
    expect(sent).toHaveLength(2);
  });

  it('set back between two unsent messages does not exchange them when another tab adopts them', async () => {
    const first = new FakePlatform();
    const handlers = { post: () => new Promise<never>(() => {}), queued: () => {}, acked: () => {}, changed: () => {} };
    const gone = new Outbox(first, handlers);
    await Promise.all([gone.load('Ada'), vi.advanceTimersByTimeAsync(1000)]);
    gone.send('general', 'one');
    vi.setSystemTime(NOON - HOUR);
    gone.send('general', 'two');
    const here = new Outbox(new FakePlatform({ storage: first.storage }), handlers);
    await Promise.all([here.load('Ada'), vi.advanceTimersByTimeAsync(1000)]);
    expect(here.messages.map(({ content }) => content)).toEqual(['one', 'two']);
  });

  it.each([-400, 400])('%i days off renews no token again and again', async (days) => {
    const platform = new FakePlatform();
    const server = NOON / 1000;
    const fresh = () => token(server, server + MONTH_S);
    platform.storage.setItem('melangerie.session', JSON.stringify({ token: fresh(), user: user('Ada') }));
    platform.route = () => {
      if (platform.requests.length > 100) return null;
      return json({ token: fresh(), user: user('Ada') }, 200, { Date: new Date(NOON).toUTCString() });
    };
    vi.setSystemTime(NOON + days * DAY);
    const api = new Api(platform.fetch, platform.now);
    const session = new Session(platform, api, { signedIn: () => {}, expired: () => {}, signedOut: () => {} });
    session.start();
    for (let hours = 0; hours < 24; hours++) {
      await vi.advanceTimersByTimeAsync(HOUR);
      await settle();
    }
    expect(platform.requests.length).toBeLessThanOrEqual(1);
    session.stop();
  });
});

describe('a nap', () => {
  const looks = () => {
    let naps = 0;
    let ahead = 0;
    const clocks = { now: () => Date.now(), monotonic: () => performance.now() + ahead };
    const end = watchForWaking(clocks, () => naps++);
    return { end, naps: () => naps, sleep: (ms: number) => (ahead += ms) };
  };

  it('is noticed within a second, whichever clock went on', () => {
    for (const wall of [true, false]) {
      const { end, naps, sleep } = looks();
      vi.advanceTimersByTime(60_000);
      expect(naps()).toBe(0);
      if (wall) vi.setSystemTime(Date.now() + 5 * 60_000);
      else sleep(5 * 60_000);
      vi.advanceTimersByTime(WAKE_CHECK_MS);
      expect(naps()).toBe(1);
      vi.advanceTimersByTime(60_000);
      expect(naps()).toBe(1);
      end();
    }
  });

  it('is neither a clock that is set back nor a busy moment', () => {
    const { naps, end } = looks();
    vi.setSystemTime(NOON - DAY);
    vi.advanceTimersByTime(WAKE_CHECK_MS);
    vi.setSystemTime(Date.now() + WAKE_LATE_MS - 1);
    vi.advanceTimersByTime(10 * WAKE_CHECK_MS);
    expect(naps()).toBe(0);
    end();
  });

  it('over midnight makes Today Yesterday at once', () => {
    const platform = new FakePlatform();
    const view = new RoomView(room('general'), 0, { me: () => 'Ada', displayName: (name) => name, hasDraft: () => false });
    const timeline = new Timeline(platform, { history: () => Promise.resolve({ messages: [], more: false }) }, {
      me: () => 'Ada',
      outbox: () => ({ pendingIn: () => [] }),
      read: () => {},
      remember: () => {},
      serverNow: () => Date.now(),
    });
    void timeline.open(view);
    timeline.receive(view, view.receive(at(1, NOON)));
    const label = () => timeline.items.flatMap((item) => (item.kind === 'day' ? [item.label] : []));
    expect(label()).toEqual(['Today']);
    vi.setSystemTime(NOON + DAY);
    platform.tell('wake');
    expect(label()).toEqual(['Yesterday']);
    timeline.close();
  });
});

describe('a server that stops', () => {
  const offline = () => {
    const connection = new Connection(() => {}, new FakePlatform());
    connection.up(true);
    return connection;
  };

  it('is restarting until it is back', () => {
    const connection = offline();
    connection.ended(CLOSE_GOING_AWAY);
    connection.up(false);
    connection.waiting(performance.now() + 500);
    expect([connection.status, connection.restarting]).toEqual(['offline', true]);
    connection.ended(1006);
    connection.waiting(null);
    expect(connection.restarting).toBe(true);
    connection.up(true);
    expect([connection.status, connection.restarting]).toEqual(['online', false]);
  });

  it('and does not come back is not there, nor is one that only went', () => {
    const stopped = offline();
    stopped.ended(CLOSE_GOING_AWAY);
    stopped.up(false);
    vi.advanceTimersByTime(RESTART_MS);
    stopped.waiting(performance.now() + 500);
    const cut = offline();
    cut.ended(1006);
    cut.up(false);
    for (const connection of [stopped, cut]) expect([connection.status, connection.restarting]).toEqual(['offline', false]);
  });
});
