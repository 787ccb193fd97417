/** `verify-restart demo` as users call it: its verdicts, its reports, and that it leaves nothing, however it ends. */
import { access, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test as plainTest } from 'vitest';
import type { EventOf } from '../core/event.ts';
import { jsonReport, notPassed, WorkFolder, type CliResult } from '../testing/run-cli.ts';
import { REDIS_SERVER } from '../testing/servers.ts';
import { until } from '../testing/until.ts';

const test = plainTest.extend<{ folder: WorkFolder }>({
  // oxlint-disable-next-line no-empty-pattern
  folder: async ({}, use) => {
    await using folder = await WorkFolder.make();
    await use(folder);
  },
});

/** More than the usual five: on a busy machine the strike may come a second late, and the job must not have ended. */
const DEMO = ['demo', '--files', '12'];

/** What is true of every run with a verdict: a report on standard output alone, its exit code, and nothing left. */
async function verdictOf(folder: WorkFolder, result: CliResult) {
  const report = jsonReport(result);
  expect(report.exitCode).toBe(result.exitCode);
  expect(result.stderr).toBe('');
  expect(await folder.left()).toEqual([]);
  const { exitCode, verdict, outcome } = report;
  return { exitCode, verdict, outcome, notPassed: notPassed(report) };
}

const HANDED_OVER = {
  exitCode: 0,
  verdict: 'passed',
  outcome: 'handed-over',
  notPassed: { 'backoff-honoured': 'skipped' },
};

