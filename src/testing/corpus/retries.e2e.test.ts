/**
 * A job that fails is retried with a backoff that doubles, and a restart in the middle of it changes nothing: shown on
 * what was recorded, version by version, and compared with what the criteria make of it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EventOf } from '../../core/event.ts';
import {
  REDIS_SERVER,
  startTestPostgres,
  startTestRedis,
  type TestPostgres,
  type TestServer,
} from '../servers.ts';
import type { CorpusRow, TargetKind } from './row.ts';
import { makeTemplates, runRow, type RowResult } from './run-row.ts';

const BASE_MS = 400;
/** Timers may fire a little early against the server's clock. */
const EARLY_MS = 50;

interface Workers {
  readonly target: TargetKind;
  readonly reference: string;
  readonly failsTwice: string;
  readonly backoffFlag: string;
}

const BULLMQ = {
  reference: 'extraction-service/worker',
  failsTwice: 'extraction-service/styles/succeeds-at-last',
  backoffFlag: '--attempts-backoff-ms',
} as const;

const ALL: readonly Workers[] = [
  ...(REDIS_SERVER === null ? [] : [{ target: 'bullmq-redis', ...BULLMQ } as const]),
  { target: 'bullmq-postgres', ...BULLMQ },
  {
    target: 'table',
    reference: 'table-service/worker',
    failsTwice: 'table-service/styles/succeeds-at-last',
    backoffFlag: '--backoff-ms',
  },
];

let server: TestPostgres;
let redis: TestServer | null = null;
let outputDir: string;

beforeAll(async () => {
  outputDir = await mkdtemp(join(tmpdir(), 'vr-retries-'));
  server = await startTestPostgres();
  redis = REDIS_SERVER === null ? null : await startTestRedis();
  await makeTemplates(
    server,
    ALL.map(({ target }) => target),
  );
});

afterAll(async () => {
  await server.stop();
  await redis?.stop();
  await rm(outputDir, { recursive: true });
});

type Version = EventOf<'row:version'>;

async function run(
  { target, backoffFlag }: Workers,
  worker: string,
  baseMs: number,
  differing: Pick<CorpusRow, 'strikeAt'> & Partial<CorpusRow>,
) {
  const row: CorpusRow = {
    name: 'retries',
    target,
    worker,
    scenario: 'crash',
    expect: { verdict: 'passed' },
    note: '',
    ...differing,
    flags: [backoffFlag, String(baseMs), '--item-ms', '100'],
    config: {
      files: 2,
      retries: { baseDelay: `${baseMs}ms` },
      terminalTimeout: '25s',
      ...differing.config,
    },
  };
  const result = await runRow(row, { server, redis, outputDir });
  const changes = result.events.filter(
    (event): event is Version =>
      event.kind === 'row:version' && event.role === 'subject' && event.source === 'trigger',
  );
  return { ...result, changes };
}

/** The status and the count, each time one of them changes. */
function courseOf(changes: readonly Version[]): readonly string[] {
  const course = changes.map(({ values }) => `${values?.status} ${values?.retryCount}`);
  return course.filter((state, index) => state !== course[index - 1]);
}

interface Wait {
  readonly retry: number;
  readonly waitedMs: number;
  /** last_retry_at, counted from the write that noted it. */
  readonly notedAfterMs: number;
}

/** From the write that says `retrying` to the one that takes the job up again, by the server's clock. */
function waitsOf(changes: readonly Version[]): readonly Wait[] {
  return changes.flatMap((version, index) => {
    const { values } = version;
    if (values?.status !== 'retrying' || changes[index - 1]?.values?.status === 'retrying') return [];
    const next = changes.slice(index).find((later) => later.values?.status === 'processing');
    if (next === undefined) return [];
    return [
      {
        retry: values.retryCount ?? 0,
        waitedMs: next.databaseAtMs - version.databaseAtMs,
        notedAfterMs: Date.parse(values.lastRetryAt ?? '') - version.databaseAtMs,
      },
    ];
  });
}

function judged({ report }: RowResult, id: string) {
  const criterion = report.criteria.find((each) => each.id === id);
  return { status: criterion?.status, evidence: criterion?.evidence };
}

function expectBackoff(waits: readonly Wait[], baseMs: number): void {
  for (const { retry, waitedMs, notedAfterMs } of waits) {
    expect(waitedMs, `the wait for retry ${retry}`).toBeGreaterThanOrEqual(2 ** retry * baseMs - EARLY_MS);
    expect(Math.abs(notedAfterMs), 'last_retry_at is the time of the failure').toBeLessThan(EARLY_MS);
  }
}

describe.each(ALL)('on $target', { timeout: 60_000 }, (workers) => {
  it.concurrent('files that are missing: three retries, each after its backoff, then FAILED', async () => {
    const result = await run(workers, workers.reference, BASE_MS, {
      strikeAt: 'processing',
      config: { fileMode: 'missing' },
    });
    expect(result.misses).toEqual([]);
    expect(courseOf(result.changes)).toEqual([
      'pending 0',
      'processing 0',
      'retrying 1',
      'processing 1',
      'retrying 2',
      'processing 2',
      'retrying 3',
      'processing 3',
      'failed 3',
    ]);
    const waits = waitsOf(result.changes);
    expect(waits.map(({ retry }) => retry)).toEqual([1, 2, 3]);
    expectBackoff(waits, BASE_MS);
    expect(judged(result, 'backoff-honoured')).toEqual({
      status: 'passed',
      evidence: [{ code: 'backoff-kept', retries: 3 }],
    });
    expect(judged(result, 'retries-accounted')).toEqual({
      status: 'passed',
      evidence: [{ code: 'retries-counted', count: 3 }],
    });
  });

  it.concurrent(
    'a worker that fails twice, killed during its first backoff: the retry comes once, in its time',
    async () => {
      const result = await run(workers, workers.failsTwice, 700, { strikeAt: 'retrying' });
      expect(result.misses).toEqual([]);
      expect(courseOf(result.changes)).toEqual([
        'pending 0',
        'processing 0',
        'retrying 1',
        'processing 1',
        'retrying 2',
        'processing 2',
        'completed 2',
      ]);
      const fault = result.events.find((event) => event.kind === 'fault:injected');
      const [first, second] = result.changes.filter(({ values }) => values?.status === 'retrying');
      expect(fault?.seq).toBeGreaterThan(first?.seq ?? Infinity);
      expect(fault?.seq).toBeLessThan(second?.seq ?? 0);
      const waits = waitsOf(result.changes);
      expect(waits.map(({ retry }) => retry)).toEqual([1, 2]);
      expectBackoff(waits, 700);
      // Nor was the wait begun anew by the restart: it would be longer by the time that had gone by.
      expect(judged(result, 'backoff-honoured')).toEqual({
        status: 'passed',
        evidence: [{ code: 'backoff-kept', retries: 2 }],
      });
    },
  );
});
