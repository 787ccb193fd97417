/** Whole verifications of the Celery fixture, on servers of the test's own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import { loadSettings } from '../config/load.ts';
import type { Event } from '../core/event.ts';
import type { UserConfig } from '../config/define-config.ts';
import { verify, type Verification } from '../verification/verify.ts';
import { CELERY_PYTHON, QUICK_FLAGS } from './celery-worker.ts';
import { createTables } from './extraction-service.ts';
import { startTestPostgres, type TestServer } from './servers.ts';

const FIXTURE = new URL('../../fixtures/celery-service', import.meta.url).pathname;
const BROKEN = new URL('../../fixtures/broken-workers/celery', import.meta.url).pathname;

export interface CeleryRun {
  /** `-A`: `app`, or a broken one such as `broken.celery_defaults`. */
  readonly app: string;
  readonly pool: 'prefork' | 'solo' | 'threads';
  readonly scenario: string;
  readonly brokerUrl: string;
  /** Celery's settings that the reference is given instead of its own. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Seconds. */
  readonly visibilityTimeout?: number;
  readonly config?: UserConfig;
  readonly onEvent?: (event: Event) => void;
  /** Leaves the fault out. */
  readonly disarmed?: boolean;
  /** Of the worker; those with which it starts soonest, if absent. */
  readonly flags?: readonly string[];
}

export interface CeleryBench extends AsyncDisposable {
  run(options: CeleryRun): Promise<Verification>;
  /** Rows that runs have left. */
  rows(): Promise<number>;
}

export async function openCeleryBench(): Promise<CeleryBench> {
  const postgres: TestServer = await startTestPostgres();
  const database = new Pool({ connectionString: postgres.url });
  // Idle connections end with the server.
  database.on('error', () => undefined);
  await createTables(database);
  const folder = await mkdtemp(join(tmpdir(), 'vr-test-celery-runs-'));
  return {
    async run({
      app,
      pool,
      scenario,
      brokerUrl,
      visibilityTimeout,
      settings: badly,
      config,
      onEvent,
      disarmed = false,
      flags = QUICK_FLAGS,
    }) {
      const code =
        badly === undefined ? `--workdir ${FIXTURE} -A ${app}` : `--workdir ${BROKEN} -A badly_set`;
      const command = [
        `exec ${CELERY_PYTHON} -m celery ${code} worker -l INFO -P ${pool} -c 1`,
        ...flags,
        // With one message at a time a worker on Redis may sit idle for 20 s before it asks for the next (Celery 5.2).
        '--prefetch-multiplier 4',
      ];
      const settings = await loadSettings({
        flags: {},
        env: {},
        cwd: folder,
        isTTY: false,
        demo: {
          database: { url: postgres.url },
          queue: { kind: 'celery', url: brokerUrl },
          worker: {
            command: command.join(' '),
            env: {
              DATABASE_URL: postgres.url,
              CELERY_BROKER_URL: brokerUrl,
              // Less than a worker takes to start: it finds due what the one before it had.
              CELERY_VISIBILITY_TIMEOUT: String(visibilityTimeout ?? 0.1),
              EXTRACTION_ITEM_MS: '500',
              PYTHONPATH: FIXTURE,
              BROKEN_SETTINGS: JSON.stringify(badly ?? {}),
              PYTHONDONTWRITEBYTECODE: '1',
              // A pool that is killed leaves its temporary folders behind.
              TMPDIR: folder,
            },
          },
          effects: {
            sql: 'select file_path, count(*) from pybase.extracted_documents where job_id = $1 group by 1',
          },
          files: 3,
          autoRestart: true,
          scenario,
          terminalTimeout: '20s',
          outputDir: join(folder, 'runs'),
          ...config,
        },
      });
      return verify(settings, {
        toolVersion: 'test',
        disarmed,
        ...(onEvent === undefined ? {} : { onEvent }),
      });
    },
    async rows() {
      const { rows } = await database.query<{ count: string }>('select count(*) from pybase.extraction_jobs');
      return Number(rows[0]?.count);
    },
    async [Symbol.asyncDispose]() {
      await database.end();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
