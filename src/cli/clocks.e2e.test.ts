/**
 * A database whose clock is an hour off. The server's own clock cannot be set without privileges, so everybody else's is:
 * a preload shifts `Date` in the program and in its workers (or in the program alone), which is the same distance seen
 * from the other side. The monotonic clock and the timers go on as they are, as on any machine whose clock is wrong.
 */
import { join } from 'node:path';
import { describe, expect, test as plainTest } from 'vitest';
import { targetsOfOwnSystem, type OpenTarget } from '../testing/own-system-test.ts';
import { brokenWorker, type OwnTarget } from '../testing/own-system.ts';
import { built, jsonReport, notPassed } from '../testing/run-cli.ts';

const test = plainTest.extend<{ open: OpenTarget }>({ open: targetsOfOwnSystem() });

const HOUR_MS = 3_600_000;
const SECOND_MS = 1_000;

const PRELOAD = `
const shiftMs = Number(process.env.SHIFT_CLOCK_MS);
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(RealDate.now() + shiftMs);
    else super(...parts);
  }
  static now() {
    return RealDate.now() + shiftMs;
  }
};`;

const CONFIG = {
  effects: {
    sql: 'select file_path, count(*) from pybase.extracted_documents where job_id = $1 group by 1',
  },
  retries: { baseDelay: '1s' },
};

async function verify(target: OwnTarget, shiftMs: number, worker: string, ...args: readonly string[]) {
  await target.folder.write('clock.mjs', PRELOAD);
  await target.folder.write('verify-restart.config.json', JSON.stringify(CONFIG));
  const result = await target.folder.run(
    target.args(
      '--auto-restart',
      '--worker',
      worker,
      '--reporter',
      'json',
      '--terminal-timeout',
      '20s',
      ...args,
    ),
    {
      NODE_OPTIONS: `--import file://${join(target.folder.path, 'clock.mjs')}`,
      SHIFT_CLOCK_MS: String(shiftMs),
    },
  );
  expect(result.stderr).toBe('');
  const report = jsonReport(result);
  const events = await target.folder.events();
  const measured = events.find((event) => event.kind === 'clock:measured');
  if (measured?.kind !== 'clock:measured') throw new Error('the clocks were not compared');
  // The database's clock against the program's: the other way round.
  expect(Math.abs(measured.offsetMs + shiftMs)).toBeLessThan(SECOND_MS);
  return {
    exitCode: result.exitCode,
    notPassed: notPassed(report),
    diagnosis: report.diagnosis.map(({ id }) => id),
  };
}

const PASSED = { exitCode: 0, notPassed: { 'backoff-honoured': 'skipped' }, diagnosis: [] };

describe.concurrent('an hour off', { timeout: 60_000 }, () => {
  test.for([
    ['redis', HOUR_MS],
    ['postgres', -HOUR_MS],
  ] as const)(
    '%s: a correct worker passes, %i ms from the database',
    async ([backend, shiftMs], { open }) => {
      const target = await open(backend);
      expect(await verify(target, shiftMs, target.worker())).toEqual(PASSED);
      expect(await target.left()).toEqual([]);
    },
  );

  test('… also where the program alone is', async ({ open }) => {
    const target = await open('redis');
    expect(await verify(target, HOUR_MS, `NODE_OPTIONS= ${target.worker()}`)).toEqual(PASSED);
  });

  test('writes are attributed by their connections', async ({ open }) => {
    const target = await open('redis');
    const worker = target.worker(built('fixtures/extraction-service/styles/own-name.js'));
    expect(await verify(target, -HOUR_MS, worker)).toEqual(PASSED);
  });

  test('a retry waits as long as by any clock', async ({ open }) => {
    const target = await open('postgres');
    const args = ['--strike-at', 'retrying', '--file-mode', 'missing', '--files', '2'];
    const worker = target.worker(undefined, '--item-ms', '50');
    expect(await verify(target, HOUR_MS, worker, ...args)).toEqual({
      exitCode: 0,
      notPassed: {},
      diagnosis: [],
    });
  });

  test('a started_at that is set anew is found', async ({ open }) => {
    const target = await open('redis');
    expect(await verify(target, -HOUR_MS, target.worker(brokenWorker('started-at-reset')))).toMatchObject({
      exitCode: 1,
      notPassed: { 'timestamps-preserved': 'failed' },
      diagnosis: ['started-at-reset'],
    });
  });
});
