/** PostgreSQL and Redis for tests: real ones, on loopback, on free ports, in folders of their own, gone at the end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findFreePort } from '../embedded/free-port.ts';
import { startEmbeddedPostgres } from '../embedded/postgres.ts';
import { findRedisServer } from '../embedded/redis-server.ts';

/**
 * The Redis or Valkey server of this machine; `null`: there is none, and tests that need one are skipped, loudly. In
 * CI a missing server is a failure: there it is installed, and a skipped test would be no test.
 */
export const REDIS_SERVER: string | null = await findRedisServer();
if (REDIS_SERVER === null) {
  const remedy = 'install it: apt-get install redis-server, or brew install redis';
  if (process.env['CI']) throw new Error(`CI needs a Redis server; ${remedy}`);
  console.warn(`\n*** SKIPPED: the tests on Redis, because there is no Redis server here (${remedy}) ***\n`);
}

export interface TestServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly url: string;
  stop(): Promise<void>;
}

export interface TestPostgres extends TestServer {
  readonly user: string;
  readonly password: string;
  urlOf(database: string): string;
}

/** @param settings further settings, e.g. `['max_prepared_transactions=5']` */
export async function startTestPostgres(settings: readonly string[] = []): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'vr-test-postgres-'));
  const server = await startEmbeddedPostgres({ folder, settings });
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const { hostname, port, username, password } = new URL(server.url);
  return {
    host: hostname,
    port: Number(port),
    pid: server.pid,
    url: server.url,
    user: username,
    password,
    urlOf: (database) => Object.assign(new URL(server.url), { pathname: `/${database}` }).href,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** @param options further command-line options, e.g. `['--requirepass', 'secret']`. There is no password by default. */
export async function startTestRedis(
  options: readonly string[] = [],
  wantedPort?: number,
): Promise<TestServer> {
  if (REDIS_SERVER === null) throw new Error('no Redis server: the test should have been skipped');
  const folder = await mkdtemp(join(tmpdir(), 'vr-test-redis-'));
  const port = wantedPort ?? (await findFreePort());
  const child = spawn(
    REDIS_SERVER,
    ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...options],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      if (/Ready to accept connections/.test(line)) resolve();
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error('redis-server ended at once')));
  });
  const stop = async (): Promise<void> => {
    process.off('exit', kill);
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    await rm(folder, { recursive: true, force: true });
  };
  return {
    host: '127.0.0.1',
    port,
    pid: child.pid ?? 0,
    url: `redis://127.0.0.1:${port}`,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
