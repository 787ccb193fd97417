/** Connections that cannot be made, that break, and that somebody else has set up. */
import { execFile } from 'node:child_process';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { chownSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeUrl } from '../config/server-address.ts';
import { UserError } from '../core/errors.ts';
import { findFreePort } from '../embedded/free-port.ts';
import { makeJobDatabase, makeRole } from '../testing/job-database.ts';
import { listen } from '../testing/listen.ts';
import { startTestPostgres, type TestPostgres } from '../testing/servers.ts';
import { until } from '../testing/until.ts';
import { openDatabase, type OpenOptions } from './database.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startTestPostgres();
});
afterAll(() => server.stop());

async function refusal(url: string, options?: OpenOptions): Promise<UserError> {
  const outcome: unknown = await openDatabase(url, describeUrl(url), options).then(
    async (database) => {
      await database[Symbol.asyncDispose]();
      return new Error('it was opened');
    },
    (error: unknown) => error,
  );
  if (!(outcome instanceof UserError)) throw outcome;
  const { password } = new URL(url);
  const secret = password === '' ? 'no secret' : decodeURIComponent(password);
  expect(outcome.kind).toBe('environment');
  expect(`${outcome.message} ${outcome.remedy}`).not.toContain(secret);
  return outcome;
}

function withParts(
  parts: Partial<Record<'username' | 'password' | 'pathname' | 'host' | 'search', string>>,
): string {
  return Object.assign(new URL(server.url), parts).href;
}

