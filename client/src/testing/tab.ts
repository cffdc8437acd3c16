// Owns: a tab with the whole state in it and a server in memory behind it, for unit tests.
import { vi } from 'vitest';
import { App } from '../state/app.svelte';
import { MemoryStorage } from '../state/platform';
import { FakeChannels, FakePlatform, settle, user } from './fakes';
import { FakeServer } from './server';

const apps: App[] = [];

/** Lets what is due within the next moments happen; timers are the fake ones. */
export async function idle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await settle();
    await vi.advanceTimersByTimeAsync(60);
  }
}

/** All links end, something happens, and they are there again. */
export async function meanwhile(server: FakeServer, happens: () => void): Promise<void> {
  server.reachable = false;
  server.cut();
  happens();
  server.reachable = true;
  await vi.advanceTimersByTimeAsync(2_000);
  await idle();
}

/** A tab with somebody signed in, at an address. */
export async function openTab({
  server = new FakeServer(),
  path = '/room/general',
  storage = new MemoryStorage(),
  tabStorage = new MemoryStorage(),
  channels = new FakeChannels(),
  signedIn = true,
  phone = false,
} = {}) {
  if (signedIn && storage.getItem('melangerie.session') === null) {
    storage.setItem('melangerie.session', JSON.stringify({ token: server.token, user: user('Ada') }));
  }
  const platform = new FakePlatform({ path, storage, tabStorage, channels });
  platform.isPhone = phone;
  server.serve(platform);
  const app = new App(platform);
  apps.push(app);
  app.start();
  await idle();
  app.timeline.atBottom = true;
  const shown = () =>
    app.timeline.items.flatMap((item) => {
      if (item.kind === 'message') return [item.message.content];
      return item.kind === 'pending' ? [`${item.pending.content} (${item.pending.state})`] : [];
    });
  return { server, platform, app, storage, tabStorage, channels, shown };
}

/** Ends every tab. */
export function closeTabs(): void {
  for (const app of apps.splice(0)) app.stop();
}
