/** PgBouncer in front of a test server: a real one, on loopback, on a free port, gone at the end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, chown, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { findFreePort } from '../embedded/free-port.ts';
import { findServerUser, mustChangeUser } from '../embedded/server-user.ts';
import type { TestPostgres } from './servers.ts';

/** `null`: there is none here, and tests that need one are skipped, loudly; in CI that is a failure. */
export const PGBOUNCER: string | null = await findPgbouncer();
if (PGBOUNCER === null) {
  const remedy = 'install it: apt-get install pgbouncer, or brew install pgbouncer';
  if (process.env['CI']) throw new Error(`CI needs PgBouncer; ${remedy}`);
  console.warn(`\n*** SKIPPED: the tests behind PgBouncer, because there is none here (${remedy}) ***\n`);
}

async function findPgbouncer(): Promise<string | null> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  for (const folder of folders) {
    const file = join(folder, 'pgbouncer');
    if (
      await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  return null;
}

export interface Pgbouncer extends AsyncDisposable {
  /** The server's URL of a database, by way of the pooler. */
  urlOf(database: string): string;
}

export async function startPgbouncer(
  server: TestPostgres,
  mode: 'session' | 'transaction',
): Promise<Pgbouncer> {
  if (PGBOUNCER === null) throw new Error('no PgBouncer: the test should have been skipped');
  const folder = await mkdtemp(join(tmpdir(), 'vr-test-pgbouncer-'));
  const port = await findFreePort();
  const users = join(folder, 'users.txt');
  const configuration = join(folder, 'pgbouncer.ini');
  await writeFile(users, `"${server.user}" "${server.password}"\n`);
  await writeFile(
    configuration,
    `[databases]
* = host=${server.host} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = ${mode}
default_pool_size = 20
`,
  );
  // It refuses to run as root.
  const user = mustChangeUser() ? await findServerUser() : null;
  if (user !== null) for (const path of [folder, users, configuration]) await chown(path, user.uid, user.gid);
  await chmod(users, 0o600);
  const child = spawn(PGBOUNCER, [configuration], {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: folder,
    ...(user === null ? {} : { uid: user.uid, gid: user.gid }),
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const log: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      log.push(line);
      if (/process up/.test(line)) resolve();
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`pgbouncer ended at once: ${log.join('\n')}`)));
  });
  return {
    urlOf: (database) =>
      `postgres://${server.user}:${server.password}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    async [Symbol.asyncDispose]() {
      process.off('exit', kill);
      const exited = once(child, 'exit');
      kill();
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
