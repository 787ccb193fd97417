import { assert, property, string } from 'fast-check';
import { parseIntoClientConfig } from 'pg-connection-string';
import { expect, test } from 'vitest';
import { UserError } from '../core/errors.ts';
import { normaliseDatabaseUrl } from './database-url.ts';

const normalise = (url: string, env: Record<string, string> = {}) =>
  normaliseDatabaseUrl(url, { option: '--database-url', env });

function refusal(url: string): UserError {
  try {
    normalise(url);
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  return expect.fail('the URL was accepted');
}

test.each([
  ['postgres://u:p@h:5433/db', 'postgres://u:p@h:5433/db'],
  ['postgresql://u:p@h/db', 'postgres://u:p@h/db'],
  ['POSTGRESQL://u@H/db', 'postgres://u@H/db'],
  ['postgresql+asyncpg://u:p@h/db', 'postgres://u:p@h/db'],
  ['postgresql+psycopg://u:p@h/db', 'postgres://u:p@h/db'],
  ['postgresql+psycopg2://u:p@h/db', 'postgres://u:p@h/db'],
  ['postgresql+pg8000://u:p@h/db', 'postgres://u:p@h/db'],
  ['postgres+psycopg_async://u:p@h/db', 'postgres://u:p@h/db'],
  ['  postgres://h/db\n', 'postgres://h/db'],
  ['jdbc:postgresql://h:5433/db?user=u&password=p%26q', 'postgres://u:p%26q@h:5433/db'],
  ['jdbc:postgresql:db', 'postgres://localhost/db'],
  ['jdbc:postgresql:/', 'postgres://localhost/'],
  ['postgres://u:p%40ss%2Fw%23@h/db', 'postgres://u:p%40ss%2Fw%23@h/db'],
  ['postgres://u:p@ss@h/db', 'postgres://u:p%40ss@h/db'],
  ['postgres://:p@h/db', 'postgres://:p@h/db'],
  ['postgres://[::1]:5433/db', 'postgres://[::1]:5433/db'],
  ['postgres://h', 'postgres://h/'],
  ['postgres:///db', 'postgres://localhost/db'],
  ['postgres://u@/db', 'postgres://u@localhost/db'],
  ['postgres://u@:5433/db', 'postgres://u@localhost:5433/db'],
  ['postgres://:5433/db', 'postgres://localhost:5433/db'],
  ['postgres:///db?host=/var/run/postgresql', 'postgres://%2Fvar%2Frun%2Fpostgresql/db'],
  ['postgres://u@/db?host=/tmp&port=5433', 'postgres://u@%2Ftmp:5433/db'],
  ['postgres://%2Fvar%2Frun/db', 'postgres://%2Fvar%2Frun/db'],
  ['postgres://localhost/db?host=db.example.com', 'postgres://db.example.com/db'],
  ['postgres://h/?dbname=db', 'postgres://h/db'],
  ['postgres://h/my%20db', 'postgres://h/my%20db'],
])('%s becomes %s', (url, expected) => {
  expect(normalise(url)).toBe(expected);
});

test.each([
  ['sslmode=disable', 'sslmode=disable'],
  ['sslmode=verify-full&sslrootcert=/ca.pem', 'sslrootcert=%2Fca.pem&sslmode=verify-full'],
  // As libpq means them: node-postgres would take them for verify-full, and warn.
  ['sslmode=require', 'sslmode=require&uselibpqcompat=true'],
  ['sslmode=verify-ca&sslrootcert=/ca.pem', 'sslrootcert=%2Fca.pem&sslmode=verify-ca&uselibpqcompat=true'],
  ['sslmode=prefer', ''],
  ['ssl=require', 'sslmode=require&uselibpqcompat=true'],
  ['ssl=true', 'sslmode=verify-full'],
  ['ssl=false', 'sslmode=disable'],
  ['ssl=true&sslmode=disable', 'sslmode=disable'],
  ['options=-c search_path=a', 'options=-c%20search_path%3Da'],
  ['prepared_statement_cache_size=0&command_timeout=5&pgbouncer=true&schema=public&connection_limit=1', ''],
  ['application_name=app', ''],
  ['stream=x&binary=true&query_timeout=1', ''],
])('?%s becomes ?%s', (given, kept) => {
  expect(normalise(`postgres://h/db?${given}`)).toBe(`postgres://h/db${kept === '' ? '' : `?${kept}`}`);
});

test('without a host it is that of PGHOST, as libpq and node-postgres have it', () => {
  expect(normalise('postgres:///db', { PGHOST: 'db.example.com' })).toBe('postgres://db.example.com/db');
  expect(normalise('postgres:///db', { PGHOST: '/run/pg' })).toBe('postgres://%2Frun%2Fpg/db');
  expect(normalise('postgres://h/db', { PGHOST: 'db.example.com' })).toBe('postgres://h/db');
});

test.each([
  ['mysql://u:hidden@h/db', 'database-url-unsupported', 'MySQL'],
  ['mysql+pymysql://u:hidden@h/db', 'database-url-unsupported', 'MySQL'],
  ['mariadb://u:hidden@h/db', 'database-url-unsupported', 'MariaDB'],
  ['sqlite:///hidden.db', 'database-url-unsupported', 'SQLite'],
  ['sqlite+aiosqlite:///hidden.db', 'database-url-unsupported', 'SQLite'],
  ['file:./hidden.db', 'database-url-unsupported', 'SQLite'],
  ['jdbc:mysql://hidden/db', 'database-url-unsupported', 'MySQL'],
  ['https://u:hidden@h/', 'database-url-invalid', 'is no PostgreSQL URL'],
  ['host=hidden dbname=db', 'database-url-invalid', 'is no PostgreSQL URL'],
  ['hidden', 'database-url-invalid', 'is no PostgreSQL URL'],
  ['postgres:hidden', 'database-url-invalid', 'lacks the //'],
  ['postgres://hidden1,hidden2/db', 'database-url-invalid', 'several hosts'],
  ['postgres://hidden1:1,hidden2:2/db', 'database-url-invalid', 'several hosts'],
  ['postgresql:///db?host=hidden1:1&host=hidden2:2', 'database-url-invalid', 'several hosts'],
  ['postgres://h/db?port=hidden', 'database-url-invalid', 'port'],
  ['postgres://u:hid%den@h/db', 'database-url-invalid', 'cannot be read'],
  ['postgres://u:hid#den@h/db', 'database-url-invalid', 'cannot be read'],
  ['postgres://u:12#hidden@h/db', 'database-url-invalid', 'cannot be read'],
  ['postgres://u:12/hidden@h/db', 'database-url-invalid', 'cannot be read'],
  ['postgres://h:hidden/db', 'database-url-invalid', 'cannot be read'],
])('%s is refused without a word of it: %s, %s', (url, code, words) => {
  const error = refusal(url);
  expect(error).toMatchObject({ kind: 'usage', code, message: expect.stringContaining(words) });
  expect(error.message).toMatch(/^--database-url /);
  expect(`${error.message} ${error.remedy ?? ''} ${String(error.cause)}`).not.toContain('hid');
});

test('node-postgres reads the very user, password, host and database that were meant', () => {
  const word = string({ minLength: 1, maxLength: 12, unit: 'grapheme' }).filter(
    (text) => !/[\0\ud800-\udfff]/u.test(text),
  );
  assert(
    // A question mark or hash in a database's name is beyond node-postgres; dots alone are resolved as folders are.
    property(
      word,
      word,
      word.filter((name) => !/[?#]|(?:^|\/)\.\.?(?:\/|$)/.test(name)),
      (user, password, database) => {
        const url = `postgresql+asyncpg://${encodeURIComponent(user)}:${encodeURIComponent(password)}@h:5433/${encodeURIComponent(database)}`;
        const read = parseIntoClientConfig(normalise(url));
        expect(read).toMatchObject({ user, password, database, host: 'h', port: 5433 });
      },
    ),
  );
});

test('node-postgres takes the socket folder for the host', () => {
  expect(parseIntoClientConfig(normalise('postgres://u@/db?host=/var/run/postgresql'))).toMatchObject({
    host: '/var/run/postgresql',
    database: 'db',
    user: 'u',
  });
});

test('node-postgres encrypts without checking for sslmode=require, and warns of nothing', async () => {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on('warning', note);
  expect(parseIntoClientConfig(normalise('postgres://h/db?sslmode=require')).ssl).toEqual({
    rejectUnauthorized: false,
  });
  await new Promise(setImmediate);
  process.off('warning', note);
  expect(warnings).toEqual([]);
});
