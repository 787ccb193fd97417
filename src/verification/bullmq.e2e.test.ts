/** What must not fool a run on BullMQ, and what the corpus cannot show by a worker alone. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { correctBullmq } from '../testing/corpus/bullmq-rows.ts';
import type { CorpusRow } from '../testing/corpus/row.ts';
import { makeTemplates, runRow, type CorpusPlace, type RowResult } from '../testing/corpus/run-row.ts';
import { PGBOUNCER, startPgbouncer } from '../testing/pgbouncer.ts';
import {
  REDIS_SERVER,
  startTestPostgres,
  startTestRedis,
  type TestPostgres,
  type TestServer,
} from '../testing/servers.ts';

let server: TestPostgres;
let redis: TestServer | null = null;
let outputDir: string;

beforeAll(async () => {
  outputDir = await mkdtemp(join(tmpdir(), 'vr-bullmq-'));
  server = await startTestPostgres();
  redis = REDIS_SERVER === null ? null : await startTestRedis();
  await makeTemplates(server, ['bullmq-postgres', 'bullmq-redis']);
});

afterAll(async () => {
  await server.stop();
  await redis?.stop();
  await rm(outputDir, { recursive: true });
});

function reference(backend: 'redis' | 'postgres', changes: Partial<CorpusRow> = {}): CorpusRow {
  const [row] = correctBullmq('extraction-service/worker', '', { backends: [backend] });
  if (row === undefined) throw new Error('no row was made');
  return { ...row, ...changes };
}

function run(row: CorpusRow, differing: Partial<CorpusPlace> = {}): Promise<RowResult> {
  return runRow(row, { server, redis, outputDir, ...differing });
}

/** Somebody at a prompt of the database, who cancels a job as soon as it has been taken up for the second time. */
async function cancelAfterRestart(databaseUrl: string): Promise<AsyncDisposable> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const finished = new AbortController();
  const claims = new Set<string>();
  const watching = (async () => {
    while (!finished.signal.aborted) {
      const { rows } = await client.query<{ id: string; claim: string }>(
        `select id::text, celery_task_id as claim from pybase.extraction_jobs
          where status = 'processing' and celery_task_id is not null and total_items > 1`,
      );
      for (const { claim } of rows) claims.add(claim);
      if (claims.size < 2) continue;
      await client.query(
        `update pybase.extraction_jobs set status = 'cancelled', completed_at = now() where status = 'processing'`,
      );
      return;
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      finished.abort();
      await watching;
      await client.end();
    },
  };
}

it('a job that somebody cancels on purpose is no failure of its worker, and proves nothing of its end', async () => {
  const { report, failed } = await run(reference('postgres'), { beside: cancelAfterRestart });
  expect(failed).toEqual([]);
  expect(report.job?.finalStatus).toBe('cancelled');
  expect(report.verdict).toBe('inconclusive');
  expect(report.criteria).toContainEqual(
    expect.objectContaining({
      id: 'same-outcome',
      status: 'inconclusive',
      evidence: [{ code: 'cancelled-by-others' }],
    }),
  );
});

describe.skipIf(PGBOUNCER === null || REDIS_SERVER === null)('behind PgBouncer', () => {
  it.each([
    ['session', 'the worker'],
    ['transaction', 'the worker'],
    ['transaction', 'both'],
  ] as const)('in %s mode, %s: a correct worker passes', async (mode, who) => {
    await using pooler = await startPgbouncer(server, mode);
    const ways: CorpusPlace['ways'] = (database) => ({
      harness: who === 'both' ? pooler.urlOf(database) : server.urlOf(database),
      worker: pooler.urlOf(database),
    });
    const { report, misses } = await run(reference('redis'), { ways });
    expect({ misses, criteria: report.criteria }).toMatchObject({ misses: [] });
  });

  it('and one that resets started_at is found', async () => {
    await using pooler = await startPgbouncer(server, 'transaction');
    const ways: CorpusPlace['ways'] = (database) => ({
      harness: server.urlOf(database),
      worker: pooler.urlOf(database),
    });
    const row = reference('redis', { worker: 'broken-workers/bullmq/started-at-reset' });
    const { report, failed } = await run(row, { ways });
    expect(report.verdict).toBe('failed');
    expect(failed).toEqual(['timestamps-preserved']);
  });
});
