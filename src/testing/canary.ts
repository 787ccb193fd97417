/**
 * The canary: a worker that loses its job, which must be found out before anything else is believed.
 *
 *   npm run canary
 *
 * If it passes, this tool is blind, and whatever else its tests say means nothing. So it ends with 1 and says so.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { canaryProblems } from './canary-problems.ts';
import { builtWorker, TARGETS } from './corpus/targets.ts';
import { startTestPostgres } from './servers.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/verify-restart.js');
/** It takes the message off the queue when it picks it up: nobody can have the job after it. */
const WORKER = 'popped-without-copy';

const folder = await mkdtemp(join(tmpdir(), 'vr-canary-'));
const server = await startTestPostgres();
try {
  await prepare(server.url);
  const run = await verify(server.url);
  const problems = canaryProblems(run.exitCode, run.stdout);
  if (problems.length === 0) {
    console.log(`canary: ${WORKER} was found out, as it must be`);
  } else {
    console.error(`canary: a worker that loses its job (${WORKER}) was not found out; this run is void`);
    for (const problem of problems) console.error(`  ${problem}`);
    if (run.stderr !== '') console.error(run.stderr);
    process.exitCode = 1;
  }
} finally {
  await server.stop();
  await rm(folder, { recursive: true });
}

async function prepare(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type
  await TARGETS['bullmq-postgres'].fill(client);
  await client.end();
}

function verify(url: string): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const place = {
    queueName: 'canary',
    redisUrl: '',
    redisDatabase: 0,
    rabbitmqUrl: '',
    outputDir: folder,
  };
  const worker = [process.execPath, builtWorker(`broken-workers/bullmq/${WORKER}`)].map(
    (word) => `'${word}'`,
  );
  const command = [...worker, ...TARGETS['bullmq-postgres'].flags(place)].join(' ');
  const queue = ['--queue-backend', 'postgres', '--queue-name', place.queueName];
  const timing = ['--terminal-timeout', '4s', '--no-witnesses', '--reporter', 'json'];
  const args = ['run', '--auto-restart', '--worker', command, ...queue, ...timing, '--output-dir', folder];
  const env = { ...process.env, DATABASE_URL: url };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [LAUNCHER, ...args],
      { cwd: folder, env },
      (_error, stdout, stderr) => resolve({ exitCode: child.exitCode, stdout, stderr }),
    );
  });
}
