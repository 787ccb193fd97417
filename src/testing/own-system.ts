/**
 * A user's own system for tests of the command line: one PostgreSQL and one Redis with passwords, and for each test a
 * database and a queue of its own, so that whatever a run leaves there can be told from what was there before.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runMigrations } from 'bullmq';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import type { Backend } from './extraction-service.ts';
import { built, WorkFolder } from './run-cli.ts';
import { REDIS_SERVER, startTestPostgres, startTestRedis } from './servers.ts';

const SCHEMA_FILE = join(import.meta.dirname, '../../fixtures/extraction-service/schema.sql');
const TEMPLATE = 'own_system';

export interface OwnSystem extends AsyncDisposable {
  target(backend: Backend): Promise<OwnTarget>;
  /** Texts that may come out nowhere. */
  readonly secrets: readonly string[];
}

export interface OwnTarget {
  readonly backend: Backend;
  readonly queueName: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly folder: WorkFolder;
  /** The shell command of a built worker, with this target's queue and a short recovery time. */
  worker(script?: string, ...flags: readonly string[]): string;
  /** The arguments of `run` that name this target; then come those of the test. */
  args(...more: readonly string[]): readonly string[];
  /** Runs a statement in the target's database. */
  query<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Everything that is not as it was at the beginning, as sentences. */
  left(): Promise<readonly string[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const EXTRACTION_WORKER = built('fixtures/extraction-service/worker.js');

export function brokenWorker(defect: string): string {
  return built(`fixtures/broken-workers/bullmq/${defect}.js`);
}

export async function startOwnSystem(): Promise<OwnSystem> {
  const password = randomBytes(12).toString('hex');
  const [postgres, redis] = await Promise.all([
    startTestPostgres(),
    REDIS_SERVER === null ? null : startTestRedis(['--requirepass', password]),
  ]);
  const redisUrl = redis === null ? '' : `redis://:${password}@127.0.0.1:${redis.port}`;
  const admin = new Client({ connectionString: postgres.url });
  await admin.connect();
  await admin.query(`create database ${TEMPLATE}`);
  await makeTemplate(postgres.urlOf(TEMPLATE));
  const secrets = [password, postgres.password];
  let targets = 0;
  let creating: Promise<unknown> = Promise.resolve();
  return {
    secrets,
    async target(backend) {
      targets += 1;
      const number = targets;
      const name = `target_${number}`;
      // A template can be copied by one at a time.
      creating = creating.then(() => admin.query(`create database ${name} template ${TEMPLATE}`));
      await creating;
      const databaseUrl = postgres.urlOf(name);
      const env = { DATABASE_URL: databaseUrl, ...(redisUrl === '' ? {} : { REDIS_URL: redisUrl }) };
      const folder = await WorkFolder.make({ secrets, env });
      return openTarget({ backend, queueName: `queue-${number}`, databaseUrl, redisUrl, folder });
    },
    async [Symbol.asyncDispose]() {
      await admin.end();
      await Promise.all([postgres.stop(), redis?.stop()]);
    },
  };
}

async function makeTemplate(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(await readFile(SCHEMA_FILE, 'utf8'));
  await runMigrations(client);
  await client.end();
}

type Named = Pick<OwnTarget, 'backend' | 'queueName' | 'databaseUrl' | 'redisUrl' | 'folder'>;

async function openTarget(named: Named): Promise<OwnTarget> {
  const { backend, queueName, databaseUrl, redisUrl, folder } = named;
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const broker = redisUrl === '' ? null : new Redis(redisUrl);
  const content = async (): Promise<ReadonlySet<string>> =>
    new Set([
      ...(await databaseContent(client)),
      ...((await broker?.keys(`bull:${queueName}:*`)) ?? []).map((key) => `key ${key}`),
    ]);
  const before = await content();
  return {
    ...named,
    worker: (script = EXTRACTION_WORKER, ...flags) =>
      [
        `node ${script} --backend ${backend} --queue ${queueName}`,
        '--lock-duration 2000 --stalled-interval 700 --item-ms 500',
        ...flags,
      ].join(' '),
    args: (...more) => [
      'run',
      '--queue-backend',
      backend,
      '--queue-name',
      queueName,
      '--files',
      '8',
      ...more,
    ],
    async query<Row extends object>(text: string, values: readonly unknown[] = []) {
      return (await client.query<Row>(text, [...values])).rows;
    },
    async left() {
      const now = await content();
      return [...(await folder.left()), ...[...now].filter((entry) => !before.has(entry)).map(shorten)];
    },
    async [Symbol.asyncDispose]() {
      await folder[Symbol.asyncDispose]();
      broker?.disconnect();
      await client.end();
    },
  };
}

function shorten(text: string): string {
  return text.length > 150 ? `${text.slice(0, 150)}…` : text;
}

/** Every schema, table, trigger and function, and every row of every table. */
async function databaseContent(client: Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ thing: string; table: string | null }>(`
    with own as (select oid, nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')
    select 'schema ' || nspname as thing, null as table from own
    union all select 'function ' || p.oid::regprocedure, null from pg_proc p join own on own.oid = pronamespace
    union all select 'trigger ' || tgname || ' on ' || tgrelid::regclass, null from pg_trigger where not tgisinternal
    union all select 'table ' || c.oid::regclass, c.oid::regclass::text
                from pg_class c join own on own.oid = relnamespace where relkind in ('r', 'p')`);
  const things = rows.map(({ thing }) => thing);
  for (const { table } of rows) {
    if (table === null) continue;
    const found = await client.query<{ row: string }>(`select to_jsonb(t)::text as row from ${table} t`);
    things.push(...found.rows.map(({ row }) => `row of ${table}: ${row}`));
  }
  return things;
}
