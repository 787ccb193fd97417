/** Several runs in one call, and their journals afterwards. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test as plainTest } from 'vitest';
import { WorkFolder } from '../testing/run-cli.ts';

const test = plainTest.extend<{ folder: WorkFolder }>({
  // oxlint-disable-next-line no-empty-pattern
  folder: async ({}, use) => {
    await using folder = await WorkFolder.make();
    await use(folder);
  },
});

test(
  'runs are repeated, told one by one and together, and judged again from their journals',
  { timeout: 120_000 },
  async ({ folder }) => {
    const args = ['demo', '--files', '12', '--repeat', '2', '--no-witnesses'];
    const result = await folder.run([...args, '--reporter', 'console,json=all.json', '--quiet']);
    expect(result.stderr).toBe('');
    expect(result.exitCode).toBe(0);
    expect(result.stdout).toContain(' VERIFIED  run 1 of 2: the job survived the restart of its worker\n');
    expect(result.stdout).toContain(' VERIFIED  run 2 of 2: the job survived the restart of its worker\n');
    expect(result.stdout).toContain(
      ' 2 of 2 runs passed: with 95 % confidence at most 77.6 % of runs do not\n',
    );
    const report = JSON.parse(await readFile(join(folder.path, 'all.json'), 'utf8')) as {
      readonly repeat: unknown;
      readonly runs: readonly { readonly runId: string; readonly verdict: string }[];
    };
    expect(report.repeat).toEqual({ runs: 2, passed: 2, failureRateUpperBound95: expect.closeTo(0.7764, 4) });
    expect(report.runs.map(({ verdict }) => verdict)).toEqual(['passed', 'passed']);

    const [first, second] = report.runs.map(({ runId }) => join('.verify-restart', runId));
    const again = await folder.run(['report', first ?? '', second ?? '']);
    expect(again.exitCode).toBe(0);
    expect(
      again.stdout.match(/^verify-restart {2}crash · BullMQ on PostgreSQL/gm) ?? again.stdout,
    ).toHaveLength(2);
    expect(again.stdout.match(/^ VERIFIED/gm)).toHaveLength(2);
  },
);

test('a journal that cannot be read does not keep the others from being cleaned up', async ({ folder }) => {
  const broken = join(folder.path, '.verify-restart', '20260101-000000-aaaaaa');
  const empty = join(folder.path, '.verify-restart', '20260101-000000-bbbbbb');
  for (const path of [broken, empty]) await mkdir(path, { recursive: true });
  await writeFile(join(broken, 'journal.ndjson'), 'not a journal\nat all\n');
  const left = join(folder.path, 'left');
  await mkdir(left);
  const made = { kind: 'made', thing: { kind: 'folder', path: left }, seq: 0, atMs: 1 };
  await writeFile(join(empty, 'journal.ndjson'), `${JSON.stringify(made)}\n`);
  const result = await folder.run(['cleanup']);
  expect(result.exitCode).toBe(3);
  expect(result.stderr).toContain('this run was not cleaned up');
  expect(result.stdout).toContain(`removed  folder ${left}`);
});
