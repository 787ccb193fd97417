/** `verify-restart demo --target celery`: the sound worker, each broken one, and a machine that lacks the packages. */
import { describe, expect, test as plainTest } from 'vitest';
import { CELERY_PYTHON } from '../testing/celery-worker.ts';
import { jsonReport, WorkFolder } from '../testing/run-cli.ts';
import { REDIS_SERVER } from '../testing/servers.ts';

const test = plainTest.extend<{ folder: WorkFolder }>({
  // oxlint-disable-next-line no-empty-pattern
  folder: async ({}, use) => {
    await using folder = await WorkFolder.make();
    await use(folder);
  },
});

describe.skipIf(CELERY_PYTHON === null || REDIS_SERVER === null)(
  'demo --target celery',
  { timeout: 90_000 },
  () => {
    test('passes, and leaves nothing', async ({ folder }) => {
      const result = await folder.run(['demo', '--target', 'celery', '--reporter', 'json']);
      expect(result).toMatchObject({ exitCode: 0, stderr: '' });
      expect(jsonReport(result)).toMatchObject({ verdict: 'passed', outcome: 'handed-over' });
      expect(await folder.left()).toEqual([]);
    });

    test.for([
      ['celery-defaults', 'picked-up-again', 'acked-before-done'],
      ['not-idempotent', 'effects-exactly-once', 'effects-not-idempotent'],
      ['lock-shorter-than-work', 'single-writer', 'lock-shorter-than-work'],
      ['child-death-acked', 'picked-up-again', 'child-death-acked'],
      ['resumed-as-new-job', 'no-duplicate-jobs', 'resumed-as-new-job'],
    ] as const)('--broken %s fails %s: %s', async ([broken, criterion, diagnosis], { folder }) => {
      const args = ['--broken', broken, '--terminal-timeout', '4s', '--reporter', 'json'];
      const result = await folder.run(['demo', '--target', 'celery', ...args]);
      const report = jsonReport(result);
      expect(result).toMatchObject({ exitCode: 1, stderr: '' });
      expect(report.criteria.filter(({ status }) => status === 'failed').map(({ id }) => id)).toContain(
        criterion,
      );
      expect(report.diagnosis.map(({ id }) => id)).toContain(diagnosis);
      expect(await folder.left()).toEqual([]);
    });
  },
);

test('without the packages of Python it says which command installs them', async ({ folder }) => {
  // No interpreter starts with a home that is not there.
  const env = { PYTHONHOME: folder.path };
  for (const broken of [[], ['--broken', 'resumed-as-new-job']]) {
    const { exitCode, stderr } = await folder.run(['demo', '--target', 'celery', ...broken], env);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/^error: the Celery target needs Python with celery, redis, psycopg2 and pypdf/);
    expect(stderr).toMatch(
      /apt-get install -y python3-celery python3-redis python3-psycopg2 python3-pypdf; elsewhere: pip install/,
    );
  }
  expect(await folder.events()).toEqual([]);
});
