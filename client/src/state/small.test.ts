// Drafts, the address, preferences, search, reports and the title: small concerns, each alone.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakePlatform, json, messages } from '../testing/fakes';
import { Api } from '../wire/api';
import { Drafts } from './drafts.svelte';
import { titleFor } from './notices.svelte';
import { MemoryStorage } from './platform';
import { Preferences } from './preferences.svelte';
import { Reports } from './reports.svelte';
import { parsePath, pathOf, Router } from './router.svelte';
import { Search } from './search.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('Drafts', () => {
  it('are kept exactly, for each room and person, over a restart', () => {
    const platform = new FakePlatform();
    const drafts = new Drafts(platform);
    drafts.load('Ada');
    drafts.set('general', '  half a\n');
    drafts.set('Night shift', 'x');
    vi.advanceTimersByTime(1000);
    const later = new Drafts(new FakePlatform({ storage: platform.storage }));
    later.load('ada');
    expect(later.get('General')).toBe('  half a\n');
    expect(later.has('night SHIFT')).toBe(true);
    later.load('Ben');
    expect(later.get('general')).toBe('');
  });

  it('are written late while one types, at once when the page goes', () => {
    const platform = new FakePlatform();
    const write = vi.spyOn(platform.storage, 'setItem');
    const drafts = new Drafts(platform);
    drafts.load('Ada');
    for (const text of ['h', 'he', 'hel']) drafts.set('general', text);
    expect(write).not.toHaveBeenCalled();
    platform.tell('pagehide');
    expect(write).toHaveBeenCalledTimes(1);
    drafts.set('general', '');
    vi.advanceTimersByTime(1000);
    expect(platform.storage.length).toBe(0);
  });

  it('follow what another tab types', () => {
    const platform = new FakePlatform();
    const drafts = new Drafts(platform);
    drafts.load('Ada');
    platform.tell('storage', { key: 'melangerie/draft/ada/general', newValue: 'from there' });
    expect(drafts.get('general')).toBe('from there');
    platform.tell('storage', { key: 'melangerie/draft/ada/general', newValue: null });
    expect(drafts.has('general')).toBe(false);
    platform.tell('storage', { key: 'melangerie/draft/ben/general', newValue: 'not mine' });
    expect(drafts.get('general')).toBe('');
  });

  it('of white space are kept, but not shown as drafts', () => {
    const drafts = new Drafts(new FakePlatform());
    drafts.load('Ada');
    drafts.set('general', ' ');
    expect([drafts.get('general'), drafts.has('general')]).toEqual([' ', false]);
  });
});

describe('addresses', () => {
  it.each(['general', 'night shift', 'v1.2', '山田', 'a-b_c'])('of %s go both ways', (room) => {
    expect(parsePath(pathOf(room))).toEqual({ view: 'room', room, seq: null });
    expect(parsePath(pathOf(room, 42))).toEqual({ view: 'room', room, seq: 42 });
  });

  it('that mean nothing are the list', () => {
    for (const path of ['/', '', '/room', '/room/', '/else/where', '/room/%ff']) expect(parsePath(path)).toEqual({ view: 'list' });
    for (const path of ['/room/a/0', '/room/a/x', '/room/a/1e9']) expect(parsePath(path)).toMatchObject({ seq: null });
  });
});

describe('Router', () => {
  it('pushes each address once and replaces where asked', () => {
    const platform = new FakePlatform();
    const router = new Router(platform, () => {});
    router.go('a');
    router.go('a');
    router.go('b', null, true);
    router.goHome();
    expect(platform.addressBar.entries.map(({ path }) => path)).toEqual(['/', '/room/b', '/']);
    expect(router.linkTo('b', 3)).toBe('http://chat.test:8080/room/b/3');
  });

  it('keeps a place with the entry that it belongs to', () => {
    const platform = new FakePlatform({ path: '/room/a' });
    const places: unknown[] = [];
    const router = new Router(platform, (place) => places.push(place));
    for (let seq = 1; seq <= 30; seq++) router.remember({ seq, offset: 0 });
    router.go('b');
    expect(platform.addressBar.entries[0]?.state).toEqual({ place: { seq: 30, offset: 0 } });
    router.remember({ seq: 99, offset: 5 });
    platform.travel(-1);
    vi.advanceTimersByTime(1000);
    expect(places).toEqual([null, { seq: 30, offset: 0 }]);
    expect(platform.addressBar.entries[0]?.state).toEqual({ place: { seq: 30, offset: 0 } });
  });

  it('writes places seldom', () => {
    const platform = new FakePlatform({ path: '/room/a' });
    const replace = vi.spyOn(platform.addressBar, 'replace');
    const router = new Router(platform, () => {});
    for (let frame = 0; frame < 60; frame++) {
      router.remember({ seq: frame, offset: 0 });
      vi.advanceTimersByTime(16);
    }
    expect(replace.mock.calls.length).toBeLessThanOrEqual(4);
  });
});

