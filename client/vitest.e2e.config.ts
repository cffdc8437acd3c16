// How the client is tested against a real server, and in a real browser. Two files at a time: each starts a server and a
// browser, and while one waits, as tests of lost links do, a small machine has room for the other.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  test: {
    environment: './src/testing/environment.ts',
    include: ['e2e/**/*.e2e.ts'],
    maxWorkers: 2,
    // Only a guard against a test that hangs; what is waited for is waited for by itself.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000, interval: 50 } },
  },
});
