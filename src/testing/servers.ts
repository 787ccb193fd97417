/** PostgreSQL and Redis for tests: the machine's own binaries, on free ports of the loopback, in temporary folders. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { Client } from 'pg';

export interface TestServer {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

const run = promisify(execFile);
const DEADLINE_MS = 20_000;

/** Starts an empty PostgreSQL. @throws Error when the machine has none */
export async function startPostgresForTest(): Promise<TestServer> {
  const binaries = await findPostgres();
  const data = await mkdtemp(join(tmpdir(), 'verify-restart-postgres-'));
  // PostgreSQL refuses to run as root.
  let asUser: readonly string[] = [];
  if (process.getuid?.() === 0) {
    const user = Number((await run('id', ['-u', 'postgres'])).stdout);
    await chown(data, user, user);
    asUser = ['setpriv', `--reuid=${user}`, '--regid=postgres', '--clear-groups'];
  }
  const [initdb, ...initdbArgs] = [
    ...asUser,
    join(binaries, 'initdb'),
    '-D',
    data,
    '-U',
    'postgres',
    '-A',
    'trust',
    '--no-sync',
  ];
  await run(initdb ?? '', initdbArgs);
  const port = await freePort();
  const stop = start([
    ...asUser,
    join(binaries, 'postgres'),
    '-D',
    data,
    '-p',
    String(port),
    '-h',
    '127.0.0.1',
    '-k',
    data,
    '-F',
    '-c',
    'max_connections=200',
  ]);
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  await untilAnswered(async () => {
    const client = new Client(url);
    await client.connect();
    await client.end();
  });
  return {
    url,
    async stop() {
      await stop('SIGTERM', 'SIGINT');
      await rm(data, { recursive: true });
    },
  };
}

/** Starts an empty Redis; `null` when the machine has none. */
export async function startRedisForTest(): Promise<TestServer | null> {
  try {
    await run('redis-server', ['--version']);
  } catch {
    return null;
  }
  const port = await freePort();
  const stop = start([
    'redis-server',
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--dir',
    tmpdir(),
  ]);
  const url = `redis://127.0.0.1:${port}`;
  await untilAnswered(async () => {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
    client.on('error', () => {});
    await client.connect();
    await client.quit();
  });
  return { url, stop: () => stop('SIGTERM') };
}

async function findPostgres(): Promise<string> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => []);
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0];
  if (newest === undefined) throw new Error('no PostgreSQL under /usr/lib/postgresql');
  return `/usr/lib/postgresql/${newest}/bin`;
}

/**
 * Starts a server and returns what stops it and waits for its end: politely (PostgreSQL then waits for its clients,
 * which spares them an error in the middle of their goodbye), and after three seconds by the second signal.
 */
function start(command: readonly string[]): (...signals: NodeJS.Signals[]) => Promise<void> {
  const [file, ...args] = command;
  const server = spawn(file ?? '', args, { stdio: 'ignore' });
  const exited = once(server, 'exit');
  const killed = (): boolean => server.kill('SIGKILL');
  process.once('exit', killed);
  return async (polite, firm) => {
    process.removeListener('exit', killed);
    server.kill(polite);
    const timer = setTimeout(() => server.kill(firm), 3000);
    await exited;
    clearTimeout(timer);
  };
}

async function untilAnswered(ask: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(20);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
