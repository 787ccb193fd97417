/** The trigger as a guest: what it must not do to the database, and what stays of it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_STATUSES } from '../config/defaults.ts';
import {
  collect,
  inspect,
  JOBS_SQL,
  makeJobDatabase,
  makeRole,
  type JobDatabase,
  type TableOptions,
} from '../testing/job-database.ts';
import { startTestPostgres, type TestPostgres } from '../testing/servers.ts';
import { until } from '../testing/until.ts';
import { openDatabase, type Database } from './database.ts';
import { removeHistory } from './history-objects.ts';
import { observeByTrigger } from './observe-trigger.ts';
import { readRows } from './read-rows.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startTestPostgres();
});
afterAll(() => server.stop());

const TOKEN = 'verify-restart-test-run';

interface Installed extends AsyncDisposable {
  readonly seen: ReturnType<typeof collect>;
  readonly catchUp: () => Promise<void>;
}

async function install(
  database: Database,
  ids: readonly string[],
  options: TableOptions & { readonly suffix?: string } = {},
): Promise<Installed> {
  const seen = collect();
  const suffix = options.suffix ?? 'run_1';
  const table = await inspect(database, options);
  const observer = await observeByTrigger(
    database,
    { table, statuses: DEFAULT_STATUSES, suffix, jobs: ids, token: TOKEN },
    seen,
  );
  return {
    seen,
    catchUp: () => observer.catchUp(),
    async [Symbol.asyncDispose]() {
      await observer[Symbol.asyncDispose]();
      await removeHistory(database, suffix);
    },
  };
}

function refusal(database: Database, options?: Parameters<typeof install>[2]): Promise<string> {
  return install(database, [randomUUID()], options).then(
    () => {
      throw new Error('it was installed');
    },
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

async function digestMatches(jobs: JobDatabase, installed: Installed, id: string): Promise<boolean> {
  await installed.catchUp();
  const { rows } = await readRows(jobs.database, await inspect(jobs.database), DEFAULT_STATUSES, [id]);
  return rows.get(id)?.digest === installed.seen.versions.at(-1)?.values?.digest;
}

describe("the user's transaction", () => {
  test.each([
    ['the history table is gone', 'drop table verify_restart.history_run_1'],
    [
      'the schema is gone with all but the function',
      'alter schema verify_restart rename to verify_elsewhere',
    ],
    [
      'the history takes no row',
      `alter table verify_restart.history_run_1 add constraint nothing check (job is null) not valid`,
    ],
    [
      'the owner may no longer write to it',
      `revoke all on verify_restart.history_run_1 from public; alter table verify_restart.history_run_1 owner to pg_database_owner;
       alter function verify_restart.record_run_1() owner to pg_read_all_data`,
    ],
  ])('succeeds although %s, and the loss is told', async (_, sabotage) => {
    await using jobs = await makeJobDatabase(server);
    const id = randomUUID();
    await using installed = await install(jobs.database, [id]);
    await jobs.sql('insert into jobs (id) values ($1)', [id]);
    await installed.seen.nth(1);
    await jobs.sql(sabotage);
    const worker = await jobs.connect();
    await worker.query('begin');
    await worker.query('update jobs set progress = 1');
    await worker.query('update jobs set progress = 2');
    await worker.query('commit');
    expect(await jobs.sql('select progress from jobs')).toEqual([{ progress: 2 }]);
    await until('the loss is told', () => installed.seen.failures.length > 0);
    await jobs.sql('alter schema verify_elsewhere rename to verify_restart').catch(() => undefined);
    await jobs.sql('alter function verify_restart.record_run_1() owner to postgres').catch(() => undefined);
  });

  test('is not failed by a search that a collation does not know, nor does the collation find others', async () => {
    await using jobs = await makeJobDatabase(server, '');
    await jobs.sql(
      `create collation any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
    );
    await jobs.sql(
      `create table jobs (id uuid primary key, status text, file_path text collate any_case, progress integer)`,
    );
    const id = randomUUID();
    await using installed = await install(jobs.database, [id]);
    for (const other of ["somebody's", `/${TOKEN.toUpperCase()}/file-1.pdf`])
      await jobs.sql(`insert into jobs (id, file_path) values ($1, $2)`, [randomUUID(), other]);
    await jobs.sql(`insert into jobs (id, file_path) values ($1, $2)`, [
      randomUUID(),
      `/${TOKEN}/file-1.pdf`,
    ]);
    await installed.catchUp();
    expect(installed.seen.strangers.map(({ files }) => files)).toEqual([[`/${TOKEN}/file-1.pdf`]]);
  });

  test('keeps its own lastval()', async () => {
    await using jobs = await makeJobDatabase(
      server,
      'create table jobs (id bigserial primary key, status text, file_path text)',
    );
    await using installed = await install(jobs.database, ['1']);
    await jobs.sql('insert into jobs (status, file_path) values ($1, $2)', [
      'pending',
      `/${TOKEN}/file-1.pdf`,
    ]);
    expect(await jobs.sql('select lastval()::text')).toEqual([{ lastval: '1' }]);
    await installed.catchUp();
    expect(installed.seen.versions).toHaveLength(1);
  });

  test('is not published to subscribers, which have no such table', async () => {
    await using jobs = await makeJobDatabase(server);
    await jobs.sql('create publication everything for all tables');
    await using installed = await install(jobs.database, [randomUUID()]);
    expect(await jobs.sql('select tablename from pg_publication_tables')).toEqual([{ tablename: 'jobs' }]);
    expect(installed.seen.failures).toEqual([]);
  });
});

test('where prepared transactions are enabled, one with a test row can be prepared, and is seen at its commit', async () => {
  await using prepared = await startTestPostgres(['max_prepared_transactions=5']);
  await using jobs = await makeJobDatabase(prepared);
  const id = randomUUID();
  await using installed = await install(jobs.database, [id]);
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  await jobs.sql(`begin; update jobs set progress = 7; prepare transaction 'two-phase'`);
  await installed.catchUp();
  expect(installed.seen.versions).toHaveLength(1);
  await jobs.sql(`commit prepared 'two-phase'`);
  expect((await installed.seen.nth(2)).values?.progress).toBe(7);
});

test('what a session writes as a replica is not recorded, and the row differs from its last version', async () => {
  await using jobs = await makeJobDatabase(server);
  const id = randomUUID();
  await using installed = await install(jobs.database, [id]);
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  expect(await digestMatches(jobs, installed, id)).toBe(true);
  await jobs.sql(`set session_replication_role to replica; update jobs set progress = 5`);
  expect(await digestMatches(jobs, installed, id)).toBe(false);
  expect(installed.seen.versions).toHaveLength(1);
});

describe('a table that is in use', () => {
  test('by a long transaction: given up with the reason, and its other writers wait for us only briefly', async () => {
    await using jobs = await makeJobDatabase(server);
    await jobs.sql('insert into jobs (id) values (gen_random_uuid())');
    const long = await jobs.connect();
    await long.query('begin');
    await long.query('lock table jobs in row exclusive mode');
    const writer = await jobs.connect();
    const waits: number[] = [];
    const over = new AbortController();
    const writing = (async () => {
      while (!over.signal.aborted) {
        const began = performance.now();
        await writer.query('update jobs set progress = progress + 1');
        waits.push(performance.now() - began);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    const began = performance.now();
    const reason = await refusal(jobs.database);
    const took = performance.now() - began;
    over.abort();
    await writing;
    await long.query('rollback');
    expect(reason).toBe('other transactions kept jobs locked');
    expect(took).toBeLessThan(10_000);
    expect(waits.length).toBeGreaterThan(50);
    expect(Math.max(...waits)).toBeLessThan(1_000);
  });

  test('by a transaction that ends soon: waited for', async () => {
    await using jobs = await makeJobDatabase(server);
    const short = await jobs.connect();
    await short.query('begin; lock table jobs in row exclusive mode');
    const installing = install(jobs.database, [randomUUID()]);
    await until('we wait for it', async () => {
      const rows = await jobs.sql(`select 1 from pg_locks where not granted and relation = 'jobs'::regclass`);
      return rows.length > 0;
    });
    await short.query('commit');
    await using installed = await installing;
    expect(installed.seen.failures).toEqual([]);
  });

  test('by a reader, when it is to be removed: tried for a while, said, and removed later', async () => {
    await using jobs = await makeJobDatabase(server);
    const id = randomUUID();
    await using installed = await install(jobs.database, [id]);
    const reader = await jobs.connect();
    await reader.query('begin');
    await reader.query('select * from jobs');
    await expect(removeHistory(jobs.database, 'run_1', 2)).rejects.toThrow(
      'other transactions kept the job table locked',
    );
    await reader.query('commit');
    await removeHistory(jobs.database, 'run_1');
    expect(await jobs.sql(`select 1 from pg_namespace where nspname = 'verify_restart'`)).toEqual([]);
    expect(installed.seen.versions).toEqual([]);
  });
});

describe('without a privilege there is a reason', () => {
  const tables = `${JOBS_SQL}; revoke all on schema public from public`;

  test('CREATE on the database', async () => {
    await using jobs = await makeJobDatabase(server, tables);
    const role = await makeRole(server);
    await jobs.sql(`grant usage on schema public to ${role}; grant all on jobs to ${role}`);
    const reason = await refusal(await jobs.openAs(role));
    expect(reason).toMatch(/^permission denied for database test_\w+ \(it takes CREATE on the database/);
  });

  test('TRIGGER on the table', async () => {
    await using jobs = await makeJobDatabase(server, tables);
    const role = await makeRole(server);
    await jobs.sql(`grant create on database ${jobs.name} to ${role}; grant usage on schema public to ${role};
      grant select, insert, update, delete on jobs to ${role}`);
    const reason = await refusal(await jobs.openAs(role));
    expect(reason).toMatch(/^permission denied for table jobs .*TRIGGER on jobs/);
  });

  test('the schema of another user', async () => {
    await using jobs = await makeJobDatabase(server, tables);
    const role = await makeRole(server);
    await jobs.sql(`grant create on database ${jobs.name} to ${role}; grant usage on schema public to ${role};
      grant all on jobs to ${role}`);
    await using installed = await install(jobs.database, [randomUUID()]);
    const reason = await refusal(await jobs.openAs(role), { suffix: 'run_2' });
    expect(reason).toMatch(/^permission denied for schema verify_restart/);
    expect(installed.seen.failures).toEqual([]);
  });

  test('but who may make a trigger without owning the table can remove it, too', async () => {
    await using jobs = await makeJobDatabase(server, tables);
    const role = await makeRole(server);
    await jobs.sql(`grant create on database ${jobs.name} to ${role}; grant usage on schema public to ${role};
      grant select, insert, update, delete, trigger on jobs to ${role}`);
    const id = randomUUID();
    await using installed = await install(await jobs.openAs(role), [id]);
    await jobs.sql('insert into jobs (id) values ($1)', [id]);
    await installed.catchUp();
    const [version] = installed.seen.versions;
    expect(version?.operation).toBe('insert');
    // Another role's start time is not for us to see; its port is.
    expect(version?.writer?.backendStartMs).toBeNull();
    expect(version?.writer?.clientPort).toBeGreaterThan(0);
  });
});

test.each([
  [
    'a view',
    `create table base (id uuid primary key, status text); create view jobs as select * from base`,
    /view/,
  ],
  [
    'a materialized view',
    `create materialized view jobs as select gen_random_uuid() as id, 'pending' as status`,
    /cannot have triggers/,
  ],
])('%s has no row triggers, and that is the reason', async (_, sql, reason) => {
  await using jobs = await makeJobDatabase(server, sql);
  expect(await refusal(jobs.database)).toMatch(reason);
});

test('names with capitals, blanks, quotes and dots, and reserved words', async () => {
  await using jobs = await makeJobDatabase(
    server,
    `create schema "My Schema.1"; create table "My Schema.1"."User's ""Order""" (
       "Order" uuid primary key, "select" text, "Größe in %" integer, "it's ""it""" text)`,
  );
  const id = randomUUID();
  await using installed = await install(jobs.database, [id], {
    table: '"My Schema.1"."User\'s ""Order"""',
    columns: { id: 'Order', status: 'select', progress: 'Größe in %', files: 'it\'s "it"' },
  });
  await jobs.sql(`insert into "My Schema.1"."User's ""Order""" values ($1, 'PENDING', 3, null)`, [id]);
  await jobs.sql(`update "My Schema.1"."User's ""Order""" set "select" = 'Processing'`);
  await installed.catchUp();
  expect(
    installed.seen.versions.map(({ values }) => [values?.status, values?.state, values?.progress]),
  ).toEqual([
    ['PENDING', 'pending', 3],
    ['Processing', 'processing', 3],
  ]);
});

test('a table without a schema is found by the search path, and stays that table', async () => {
  await using jobs = await makeJobDatabase(
    server,
    `create schema app; create table app.jobs (id uuid primary key, status text, progress integer, file_path text)`,
  );
  await jobs.sql(`alter database ${jobs.name} set search_path to app, public`);
  const client = await jobs.connect();
  expect((await client.query('show search_path')).rows).toEqual([{ search_path: 'app, public' }]);
  await using database = await reopen(jobs);
  const table = await inspect(database);
  expect(table.sql).toBe('"app"."jobs"');
  const id = randomUUID();
  await using installed = await install(database, [id]);
  await client.query('insert into jobs (id) values ($1)', [id]);
  await installed.catchUp();
  expect(installed.seen.versions).toHaveLength(1);
});

async function reopen(jobs: JobDatabase): Promise<Database> {
  return openDatabase(jobs.url, 'the test');
}

/** The schema, the table, the function and the two triggers. */
function objects(jobs: JobDatabase): Promise<readonly object[]> {
  return jobs.sql(`select nspname as name from pg_namespace where nspname = 'verify_restart'
    union all select relname from pg_class where relname = 'history_run_1'
    union all select proname from pg_proc where proname = 'record_run_1'
    union all select tgname from pg_trigger where tgname like '%verify_restart_run_1%'`);
}

