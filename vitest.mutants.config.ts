import { defineConfig } from 'vitest/config';

/** The tests that hold the judge: they need no server and no process, so they can be run for thousands of mutants. */
export default defineConfig({
  test: {
    include: ['src/core/**/*.test.ts', 'src/testing/histories.test.ts'],
    exclude: ['src/core/work-of-judging.test.ts', 'src/core/redact.test.ts', 'src/core/repeat.test.ts'],
    // Pure functions leave nothing behind: all of them can share what was loaded once.
    isolate: false,
    pool: 'threads',
    // A property that a mutant breaks for one history in ten is seen in these; the rest is for `npm test`.
    env: { FOR_MUTANTS: '1', PROPERTY_RUNS: '15' },
  },
});
