/** A harness whose clock is not the database's, by what the clocks of two machines usually differ. */
import { expect, test as plainTest } from 'vitest';
import { createHistory, first } from '../core/history.ts';
import { jsonReport, WorkFolder } from '../testing/run-cli.ts';

const test = plainTest.extend<{ folder: WorkFolder }>({
  // oxlint-disable-next-line no-empty-pattern
  folder: async ({}, use) => {
    await using folder = await WorkFolder.make();
    await use(folder);
  },
});

/** Sets the wall clock of the program, and of it alone: its workers and servers inherit the environment too. */
function shiftedClock(byMs: number): string {
  return `if (process.argv[1]?.endsWith('verify-restart.js')) {
    const { Date: Real } = globalThis;
    globalThis.Date = class extends Real {
      constructor(...given) { given.length === 0 ? super(Real.now() + ${byMs}) : super(...given); }
      static now() { return Real.now() + ${byMs}; }
    };
  }`;
}

test.concurrent.for([50, -50])('%i ms apart', { timeout: 60_000 }, async (byMs, { folder }) => {
  const script = await folder.write('clock.mjs', shiftedClock(byMs));
  const args = ['demo', '--files', '12', '--reporter', 'json'];
  const result = await folder.run(args, { NODE_OPTIONS: `--import=file://${script}` });
  const report = jsonReport(result);
  expect(report.criteria.filter(({ status }) => !/^(?:passed|skipped)$/.test(status))).toEqual([]);
  expect(report.verdict).toBe('passed');
  const history = createHistory(await folder.events());
  const clock = first(history, 'clock:measured')!;
  const zero = Date.parse(first(history, 'run:started')!.startedAt);
  const writes = history.of('row:version').filter(({ source }) => source === 'trigger');
  const seenAfterMs = writes.map(({ atMs, databaseAtMs }) => atMs - (databaseAtMs - zero - clock.offsetMs));
  expect(writes.length).toBeGreaterThan(10);
  // No write is seen before it was made, and some are seen at once: the clocks are related as they stand.
  expect(Math.min(...seenAfterMs)).toBeGreaterThanOrEqual(-clock.uncertaintyMs - 2);
  expect(Math.min(...seenAfterMs)).toBeLessThan(25);
});
