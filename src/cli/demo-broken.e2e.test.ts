/** `verify-restart demo --broken`: a bundled broken worker, with what brings its defect to light. */
import { spawn } from 'node:child_process';
import { describe, expect, test as plainTest } from 'vitest';
import { HAS_TERMINAL, jsonReport, WorkFolder } from '../testing/run-cli.ts';
import { REDIS_SERVER } from '../testing/servers.ts';

const test = plainTest.extend<{ folder: WorkFolder }>({
  // oxlint-disable-next-line no-empty-pattern
  folder: async ({}, use) => {
    await using folder = await WorkFolder.make();
    await use(folder);
  },
});

async function verdictOf(folder: WorkFolder, ...args: readonly string[]) {
  const result = await folder.run(['demo', ...args, '--reporter', 'json']);
  const report = jsonReport(result);
  expect(result.stderr).toBe('');
  expect(await folder.left()).toEqual([]);
  return {
    exitCode: result.exitCode,
    scenario: report.scenario,
    failed: report.criteria.filter(({ status }) => status === 'failed').map(({ id }) => id),
    diagnosis: report.diagnosis[0]?.id,
  };
}

describe.concurrent('demo --broken', { timeout: 90_000 }, () => {
  test('brings its own scenario', async ({ folder }) => {
    expect(await verdictOf(folder, '--broken', 'acked-on-shutdown', '--terminal-timeout', '4s')).toEqual({
      exitCode: 1,
      scenario: 'graceful',
      failed: ['picked-up-again', 'reached-terminal'],
      diagnosis: 'acked-on-shutdown',
    });
  });

  test('runs on Redis as well', async ({ folder, skip }) => {
    if (REDIS_SERVER === null) skip('there is no Redis server here');
    expect(await verdictOf(folder, '--broken', 'effects-not-idempotent', '--queue-backend', 'redis')).toEqual(
      {
        exitCode: 1,
        scenario: 'crash',
        failed: ['effects-exactly-once'],
        diagnosis: 'effects-not-idempotent',
      },
    );
  });

  test('of a job table, in a database that is as its defect needs it', async ({ folder }) => {
    const broken = ['--target', 'table', '--broken', 'clock-mixed Asia/Tokyo'];
    expect(await verdictOf(folder, ...broken)).toEqual({
      exitCode: 1,
      scenario: 'crash',
      failed: ['timestamps-preserved'],
      diagnosis: 'clock-mixed',
    });
  });

  test('gives the worker that a person starts what its defect needs: a name for each life', async ({
    folder,
    skip,
  }) => {
    if (!HAS_TERMINAL) skip('util-linux has no script here');
    const broken = ['--target', 'table', '--broken', 'claim-tied-to-name', '--terminal-timeout', '5s'];
    const call = await folder.startInTerminal(['demo', '--interactive', ...broken]);
    await call.shows(/press Enter to continue/);
    const [, pid] = /^ +pid (\d+): /m.exec(call.output) ?? [];
    const [, script] = /^ +sh (\S+)/m.exec(call.output) ?? [];
    process.kill(Number(pid), 'SIGKILL');
    // Ended by the demo, which knows it by its mark.
    spawn('sh', [script ?? ''], { detached: true, stdio: 'ignore' }).unref();
    const { exitCode } = await call.ended;
    expect(call.output).toContain('docs/diagnoses.md#claim-tied-to-name');
    expect(exitCode).toBe(1);
    expect(await folder.left()).toEqual([]);
  });

  test('lists all of them', async ({ folder }) => {
    const { exitCode, stdout } = await folder.run(['demo', '--broken', 'list']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^ {2}acked-before-done +a missing await/m);
    expect(stdout).toMatch(/^ {2}celery-defaults +/m);
    const celery = await folder.run(['demo', '--target', 'celery', '--broken', 'list']);
    expect(celery).toMatchObject({ exitCode: 0, stderr: '' });
    expect(celery.stdout).toMatch(/^ {2}celery-defaults +/m);
    expect(celery.stdout).not.toMatch(/^ {2}acked-before-done /m);
  });

  test.for([
    [
      'acked-on-shutdwn',
      /did you mean "acked-on-shutdown"\? all of them: verify-restart demo --broken list$/m,
    ],
    ['nope', /^ +all of them: verify-restart demo --broken list$/m],
    ['celery-defaults', /^ +use --target celery$/m],
    ['queue-leftovers-lock', /add --queue-backend redis/],
  ] as const)('refuses %s', async ([name, remedy], { folder }) => {
    const { exitCode, stderr } = await folder.run(['demo', '--broken', name]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(remedy);
    expect(Math.max(...stderr.split('\n').map((line) => line.length))).toBeLessThan(120);
  });
});
