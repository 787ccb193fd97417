/**
 * The self-test against vacuity: a run whose fault is left out proves nothing, whatever the scenario and the queue. The
 * job ends as it should, so a judge that did not ask for the restart would call it passed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { REDIS_SERVER, startTestPostgres, startTestRedis } from '../servers.ts';
import { disarmedRows } from './disarmed.ts';
import { inLanes } from './lanes.ts';
import type { TargetKind } from './row.ts';
import { makeTemplates, runRow, type RowResult } from './run-row.ts';
import { TARGETS } from './targets.ts';

/** Celery's workers take long to start: one scenario is tried with its other tests, all by `npm run corpus -- --disarmed`. */
function isHere(target: TargetKind): boolean {
  const { family, needsRedis } = TARGETS[target];
  return family !== 'celery' && (REDIS_SERVER !== null || !needsRedis);
}

const rows = disarmedRows(isHere);
const targets = new Set(rows.map(({ target }) => target));
let results: readonly RowResult[];

beforeAll(async () => {
  const outputDir = await mkdtemp(join(tmpdir(), 'vr-disarmed-'));
  await using server = await startTestPostgres();
  await using redis = REDIS_SERVER === null ? null : await startTestRedis();
  await makeTemplates(server, targets);
  results = await inLanes(rows, 2, (row) => runRow(row, { server, redis, outputDir, disarmed: true }));
  await rm(outputDir, { recursive: true });
}, 180_000);

it.each(rows)('$target $scenario', (row) => {
  const { report, events } = results.find((result) => result.row === row)!;
  expect(report).toMatchObject({
    verdict: 'inconclusive',
    outcome: 'vacuous',
    job: { finalState: 'completed' },
  });
  expect(report.criteria.filter(({ status }) => status === 'failed')).toEqual([]);
  expect(report.criteria).toContainEqual(
    expect.objectContaining({ id: 'restart-observed', status: 'inconclusive' }),
  );
  expect(events.some(({ kind }) => kind === 'fault:disarmed')).toBe(true);
  expect(events.some(({ kind }) => kind === 'fault:injected')).toBe(false);
});

it('is tried on every queue of the corpus', () => {
  const here = (Object.keys(TARGETS) as TargetKind[]).filter(isHere);
  expect(targets).toEqual(new Set(here));
});
