// How the client is built and unit-tested. The build leaves, beside every asset that gets smaller by it, its gzip and
// brotli forms, so that the server never compresses anything while people wait.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { precompress } from './scripts/precompress.ts';

export default defineConfig({
  plugins: [svelte(), precompress()],
  build: {
    target: 'es2022',
    // Also where --outDir names a directory elsewhere: what an older build left there would be embedded too.
    emptyOutDir: true,
    // Data URLs in style sheets would need a wider Content-Security-Policy, and the pre-load helper injects nothing we need.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // V8 then compiles all of it beside the page's thread while it arrives, instead of each function when it is first called.
    // It has to be the first line, so it comes after minifying.
    rolldownOptions: { output: { postBanner: '//# allFunctionsCalledOnLoad' } },
  },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/auth': 'http://127.0.0.1:8080',
      '/chat': { target: 'http://127.0.0.1:8080', ws: true },
      '/report': 'http://127.0.0.1:8080',
      '/health': 'http://127.0.0.1:8080',
    },
  },
  test: { environment: './src/testing/environment.ts', include: ['src/**/*.test.ts'] },
});
