// Owns: where unit tests run: Node as it is, with modules transformed as for the browser, so that Svelte's signals are the
// real ones and not those of server-side rendering, which never change.
import type { Environment } from 'vitest/runtime';

export default {
  name: 'node-as-client',
  viteEnvironment: 'client',
  setup() {
    return { teardown() {} };
  },
} satisfies Environment;
