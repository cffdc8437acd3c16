// Editing what one sent, against a server in memory: the newest text stands in the earlier message's place, always.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { messages } from '../testing/fakes';
import { FakeServer } from '../testing/server';
import { closeTabs, idle, openTab } from '../testing/tab';
import type { Message } from '../wire/protocol';
import type { App } from './app.svelte';
import { editedAmong, supersedes } from './edits';
import { buildItems } from './items';
import { MessageWindow } from './window';

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(1_800_000_000_000);
});
afterEach(() => {
  closeTabs();
  vi.useRealTimers();
});

/** The messages that are shown: text, whether it is marked as edited, and what becomes of an edit that is not stored. */
function rows(app: App): string[] {
  return app.timeline.items.flatMap((item) => {
    if (item.kind === 'pending') return [`${item.pending.content} (${item.pending.state})`];
    if (item.kind !== 'message') return [];
    if (item.edit) return [`${item.edit.content} (edit ${item.edit.state})`];
    return [item.message.content + (item.message.edited === undefined ? '' : ' (edited)')];
  });
}

const original: Message = { room: 'general', seq: 5, sender: 'Ben', content: 'helo', timestamp: 100 };
const edit = (seq: number, more: Partial<Message> = {}): Message => ({ ...original, seq, content: `edit ${seq}`, timestamp: 100 + seq, replaces: 5, ...more });

describe('the rule', () => {
  it('takes the newest text of the same sender, and nothing else', () => {
    expect(supersedes(edit(7), original)).toBe(true);
    expect(supersedes(edit(7, { sender: 'BEN' }), original)).toBe(true);
    expect(supersedes(edit(7, { sender: 'Cy' }), original)).toBe(false);
    expect(supersedes(edit(7, { replaces: 6 }), original)).toBe(false);
    expect(supersedes(edit(5), original)).toBe(false);
    expect(supersedes(edit(7), { ...original, replaces: 2 })).toBe(false);
    expect(supersedes(edit(7, { sender: 'Server' }), { ...original, sender: 'Server' })).toBe(false);
  });

  it('lets the highest number win, whichever came first, also where a clock went back', () => {
    const window = new MessageWindow();
    window.reset(messages(1, 10));
    window.edit([edit(9, { timestamp: 1 }), edit(7, { timestamp: 900 })]);
    expect(window.at(5)).toMatchObject({ seq: 5, content: 'edit 9', edited: 1 });
    window.edit([edit(8)]);
    expect(window.at(5)?.content).toBe('edit 9');
    window.edit([edit(12)]);
    expect(window.at(5)?.content).toBe('edit 12');
  });

  it('never puts an older text over that of a page', () => {
    const window = new MessageWindow();
    window.reset([...messages(1, 4), { ...original, content: 'newest', edited: 112 }, edit(6)]);
    window.edit(window.messages);
    expect(window.at(5)).toMatchObject({ content: 'newest', edited: 112 });
    window.edit([edit(12, { content: 'newest' }), edit(13)]);
    expect(window.at(5)?.content).toBe('edit 13');
  });

  it('holds among messages that are ahead of the rest', () => {
    expect(editedAmong([original, edit(6), edit(7)])[0]).toMatchObject({ seq: 5, content: 'edit 7', edited: 107 });
    expect(editedAmong([original])[0]).toBe(original);
  });

  it('keeps a row the same object while it does not change', () => {
    const window = new MessageWindow();
    window.reset([...messages(1, 4), original, edit(6)]);
    window.edit(window.messages);
    const input = { early: [], pending: [], firstUnreadSeq: null, me: 'Ada', now: 0, serverAhead: 0 };
    const before = buildItems({ ...input, messages: window.messages });
    window.edit(window.messages);
    const after = buildItems({ ...input, messages: window.messages }, before);
    after.forEach((item, index) => expect(item).toBe(before[index]));
  });
});

