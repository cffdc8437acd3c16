// How the client's figures are taken: by the tools of the browser tests, alone and in order, and with all the time they need.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  test: {
    environment: './src/testing/environment.ts',
    include: ['bench/**/*.bench.ts'],
    testTimeout: 900_000,
    hookTimeout: 120_000,
    reporters: ['dot'],
  },
});
