/** The demo's own servers, made in the run's temporary folder and removed with it. */
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../embedded/postgres.ts';
import { startRedis } from '../embedded/redis.ts';
import type { Environment } from '../verification/context.ts';
import { killTree } from '../workers/kill-tree.ts';
import { findMarked, MARKER_VARIABLE } from '../workers/marked-processes.ts';
import { startWorkerProcess, type WorkerProcess } from '../workers/process-worker.ts';
import { packagePath } from './package-info.ts';

/** BullMQ's defaults are 30 s each: a demo of a minute would show the same. Said in the demo's output. */
const LOCK_MS = 1_000;
const STALLED_INTERVAL_MS = 500;
const ITEM_MS = 200;

/** What the bundled worker leaves behind for each file. */
export const DEMO_EFFECTS =
  'select file_path, count(*) from pybase.extracted_documents where job_id = $1 group by 1';

type Backend = 'redis' | 'postgres';

export function demoWorkerCommand(backend: Backend): string {
  const worker = packagePath('dist', 'fixtures', 'extraction-service', 'worker.js');
  const options = `--backend ${backend} --lock-duration ${LOCK_MS} --stalled-interval ${STALLED_INTERVAL_MS} --item-ms ${ITEM_MS}`;
  return `exec ${quote(process.execPath)} ${quote(worker)} ${options}`;
}

function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export function demoEnvironment(options: {
  readonly backend: Backend;
  readonly interactive: boolean;
}): Environment {
  const stops: (() => Promise<void>)[] = [];
  return {
    async start({ made, folder, signal, tell }) {
      const databaseFolder = join(folder, 'database');
      const redisFolder = join(folder, 'redis');
      await Promise.all([mkdir(databaseFolder), mkdir(redisFolder)]);
      const [postgres, redis] = await Promise.all([
        startEmbeddedPostgres({ folder: databaseFolder, database: 'demo', onMade: made, signal }),
        options.backend === 'redis' ? startRedis({ folder: redisFolder, onMade: made, signal }) : null,
      ]);
      stops.push(() => postgres.stop());
      if (redis !== null) stops.push(() => redis.stop());
      await createSchema(postgres.url, options.backend);
      tell(
        `embedded PostgreSQL ${postgres.version}${redis === null ? '' : ` and Redis ${redis.version}`} started for this run; BullMQ with lockDuration ${LOCK_MS} ms and stalledInterval ${STALLED_INTERVAL_MS} ms`,
      );
      const workerEnv: Record<string, string> = { DATABASE_URL: postgres.url };
      if (redis !== null) workerEnv['REDIS_URL'] = redis.url;
      const urls = { databaseUrl: postgres.url, queueUrl: redis?.url ?? postgres.url, workerEnv };
      if (!options.interactive) return urls;
      const script = await writeWorkerScript(folder, options.backend, workerEnv);
      const worker = await startFirstWorker(script, folder, made);
      stops.unshift(() => endWorkers(worker, script.marker));
      return { ...urls, workerStartCommand: `sh ${quote(script.path)}` };
    },
    async stop() {
      for (const stop of stops.splice(0)) await stop();
    },
  };
}

async function createSchema(databaseUrl: string, backend: Backend): Promise<void> {
  const { Client } = (await import('pg')).default;
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(await readFile(packagePath('fixtures', 'extraction-service', 'schema.sql'), 'utf8'));
    if (backend === 'postgres') {
      const { runMigrations } = await import('bullmq');
      await runMigrations(client);
    }
  } finally {
    await client.end();
  }
}

interface WorkerScript {
  readonly path: string;
  readonly marker: string;
}

/**
 * For a person who restarts the worker by hand: the servers' passwords stay in a file that only this user can read,
 * and whatever the script starts carries the run's mark, so that nothing of it outlives the demo.
 */
async function writeWorkerScript(
  folder: string,
  backend: Backend,
  workerEnv: Readonly<Record<string, string>>,
): Promise<WorkerScript> {
  const path = join(folder, 'worker.sh');
  const marker = `demo-${randomUUID()}#1`;
  const lines = [
    '#!/bin/sh',
    `export ${MARKER_VARIABLE}=${marker}`,
    ...Object.entries(workerEnv).map(([name, value]) => `export ${name}=${quote(value)}`),
    demoWorkerCommand(backend),
    '',
  ];
  await writeFile(path, lines.join('\n'), { mode: 0o600 });
  await chmod(path, 0o700);
  return { path, marker };
}

async function startFirstWorker(
  script: WorkerScript,
  folder: string,
  made: Parameters<Environment['start']>[0]['made'],
): Promise<WorkerProcess> {
  const worker = await startWorkerProcess({
    command: `exec sh ${quote(script.path)}`,
    cwd: folder,
    env: {},
    incarnation: 1,
    runId: script.marker.slice(0, -2),
    logFile: join(folder, 'worker.log'),
    readyPattern: /ready/,
    redact: (text) => text,
  });
  made({ kind: 'process', pid: worker.pid, startToken: worker.root.startToken, marker: script.marker });
  await Promise.race([worker.ready, worker.exited]);
  return worker;
}

async function endWorkers(worker: WorkerProcess, marker: string): Promise<void> {
  await worker[Symbol.asyncDispose]();
  await killTree({ find: () => findMarked(marker), deadlineMs: 5_000 });
}
