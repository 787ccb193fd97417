import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BROKEN_BULLMQ } from '../../fixtures/broken-workers/defects/bullmq.ts';
import { BROKEN_CELERY } from '../../fixtures/broken-workers/defects/celery.ts';
import { SCENARIOS } from '../core/scenario.ts';
import { BROKEN_WORKERS, listBroken } from './broken-list.ts';

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
  const folders = ['celery-service/broken', 'broken-workers/celery'];
  const files = folders.flatMap((folder) => filesOf(folder, '.py').map((name) => `${folder}/${name}`));
  expect(new Set(BROKEN_CELERY.map(({ worker }) => worker))).toEqual(new Set(files));
});

it('names each of a target once', () => {
  for (const workers of [BROKEN_BULLMQ, BROKEN_CELERY]) {
    const names = workers.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  }
});

it('prints a line for each, with what brings it to light where that is not a crash', () => {
  const lines = listBroken(null).split('\n');
  for (const { name } of [...BROKEN_BULLMQ, ...BROKEN_CELERY]) {
    // As a shell takes it.
    const typed = name.includes(' ') ? `'${name}'` : name;
    expect(lines.filter((line) => line.startsWith(`  ${typed}  `)).length).toBeGreaterThan(0);
  }
  expect(lines.find((line) => line.includes(' grace-shorter-than-drain '))).toMatch(
    /\(deploy at progress\)$/,
  );
  expect(lines.find((line) => line.includes(' never-reclaimed '))).not.toMatch(/\(/);
});

it('says what a scenario does that is not built in, once a target', () => {
  const bullmq = listBroken('bullmq').split('\n');
  expect(bullmq.filter((line) => line.startsWith('  two-crashes '))).toEqual([
    '  two-crashes    SIGKILL to all of it, a new one is started, 2.5 s later SIGKILL to all of it, a new one is started',
  ]);
  expect(bullmq).toContain('  kill-child     SIGKILL to its children alone');
  expect(bullmq).toContain(
    '  overlap        a new one is started, 1.5 s later SIGTERM to its main process alone',
  );
  const celery = listBroken('celery').split('\n');
  expect(celery).toContain('  overlap  a new one is started, SIGTERM to its main process alone');
});

it('explains every scenario that it names, and means one thing by a name', () => {
  for (const [target, workers] of Object.entries(BROKEN_WORKERS)) {
    const text = listBroken(target);
    const meant = new Map<string, unknown>();
    for (const { scenario, config } of workers) {
      if (Object.hasOwn(SCENARIOS, scenario)) continue;
      expect(text).toMatch(new RegExp(`^  ${scenario} +(SIG|a new one)`, 'm'));
      const steps = config?.scenarios?.[scenario];
      expect(meant.get(scenario) ?? steps).toEqual(steps);
      meant.set(scenario, steps);
    }
  }
});

it('lists the workers of one target', () => {
  expect(listBroken('celery')).toMatch(/^Celery: verify-restart demo --target celery --broken <name>\n/);
  expect(listBroken('celery')).not.toContain('BullMQ, on');
  expect(listBroken('bullmq')).not.toContain('--target celery');
});