describe('what others edit', () => {
  it('changes in its place, without a row, a count, a mention or a sound of its own', async () => {
    const { app, server, platform } = await openTab();
    platform.isAttended = false;
    app.preferences.sound = true;
    server.post('general', 'helo');
    server.post('general', 'second');
    await idle();
    const sound = vi.spyOn(app.notices, 'sound').mockImplementation(() => {});
    server.post('general', 'hello @ada', { replaces: 1 });
    await idle();
    expect(rows(app)).toEqual(['hello @ada (edited)', 'second']);
    expect(app.rooms.current).toMatchObject({ unread: 2, mentioned: 0, lastSeq: 3 });
    expect(sound).not.toHaveBeenCalled();
    server.post('general', 'hullo', { replaces: 1 });
    server.post('general', 'by another', { replaces: 1, sender: 'Cy' });
    server.post('general', 'of an edit', { replaces: 3 });
    await idle();
    expect(rows(app)).toEqual(['hullo (edited)', 'second']);
    expect(app.rooms.unread).toBe(2);
    platform.isAttended = true;
    platform.tell('focus');
    await vi.advanceTimersByTimeAsync(300);
    expect(server.rooms.get('general')?.room.read_seq).toBe(6);
  });

  it('while cut off is there afterwards, the old text coming before the new', async () => {
    const { app, server } = await openTab();
    server.post('general', 'helo');
    server.cut();
    server.post('general', 'wrld');
    server.post('general', 'hello', { replaces: 1 });
    server.post('general', 'world', { replaces: 2 });
    await vi.advanceTimersByTimeAsync(2_000);
    await idle();
    expect(rows(app)).toEqual(['hello (edited)', 'world (edited)']);
  });

  it('shows wherever one reads: far from the end, and after the newest messages have been dropped from memory', async () => {
    const server = new FakeServer();
    for (let number = 1; number <= 300; number++) server.post('general', `m${number}`);
    server.rooms.get('general')!.room.read_seq = 300;
    const { app } = await openTab({ server, path: '/room/general/100' });
    app.timeline.atBottom = false;
    expect(app.timeline.detached).toBe(true);
    server.post('general', 'changed', { replaces: 100 });
    await idle();
    expect(rows(app)).toContain('changed (edited)');
    for (let number = 1; number <= 1500; number++) server.post('general', `later ${number}`);
    await idle();
    expect(rows(app)).toContain('changed (edited)');
    expect(rows(app)).not.toContain('m100');
  });

  it('in the hole of a long absence shows at once, though the hole is not loaded', async () => {
    const { app, server } = await openTab();
    server.post('general', 'helo');
    server.reachable = false;
    server.cut();
    for (let number = 1; number <= 600; number++) server.post('general', `m${number}`);
    server.post('general', 'hello', { replaces: 1 });
    for (let number = 601; number <= 1200; number++) server.post('general', `m${number}`);
    server.reachable = true;
    await vi.advanceTimersByTimeAsync(2_000);
    await idle();
    expect(app.timeline.detached).toBe(true);
    expect(rows(app)[0]).toBe('hello (edited)');
  });

  it('before it was loaded is in the page already', async () => {
    const server = new FakeServer();
    server.post('general', 'helo');
    for (let number = 1; number <= 300; number++) server.post('general', `m${number}`);
    server.rooms.get('general')!.room.read_seq = 301;
    const { app } = await openTab({ server });
    server.post('general', 'hello', { replaces: 1 });
    await idle();
    expect(rows(app)).not.toContain('hello (edited)');
    while (!app.timeline.reachedStart) await app.timeline.loadOlder();
    expect(rows(app)[0]).toBe('hello (edited)');
  });

  it('has an address: that of the message it belongs to', async () => {
    const server = new FakeServer();
    server.post('general', 'helo');
    for (let number = 1; number <= 300; number++) server.post('general', `m${number}`);
    server.post('general', 'hello', { replaces: 1 });
    const { app } = await openTab({ server, path: '/room/general/302' });
    await idle();
    expect(app.timeline.target).toEqual({ seq: 1 });
    expect(app.timeline.landing).toEqual({ kind: 'message', seq: 1 });
  });
});

