/** Runs the bundled extraction service for tests: its tables, its queue, its worker (from dist) as a process. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPostgresBackend, createRedisBackend, withBackend } from 'bullmq';
import type { Pool } from 'pg';

export type Backend = 'redis' | 'postgres';

const ROOT = join(import.meta.dirname, '../..');
const SERVICE = 'fixtures/extraction-service';
const DEADLINE_MS = 25_000;

export async function createTables(database: Pool): Promise<void> {
  await database.query(await readFile(join(ROOT, SERVICE, 'schema.sql'), 'utf8'));
}

export const DUMMY_PDFS: readonly string[] = [1, 2, 3].map((number) =>
  join(ROOT, `fixtures/pdfs/document-${number}.pdf`),
);

/** What the tests need of BullMQ's queue, whose type differs by backend. */
export interface TestQueue {
  readonly add: (task: string, payload: unknown, options: { jobId: string }) => Promise<unknown>;
  readonly getJob: (
    id: string,
  ) => Promise<{ readonly stalledCounter: number; readonly promote: () => Promise<void> } | undefined>;
  readonly getJobState: (id: string) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** The sender's side. What the worker must not depend on, such as `attempts`, is left at its default. */
export function openQueue(
  backend: Backend,
  name: string,
  urls: { readonly database: string; readonly redis: string },
): TestQueue {
  if (backend === 'redis') {
    return new (withBackend(createRedisBackend).Queue)<unknown>(name, { connection: { url: urls.redis } });
  }
  const connection = { connectionString: urls.database, schema: 'bullmq', migrate: true };
  return new (withBackend(createPostgresBackend).Queue)<unknown>(name, { connection });
}

/** The row of a job as the tests read it. */
export interface JobRow {
  readonly id: string;
  readonly status: string;
  readonly progress: number;
  readonly celery_task_id: string | null;
  readonly retry_count: number;
  readonly processed_items: number;
  readonly failed_items: number;
  readonly total_items: number;
  readonly error_message: string | null;
  readonly error_stack_trace: string | null;
  readonly results: { readonly files: Readonly<Record<string, { readonly outcome: string }>> } | null;
  readonly started_at: Date | null;
  readonly completed_at: Date | null;
  readonly last_retry_at: Date | null;
  readonly updated_at: Date;
}

export async function insertJob(
  database: Pool,
  filePaths: readonly string[],
  fields: { readonly status?: string; readonly maxRetries?: number } = {},
): Promise<string> {
  const id = randomUUID();
  await database.query(
    `insert into pybase.extraction_jobs (id, status, file_path, max_retries) values ($1, $2, $3, $4)`,
    [id, fields.status ?? 'pending', JSON.stringify(filePaths), fields.maxRetries ?? 3],
  );
  return id;
}

export async function readJob(database: Pool, id: string): Promise<JobRow> {
  const found = await database.query<JobRow>('select * from pybase.extraction_jobs where id = $1', [id]);
  const row = found.rows[0];
  if (row === undefined) throw new Error(`job ${id} is gone`);
  return row;
}

/** How often each file's effect is there, as the documentation tells users to count it. */
export async function countEffects(database: Pool, id: string): Promise<Readonly<Record<string, number>>> {
  const found = await database.query<{ file_path: string; count: string }>(
    'select file_path, count(*) from pybase.extracted_documents where job_id = $1 group by 1',
    [id],
  );
  return Object.fromEntries(found.rows.map((row) => [row.file_path, Number(row.count)]));
}

/** Waits until `look` sees something. @throws Error that says what was waited for */
export async function until<T>(what: () => string, look: () => Promise<T | null>): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const seen = await look();
    if (seen !== null) return seen;
    if (performance.now() > deadline) throw new Error(`not seen within ${DEADLINE_MS} ms: ${what()}`);
    await sleep(15);
  }
}

export interface WorkerProcess {
  readonly pid: number;
  readonly lines: readonly string[];
  /** Waits for a line of the output, also one that was printed before. */
  readonly line: (pattern: RegExp) => Promise<string>;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Resolves when the process has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

export function startWorker(env: Readonly<Record<string, string>>, args: readonly string[]): WorkerProcess {
  return startProgram('worker.js', env, args);
}

export interface ApiProcess extends WorkerProcess {
  /** Its base. */
  readonly url: string;
}

/** Starts the service's API on a free port and waits until it listens. */
export async function startApi(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<ApiProcess> {
  const api = startProgram('api.js', env, ['--port', '0', ...args]);
  const line = await api.line(/ready on /);
  return { ...api, url: line.slice(line.indexOf('http')) };
}

function startProgram(
  program: string,
  env: Readonly<Record<string, string>>,
  args: readonly string[],
): WorkerProcess {
  const script = join(ROOT, 'dist', SERVICE, program);
  const worker = spawn(process.execPath, [script, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  for (const stream of [worker.stdout, worker.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line));
  }
  const ended = once(worker, 'close').then(([code, signal]) => ({ code, signal }));
  return {
    pid: worker.pid ?? 0,
    lines,
    line: (pattern) =>
      until(
        () => `${pattern} in the worker's output:\n${lines.join('\n')}`,
        () => Promise.resolve(lines.find((line) => pattern.test(line)) ?? null),
      ),
    signal: (signal) => void worker.kill(signal),
    ended,
  };
}
