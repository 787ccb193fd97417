import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'fixtures/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Files start servers and workers of their own: two at a time is what two cores can carry.
    maxWorkers: 2,
    slowTestThreshold: 5_000,
  },
});