describe.concurrent('the demo', { timeout: 90_000 }, () => {
  test('where there is no Redis, and none can be fetched, ends with all that it had begun', async ({
    folder,
  }) => {
    const programs = join(folder.path, 'programs');
    await mkdir(programs);
    await symlink(process.execPath, join(programs, 'node'));
    await symlink('/bin/sh', join(programs, 'sh'));
    const result = await folder.run(['demo', '--queue-backend', 'redis'], { PATH: programs });
    expect(result.exitCode).toBe(3);
    expect(result.stderr).toContain('redis-server');
    expect(result.stderr).not.toContain('could not be removed');
    expect(await folder.left()).toEqual([]);
  });

  test('with missing files the job fails after its retries, as it would without a restart', async ({
    folder,
  }) => {
    const result = await folder.run(['demo', '--file-mode', 'missing', '--reporter', 'json']);
    expect(await verdictOf(folder, result)).toMatchObject({ exitCode: 0, outcome: 'handed-over' });
    expect(jsonReport(result).job).toMatchObject({ finalStatus: 'failed', retryCount: 3 });
    const criteria = new Map(jsonReport(result).criteria.map(({ id, status }) => [id, status]));
    expect(criteria.get('same-outcome')).toBe('passed');
    expect(criteria.get('backoff-honoured')).toBe('passed');
  });

  test('proves that the job survives a crash, and says so in the documented form', async ({ folder }) => {
    const result = await folder.run([...DEMO, '--reporter', 'json']);
    expect(await verdictOf(folder, result)).toEqual(HANDED_OVER);
    const text = expect.any(String) as string;
    const number = expect.any(Number) as number;
    const started = (await folder.events())[0] as EventOf<'run:started'>;
    expect(JSON.parse(result.stdout)).toMatchObject({
      schemaVersion: 1,
      tool: { name: 'verify-restart', version: text },
      runId: started.runId,
      scenario: 'crash',
      strikeAt: 'progress',
      target: { table: 'pybase.extraction_jobs', queue: 'bullmq', backend: 'postgres', worker: text },
      job: { id: text, files: 12, finalStatus: 'completed', progress: 100, retryCount: 0, taskId: text },
      timings: {
        toProcessingMs: number,
        downtimeMs: number,
        recoveryMs: number,
        restartToTerminalMs: number,
        totalMs: number,
      },
      diagnosis: [],
      workers: [
        { incarnation: 1, pid: number, startedAt: text, stoppedAt: text, signal: 'SIGKILL' },
        { incarnation: 2, pid: number, startedAt: text, stoppedAt: null, signal: null },
      ],
      journal: `.verify-restart/${started.runId}/journal.ndjson`,
    });
    expect(jsonReport(result).criteria.map(({ id }) => id)).toEqual([
      'job-persisted',
      'picked-up-again',
      'reached-terminal',
      'timestamps-preserved',
      'no-duplicate-jobs',
      'restart-observed',
      'progress-monotonic',
      'single-writer',
      'terminal-is-final',
      'retries-accounted',
      'backoff-honoured',
      'effects-exactly-once',
      'queue-drained',
      'same-outcome',
      'witnesses-unharmed',
    ]);
    for (const { evidence } of jsonReport(result).criteria) expect(evidence[0]).toEqual(text);
  });

  test('on Redis it is the same', async ({ folder, skip }) => {
    if (REDIS_SERVER === null) skip('there is no Redis server here');
    const result = await folder.run([...DEMO, '--queue-backend', 'redis', '--reporter', 'json']);
    expect(await verdictOf(folder, result)).toEqual(HANDED_OVER);
    expect(result.stdout).toContain('"backend": "redis"');
  });

  test('graceful: the worker hands the job back after the file in hand', async ({ folder }) => {
    // Neither CI nor a database of the user's has anything to do with the demo.
    const env = { CI: '1', DATABASE_URL: 'postgres://user@database.invalid/jobs' };
    const result = await folder.run([...DEMO, '--scenario', 'graceful', '--reporter', 'json'], env);
    expect(await verdictOf(folder, result)).toEqual(HANDED_OVER);
    expect(jsonReport(result)).toMatchObject({
      scenario: 'graceful',
      workers: [{ signal: 'SIGTERM' }, { signal: null }],
    });
    const statuses = (await folder.events()).flatMap((event) =>
      event.kind === 'row:version' && event.role === 'subject' && event.source === 'trigger'
        ? [event.values?.status]
        : [],
    );
    expect(statuses.filter((status) => status === 'pending')).toHaveLength(2);
  });

  test('the console shows the seven steps, without a terminal and without colour', async ({ folder }) => {
    const result = await folder.run([...DEMO, '--keep'], { FORCE_COLOR: '1', NO_COLOR: '1' });
    expect(result.exitCode).toBe(0);
    const steps = [...result.stdout.matchAll(/^ (\d \w+) /gm)].map(([, step]) => step);
    expect(steps).toEqual([
      '1 Preflight',
      '2 Job',
      '3 Trigger',
      '4 Processing',
      '5 Restart',
      '6 Monitor',
      '7 Results',
    ]);
    expect(result.stdout).toMatch(/^ VERIFIED /m);
    expect(result.stdout).toContain('asked for with --keep');
    // oxlint-disable-next-line no-control-regex
    expect(result.stdout).not.toMatch(/[\u001b\r]/);
    // What is kept in the demo's own database goes with it.
    expect(await folder.left()).toEqual([]);
  });

  test('--quiet prints the verdict alone; a report goes to a file, whose folder is made', async ({
    folder,
  }) => {
    const reporters = 'console,json=reports/restart.json';
    const result = await folder.run([...DEMO, '--quiet', '--reporter', reporters], { FORCE_COLOR: '1' });
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    // oxlint-disable-next-line no-control-regex
    expect(result.stdout).toMatch(/^ \u001b\[\S*mVERIFIED/);
    expect(result.stdout).not.toMatch(/Preflight|Results/);
    const report: unknown = JSON.parse(await readFile(join(folder.path, 'reports/restart.json'), 'utf8'));
    expect(report).toMatchObject({ schemaVersion: 1, verdict: 'passed' });
    expect(await folder.left()).toEqual([]);
  });

  test('takes no target, and asks nobody without a terminal', async ({ folder }) => {
    const results = await Promise.all([
      folder.run(['demo', '--table', 'public.jobs']),
      folder.run(['demo', '--interactive']),
    ]);
    expect(results.map(({ exitCode }) => exitCode)).toEqual([2, 2]);
    expect(results[0]?.stderr).toMatch(/^error: --table cannot be used with the demo/);
    expect(results[1]?.stderr).toMatch(/^error: there is no terminal/);
    expect(await folder.events()).toEqual([]);
  });

  test('interrupted while its servers start, it takes them down again', async ({ folder }) => {
    const call = await folder.start(['demo', '--reporter', 'json']);
    await until('PostgreSQL makes its files', async () => {
      const [run] = await readdir(folder.temporaryFolder);
      if (run === undefined) return false;
      const file = join(folder.temporaryFolder, run, 'database/postgres/data/PG_VERSION');
      return access(file).then(
        () => true,
        () => false,
      );
    });
    call.signal('SIGINT');
    const result = await call.ended;
    expect(jsonReport(result)).toMatchObject({
      verdict: 'error',
      exitCode: 130,
      error: { reason: 'interrupted' },
    });
    expect(result.exitCode).toBe(130);
    expect(await folder.left()).toEqual([]);
  });

  test('interrupted in the middle, it exits 130 and leaves nothing', async ({ folder }) => {
    const call = await folder.start(DEMO);
    await call.shows(/5 Restart/);
    call.signal('SIGINT');
    expect(await call.ended).toMatchObject({ exitCode: 130, stderr: '' });
    expect(await folder.left()).toEqual([]);
  });

  test.for(['interrupted twice', 'killed'])(
    '%s, it leaves things; cleanup removes them, and then has nothing to do',
    async (how, { folder }) => {
      const call = await folder.start(DEMO);
      await call.shows(/5 Restart/);
      if (how === 'killed') {
        call.signal('SIGKILL');
      } else {
        call.signal('SIGINT');
        await call.shows(/interrupted: cleaning up/);
        call.signal('SIGINT');
        await call.shows(/interrupted again: leaving at once; verify-restart cleanup removes what is left/);
      }
      expect((await call.ended).exitCode).toBe(how === 'killed' ? null : 130);
      expect((await folder.left()).join()).toMatch(/process .*postgres.*temporary file verify-restart-/);
      const cleanup = await folder.run(['cleanup']);
      expect(cleanup).toMatchObject({ exitCode: 0, stderr: '' });
      expect(cleanup.stdout).toMatch(/^(✔ removed {2}.+\n)+$/);
      expect(await folder.left()).toEqual([]);
      const again = await folder.run(['cleanup']);
      expect(again).toMatchObject({ exitCode: 0, stderr: '' });
      expect(again.stdout).toMatch(/^nothing to remove/);
    },
  );
});
