/** A service's API for the contract suite: the bundled one, on BullMQ on PostgreSQL, and a worker behind it. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import { httpSettings } from '../config/http-settings.ts';
import type { CheckedConfig } from '../config/schema.ts';
import type { QueueSettings } from '../config/settings.ts';
import { dummyPdf } from '../jobs/dummy-pdf.ts';
import { openQueue } from '../queues/index.ts';
import type { Queue, SubmitOutcome, UploadFile } from '../queues/queue.ts';
import { labContext } from './bullmq-lab.ts';
import {
  createTables,
  openQueue as openBullmq,
  startApi,
  startWorker,
  type WorkerProcess,
} from './extraction-service.ts';
import { startTestPostgres } from './servers.ts';

export type ApiConfig = NonNullable<CheckedConfig['queue']>;

export function httpLabSettings(url: string, queue: ApiConfig): QueueSettings {
  const sources = {
    flags: {},
    variables: {},
    config: { queue },
    configName: 'the test',
    configFolder: '/',
    cwd: '/',
    env: {},
  };
  return {
    kind: 'http',
    backend: 'redis',
    url,
    name: 'extraction',
    task: 'extract_bulk',
    payload: () => null,
    prefix: '',
    schema: '',
    http: httpSettings(sources, url),
  };
}

export const LAB_TOKEN = 'secret-token-of-the-lab';

export interface ApiLab extends AsyncDisposable {
  open(config?: ApiConfig, options?: { readonly requestTimeoutMs?: number }): Promise<Queue>;
  /** One file, by a name of its own. */
  file(name: string): Promise<UploadFile>;
  /** Everything that the service keeps of jobs: rows, messages, uploads. */
  content(): Promise<string>;
  /** A worker that takes half a second a file. */
  worker(): WorkerProcess;
  /** Calls `submit` and keeps the service from answering it; afterwards it answers again. */
  breakOff(submit: () => Promise<SubmitOutcome>): Promise<SubmitOutcome>;
  /** Ends the service for good. */
  stop(): Promise<void>;
}

export async function apiLab(): Promise<ApiLab> {
  const [server, folder] = await Promise.all([startTestPostgres(), mkdtemp(join(tmpdir(), 'vr-api-lab-'))]);
  const uploads = join(folder, 'uploads');
  const database = new Pool({ connectionString: server.url });
  // Ended with the server.
  database.on('error', () => undefined);
  await createTables(database);
  await openBullmq('postgres', 'migrations', { database: server.url, redis: '' }).close();
  const env = { DATABASE_URL: server.url, API_TOKEN: LAB_TOKEN };
  const api = await startApi(env, ['--backend', 'postgres', '--uploads', uploads]);
  const stop = async (): Promise<void> => {
    api.signal('SIGKILL');
    await api.ended;
  };
  return {
    open: (config = {}, options = {}) =>
      openQueue(
        httpLabSettings(api.url, { token: LAB_TOKEN, remove: {}, list: {}, ...config }),
        labContext(options.requestTimeoutMs),
      ),
    async file(name) {
      const path = join(folder, name);
      await writeFile(path, dummyPdf(name));
      return { path, name };
    },
    async content() {
      const tables = ['pybase.extraction_jobs', 'pybase.extracted_documents', 'bullmq.job'];
      const parts = await Promise.all(
        tables.map(async (table) => {
          const { rows } = await database.query(`select to_jsonb(t)::text as row from ${table} t order by 1`);
          return rows.map(({ row }) => `${table} ${row}`);
        }),
      );
      return [...parts.flat(), ...(await readdir(uploads).catch(() => []))].join('\n');
    },
    worker: () => startWorker({ DATABASE_URL: server.url }, ['--backend', 'postgres', '--item-ms', '500']),
    async breakOff(submit) {
      api.signal('SIGSTOP');
      try {
        return await submit();
      } finally {
        api.signal('SIGCONT');
      }
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await database.end();
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}
