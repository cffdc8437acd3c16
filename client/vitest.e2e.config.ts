// How the client is tested against a real server, and in a real browser. One file after the other and one worker: each
// starts a server and a browser, and a small machine has room for one of them.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  test: {
    environment: './src/testing/environment.ts',
    include: ['e2e/**/*.e2e.ts'],
    fileParallelism: false,
    // Only a guard against a test that hangs; what is waited for is waited for by itself.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000, interval: 50 } },
  },
});
