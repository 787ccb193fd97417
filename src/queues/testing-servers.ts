/** Real servers for tests: on loopback, on a free port, in a folder of their own, gone at the end. */
import { spawn, execFile, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);

const POSTGRES_BIN = process.env['POSTGRES_BIN'] ?? '/usr/lib/postgresql/15/bin';

export interface TestServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** At once and without saving anything; its folder is removed. */
  stop(): Promise<void>;
}

export interface TestPostgres extends TestServer {
  readonly user: string;
  readonly password: string;
  /** @param database `postgres` by default. */
  url(database?: string): string;
}

/** @param options further command-line options, e.g. `['--requirepass', 'secret']`. */
export async function startRedis(options: readonly string[] = [], wantedPort?: number): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'verify-restart-redis-'));
  const port = wantedPort ?? (await freePort());
  const child = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...options],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  return started(child, child.stdout, /Ready to accept connections/, port, folder);
}

export async function startPostgres(): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'verify-restart-postgres-'));
  const port = await freePort();
  const password = 'right-secret';
  await writeFile(join(folder, 'password'), password);
  const as = await unprivileged(folder);
  const data = join(folder, 'data');
  await run(
    ...command(as, 'initdb', [
      '-D',
      data,
      '-U',
      'owner',
      '-A',
      'scram-sha-256',
      '--pwfile',
      join(folder, 'password'),
      '-E',
      'UTF8',
      '--no-locale',
      '--no-sync',
    ]),
  );
  const child = spawn(
    ...command(as, 'postgres', [
      '-D',
      data,
      '-p',
      String(port),
      '-k',
      '',
      '-c',
      'listen_addresses=127.0.0.1',
      '-F',
    ]),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const base = await started(child, child.stderr, /ready to accept connections/, port, folder);
  return {
    ...base,
    user: 'owner',
    password,
    url: (database = 'postgres') => `postgresql://owner:${password}@127.0.0.1:${port}/${database}`,
  };
}

/**
 * PostgreSQL refuses to run as root: then its folder is given to, and it is run as, the user `postgres`.
 * @returns the command that does so, to be put in front.
 */
async function unprivileged(folder: string): Promise<readonly string[]> {
  if (process.getuid?.() !== 0) return [];
  const [userId, groupId] = await Promise.all(
    ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postgres'])).stdout)),
  );
  for (const path of [folder, join(folder, 'password')]) {
    await chown(path, userId ?? Number.NaN, groupId ?? Number.NaN);
  }
  return ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'];
}

function command(as: readonly string[], program: string, options: readonly string[]): [string, string[]] {
  const [first = '', ...rest] = [...as, join(POSTGRES_BIN, program), ...options];
  return [first, rest];
}

async function started(
  child: ChildProcess,
  output: NodeJS.ReadableStream,
  ready: RegExp,
  port: number,
  folder: string,
): Promise<TestServer> {
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const reader = createInterface(output);
    reader.on('line', (line) => {
      lines.push(line);
      if (ready.test(line)) resolve();
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`the server ended at once:\n${lines.join('\n')}`)));
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      // PostgreSQL takes its children along on SIGQUIT, which a stopped process would not get.
      if (output === child.stderr) {
        child.kill('SIGQUIT');
        child.kill('SIGCONT');
      } else {
        child.kill('SIGKILL');
      }
      await exited;
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  return { host: '127.0.0.1', port, pid: child.pid ?? 0, stop, [Symbol.asyncDispose]: stop };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}
