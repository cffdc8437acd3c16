import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakePlatform, json, settle, token, user } from '../testing/fakes';
import { Api } from '../wire/api';
import { MemoryStorage } from './platform';
import { renewalDue, Session, tokenTimes } from './session.svelte';

const NOW = 1_800_000_000;
const MONTH = 30 * 24 * 3600;
const FRESH = token(NOW, NOW + MONTH);
const HALF_GONE = token(NOW - MONTH / 2, NOW + MONTH / 2);

function setUp(storage = new MemoryStorage()) {
  const platform = new FakePlatform({ storage });
  const api = new Api(platform.fetch, platform.now);
  const told: string[] = [];
  const session = new Session(platform, api, {
    signedIn: ({ name }, changed) => told.push(`in ${name}${changed ? ' new' : ''}`),
    expired: () => told.push('expired'),
    signedOut: () => told.push('out'),
  });
  return { platform, api, session, told, storage };
}

function stored(value: string, name = 'Ada'): MemoryStorage {
  const storage = new MemoryStorage();
  storage.setItem('melangerie.session', JSON.stringify({ token: value, user: user(name) }));
  return storage;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(NOW * 1000);
});
afterEach(() => void vi.useRealTimers());

describe('tokens', () => {
  it('tell their times, in any alphabet', () => {
    expect(tokenTimes(token(1, 2, 'Ünïcode-名'.replace(/[^\x20-\x7e]/g, '?')))).toEqual({ iat: 1, exp: 2 });
    expect(tokenTimes('no token')).toBeNull();
    expect(tokenTimes('')).toBeNull();
  });

  it('are renewed when half of their life has passed', () => {
    expect(renewalDue(FRESH, NOW * 1000)).toBe(false);
    expect(renewalDue(HALF_GONE, NOW * 1000 - 1)).toBe(false);
    expect(renewalDue(HALF_GONE, NOW * 1000)).toBe(true);
  });
});

