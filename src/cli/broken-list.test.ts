import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BROKEN_BULLMQ } from '../../fixtures/broken-workers/defects/bullmq.ts';
import { BROKEN_CELERY } from '../../fixtures/broken-workers/defects/celery.ts';
import { listBroken } from './broken-list.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures');

function filesOf(folder: string, ending: string): readonly string[] {
  return readdirSync(join(FIXTURES, folder))
    .filter((name) => name.endsWith(ending) && !name.startsWith('__'))
    .map((name) => name.slice(0, -ending.length));
}

/** Shown by a test of its own: the strike reaches it, so it is not told as broken. */
const NOT_LISTED = ['detached-child'];

it('lists every broken worker that is bundled, and no other', () => {
  const bullmq = new Set([...BROKEN_BULLMQ.map(({ name, worker = name }) => worker), ...NOT_LISTED]);
  expect([...bullmq].sort()).toEqual([...filesOf('broken-workers/bullmq', '.ts')].sort());
  const celery = BROKEN_CELERY.map(({ worker }) => worker.replace('broken.', ''));
  expect([...celery].sort()).toEqual([...filesOf('celery-service/broken', '.py')].sort());
});

it('names each of a target once', () => {
  for (const workers of [BROKEN_BULLMQ, BROKEN_CELERY]) {
    const names = workers.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  }
});

it('prints a line for each, with what brings it to light where that is not a crash', () => {
  const lines = listBroken().split('\n');
  expect(lines).toHaveLength(BROKEN_BULLMQ.length + BROKEN_CELERY.length + 3);
  expect(lines.find((line) => line.includes(' grace-shorter-than-drain '))).toMatch(
    /\(deploy at progress\)$/,
  );
  expect(lines.find((line) => line.includes(' never-reclaimed '))).not.toMatch(/\(/);
});
