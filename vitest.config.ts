import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'fixtures/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Files start servers and workers of their own, and wait for them most of the time: three is what two cores can carry.
    maxWorkers: 3,
    slowTestThreshold: 5_000,
  },
});