describe('Session', () => {
  it('begins signed out, and is remembered', async () => {
    const { session, platform, told, storage } = setUp();
    session.start();
    expect(session.phase).toBe('signed-out');
    platform.route = () => json({ token: FRESH, user: user('Ada') }, 201);
    await session.register('Ada', 'password');
    expect(session.phase).toBe('signed-in');
    expect(told).toEqual(['in Ada new']);
    const again = setUp(storage);
    again.session.start();
    expect(again.session.phase).toBe('signed-in');
    expect(again.session.name).toBe('Ada');
    expect(again.told).toEqual(['in Ada new']);
  });

  it('stays as it was where the password is wrong', async () => {
    const { session, platform } = setUp();
    session.start();
    platform.route = () => json({ code: 'unauthorized', message: 'Wrong.' }, 401);
    await expect(session.signIn('Ada', 'x')).rejects.toMatchObject({ code: 'unauthorized', message: 'Wrong.' });
    expect(session.phase).toBe('signed-out');
  });

  it('says that the server does not answer', async () => {
    const { session } = setUp();
    session.start();
    await expect(session.signIn('Ada', 'x')).rejects.toMatchObject({ code: 'network', status: 0 });
  });

  it('renews silently', async () => {
    const { session, platform, api, storage } = setUp(stored(HALF_GONE));
    platform.route = ({ path, headers }) => {
      expect(path).toBe('/auth/renew');
      expect(headers.get('authorization')).toBe(`Bearer ${HALF_GONE}`);
      return json({ token: FRESH, user: user('Ada') });
    };
    session.start();
    await settle();
    await settle();
    expect(api.token).toBe(FRESH);
    expect(storage.getItem('melangerie.session')).toContain(FRESH);
    expect(session.phase).toBe('signed-in');
    expect(platform.requests).toHaveLength(1);
  });

  it('is renewed by a page that stays open, and survives a failure of that', async () => {
    const { session, platform, api } = setUp(stored(FRESH));
    session.start();
    platform.route = () => null;
    await vi.advanceTimersByTimeAsync((MONTH / 2) * 1000);
    expect(api.token).toBe(FRESH);
    platform.route = () => json({ token: token(NOW + MONTH / 2, NOW + (3 * MONTH) / 2), user: user('Ada') });
    await vi.advanceTimersByTimeAsync(3600 * 1000);
    expect(api.token).not.toBe(FRESH);
    session.stop();
  });

  it('expires where the server refuses the token, keeps the name, and goes on with the password', async () => {
    const { session, platform, told } = setUp(stored(FRESH));
    session.start();
    await session.rejected(FRESH);
    expect(session.phase).toBe('expired');
    expect(session.name).toBe('Ada');
    const next = token(NOW + 1, NOW + MONTH);
    platform.route = ({ body }) => {
      expect(body).toEqual({ name: 'Ada', password: 'secret99' });
      return json({ token: next, user: user('Ada') });
    };
    await session.signInAgain('secret99');
    expect(session.phase).toBe('signed-in');
    expect(told).toEqual(['in Ada new', 'expired', 'in Ada']);
  });

  it('expires by an HTTP answer too', async () => {
    const { session, platform, api } = setUp(stored(FRESH));
    session.start();
    platform.route = () => json({ code: 'unauthorized', message: 'Sign in.' }, 401);
    await expect(api.publicRooms()).rejects.toMatchObject({ status: 401 });
    await settle();
    expect(session.phase).toBe('expired');
  });

  it('takes the newer token of another tab instead of asking', async () => {
    const { session, api, storage, told } = setUp(stored(FRESH));
    session.start();
    const next = token(NOW + 1, NOW + MONTH);
    storage.setItem('melangerie.session', JSON.stringify({ token: next, user: user('Ada') }));
    await session.rejected(FRESH);
    expect(session.phase).toBe('signed-in');
    expect(api.token).toBe(next);
    expect(told).toEqual(['in Ada new', 'in Ada']);
  });

  it('is shared among tabs: signing out, in, and as somebody else', () => {
    const { session, platform, storage, told } = setUp(stored(FRESH));
    session.start();
    storage.removeItem('melangerie.session');
    platform.tell('storage', { key: 'melangerie.session' });
    expect(session.phase).toBe('signed-out');
    storage.setItem('melangerie.session', JSON.stringify({ token: FRESH, user: user('Ada') }));
    platform.tell('storage', { key: 'melangerie.session' });
    expect(session.phase).toBe('signed-in');
    storage.setItem('melangerie.session', JSON.stringify({ token: 'x', user: user('Ben') }));
    platform.tell('storage', { key: 'melangerie.session' });
    expect(told).toEqual(['in Ada new', 'out', 'in Ada new', 'out', 'in Ben new']);
  });

  it('does not ask for the password that has just been changed, whichever answer comes first', async () => {
    for (const refusedFirst of [true, false]) {
      const { session, platform, api, told } = setUp(stored(FRESH));
      session.start();
      const next = token(NOW + 1, NOW + MONTH);
      let answer: (response: Response) => void = () => {};
      platform.fetch = (() => new Promise((resolve) => (answer = resolve))) as typeof fetch;
      const held = new Api((...args) => platform.fetch(...args), platform.now);
      api.changePassword = held.changePassword.bind(held);
      const changing = session.changePassword('old', 'new');
      const refused = refusedFirst ? session.rejected(FRESH) : null;
      answer(json({ token: next, user: user('Ada') }));
      await changing;
      await (refused ?? session.rejected(FRESH));
      expect(session.phase).toBe('signed-in');
      expect(api.token).toBe(next);
      expect(told).not.toContain('expired');
      expect(told.at(-1)).toBe('in Ada');
    }
  });

  it('signs out here only, or everywhere', async () => {
    const { session, platform, storage, told } = setUp(stored(FRESH));
    session.start();
    session.signOut();
    expect(platform.requests).toEqual([]);
    expect(storage.getItem('melangerie.session')).toBeNull();
    const other = setUp(stored(FRESH));
    other.platform.route = () => json(null, 204);
    other.session.start();
    const leaving = other.session.signOutEverywhere();
    const refused = other.session.rejected(FRESH);
    await leaving;
    await refused;
    expect(other.platform.requests).toEqual(['POST /auth/logout']);
    expect(other.told).toEqual(['in Ada new', 'out']);
    expect(told).toEqual(['in Ada new', 'out']);
  });
});
