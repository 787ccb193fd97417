/** What must not fool a run on a table that is its own queue. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ROWS } from '../testing/corpus/rows.ts';
import type { CorpusRow } from '../testing/corpus/row.ts';
import { makeTemplates, runRow } from '../testing/corpus/run-row.ts';
import { startTestPostgres, type TestPostgres } from '../testing/servers.ts';
import { startTableWorker } from '../testing/table-worker.ts';

let server: TestPostgres;
let outputDir: string;

beforeAll(async () => {
  outputDir = await mkdtemp(join(tmpdir(), 'vr-table-queue-'));
  server = await startTestPostgres();
  await makeTemplates(server, ['table']);
});

afterAll(async () => {
  await server.stop();
  await rm(outputDir, { recursive: true });
});

function reference(changes: Partial<CorpusRow>): CorpusRow {
  const row = ROWS.find(({ name }) => name === 'reference');
  if (row === undefined) throw new Error('the corpus has no reference');
  return { ...row, ...changes };
}

it('names a second worker on the table that nobody told of, and never passes on its account', async () => {
  const { report, events } = await runRow(reference({ flags: ['--poll-ms', '2000'] }), {
    server,
    redis: null,
    outputDir,
    beside: startUnknownWorker,
  });
  const warning = events.find((event) => event.kind === 'preflight:checked' && event.check === 'consumers');
  expect(warning).toMatchObject({ status: 'warning', text: expect.stringContaining('table-service/worker') });
  expect(report.verdict).not.toBe('passed');
});

it('knows a worker that gives its connections a name of their own', async () => {
  const row = reference({
    worker: 'table-service/styles/own-name',
    config: { worker: { readyPattern: undefined } },
  });
  const { report, events } = await runRow(row, { server, redis: null, outputDir });
  const writers = events.flatMap((event) =>
    event.kind === 'row:version' && event.writer !== undefined ? [event.writer.applicationName] : [],
  );
  expect(new Set(writers)).toEqual(new Set(['verify-restart', 'jobs']));
  expect(report.verdict).toBe('passed');
});

/** Polls all the time, so that it gets most of the jobs. */
function startUnknownWorker(databaseUrl: string): Promise<AsyncDisposable> {
  return startTableWorker(databaseUrl, ['--item-ms', '200', '--lease-ms', '1000', '--poll-ms', '5']);
}
