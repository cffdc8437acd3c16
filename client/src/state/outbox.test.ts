import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeChannels, FakePlatform, settle } from '../testing/fakes';
import { ApiError } from '../wire/api';
import type { MessageAck } from '../wire/protocol';
import { LinkLost } from '../wire/socket';
import { Outbox, type PendingMessage } from './outbox.svelte';
import { MemoryStorage } from './platform';

interface Posted {
  message: PendingMessage;
  ack: (seq?: number) => Promise<void>;
  refuse: (error: Error) => Promise<void>;
}

function setUp(shared: ConstructorParameters<typeof FakePlatform>[0] = {}) {
  const platform = new FakePlatform(shared);
  const posted: Posted[] = [];
  const acked: string[] = [];
  const outbox = new Outbox(platform, {
    post: (message) =>
      new Promise<MessageAck>((resolve, reject) => {
        posted.push({
          message,
          ack: (seq = posted.length) => (resolve({ room: message.room, seq, timestamp: 1 }), settle()),
          refuse: (error) => (reject(error), settle()),
        });
      }),
    queued: () => {},
    acked: (message) => acked.push(message.content),
    changed: () => {},
  });
  const last = () => posted.at(-1) as Posted;
  const contents = () => posted.map(({ message }) => message.content);
  return { platform, outbox, posted, acked, last, contents };
}

