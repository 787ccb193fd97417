import { randomBytes } from 'node:crypto';
import { realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { environmentError } from '../core/errors.ts';
import type { Thing } from '../core/event.ts';
import { findFreePort } from './free-port.ts';
import { searchRedisServer, type RedisSearch } from './redis-server.ts';
import { ServerProcess, type StopStep } from './server-process.ts';

export interface RedisOptions {
  /** Absolute; there already. Configuration and log are written here. The caller removes it. */
  readonly folder: string;
  /** Called for all that would have to be cleaned up if we were killed, before it is used. */
  readonly onMade?: (thing: Thing) => void;
  /** Ends the start: whatever runs by then is stopped, and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Where to look for a server. */
  readonly search?: RedisSearch;
}

export interface RunningRedis extends AsyncDisposable {
  /** `redis://:<password>@127.0.0.1:<port>`; a secret. */
  readonly url: string;
  /** Redis's own version, or Valkey's, e.g. `7.0.15`. */
  readonly version: string;
  readonly pid: number;
  readonly startToken: string | null;
  /** Ends the server and its connections. Safe to call again. */
  stop(): Promise<void>;
}

const readyTimeoutMs = 15_000;

const stopSteps: readonly StopStep[] = [
  { signal: 'SIGTERM', waitMs: 5_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

/**
 * Starts a Redis or Valkey server on a free port of 127.0.0.1, with a random password, that keeps all in memory;
 * resolves when it answers.
 *
 * Throws UserErrors of kind environment: `redis-missing` (with the command that installs one) and `redis-failed`
 * (with the last lines of the log).
 */
export async function startRedis(options: RedisOptions): Promise<RunningRedis> {
  const found = await searchRedisServer(options.search);
  if (found.kind === 'missing')
    throw environmentError('redis-missing', `no Redis: ${found.reason}`, howToInstall());
  const folder = await realpath(options.folder);
  const password = randomBytes(24).toString('base64url');
  const configurationFile = join(folder, 'redis.conf');
  for (let attempt = 1; ; attempt += 1) {
    options.signal?.throwIfAborted();
    const port = await findFreePort();
    await writeFile(configurationFile, configuration(folder, port, password), { mode: 0o600 });
    const server = await ServerProcess.start({
      command: found.path,
      args: [configurationFile],
      workingFolder: folder,
      environment: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
      user: null,
      logFile: join(folder, 'redis.log'),
    });
    try {
      // Every release puts its address into its command line, and no two servers have one address.
      const thing = server.thing(`127.0.0.1:${port}`);
      if (thing !== null) options.onMade?.(thing);
      let version = '';
      const outcome = await server.untilReady(
        async (over) => {
          version = await askVersion(port, password, server.pid, over);
        },
        readyTimeoutMs,
        options.signal,
      );
      if (outcome === 'ready') {
        return running(server, `redis://:${password}@127.0.0.1:${port}`, version, configurationFile);
      }
      const portTaken = (await server.readLog()).includes('Address already in use');
      if (outcome === 'exited' && portTaken && attempt < 5) continue;
      throw environmentError(
        'redis-failed',
        `${found.path} ${outcome === 'exited' ? 'ended at once' : 'did not get ready'}. The end of its log:\n${await server.lastLogLines()}`,
        `see ${join(folder, 'redis.log')}, or use a Redis of your own, with --broker-url`,
      );
    } catch (error) {
      await server.stop(stopSteps);
      await rm(configurationFile, { force: true });
      throw error;
    }
  }
}

function running(
  server: ServerProcess,
  url: string,
  version: string,
  configurationFile: string,
): RunningRedis {
  const stop = async (): Promise<void> => {
    await server.stop(stopSteps);
    await rm(configurationFile, { force: true });
  };
  return {
    url,
    version,
    pid: server.pid,
    startToken: server.startToken,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * In a file that nobody else may read, because a command line shows its password to every user of the machine.
 * `noeviction` is what BullMQ asks for; a queue that loses keys under pressure would be judged for it.
 */
function configuration(folder: string, port: number, password: string): string {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${password}`,
    // Quoted as Redis reads it: backslash and quote escaped, all other bytes as they are.
    `dir "${folder.replaceAll(/["\\]/g, '\\$&')}"`,
    'daemonize no',
    'save ""',
    'appendonly no',
    'maxmemory-policy noeviction',
    '',
  ].join('\n');
}

/**
 * Waits until our server answers, and tells its version. A stranger on the port is known by its refusal of our
 * password, or by its pid; it stays unanswered, because our own server finds the port taken and ends.
 */
async function askVersion(port: number, password: string, pid: number, over: AbortSignal): Promise<string> {
  const client = new Redis({
    host: '127.0.0.1',
    port,
    password,
    retryStrategy: () => 5,
    maxRetriesPerRequest: null,
  });
  // Refused connections are what the waiting is about.
  client.on('error', () => {});
  over.addEventListener('abort', () => {
    client.disconnect();
  });
  try {
    await client.ping();
    const information = await client.info('server');
    const field = (name: string): string | undefined =>
      new RegExp(`^${name}:(\\S+)`, 'm').exec(information)?.[1];
    if (field('process_id') === String(pid)) {
      return field('valkey_version') ?? field('redis_version') ?? 'unknown';
    }
  } catch {
    // a stranger, or the end of the waiting
  } finally {
    client.disconnect();
  }
  return new Promise<never>(() => {});
}

function howToInstall(): string {
  return process.platform === 'darwin'
    ? 'brew install redis'
    : 'apt install redis-server, or your distribution’s package of Redis or Valkey';
}