describe('removal', () => {
  test('can be repeated, and does nothing where there is nothing', async () => {
    await using jobs = await makeJobDatabase(server);
    await removeHistory(jobs.database, 'run_1');
    const installed = await install(jobs.database, [randomUUID()]);
    expect(await objects(jobs)).toHaveLength(5);
    await installed[Symbol.asyncDispose]();
    expect(await objects(jobs)).toEqual([]);
    await removeHistory(jobs.database, 'run_1');
  });

  test("leaves another run's objects alone, and the schema with them", async () => {
    await using jobs = await makeJobDatabase(server);
    const [first, second] = [randomUUID(), randomUUID()];
    const one = await install(jobs.database, [first], { suffix: 'run_1' });
    await using two = await install(jobs.database, [second], { suffix: 'run_2' });
    await one[Symbol.asyncDispose]();
    await jobs.sql('insert into jobs (id) values ($1), ($2)', [first, second]);
    await two.catchUp();
    expect(one.seen.versions).toEqual([]);
    expect(two.seen.versions.map(({ job }) => job)).toEqual([second]);
  });

  test('by a new connection finds what a run that died has left', async () => {
    await using jobs = await makeJobDatabase(server);
    const dying = await reopen(jobs);
    await install(dying, [randomUUID()]);
    await jobs.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'verify-restart%' and datname = current_database()`,
    );
    await dying[Symbol.asyncDispose]();
    await using later = await reopen(jobs);
    expect(await objects(jobs)).toHaveLength(5);
    await removeHistory(later, 'run_1');
    expect(await objects(jobs)).toEqual([]);
  });

  test('is over when the table itself is gone', async () => {
    await using jobs = await makeJobDatabase(server);
    await using installed = await install(jobs.database, [randomUUID()]);
    await jobs.sql('drop table jobs');
    expect(installed.seen.failures).toEqual([]);
  });

  test('and making: six runs at the same moment do not get in each other’s way', async () => {
    await using jobs = await makeJobDatabase(server);
    const runs = Array.from({ length: 6 }, (_, index) => ({ id: randomUUID(), suffix: `run_${index}` }));
    await Promise.all(
      runs.map(async ({ id, suffix }) => {
        await using database = await reopen(jobs);
        await using installed = await install(database, [id], { suffix });
        await database.query('insert into jobs (id) values ($1)', [id]);
        await installed.catchUp();
        expect(installed.seen.versions.map(({ job }) => job)).toEqual([id]);
      }),
    );
  });
});
