/** A database of its own for each test, on a server that a file's tests share, with what tests of the job table need. */
import { randomBytes } from 'node:crypto';
import { Client, type QueryResultRow } from 'pg';
import { DEFAULT_COLUMNS, DEFAULT_STATUSES } from '../config/defaults.ts';
import { describeUrl } from '../config/server-address.ts';
import type { ColumnMapping, JobsSettings } from '../config/settings.ts';
import { openDatabase, type Database } from '../jobs/database.ts';
import type { ObservedStranger, ObservedVersion, ObserverSink } from '../jobs/observer.ts';
import { inspectTable, type JobTable } from '../jobs/table.ts';
import type { TestPostgres } from './servers.ts';
import { until } from './until.ts';

/** The reference table's essentials. */
export const JOBS_SQL = `create table jobs (
  id uuid primary key default gen_random_uuid(), status text not null default 'pending', progress integer default 0,
  started_at timestamptz, file_path text)`;

export interface JobDatabase extends AsyncDisposable {
  readonly url: string;
  readonly name: string;
  /** As the harness has it open. */
  readonly database: Database;
  /** As its owner, beside the harness. */
  readonly sql: <Row extends QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>;
  /** A further connection, e.g. a worker's. */
  readonly connect: (options?: {
    readonly role?: string;
    readonly applicationName?: string;
  }) => Promise<Client>;
  /** The URL with another user, made by `makeRole`. */
  readonly urlAs: (role: string) => string;
  /** What the harness sees of a table when it connects as a user. */
  readonly openAs: (role: string) => Promise<Database>;
}

/** At its end nothing of the harness may be left in it. */
export async function makeJobDatabase(server: TestPostgres, setUp = JOBS_SQL): Promise<JobDatabase> {
  const name = `test_${randomBytes(5).toString('hex')}`;
  const root = new Client({ connectionString: server.url });
  await root.connect();
  await root.query(`create database ${name}`);
  const url = server.urlOf(name);
  const urlAs = (role: string): string =>
    Object.assign(new URL(url), { username: role, password: passwordOf(role) }).href;
  const clients: Client[] = [];
  const connect: JobDatabase['connect'] = async ({ role, applicationName } = {}) => {
    const client = new Client({
      connectionString: role === undefined ? url : urlAs(role),
      ...(applicationName === undefined ? {} : { application_name: applicationName }),
    });
    client.on('error', () => undefined);
    await client.connect();
    clients.push(client);
    return client;
  };
  const owner = await connect();
  if (setUp !== '') await owner.query(setUp);
  const opened: Database[] = [];
  const open = async (as: string): Promise<Database> => {
    const database = await openDatabase(as, describeUrl(as));
    opened.push(database);
    return database;
  };
  return {
    url,
    name,
    database: await open(url),
    sql: async <Row extends QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await owner.query<Row>(text, [...values])).rows,
    connect,
    urlAs,
    openAs: (role) => open(urlAs(role)),
    async [Symbol.asyncDispose]() {
      const { rows } = await owner.query(
        `select nspname as left from pg_namespace where nspname = 'verify_restart'
         union all select tgname from pg_trigger where tgname like '%verify_restart%'`,
      );
      await Promise.all(opened.map((database) => database[Symbol.asyncDispose]()));
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
      await root.query(`drop database ${name} with (force)`);
      await root.end();
      if (rows.length > 0) throw new Error(`left behind: ${JSON.stringify(rows)}`);
    },
  };
}

/** A user of the server. Users are the server's: they outlive the database. */
export async function makeRole(server: TestPostgres, attributes = ''): Promise<string> {
  const role = `role_${randomBytes(5).toString('hex')}`;
  const root = new Client({ connectionString: server.url });
  await root.connect();
  await root.query(`create role ${role} login password '${passwordOf(role)}' ${attributes}`);
  await root.end();
  return role;
}

function passwordOf(role: string): string {
  return `s3cret-${role}`;
}

export interface TableOptions {
  readonly table?: string;
  readonly columns?: Partial<ColumnMapping>;
  readonly insert?: Readonly<Record<string, unknown>>;
}

export function jobsSettings(options: TableOptions = {}): JobsSettings {
  return {
    table: options.table ?? 'jobs',
    columns: { ...DEFAULT_COLUMNS, ...options.columns },
    namedColumns: Object.keys(options.columns ?? {}) as JobsSettings['namedColumns'],
    statuses: DEFAULT_STATUSES,
    insert: options.insert ?? {},
    archive: null,
  };
}

export function inspect(database: Database, options: TableOptions = {}): Promise<JobTable> {
  return inspectTable(database, jobsSettings(options), null);
}

export interface Seen extends ObserverSink {
  readonly versions: ObservedVersion[];
  /** When each version came, by `performance.now()`. */
  readonly times: number[];
  readonly strangers: ObservedStranger[];
  readonly failures: string[];
  /** Waits for the n-th version. */
  readonly nth: (count: number) => Promise<ObservedVersion>;
}

/** A sink that remembers. */
export function collect(): Seen {
  const versions: ObservedVersion[] = [];
  const times: number[] = [];
  const strangers: ObservedStranger[] = [];
  const failures: string[] = [];
  return {
    versions,
    times,
    strangers,
    failures,
    version: (version) => {
      versions.push(version);
      times.push(performance.now());
    },
    stranger: (stranger) => void strangers.push(stranger),
    failed: (reason) => void failures.push(reason),
    nth: (count) => until(`version ${count}`, () => versions[count - 1]),
  };
}