describe('what one edits oneself', () => {
  it('is on its own row until it is stored, and never a row of its own', async () => {
    const { app, server } = await openTab();
    app.outbox.send('general', 'helo');
    await idle();
    expect(app.timeline.lastMine).toEqual({ seq: 1, content: 'helo' });
    server.silentFor.add('Message');
    app.outbox.send('general', 'hello', 1);
    expect(rows(app)).toEqual(['hello (edit pending)']);
    expect(app.timeline.lastMine).toEqual({ seq: 1, content: 'hello' });
    server.silentFor.clear();
    server.cut();
    await vi.advanceTimersByTimeAsync(1000);
    expect(rows(app)).toEqual(['hello (edited)']);
    expect(server.rooms.get('general')?.messages).toMatchObject([{ content: 'helo' }, { content: 'hello', replaces: 1 }]);
    expect(app.rooms.unread).toBe(0);
  });

  it('goes out once and in order over a reload', async () => {
    const server = new FakeServer();
    const before = await openTab({ server });
    before.app.outbox.send('general', 'helo');
    await idle();
    server.silentFor.add('Message');
    before.app.outbox.send('general', 'one');
    before.app.outbox.send('general', 'hello', 1);
    before.app.outbox.send('general', 'two');
    server.reachable = false;
    server.cut();
    before.platform.tell('pagehide');
    server.silentFor.clear();
    server.reachable = true;
    const after = await openTab({ server, storage: before.storage, tabStorage: before.tabStorage });
    await idle();
    expect(server.rooms.get('general')?.messages.map(({ content, replaces }) => [content, replaces])).toEqual([
      ['helo', undefined],
      ['one', undefined],
      ['hello', 1],
      ['two', undefined],
    ]);
    expect(rows(after.app)).toEqual(['hello (edited)', 'one', 'two']);
  });

  it('that the server refuses stays on the row, to be sent again or discarded', async () => {
    const { app, platform } = await openTab();
    app.outbox.send('general', 'helo');
    await idle();
    const { answer } = platform.socket;
    platform.socket.answer = (frame) =>
      frame.id !== undefined && platform.socket.receive({ action: 'Error', data: { code: 'forbidden', message: 'Not yours.' }, id: frame.id });
    const failed = app.outbox.send('general', 'hello', 1);
    await idle();
    expect(rows(app)).toEqual(['hello (edit failed)']);
    app.outbox.remove(failed.id);
    expect(rows(app)).toEqual(['helo']);
    const again = app.outbox.send('general', 'hello', 1);
    await idle();
    platform.socket.answer = answer;
    app.outbox.retry(again.id);
    await idle();
    expect(rows(app)).toEqual(['hello (edited)']);
  });

  it('twice before it could leave is sent once; what may have left goes first', async () => {
    const { app, server } = await openTab();
    app.outbox.send('general', 'helo');
    await idle();
    server.silentFor.add('Message');
    app.outbox.send('general', 'first', 1);
    app.outbox.send('general', 'second', 1);
    app.outbox.send('general', 'third', 1);
    app.outbox.send('general', 'of another', 2);
    expect(app.outbox.messages.map(({ content }) => content)).toEqual(['first', 'third', 'of another']);
    expect(rows(app)).toEqual(['third (edit pending)']);
  });
});

describe('typing an edit', () => {
  it('leaves the draft alone, survives a reload, and is never lost to another edit', async () => {
    const { app, storage, tabStorage, server } = await openTab();
    app.drafts.set('general', 'half a sent');
    expect(app.editing.begin('General', 1, 'helo')).toBe(true);
    expect(app.editing.begin('general', 2, 'unchanged so far')).toBe(true);
    app.editing.type('general', 'changed');
    expect(app.editing.begin('general', 1, 'helo')).toBe(false);
    expect(app.editing.begin('general', 2, 'unchanged so far')).toBe(true);
    app.drafts.flush();
    const after = await openTab({ server, storage, tabStorage });
    expect(after.app.editing.of('general')).toEqual({ seq: 2, content: 'unchanged so far', text: 'changed' });
    expect(after.app.drafts.get('general')).toBe('half a sent');
    after.app.editing.end('general');
    expect(after.app.editing.of('general')).toBeNull();
    expect(tabStorage.getItem('melangerie/editing/ada')).toBeNull();
  });

  it('is of one tab alone', async () => {
    const { app, storage, server } = await openTab();
    app.editing.begin('general', 1, 'helo');
    expect((await openTab({ server, storage })).app.editing.of('general')).toBeNull();
  });
});