describe('a connection that is not made', () => {
  test('nothing listens', async () => {
    const error = await refusal(withParts({ host: `127.0.0.1:${await findFreePort()}` }));
    expect(error.code).toBe('database-refused');
    expect(error.message).toMatch(/^PostgreSQL at 127\.0\.0\.1:\d+\/postgres refused the connection/);
  });

  test('nothing listens on any address of a name', async () => {
    const error = await refusal(withParts({ host: `localhost:${await findFreePort()}` }));
    expect(error.code).toBe('database-refused');
  });

  test('an unknown host', async () => {
    const error = await refusal(withParts({ host: 'no-such-host.invalid:5432' }));
    expect(error.code).toBe('database-unknown-host');
  });

  test('a wrong password, none at all, an unknown user', async () => {
    expect((await refusal(withParts({ password: 's3cret-wr0ng' }))).code).toBe('database-auth');
    expect((await refusal(withParts({ password: '' }))).code).toBe('database-auth');
    expect((await refusal(withParts({ username: 'nobody-here', password: 's3cret' }))).code).toBe(
      'database-auth',
    );
  });

  test('an unknown database, named', async () => {
    const error = await refusal(withParts({ pathname: '/no_such_db' }));
    expect(error).toMatchObject({
      code: 'database-unknown',
      message: `PostgreSQL at 127.0.0.1:${server.port} has no database "no_such_db"`,
    });
  });

  test('a user who may not connect to the database', async () => {
    await using jobs = await makeJobDatabase(server, '');
    const role = await makeRole(server);
    await jobs.sql(`revoke connect on database ${jobs.name} from public`);
    expect(await refusal(jobs.urlAs(role))).toMatchObject({
      code: 'database-auth',
      message: expect.stringContaining('permission denied for database'),
    });
  });

  test('too many connections', async () => {
    await using jobs = await makeJobDatabase(server, '');
    const role = await makeRole(server, 'connection limit 0');
    expect(await refusal(jobs.urlAs(role))).toMatchObject({
      code: 'database-full',
      message: expect.stringContaining('too many connections'),
    });
  });

  test('a server that never answers, after the time that it is given', async () => {
    await using silent = await listen('127.0.0.1');
    const began = performance.now();
    const error = await refusal(`postgres://u:s3cret@127.0.0.1:${silent.port}/db`, { connectTimeoutMs: 300 });
    expect(error).toMatchObject({
      code: 'database-timeout',
      message: `PostgreSQL at 127.0.0.1:${silent.port}/db did not answer within 0.3 s`,
    });
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test('a server that hangs up', async () => {
    await using listener = await listen('127.0.0.1');
    void listener.accepted.then((socket) => socket.destroy());
    const error = await refusal(`postgres://u:s3cret@127.0.0.1:${listener.port}/db`);
    expect(error.code).toBe('database-failed');
    expect(error.message).toContain('closed the connection');
  });

  test('a server without TLS that is to use it', async () => {
    const error = await refusal(withParts({ search: '?sslmode=require&uselibpqcompat=true' }));
    expect(error).toMatchObject({
      code: 'database-tls',
      message: expect.stringContaining('does not support SSL'),
    });
  });

  test('a server that is shutting down', async () => {
    await using stopping = await startTestPostgres();
    const { hostname, port } = new URL(stopping.url);
    const last = await openDatabase(stopping.url, 'the test');
    process.kill(stopping.pid, 'SIGTERM');
    const error = await until('new connections are turned away', async () => {
      const outcome = await openDatabase(stopping.url, describeUrl(stopping.url)).catch(
        (reason: unknown) => reason,
      );
      if (outcome instanceof UserError) return outcome;
      await (outcome as AsyncDisposable)[Symbol.asyncDispose]();
      return null;
    });
    expect(error).toMatchObject({
      kind: 'environment',
      code: 'database-not-ready',
      message: `PostgreSQL at ${hostname}:${port}/postgres takes no connections now: the database system is shutting down`,
    });
    await last[Symbol.asyncDispose]();
  });
});

test('a server that insists on TLS, with a certificate that nobody knows', async () => {
  await using secure = await startTestPostgres();
  await requireTls(secure);
  const plain = await refusal(secure.url);
  expect(plain).toMatchObject({
    code: 'database-tls',
    remedy: 'append ?sslmode=require to the database URL',
  });
  const encrypted = `${secure.url}?sslmode=require&uselibpqcompat=true`;
  await using database = await openDatabase(encrypted, 'the test');
  const { rows } = await database.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
  expect(rows).toEqual([{ ssl: true }]);
  expect(database.pooled).toBe(false);
  const strict = await refusal(`${secure.url}?sslmode=verify-full`);
  expect(strict).toMatchObject({ code: 'database-tls', message: expect.stringContaining('self-signed') });
});

/** As the server's own user: it reads no file that belongs to another. */
async function requireTls(secure: TestPostgres): Promise<void> {
  await using admin = await openDatabase(secure.url, 'the test');
  const { rows } = await admin.query<{ folder: string }>(
    `select current_setting('data_directory') as folder`,
  );
  const folder = rows[0]?.folder ?? '';
  const { uid, gid } = statSync(folder);
  const key = join(folder, 'server.key');
  const certificate = join(folder, 'server.crt');
  const request =
    'req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 1 -subj /CN=localhost';
  const files = ['-keyout', key, '-out', certificate];
  await promisify(execFile)('openssl', [...request.split(' '), ...files]);
  for (const file of [key, certificate]) chownSync(file, uid, gid);
  const rules = join(folder, 'pg_hba.conf');
  await writeFile(rules, (await readFile(rules, 'utf8')).replaceAll(/^host\b/gm, 'hostssl'));
  await appendFile(join(folder, 'postgresql.auto.conf'), 'ssl = on\n');
  await admin.query('select pg_reload_conf()');
  await until('the server has read it', async () => {
    const now = await admin.query<{ ssl: string }>('show ssl');
    return now.rows[0]?.ssl === 'on';
  });
}

describe('a connection that is made', () => {
  test('is not a pooled one', async () => {
    await using database = await openDatabase(server.url, 'the test');
    expect(database.pooled).toBe(false);
  });

  test('keeps what a role or database sets for its own sessions away from us', async () => {
    await using jobs = await makeJobDatabase(server, '');
    const role = await makeRole(server);
    const versions = await jobs.sql<{ version: number }>(
      `select current_setting('server_version_num')::integer as version`,
    );
    const newer = (versions[0]?.version ?? 0) >= 170_000;
    for (const setting of [
      `statement_timeout to '50ms'`,
      `lock_timeout to '10ms'`,
      `idle_session_timeout to '100ms'`,
      `idle_in_transaction_session_timeout to '50ms'`,
      ...(newer ? [`transaction_timeout to '50ms'`] : []),
      'default_transaction_isolation to serializable',
    ])
      await jobs.sql(`alter role ${role} set ${setting}`);
    await using database = await jobs.openAs(role);
    await database.query('select pg_sleep(0.3)');
    const before = await database.query<{ pid: number }>('select pg_backend_pid() as pid');
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { rows } = await database.query(
      `select pg_backend_pid() as pid, current_setting('transaction_isolation') as isolation`,
    );
    expect(rows).toEqual([{ pid: before.rows[0]?.pid, isolation: 'read committed' }]);
  });

  test('is not left in a transaction by a statement that fails', async () => {
    await using database = await openDatabase(server.url, 'the test');
    await expect(
      database.transact(['create temp table t (a int)', 'select 1/0'], { lock_timeout: '1s' }),
    ).rejects.toThrow(/division by zero/);
    const [rows, { rows: after }] = [
      await database.transact<{ zone: string }>([`select current_setting('timezone') as zone`], {
        timezone: 'Asia/Tokyo',
      }),
      await database.query(`select current_setting('timezone') as zone, to_regclass('pg_temp.t') as t`),
    ];
    expect(rows).toEqual([{ zone: 'Asia/Tokyo' }]);
    expect(after[0]).toMatchObject({ t: null });
    expect(after[0]).not.toMatchObject({ zone: 'Asia/Tokyo' });
  });

  test('limits a statement by settings of its own transaction', async () => {
    await using database = await openDatabase(server.url, 'the test');
    const began = performance.now();
    await expect(
      database.transact(['select pg_sleep(10)'], { statement_timeout: '100' }),
    ).rejects.toMatchObject({ code: '57014' });
    expect(performance.now() - began).toBeLessThan(3_000);
  });

  test('that breaks is told as lost once, and made anew', async () => {
    await using database = await openDatabase(server.url, '127.0.0.1:1/db');
    await expect(database.query('select pg_terminate_backend(pg_backend_pid())')).rejects.toMatchObject({
      kind: 'environment',
      code: 'database-lost',
      message: expect.stringMatching(/^the connection to PostgreSQL at 127\.0\.0\.1:1\/db was lost/),
    });
    expect((await database.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  test('to a server that has fallen silent is closed all the same', async () => {
    const database = await openDatabase(server.url, 'the test');
    const { rows } = await database.query<{ pid: number }>('select pg_backend_pid() as pid');
    const pid = rows[0]!.pid;
    process.kill(pid, 'SIGSTOP');
    try {
      const began = performance.now();
      await database[Symbol.asyncDispose]();
      expect(performance.now() - began).toBeLessThan(2_500);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });
});
