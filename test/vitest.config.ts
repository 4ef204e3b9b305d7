import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A process a file: the addon, and a crash of it, stays in one of them.
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