describe('Preferences', () => {
  it('are remembered, shared among tabs, and sane where storage is not', () => {
    const platform = new FakePlatform();
    const preferences = new Preferences(platform);
    expect([preferences.theme, preferences.sound]).toEqual(['system', true]);
    preferences.setTheme('dark');
    preferences.setSound(false);
    expect(JSON.parse(platform.storage.getItem('melangerie.preferences') ?? '')).toEqual({ theme: 'dark', sound: false });
    const other = new FakePlatform({ storage: platform.storage });
    const later = new Preferences(other);
    expect([later.theme, later.sound]).toEqual(['dark', false]);
    platform.storage.setItem('melangerie.preferences', '{"theme":"pink"');
    other.tell('storage', { key: 'melangerie.preferences' });
    expect([later.theme, later.sound]).toEqual(['system', true]);
  });
});

describe('Search', () => {
  it('tells what was searched, and that it stopped early', async () => {
    const platform = new FakePlatform();
    platform.route = ({ path, query }) => {
      expect([path, query.get('q'), query.get('room'), query.get('limit')]).toEqual(['/chat/search', 'a&b', 'night shift', '50']);
      return json({ messages: messages(1, 2), more: false, complete: false, searched_back_to: 77 });
    };
    const search = new Search(new Api(platform.fetch, platform.now));
    await search.query('a&b', 'night shift');
    expect(search).toMatchObject({ state: 'done', searchedBackTo: 77, more: false });
    expect(search.results).toHaveLength(2);
    search.clear();
    expect(search).toMatchObject({ state: 'idle', results: [], searchedBackTo: null });
  });

  it('shows the answer to the last question only', async () => {
    const answers: ((page: object) => void)[] = [];
    const search = new Search({ search: () => new Promise((resolve) => answers.push(resolve as (page: object) => void)) });
    const first = search.query('one');
    const second = search.query('two');
    answers[1]?.({ messages: messages(2, 2), more: false });
    answers[0]?.({ messages: messages(1, 1), more: true });
    await Promise.all([first, second]);
    expect([search.text, search.results[0]?.seq, search.more]).toEqual(['two', 2, false]);
  });

  it('says why it failed', async () => {
    const search = new Search(new Api(new FakePlatform().fetch, Date.now));
    await search.query('x');
    expect(search.state).toBe('failed');
    expect(search.error).toMatch(/server does not answer/);
    await search.query('  ');
    expect(search.state).toBe('idle');
  });
});

describe('Reports', () => {
  it('come newest first, page by page', async () => {
    const platform = new FakePlatform();
    const all = Array.from({ length: 70 }, (_, index) => ({ seq: index + 1, name: 'Ben', signed_in: true, issue: `i${index + 1}`, timestamp: index }));
    platform.route = ({ query }) => {
      const fitting = all.filter(({ seq }) => seq < Number(query.get('before') ?? Infinity));
      const page = fitting.slice(-Number(query.get('limit')));
      return json({ messages: page, more: page.length < fitting.length });
    };
    const reports = new Reports(new Api(platform.fetch, platform.now));
    await reports.load();
    expect([reports.items[0]?.seq, reports.items.at(-1)?.seq, reports.more]).toEqual([70, 21, true]);
    await reports.loadMore();
    expect(reports.items.map(({ seq }) => seq)).toEqual(all.map(({ seq }) => seq).reverse());
    expect(reports.more).toBe(false);
  });
});

describe('the title', () => {
  it('tells what is unread and where one is', () => {
    expect(titleFor(0, null)).toBe('Melangerie');
    expect(titleFor(3, '#general')).toBe('(3) #general · Melangerie');
    expect(titleFor(250, 'Ben')).toBe('(99+) Ben · Melangerie');
  });
});

describe('storage that is refused', () => {
  it('is replaced by memory', () => {
    const storage = new MemoryStorage();
    storage.setItem('a', '1');
    expect([storage.getItem('a'), storage.key(0), storage.length]).toEqual(['1', 'a', 1]);
    storage.removeItem('a');
    expect(storage.getItem('a')).toBeNull();
  });
});
