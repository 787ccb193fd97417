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
import type { DemoTarget } from './demo-targets.ts';
import { packagePath } from './package-info.ts';
import { quote } from './shell-words.ts';

/** What the bundled worker leaves behind for each file. */
export const DEMO_EFFECTS =
  'select file_path, count(*) from pybase.extracted_documents where job_id = $1 group by 1';

export function demoEnvironment(options: {
  readonly target: DemoTarget;
  readonly interactive: boolean;
  /** What the worker's configuration adds to its environment; `{incarnation}` stands for the number of its life. */
  readonly workerEnv: Readonly<Record<string, string>>;
}): Environment {
  const { target } = options;
  const stops: (() => Promise<void>)[] = [];
  return {
    async start({ made, folder, signal, tell }) {
      const databaseFolder = join(folder, 'database');
      const redisFolder = join(folder, 'redis');
      await Promise.all([mkdir(databaseFolder), mkdir(redisFolder)]);
      const stopLater = <Server extends { stop: () => Promise<void> }>(server: Server): Server => {
        stops.push(() => server.stop());
        return server;
      };
      const starting = [
        startEmbeddedPostgres({ folder: databaseFolder, database: 'demo', onMade: made, signal }).then(
          stopLater,
        ),
        target.needsRedis
          ? startRedis({ folder: redisFolder, onMade: made, signal }).then(stopLater)
          : Promise.resolve(null),
      ] as const;
      // If one cannot be started, the other must have been, or it could not be stopped.
      await Promise.allSettled(starting);
      const [postgres, redis] = await Promise.all(starting);
      await createSchema(postgres.url, target);
      tell(
        `embedded PostgreSQL ${postgres.version}${redis === null ? '' : ` and Redis ${redis.version}`} started for this run; ${target.settings}`,
      );
      const brokerUrl = redis === null ? postgres.url : target.brokerUrl(redis.url);
      // Its temporary files go with the run: a pool that is killed (Celery's) leaves folders behind.
      const workerEnv = { DATABASE_URL: postgres.url, TMPDIR: folder, ...target.workerEnv(brokerUrl) };
      const urls = { databaseUrl: postgres.url, queueUrl: brokerUrl, workerEnv };
      if (!options.interactive) return urls;
      const script = await writeWorkerScript(folder, target, { ...options.workerEnv, ...workerEnv });
      const worker = await startFirstWorker(script, target, folder, made);
      stops.unshift(() => endWorkers(worker, script.marker));
      return { ...urls, workerStartCommand: `sh ${quote(script.path)}` };
    },
    async stop() {
      for (const stop of stops.splice(0)) await stop();
    },
  };
}

async function createSchema(databaseUrl: string, target: DemoTarget): Promise<void> {
  const { Client } = (await import('pg')).default;
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(await readFile(packagePath('fixtures', target.service, 'schema.sql'), 'utf8'));
    if (target.setup !== null) await client.query(target.setup);
    if (target.needsBullmqSchema) {
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
  target: DemoTarget,
  workerEnv: Readonly<Record<string, string>>,
): Promise<WorkerScript> {
  const path = join(folder, 'worker.sh');
  const marker = `demo-${randomUUID()}#1`;
  const lives = quote(join(folder, 'worker-lives'));
  const lines = [
    '#!/bin/sh',
    `echo started >>${lives}`,
    `life=$(($(wc -l <${lives})))`,
    `export ${MARKER_VARIABLE}=${marker}`,
    ...Object.entries(workerEnv).map(([name, value]) => `export ${name}=${numbered(value)}`),
    target.workerCommand,
    '',
  ];
  await writeFile(path, lines.join('\n'), { mode: 0o600 });
  await chmod(path, 0o700);
  return { path, marker };
}

/** A word for the shell, with the number of the worker's life where it is asked for. */
function numbered(value: string): string {
  return value.split('{incarnation}').map(quote).join('"$life"');
}

async function startFirstWorker(
  script: WorkerScript,
  target: DemoTarget,
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
    readyPattern: target.readyPattern,
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
