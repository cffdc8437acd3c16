import { describe, expect, it } from 'vitest';
import { messages } from '../testing/fakes';
import type { Message } from '../wire/protocol';
import { buildItems, GROUP_MS, type ItemsInput } from './items';
import type { PendingMessage } from './outbox.svelte';

const NOON = new Date(2026, 10, 20, 12).getTime();

function at(seq: number, time: number, more: Partial<Message> = {}): Message {
  return { room: 'general', seq, sender: 'Ben', content: `m${seq}`, timestamp: time, ...more };
}

function input(stored: Message[], more: Partial<ItemsInput> = {}): ItemsInput {
  return { messages: stored, early: [], pending: [], firstUnreadSeq: null, me: 'Ada', now: NOON, serverAhead: 0, ...more };
}

function pending(id: string, more: Partial<PendingMessage> = {}): PendingMessage {
  return { id, room: 'general', content: id, created: NOON, state: 'pending', ...more };
}

/** The rows in short: `day`, `new`, `event`, `Name*` for the first of a group, `Name` for the rest, `?` for pending. */
function outline(given: ItemsInput): string[] {
  return buildItems(given).map((item) => {
    if (item.kind === 'message') return item.message.sender + (item.first ? '*' : '');
    if (item.kind === 'pending') return item.first ? '?*' : '?';
    return item.kind;
  });
}

describe('groups', () => {
  it('hold the messages of one author within 5 minutes', () => {
    expect(outline(input([at(1, NOON), at(2, NOON + GROUP_MS - 1), at(3, NOON + GROUP_MS)]))).toEqual(['day', 'Ben*', 'Ben', 'Ben*']);
  });

  it('end with another author, an announcement, the New line and the day', () => {
    const midnight = new Date(2026, 10, 21).getTime();
    expect(outline(input([at(1, NOON), at(2, NOON, { sender: 'Cy' }), at(3, NOON)]))).toEqual(['day', 'Ben*', 'Cy*', 'Ben*']);
    expect(outline(input([at(1, NOON), at(2, NOON, { sender: 'Server' }), at(3, NOON)]))).toEqual(['day', 'Ben*', 'event', 'Ben*']);
    expect(outline(input([at(1, NOON), at(2, NOON)], { firstUnreadSeq: 2 }))).toEqual(['day', 'Ben*', 'new', 'Ben*']);
    expect(outline(input([at(1, midnight - 1), at(2, midnight)]))).toEqual(['day', 'Ben*', 'day', 'Ben*']);
  });

  it('take in what is unsent', () => {
    const stored = [at(1, NOON - 1000, { sender: 'Ada' })];
    expect(outline(input(stored, { pending: [pending('a'), pending('b')] }))).toEqual(['day', 'Ada*', '?', '?']);
    expect(outline(input([at(1, NOON)], { pending: [pending('a')] }))).toEqual(['day', 'Ben*', '?*']);
  });
});

describe('days', () => {
  it('are named in words, once each', () => {
    const day = 24 * 60 * 60 * 1000;
    const labels = buildItems(input([at(1, NOON - 2 * day), at(2, NOON - day), at(3, NOON), at(4, NOON)])).flatMap((item) =>
      item.kind === 'day' ? [item.label] : [],
    );
    expect(labels).toHaveLength(3);
    expect(labels.slice(1)).toEqual(['Yesterday', 'Today']);
  });

  it('that come twice, because a clock went back, still have keys of their own', () => {
    const keys = buildItems(input([at(1, NOON), at(2, NOON + 86_400_000), at(3, NOON)])).map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('one message', () => {
  const mine = at(7, NOON, { sender: 'Ada', id: 'x' });

  it('keeps its key from pending to sent, and is shown once where its Message overtakes its Ack', () => {
    const before = buildItems(input([], { pending: [pending('x')] }));
    const overtaken = buildItems(input([mine], { pending: [pending('x')] }));
    const sent = buildItems(input([mine]));
    for (const items of [before, overtaken, sent]) expect(items.map(({ key }) => key)).toEqual(['day:2026-11-20', 'id:x']);
    expect([before, overtaken, sent].map((items) => items[1]?.kind)).toEqual(['pending', 'pending', 'message']);
  });

  it('of somebody else with the same id is another one', () => {
    const other = at(6, NOON, { id: 'x' });
    expect(buildItems(input([other, mine], { pending: [pending('x')] })).map(({ kind }) => kind)).toEqual(['day', 'message', 'pending']);
  });

  it('that mentions the reader says so, unless it is their own', () => {
    const items = buildItems(input([at(1, NOON, { content: 'hi @ada' }), at(2, NOON, { content: 'hi @ada', sender: 'ADA' })]));
    expect(items.flatMap((item) => (item.kind === 'message' ? [item.mentionsMe] : []))).toEqual([true, false]);
  });

  it('stays the same object while it does not change', () => {
    const stored = messages(1, 100);
    const before = buildItems(input(stored));
    const after = buildItems(input([...stored, ...messages(101, 101)]), before);
    expect(after).toHaveLength(before.length + 1);
    before.forEach((item, index) => expect(after[index]).toBe(item));
  });
});
