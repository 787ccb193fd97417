import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test as plainTest } from 'vitest';
import type { UserError } from '../core/errors.ts';
import { findJournal } from './find-run.ts';

const RUNS = [
  '20260130-080000-aaaaaa',
  '20260131-120000-abcdef',
  '20260131-130000-bbbbbb',
  '20260201-090000-cccccc',
];

const NEWEST = RUNS.slice(1).toReversed().join(', ');

/** A project with saved runs in the default folder. */
const test = plainTest.extend<{ project: string }>({
  // oxlint-disable-next-line no-empty-pattern
  project: async ({}, use) => {
    const project = await mkdtemp(join(tmpdir(), 'vr-find-run-'));
    for (const run of RUNS) {
      await mkdir(join(project, '.verify-restart', run), { recursive: true });
      await writeFile(join(project, '.verify-restart', run, 'journal.ndjson'), '');
    }
    await mkdir(join(project, 'empty'));
    await use(project);
    await rm(project, { recursive: true });
  },
});

async function refusal(run: string, project: string): Promise<UserError> {
  return findJournal(run, project).then(
    (path) => expect.fail(`found ${path}`),
    (error: unknown) => error as UserError,
  );
}

test.for([
  '.verify-restart/20260131-120000-abcdef',
  '.verify-restart/20260131-120000-abcdef/',
  '.verify-restart/20260131-120000-abcdef/journal.ndjson',
  '20260131-120000-abcdef',
])('%s is found', async (run, { project }) => {
  expect(await findJournal(run, project)).toBe(
    join(project, '.verify-restart/20260131-120000-abcdef/journal.ndjson'),
  );
});

describe('a run that is not there is a usage error, with the folder and', () => {
  test.for([
    ['the newest runs', 'nonexist', '.verify-restart', `the newest runs there: ${NEWEST}`],
    ['the one spelt nearly so', '20260131-120000-abcdee', '.verify-restart', `did you mean ${RUNS[1]}?`],
    [
      'those that begin so',
      '.verify-restart/20260131',
      '.verify-restart',
      `did you mean ${RUNS[2]} or ${RUNS[1]}?`,
    ],
    [
      'its runs, where it is the folder of all',
      '.verify-restart',
      '.verify-restart',
      `the newest runs there: ${NEWEST}`,
    ],
    [
      'what to name, where there is none',
      'empty/nonexist',
      'empty',
      "no run is saved there: name a run's folder or its journal",
    ],
  ] as const)('%s', async ([, run, folder, remedy], { project }) => {
    expect(await refusal(run, project)).toMatchObject({
      kind: 'usage',
      message: `there is no run ${run}: looked in ${join(project, folder)}`,
      remedy,
    });
  });
});