async function loaded(shared: ConstructorParameters<typeof FakePlatform>[0] = {}) {
  const all = setUp(shared);
  const loading = all.outbox.load('Ada');
  await vi.advanceTimersByTimeAsync(1000);
  await loading;
  return all;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('sending', () => {
  it('goes in order, one at a time, and lets go only on Ack', async () => {
    const { outbox, posted, acked, contents, last } = await loaded();
    outbox.resume();
    outbox.send('general', 'one');
    outbox.send('general', 'two');
    outbox.send('dispatch', 'three');
    expect(contents()).toEqual(['one']);
    expect(outbox.pendingIn('General').map(({ content }) => content)).toEqual(['one', 'two']);
    await last().ack();
    expect(contents()).toEqual(['one', 'two']);
    expect(outbox.messages).toHaveLength(2);
    await last().ack();
    await last().ack();
    expect(acked).toEqual(['one', 'two', 'three']);
    expect(outbox.messages).toEqual([]);
    expect(new Set(posted.map(({ message }) => message.id)).size).toBe(3);
  });

  it('waits for the link, and sends again under the same id what was cut off', async () => {
    const { outbox, posted, contents, last } = await loaded();
    outbox.send('general', 'one');
    outbox.send('general', 'two');
    expect(posted).toEqual([]);
    outbox.resume();
    await last().refuse(new LinkLost(1006));
    expect(contents()).toEqual(['one']);
    outbox.resume();
    expect(contents()).toEqual(['one', 'one']);
    expect(posted[0]?.message.id).toBe(posted[1]?.message.id);
    await last().ack();
    expect(contents()).toEqual(['one', 'one', 'two']);
  });

  it('waits out a rate limit, keeping the order', async () => {
    const { outbox, contents, last } = await loaded();
    outbox.resume();
    outbox.send('general', 'one');
    outbox.send('general', 'two');
    await last().refuse(new ApiError(0, 'rate_limited', 'Wait.', 1500));
    expect(outbox.waitingUntil).toBe(performance.now() + 1500);
    outbox.send('general', 'three');
    await vi.advanceTimersByTimeAsync(1499);
    expect(contents()).toEqual(['one']);
    await vi.advanceTimersByTimeAsync(1);
    expect(outbox.waitingUntil).toBeNull();
    expect(contents()).toEqual(['one', 'one']);
    await last().ack();
    await last().ack();
    expect(contents()).toEqual(['one', 'one', 'two', 'three']);
  });

  it('tries again by itself where the server is stopping or the session has ended', async () => {
    const { outbox, contents, last } = await loaded();
    outbox.resume();
    outbox.send('general', 'one');
    await last().refuse(new ApiError(0, 'overloaded', 'Stopping.'));
    expect(outbox.messages[0]?.state).toBe('pending');
    await vi.advanceTimersByTimeAsync(2000);
    expect(contents()).toEqual(['one', 'one']);
    await last().refuse(new ApiError(0, 'unauthorized', 'Sign in.'));
    expect(outbox.messages[0]?.state).toBe('pending');
    outbox.resume();
    expect(contents()).toEqual(['one', 'one', 'one']);
  });
});

describe('failure', () => {
  it.each([
    new ApiError(0, 'storage_failed', 'The disk is full.'),
    new ApiError(0, 'forbidden', 'You are not in this room.'),
    new LinkLost(1009),
  ])('%s is told, does not hold up the rest, and can be tried again under the same id', async (error) => {
    const { outbox, posted, contents, last } = await loaded();
    outbox.resume();
    const first = outbox.send('general', 'one');
    outbox.send('general', 'two');
    await last().refuse(error);
    expect(outbox.messages[0]).toMatchObject({ state: 'failed', id: first.id });
    expect(outbox.messages[0]?.error).toMatch(/\.$/);
    expect(contents()).toEqual(['one', 'two']);
    await last().ack();
    outbox.retry(first.id);
    expect(outbox.messages[0]).toMatchObject({ state: 'pending' });
    expect(outbox.messages[0]?.error).toBeUndefined();
    expect(contents()).toEqual(['one', 'two', 'one']);
    expect(posted[2]?.message.id).toBe(first.id);
    await last().ack();
    expect(outbox.messages).toEqual([]);
  });

  it('gives a failed message back to the composer, or discards it', async () => {
    const { outbox, last } = await loaded();
    outbox.resume();
    const first = outbox.send('general', ' as typed ');
    await last().refuse(new ApiError(0, 'forbidden', 'No.'));
    expect(outbox.edit(first.id)).toBe(' as typed ');
    expect(outbox.messages).toEqual([]);
    expect(outbox.edit(first.id)).toBeNull();
    const second = outbox.send('general', 'two');
    await last().refuse(new ApiError(0, 'forbidden', 'No.'));
    expect(outbox.remove(second.id)).toBe(true);
    expect(outbox.messages).toEqual([]);
  });

  it('takes back nothing that the server may have', async () => {
    const { outbox, last } = await loaded();
    const waiting = outbox.send('general', 'never left');
    expect(outbox.edit(waiting.id)).toBe('never left');
    outbox.resume();
    const sent = outbox.send('general', 'left');
    expect(outbox.remove(sent.id)).toBe(false);
    await last().refuse(new LinkLost(1006));
    expect(outbox.edit(sent.id)).toBeNull();
    expect(outbox.messages).toHaveLength(1);
  });
});

describe('persistence', () => {
  it('survives a reload: the same messages, ids and order, failures too', async () => {
    const shared = { storage: new MemoryStorage(), tabStorage: new MemoryStorage() };
    const before = await loaded(shared);
    before.outbox.resume();
    before.outbox.send('general', 'failed');
    await before.last().refuse(new ApiError(0, 'forbidden', 'No.'));
    before.outbox.send('general', 'on its way');
    before.outbox.send('general', 'waiting');
    const ids = before.outbox.messages.map(({ id }) => id);

    const after = await loaded(shared);
    expect(after.outbox.messages.map(({ id }) => id)).toEqual(ids);
    expect(after.outbox.messages[0]).toMatchObject({ state: 'failed', error: 'No.' });
    after.outbox.resume();
    await after.last().ack();
    await after.last().ack();
    expect(after.contents()).toEqual(['on its way', 'waiting']);
    expect((await loaded(shared)).outbox.messages.map(({ content }) => content)).toEqual(['failed']);
  });

  it('is there at once after a reload, before the other tabs have answered', () => {
    const shared = { storage: new MemoryStorage(), tabStorage: new MemoryStorage() };
    const before = setUp(shared);
    void before.outbox.load('Ada');
    before.outbox.send('general', 'one');
    const after = setUp(shared);
    void after.outbox.load('Ada');
    expect(after.outbox.messages).toHaveLength(1);
  });

  it('belongs to the person who wrote it', async () => {
    const shared = { storage: new MemoryStorage(), tabStorage: new MemoryStorage() };
    const { outbox } = await loaded(shared);
    outbox.send('general', 'from Ada');
    void outbox.load('Ben');
    expect(outbox.messages).toEqual([]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(outbox.messages).toEqual([]);
    void outbox.load('ada');
    expect(outbox.messages).toHaveLength(1);
  });

  it('of a tab that has gone is adopted, in the order of writing', async () => {
    const storage = new MemoryStorage();
    const gone = await loaded({ storage });
    gone.outbox.send('general', 'from the tab that has gone');
    const here = setUp({ storage });
    const loading = here.outbox.load('Ada');
    await vi.advanceTimersByTimeAsync(1);
    here.outbox.send('general', 'own');
    await vi.advanceTimersByTimeAsync(1000);
    await loading;
    expect(here.outbox.messages.map(({ content }) => content)).toEqual(['from the tab that has gone', 'own']);
    expect(storage.length).toBe(1);
  });

  it('of a living tab is left alone', async () => {
    const shared = { storage: new MemoryStorage(), channels: new FakeChannels() };
    const living = await loaded(shared);
    living.outbox.send('general', 'one');
    const other = await loaded(shared);
    expect(other.outbox.messages).toEqual([]);
    expect(living.outbox.messages).toHaveLength(1);
  });

  it('a duplicated tab leaves the messages to the first one', async () => {
    const shared = { storage: new MemoryStorage(), channels: new FakeChannels() };
    const tabStorage = new MemoryStorage();
    const first = await loaded({ ...shared, tabStorage });
    first.outbox.send('general', 'one');
    const copy = new MemoryStorage();
    copy.setItem('melangerie.tab', tabStorage.getItem('melangerie.tab') ?? '');
    const second = await loaded({ ...shared, tabStorage: copy });
    expect(second.outbox.messages).toEqual([]);
    second.outbox.send('general', 'two');
    const reloaded = await loaded({ ...shared, channels: new FakeChannels(), tabStorage });
    expect(reloaded.outbox.messages.map(({ content }) => content)).toContain('one');
  });

  it('works where the browser refuses storage', async () => {
    const storage = new MemoryStorage();
    storage.setItem = () => {
      throw new DOMException('full', 'QuotaExceededError');
    };
    const { outbox, contents } = await loaded({ storage });
    outbox.resume();
    outbox.send('general', 'one');
    expect(contents()).toEqual(['one']);
  });
});
