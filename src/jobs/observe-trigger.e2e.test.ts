/** What the trigger observer sees, and in which order, on a real server. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_STATUSES } from '../config/defaults.ts';
import {
  collect,
  inspect,
  makeJobDatabase,
  makeRole,
  type JobDatabase,
  type TableOptions,
  type Seen,
} from '../testing/job-database.ts';
import { startTestPostgres, type TestPostgres } from '../testing/servers.ts';
import { until } from '../testing/until.ts';
import { removeHistory } from './history-objects.ts';
import { observeByTrigger } from './observe-trigger.ts';
import type { Observer } from './observer.ts';
import { readRows } from './read-rows.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startTestPostgres();
});
afterAll(() => server.stop());

const TOKEN = 'verify-restart-test-run';

interface Observed extends AsyncDisposable {
  readonly seen: Seen;
  readonly observer: Observer;
}

async function observe(
  jobs: JobDatabase,
  ids: readonly string[],
  options: TableOptions & { readonly suffix?: string; readonly madeByOthers?: boolean } = {},
): Promise<Observed> {
  const seen = collect();
  const suffix = options.suffix ?? 'run_1';
  const table = await inspect(jobs.database, options);
  const observer = await observeByTrigger(
    jobs.database,
    {
      table,
      statuses: DEFAULT_STATUSES,
      suffix,
      jobs: ids,
      token: TOKEN,
      madeByOthers: options.madeByOthers ?? false,
    },
    seen,
  );
  return {
    seen,
    observer,
    async [Symbol.asyncDispose]() {
      await observer[Symbol.asyncDispose]();
      await removeHistory(jobs.database, suffix);
      expect(seen.failures).toEqual([]);
    },
  };
}

async function historyCount(jobs: JobDatabase): Promise<number> {
  const rows = await jobs.sql<{ count: number }>(
    'select count(*)::integer as count from verify_restart.history_run_1',
  );
  return rows[0]?.count ?? -1;
}

test('every version is seen, in order, with its writer; rows of others leave no trace', async () => {
  await using jobs = await makeJobDatabase(server);
  const id = randomUUID();
  await using observed = await observe(jobs, [id]);
  const worker = await jobs.connect({ applicationName: 'verify-restart#1' });
  await worker.query('insert into jobs (id) values ($1)', [id]);
  await worker.query(`insert into jobs (file_path) values ('["/other/file.pdf"]')`);
  for (const progress of [20, 40, 60])
    await worker.query(`update jobs set status = 'processing', progress = $2 where id = $1`, [id, progress]);
  await worker.query('update jobs set progress = 99 where id <> $1', [id]);
  await worker.query('delete from jobs where id <> $1', [id]);
  await worker.query('delete from jobs where id = $1', [id]);
  await worker.query(`insert into jobs (id, status) values ($1, 'completed')`, [id]);
  await observed.observer.catchUp();

  const { versions } = observed.seen;
  expect(versions.map(({ operation, values }) => [operation, values?.state, values?.progress])).toEqual([
    ['insert', 'pending', 0],
    ['update', 'processing', 20],
    ['update', 'processing', 40],
    ['update', 'processing', 60],
    ['delete', undefined, undefined],
    ['insert', 'completed', 0],
  ]);
  const { rows } = await worker.query(
    `select pid as "backendPid", (extract(epoch from backend_start) * 1000)::bigint::float8 as "backendStartMs",
            application_name as "applicationName", host(client_addr) as "clientAddress", client_port as "clientPort"
       from pg_stat_activity where pid = pg_backend_pid()`,
  );
  for (const { writer } of versions) expect(writer).toMatchObject(rows[0]);
  expect(new Set(versions.map(({ writer }) => writer?.transactionId)).size).toBe(6);
  expect(await historyCount(jobs)).toBe(6);
});

test('a row that carries the files of the run is told as a stranger, whoever makes it', async () => {
  await using jobs = await makeJobDatabase(server);
  const id = randomUUID();
  await using observed = await observe(jobs, [id]);
  const file = `/tmp/a folder, with {odd} names/${TOKEN}/file-1.pdf`;
  const [copy] = await jobs.sql<{ id: string }>('insert into jobs (file_path) values ($1) returning id', [
    JSON.stringify([file]),
  ]);
  await observed.observer.catchUp();
  expect(observed.seen.strangers).toEqual([{ id: copy?.id, files: [file] }]);
  expect(observed.seen.versions).toEqual([]);
});

test('what is rolled back, wholly or to a savepoint, was never there; the rest of its transaction was', async () => {
  await using jobs = await makeJobDatabase(server);
  const id = randomUUID();
  await using observed = await observe(jobs, [id]);
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  const worker = await jobs.connect();
  await worker.query(`begin; update jobs set progress = 11; rollback`);
  await worker.query(`begin; update jobs set progress = 1; savepoint a; update jobs set progress = 12;
    rollback to a; update jobs set progress = 2; savepoint b; update jobs set progress = 3; release b; commit`);
  await observed.observer.catchUp();
  const { versions } = observed.seen;
  expect(versions.map(({ values }) => values?.progress)).toEqual([0, 1, 2, 3]);
  expect(new Set(versions.slice(1).map(({ writer }) => writer?.transactionId)).size).toBe(1);
});

test('transactions that commit in another order than they began are all seen', async () => {
  await using jobs = await makeJobDatabase(server);
  const [first, second, third] = [randomUUID(), randomUUID(), randomUUID()];
  await using observed = await observe(jobs, [first, second, third]);
  for (const id of [first, second, third]) await jobs.sql('insert into jobs (id) values ($1)', [id]);
  const [early, late] = [await jobs.connect(), await jobs.connect()];
  await early.query('begin');
  await early.query('update jobs set progress = 1 where id = $1', [first]);
  await late.query('update jobs set progress = 1 where id = $1', [second]);
  await observed.seen.nth(4);
  await early.query('update jobs set progress = 2 where id = $1', [second]);
  await late.query('update jobs set progress = 1 where id = $1', [third]);
  await observed.seen.nth(5);
  await early.query('commit');
  await observed.observer.catchUp();
  await observed.observer.catchUp();
  const progressOf = (id: string) =>
    observed.seen.versions.filter(({ job }) => job === id).map(({ values }) => values?.progress);
  expect([first, second, third].map(progressOf)).toEqual([
    [0, 1],
    [0, 1, 2],
    [0, 1],
  ]);
});

test('each of 200 versions by four writers comes once', async () => {
  await using jobs = await makeJobDatabase(server);
  const id = randomUUID();
  await using observed = await observe(jobs, [id]);
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  const writers = await Promise.all([1, 2, 3, 4].map(() => jobs.connect()));
  await Promise.all(
    writers.map(async (writer) => {
      for (let round = 0; round < 50; round += 1)
        await writer.query('update jobs set progress = progress + 1 where id = $1', [id]);
    }),
  );
  await observed.observer.catchUp();
  expect(observed.seen.versions.map(({ values }) => values?.progress)).toEqual(
    Array.from({ length: 201 }, (_, index) => index),
  );
});

test('a worker without any right on the schema, with settings of its own, is recorded in the same form', async () => {
  await using jobs = await makeJobDatabase(
    server,
    `${JOBS_WITH_FORMS}; revoke create on schema public from public`,
  );
  const role = await makeRole(server);
  await jobs.sql(`grant select, insert, update on jobs to ${role}`);
  const id = randomUUID();
  await using observed = await observe(jobs, [id]);
  const worker = await jobs.connect({ role });
  await worker.query(`set timezone to 'Asia/Kathmandu'; set datestyle to 'German'; set intervalstyle to 'sql_standard';
    set extra_float_digits to 0; set bytea_output to 'escape'; set search_path to pg_catalog`);
  await worker.query(
    `insert into public.jobs (id, started_at, file_path) values ($1, '2026-03-01T12:00:00.123456+05:45', 'a')`,
    [id],
  );
  await observed.observer.catchUp();
  const [version] = observed.seen.versions;
  expect(version?.values).toMatchObject({ startedAt: '2026-03-01T06:15:00.123456+00:00' });
  const table = await inspect(jobs.database);
  const { rows } = await readRows(jobs.database, table, DEFAULT_STATUSES, [id]);
  expect(rows.get(id)).toEqual(version?.values);
  await expect(worker.query('select * from verify_restart.history_run_1')).rejects.toThrow(
    /permission denied/,
  );
});

const JOBS_WITH_FORMS = `create table jobs (
  id uuid primary key, status text not null default 'pending', started_at timestamptz, file_path text,
  local timestamp default '2026-02-03T04:05:06', day date default '2026-02-03', pause interval default '1 day 02:03:04.5',
  ratio double precision default 0.1::double precision + 0.2::double precision, share real default 1.1, raw bytea default '\\x0001ff')`;

test('columns without a zone are shown as they are, those with one in UTC', async () => {
  await using jobs = await makeJobDatabase(
    server,
    `create table jobs (id integer primary key, status text, started_at timestamp, completed_at timestamptz, created_at date);
     alter role postgres set timezone to 'America/New_York'`,
  );
  await using observed = await observe(jobs, ['1']);
  await jobs.sql(
    `insert into jobs values (1, 'pending', '2026-07-01 10:00:00.5', '2026-07-01 10:00:00.5+02', '2026-07-01')`,
  );
  await observed.observer.catchUp();
  await jobs.sql('alter role postgres reset timezone');
  expect(observed.seen.versions[0]?.values).toMatchObject({
    startedAt: '2026-07-01T10:00:00.5',
    completedAt: '2026-07-01T08:00:00.5+00:00',
    createdAt: '2026-07-01',
  });
});

test('an update that moves the row to another partition is an update', async () => {
  await using jobs = await makeJobDatabase(
    server,
    `create table jobs (id uuid, status text not null, progress integer default 0, file_path text, primary key (id, status))
       partition by list (status);
     create table jobs_open partition of jobs for values in ('pending', 'processing');
     create table jobs_over partition of jobs default`,
  );
  const id = randomUUID();
  await using observed = await observe(jobs, [id]);
  await jobs.sql(`insert into jobs (id, status) values ($1, 'pending')`, [id]);
  await jobs.sql(`update jobs set status = 'processing'`);
  await jobs.sql(`update jobs set status = 'completed'`);
  await jobs.sql(`begin; delete from jobs; commit`);
  await observed.observer.catchUp();
  expect(observed.seen.versions.map(({ operation, values }) => [operation, values?.state])).toEqual([
    ['insert', 'pending'],
    ['update', 'processing'],
    ['update', 'completed'],
    ['delete', undefined],
  ]);
});

test("versions of the table's own triggers are recorded after those that caused them", async () => {
  await using jobs = await makeJobDatabase(
    server,
    `create table jobs (id uuid primary key, status text not null default 'pending', progress integer default 0, file_path text);
     create function follow_up() returns trigger language plpgsql as
       $$ begin update jobs set progress = new.progress + 1 where id = new.id; return null; end $$;
     create trigger "Audit" after update on jobs for each row when (new.progress % 2 = 1) execute function follow_up()`,
  );
  const id = randomUUID();
  await using observed = await observe(jobs, [id]);
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  await jobs.sql('update jobs set progress = 1');
  await observed.observer.catchUp();
  expect(observed.seen.versions.map(({ values }) => values?.progress)).toEqual([0, 1, 2]);
});

test('columns that are generated do not make a recorded row differ from the same row when it is read', async () => {
  const [{ version } = { version: 0 }] = await (async () => {
    await using jobs = await makeJobDatabase(server, '');
    return jobs.sql<{ version: number }>(`select current_setting('server_version_num')::integer as version`);
  })();
  await using jobs = await makeJobDatabase(
    server,
    `create table jobs (id uuid primary key, status text not null default 'pending', progress integer default 0, file_path text,
       doubled integer generated always as (progress * 2) stored
       ${version >= 180_000 ? ', tripled integer generated always as (progress * 3) virtual' : ''})`,
  );
  const id = randomUUID();
  await using observed = await observe(jobs, [id]);
  await jobs.sql('insert into jobs (id, progress) values ($1, 7)', [id]);
  await observed.observer.catchUp();
  const table = await inspect(jobs.database);
  const { rows } = await readRows(jobs.database, table, DEFAULT_STATUSES, [id]);
  expect(observed.seen.versions[0]?.values).toEqual(rows.get(id));
});

test('a commit is seen within milliseconds', async () => {
  await using jobs = await makeJobDatabase(server);
  const id = randomUUID();
  await using observed = await observe(jobs, [id]);
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  await observed.seen.nth(1);
  const delays: number[] = [];
  for (let round = 2; round <= 201; round += 1) {
    await jobs.sql('update jobs set progress = progress + 1');
    const committedAt = performance.now();
    await observed.seen.nth(round);
    delays.push((observed.seen.times[round - 1] ?? Infinity) - committedAt);
  }
  delays.sort((a, b) => a - b);
  // Far more than an idle machine takes; no poll would get there.
  expect(delays[100]).toBeLessThan(10);
});

test('a connection of ours that is ended loses nothing', async () => {
  await using jobs = await makeJobDatabase(server);
  const id = randomUUID();
  await using observed = await observe(jobs, [id]);
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  await observed.seen.nth(1);
  await jobs.sql(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'verify-restart%' and datname = current_database()`,
  );
  await jobs.sql('update jobs set progress = 50');
  await observed.seen.nth(2);
  await jobs.sql('update jobs set progress = 60');
  expect((await observed.seen.nth(3)).values?.progress).toBe(60);
  await until('the main connection is there again', () =>
    jobs.database.query('select 1').then(
      () => true,
      () => false,
    ),
  );
});

describe('a row that others make, whose id is not known before', () => {
  test('is recorded from its making on where it carries our files; what else carries them is a stranger', async () => {
    await using jobs = await makeJobDatabase(server);
    await using observed = await observe(jobs, [], { madeByOthers: true });
    const { observer, seen } = observed;
    observer.expect();
    const [id, copy] = [randomUUID(), randomUUID()];
    for (const each of [id, copy])
      await jobs.sql('insert into jobs (id, file_path) values ($1, $2)', [each, `/${TOKEN}/1`]);
    await jobs.sql(`update jobs set status = 'processing' where id = $1`, [id]);
    await observer.catchUp();
    expect(seen.versions).toEqual([]);
    expect(await observer.follow(id)).toBe(true);
    await jobs.sql(`update jobs set status = 'completed'`);
    await observer.catchUp();
    expect(seen.versions.map(({ job, values }) => [job, values?.state])).toEqual([
      [id, 'pending'],
      [id, 'processing'],
      [id, 'completed'],
    ]);
    expect(seen.strangers).toEqual([{ id: copy, files: [`/${TOKEN}/1`] }]);
  });

  test('is followed by its id from then on where it does not, each version once', async () => {
    await using jobs = await makeJobDatabase(server);
    await using observed = await observe(jobs, [], { madeByOthers: true });
    const { observer, seen } = observed;
    observer.expect();
    const id = randomUUID();
    await jobs.sql('insert into jobs (id, file_path, progress) values ($1, $2, 10)', [id, '/elsewhere/1']);
    expect(await observer.follow(id)).toBe(false);
    await jobs.sql('update jobs set progress = 20');
    await jobs.sql('update jobs set progress = 30, file_path = $1', [`/${TOKEN}/1`]);
    await jobs.sql('update jobs set progress = 40');
    await jobs.sql('delete from jobs');
    await observer.catchUp();
    expect(
      seen.versions.map(({ operation, source, values }) => [operation, source, values?.progress]),
    ).toEqual([
      ['insert', 'poll', 10],
      ['update', undefined, 20],
      ['update', undefined, 30],
      ['update', undefined, 40],
      ['delete', undefined, undefined],
    ]);
    expect(seen.strangers).toEqual([]);
  });

  test('and that comes to nothing: what was kept for it is told', async () => {
    await using jobs = await makeJobDatabase(server);
    await using observed = await observe(jobs, [], { madeByOthers: true });
    const { observer, seen } = observed;
    observer.expect();
    await jobs.sql('insert into jobs (file_path) values ($1)', [`/${TOKEN}/1`]);
    await observer.catchUp();
    expect(seen.strangers).toEqual([]);
    expect(await observer.follow(null)).toBe(false);
    expect(seen.strangers).toHaveLength(1);
  });

  test('can be followed by who does not own the table', async () => {
    await using jobs = await makeJobDatabase(server);
    const role = await makeRole(server);
    await jobs.sql(`grant create on database ${jobs.name} to ${role}; grant all on jobs to ${role}`);
    const database = await jobs.openAs(role);
    await using observed = await observe({ ...jobs, database }, [], { madeByOthers: true });
    const id = randomUUID();
    await jobs.sql('insert into jobs (id) values ($1)', [id]);
    expect(await observed.observer.follow(id)).toBe(false);
    await jobs.sql('update jobs set progress = 20');
    expect((await observed.seen.nth(2)).values?.progress).toBe(20);
  });
});
