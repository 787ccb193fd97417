/**
 * Database URLs of many dialects, made into the one form that node-postgres reads as it was meant.
 *
 * A URL carries a password, so no message here ever repeats it: errors name the option it came from.
 */
import { usageError } from '../core/errors.ts';
import type { UserError } from '../core/errors.ts';
import { readParameters } from './database-url-parameters.ts';

interface DatabaseUrlContext {
  /** Where the URL came from, for messages: `--database-url`, `DATABASE_URL`, … */
  readonly option: string;
  /** The process environment: a URL without a host means `PGHOST`, as it does for libpq and node-postgres. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Stands in for an empty host after a user name, which a URL may not have and connection strings do. */
const NO_HOST = 'no-host.invalid';

/** Databases that are met in DATABASE_URL and are not PostgreSQL, by the scheme's first part. */
const OTHER_DATABASES: Readonly<Record<string, string>> = {
  mysql: 'MySQL',
  mariadb: 'MariaDB',
  sqlite: 'SQLite',
  sqlite3: 'SQLite',
  file: 'a file, as SQLite uses it',
  mssql: 'SQL Server',
  sqlserver: 'SQL Server',
  oracle: 'Oracle',
  mongodb: 'MongoDB',
  redis: 'Redis',
  rediss: 'Redis',
};

/**
 * Accepts `postgres://`, `postgresql://`, SQLAlchemy's `postgresql+driver://` and `jdbc:postgresql://`, with the
 * host in its usual place or, as libpq has it, in `?host=` (a folder there is a Unix socket).
 *
 * @returns `postgres://user:password@host:port/database?…`, with an explicit host; a Unix socket's folder stands
 *   percent-encoded in the host's place. Parameters that only another driver knows are left out.
 * @throws UserError `database-url-unsupported` (another database), `database-url-invalid`.
 */
export function normaliseDatabaseUrl(text: string, context: DatabaseUrlContext): string {
  const { option, env = {} } = context;
  const url = parse(afterScheme(text.trim(), option), option);
  const parameters = readParameters(url.searchParams);
  const placed = url.hostname === NO_HOST ? '' : url.hostname;
  const hosts = [...parameters.hosts, ...(parameters.hosts.length === 0 && placed !== '' ? [placed] : [])];
  const host = decode(hosts.length === 0 ? env['PGHOST'] || 'localhost' : hosts.join(','), option);
  if (host.includes(',')) {
    throw severalHosts(option);
  }
  const port = parameters.port ?? url.port;
  if (!/^\d{0,5}$/.test(port) || Number(port) > 65_535) {
    throw invalid(option, 'has a port that is no number from 1 to 65535', 'write the port as in host:5432');
  }

  const user = parameters.user ?? decode(url.username, option);
  const password = parameters.password ?? decode(url.password, option);
  const credentials =
    user === '' && password === ''
      ? ''
      : `${encodeURIComponent(user)}${password === '' ? '' : `:${encodeURIComponent(password)}`}@`;
  const database = parameters.database ?? decode(url.pathname.slice(1), option);
  const query = parameters.kept.toString().replaceAll('+', '%20');
  return (
    `postgres://${credentials}${encodeHost(host)}${port === '' ? '' : `:${port}`}` +
    `/${encodeDatabase(database)}${query === '' ? '' : `?${query}`}`
  );
}

/** The URL from its `//` on, its scheme understood and taken off. */
function afterScheme(text: string, option: string): string {
  const match = /^(?:jdbc:)?([a-z][a-z0-9]*)(?:\+[a-z0-9_]+)?:(.*)$/is.exec(text);
  const name = match?.[1]?.toLowerCase() ?? '';
  const rest = match?.[2] ?? '';
  if (name === 'postgres' || name === 'postgresql') {
    if (rest.startsWith('//')) return rest;
    // JDBC may leave the server out: `jdbc:postgresql:database` is the database on this machine.
    if (/^jdbc:/i.test(text)) return `//localhost/${rest.replace(/^\//, '')}`;
    throw invalid(
      option,
      'lacks the // after its scheme',
      'write postgres://user:password@host:5432/database',
    );
  }
  const other = OTHER_DATABASES[name];
  if (other !== undefined) {
    throw usageError(
      'database-url-unsupported',
      `${option} points to ${other}, and job tables are verified on PostgreSQL only`,
      'give a URL such as postgres://user:password@host:5432/database',
    );
  }
  throw invalid(option, 'is no PostgreSQL URL', 'write postgres://user:password@host:5432/database');
}

function parse(rest: string, option: string): URL {
  const authority = /^\/\/([^/?#]*)/.exec(rest)?.[1] ?? '';
  const afterAuthority = rest.slice('//'.length + authority.length);
  // A raw # or / in a password ends the host early, and the URL would quietly name another server.
  if (rest.includes('#') || afterAuthority.split('?')[0]?.includes('@')) throw unreadable(option);
  const hostStart = authority.lastIndexOf('@') + 1;
  const server = authority.slice(hostStart);
  const needsHost = server.startsWith(':') || (server === '' && hostStart > 0);
  const complete = `postgres://${authority.slice(0, hostStart)}${needsHost ? NO_HOST : ''}${server}${afterAuthority}`;
  try {
    return new URL(complete);
  } catch {
    // The error of URL is not passed on as a cause: it carries its input, password included.
    throw server.includes(',') ? severalHosts(option) : unreadable(option);
  }
}

function decode(text: string, option: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw unreadable(option);
  }
}

/** IPv6 addresses keep their brackets, or get them; everything else is encoded, a socket's folder above all. */
function encodeHost(host: string): string {
  if (host.startsWith('[')) return host;
  return host.includes(':') && !host.startsWith('/') ? `[${host}]` : encodeURIComponent(host);
}

/** node-postgres decodes a database's name with `decodeURI`, which leaves an encoded / or @ as it is: these go plain. */
function encodeDatabase(name: string): string {
  return encodeURI(name).replaceAll('?', '%3F').replaceAll('#', '%23');
}

function severalHosts(option: string): UserError {
  return invalid(option, 'names several hosts', 'give the one server that the jobs are on');
}

function unreadable(option: string): UserError {
  return invalid(
    option,
    'cannot be read as a URL',
    'write postgres://user:password@host:5432/database; in the password, # is %23, / is %2F, @ is %40, % is %25',
  );
}

function invalid(option: string, problem: string, remedy: string): UserError {
  return usageError('database-url-invalid', `${option} ${problem}`, remedy);
}
