/** A few rows of the corpus, so that a change that blinds the tool is seen at once. `npm run corpus` runs all. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { BROKEN_BULLMQ } from '../../../fixtures/broken-workers/defects/bullmq.ts';
import { BROKEN_CELERY } from '../../../fixtures/broken-workers/defects/celery.ts';
import { REDIS_SERVER, startTestPostgres, startTestRedis } from '../servers.ts';
import { inLanes } from './lanes.ts';
import { isCorrect, type CorpusRow } from './row.ts';
import { ROWS } from './rows.ts';
import { makeTemplates, runRow, type RowResult } from './run-row.ts';
import { isHere } from './targets.ts';

const QUICK = [
  'table reference',
  'table reference graceful',
  'table one-transaction',
  'table deleted-at-boot',
  'table effects-not-idempotent',
  'table recovery-hit-finished-jobs',
  'bullmq-redis effects-not-idempotent',
  'bullmq-postgres acked-before-done',
];
/** Workers that get less than half a core each are late for the moments that they are about. */
const LANES = 2;

// Where there is no Redis, servers.ts says so loudly.
const quickRows = ROWS.filter((row) => QUICK.includes(cellOf(row)) && isHere(row.target));
let results: readonly RowResult[];

function cellOf({ target, name }: CorpusRow): string {
  return `${target} ${name}`;
}

beforeAll(async () => {
  const outputDir = await mkdtemp(join(tmpdir(), 'vr-corpus-'));
  await using server = await startTestPostgres();
  await using redis = REDIS_SERVER === null ? null : await startTestRedis();
  await makeTemplates(
    server,
    quickRows.map(({ target }) => target),
  );
  results = await inLanes(quickRows, LANES, (row) => runRow(row, { server, redis, outputDir }));
  await rm(outputDir, { recursive: true });
}, 150_000);

it.each(quickRows)('$target $name', (row) => {
  const { misses, report } = results.find((result) => result.row === row)!;
  expect({ misses, criteria: report.criteria }).toMatchObject({ misses: [] });
});

it('has a name of its own for every row, and expects something of every broken worker', () => {
  expect(new Set(ROWS.map(cellOf)).size).toBe(ROWS.length);
  expect(QUICK.filter((name) => !ROWS.some((row) => cellOf(row) === name))).toEqual([]);
  const vague = ROWS.filter(
    (row) => !isCorrect(row) && (row.expect.failing ?? []).length === 0 && row.expect.diagnosis === undefined,
  );
  expect(vague.map(cellOf)).toEqual([]);
});

it('has a row for every Celery worker that is listed as broken', () => {
  const cells = new Set(ROWS.map(cellOf));
  expect(BROKEN_CELERY.filter(({ name }) => !cells.has(`celery-redis ${name}`))).toEqual([]);
});

it('has a row for every BullMQ worker that is listed as broken, on each backend that it runs on', () => {
  const expected = BROKEN_BULLMQ.flatMap(({ name, backend }) =>
    (backend === undefined ? ['redis', 'postgres'] : [backend]).map((needed) => `bullmq-${needed} ${name}`),
  );
  const cells = new Set(ROWS.map(cellOf));
  expect(expected.filter((cell) => !cells.has(cell))).toEqual([]);
});
