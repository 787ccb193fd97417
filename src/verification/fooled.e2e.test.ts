/** What has fooled verifiers before, as far as no other test has it; `docs/fooled.md` lists all. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Event } from '../core/event.ts';
import { ROWS } from '../testing/corpus/rows.ts';
import type { CorpusRow } from '../testing/corpus/row.ts';
import { makeTemplates, runRow } from '../testing/corpus/run-row.ts';
import { PGBOUNCER, startPgbouncer, type Pgbouncer } from '../testing/pgbouncer.ts';
import { startTestPostgres, type TestPostgres } from '../testing/servers.ts';
import { startTableWorker, type TableWorker } from '../testing/table-worker.ts';
import { until } from '../testing/until.ts';
import type { Operator } from './context.ts';

let server: TestPostgres;
let outputDir: string;

beforeAll(async () => {
  outputDir = await mkdtemp(join(tmpdir(), 'vr-fooled-'));
  server = await startTestPostgres();
  await makeTemplates(server, ['table']);
});

afterAll(async () => {
  await server.stop();
  await rm(outputDir, { recursive: true });
});

function rowNamed(name: string): CorpusRow {
  const row = ROWS.find((each) => each.name === name && each.target === 'table');
  if (row === undefined) throw new Error(`the corpus has no ${name}`);
  return row;
}

describe.skipIf(PGBOUNCER === null)('behind a pooler, where connections prove nothing', () => {
  let pooler: Pgbouncer;
  beforeAll(async () => {
    pooler = await startPgbouncer(server, 'transaction');
  });
  afterAll(() => pooler[Symbol.asyncDispose]());

  const verify = (name: string) =>
    runRow(rowNamed(name), {
      server: { ...server, urlOf: (database) => pooler.urlOf(database) },
      redis: null,
      outputDir,
    });

  it.each(['reference', 'own-name'])('a restart is proved by processes: %s', async (name) => {
    const { report, events } = await verify(name);
    expect(events).toContainEqual(expect.objectContaining({ kind: 'observer:started', pooled: true }));
    expect(report.criteria.filter(({ status }) => status === 'failed')).toEqual([]);
    expect(report.verdict).toBe('passed');
  });

  it('a worker that lives on is not taken for gone, though its connections come and go', async () => {
    const { report } = await verify('ignores-signals graceful');
    expect(report.verdict).toBe('inconclusive');
    expect(report.diagnoses.map(({ id }) => id)).toEqual(['signal-swallowed']);
  });
});

it('a heartbeat in the row is not starved: no hold is placed there, however long a person takes', async () => {
  const flags = ['--item-ms', '700', '--lease-ms', '1000', '--poll-ms', '50'];
  const started: TableWorker[] = [];
  let url = '';
  const operator: Operator = {
    async ask(panel) {
      // Longer than the lease: a job whose heartbeat waited for a lock would be taken for dead by now.
      const asked = await lastBeat(url);
      await until(
        'the heart has beaten for longer than the lease',
        async () => (await lastBeat(url)) > asked + 1_000,
      );
      expect(panel.worker?.pid).toBe(started[0]?.pid);
      expect(panel.held).toBe(false);
      await started[0]?.kill();
      started.push(await startTableWorker(url, flags));
      return 'done';
    },
  };
  const { report, events } = await runRow(
    { ...rowNamed('reference'), config: { autoRestart: false, files: 8, terminalTimeout: '15s' } },
    {
      server,
      redis: null,
      outputDir,
      operator,
      async beside(databaseUrl) {
        url = databaseUrl;
        started.push(await startTableWorker(databaseUrl, flags));
        return {
          async [Symbol.asyncDispose]() {
            await Promise.all(started.map((worker) => worker.kill()));
          },
        };
      },
    },
  );
  expect(events).toContainEqual(
    expect.objectContaining({ kind: 'hold:refused', reason: expect.stringContaining('heartbeat') }),
  );
  const [asked, answered] = ['operator:asked', 'operator:answered'].map((kind) => seqOf(events, kind));
  const beats = events.filter(
    (event) => event.kind === 'row:version' && event.seq > asked! && event.seq < answered!,
  );
  expect(beats.length).toBeGreaterThan(1);
  expect(report.criteria.filter(({ status }) => status === 'failed')).toEqual([]);
  expect(report.verdict).toBe('passed');
});

/** Epoch ms of the latest heartbeat of any job. */
async function lastBeat(databaseUrl: string): Promise<number> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ beat: Date | null }>(
      'select max(heartbeat_at) beat from pybase.table_jobs',
    );
    return rows[0]?.beat?.getTime() ?? 0;
  } finally {
    await client.end();
  }
}

function seqOf(events: readonly Event[], kind: string): number | undefined {
  return events.find((event) => event.kind === kind)?.seq;
}
