/** Deliberate looks: copies of the job, the clock, what we may do and see. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_STATUSES } from '../config/defaults.ts';
import { inspect, JOBS_SQL, makeJobDatabase, makeRole } from '../testing/job-database.ts';
import { startTestPostgres, type TestPostgres } from '../testing/servers.ts';
import { databaseConnections } from '../workers/presence.ts';
import { examineDatabase } from './examine.ts';
import { deleteRow, measureClock, readRows, rowsCarrying } from './read-rows.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startTestPostgres();
});
afterAll(() => server.stop());

const TOKEN = 'verify-restart-20260101';

describe('rows that carry files', () => {
  test.each([
    ['text', (file: string) => JSON.stringify([file, '/other'])],
    ['jsonb', (file: string) => JSON.stringify({ files: [{ path: file }] })],
    ['text[]', (file: string) => [file, '/other']],
    ['varchar(200)', (file: string) => file],
  ])('in a column of type %s', async (type, write) => {
    await using jobs = await makeJobDatabase(
      server,
      `create table jobs (id integer primary key, status text, file_path ${type})`,
    );
    // A bare path ends at a blank: only a form that quotes can carry one.
    const file = `/tmp/${type === 'varchar(200)' ? 'plain' : 'with blank, comma'}/${TOKEN}/file-1.pdf`;
    await jobs.sql('insert into jobs values ($1, $2, $3), (2, null, null)', [1, 'pending', write(file)]);
    await jobs.sql('insert into jobs values ($1, $2, $3)', [3, 'pending', write('/tmp/verify-restart-2/x')]);
    const table = await inspect(jobs.database);
    expect(await rowsCarrying(jobs.database, table, ['another', TOKEN])).toEqual([
      { id: '1', files: [file] },
    ]);
  });

  test('in a table without such a column, or one that takes too long: there is a reason', async () => {
    await using jobs = await makeJobDatabase(
      server,
      'create table jobs (id integer primary key, status text)',
    );
    expect(await rowsCarrying(jobs.database, await inspect(jobs.database), ['another', TOKEN])).toMatch(
      /no column for the files/,
    );
    await jobs.sql(`alter table jobs add file_path text;
      insert into jobs select n, 'pending', repeat(md5(n::text), 100) from generate_series(1, 20000) n`);
    const table = await inspect(jobs.database);
    expect(await rowsCarrying(jobs.database, table, [TOKEN], 1)).toBe(
      'jobs is too large to be searched for copies within 0.001 s',
    );
    expect(await rowsCarrying(jobs.database, table, ['another', TOKEN])).toEqual([]);
  });
});

test('rows are read by id, with the time of the server; those that are not there are missing', async () => {
  await using jobs = await makeJobDatabase(server);
  const id = randomUUID();
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  const table = await inspect(jobs.database);
  const { rows, databaseAtMs } = await readRows(jobs.database, table, DEFAULT_STATUSES, [id, randomUUID()]);
  expect([...rows.keys()]).toEqual([id]);
  expect(Math.abs(databaseAtMs - Date.now())).toBeLessThan(5_000);
  const none = await readRows(jobs.database, table, DEFAULT_STATUSES, [randomUUID()]);
  expect(none.rows.size).toBe(0);
  expect(none.databaseAtMs).toBeGreaterThanOrEqual(databaseAtMs);
});

test('a row is deleted, unless something refers to it', async () => {
  await using jobs = await makeJobDatabase(
    server,
    `${JOBS_SQL}; create table documents (job_id uuid references jobs (id))`,
  );
  const id = randomUUID();
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  await jobs.sql('insert into documents values ($1)', [id]);
  await expect(deleteRow(jobs.database, '"public"."jobs"', 'id', id)).rejects.toThrow(/foreign key/);
  await jobs.sql('delete from documents');
  await deleteRow(jobs.database, '"public"."jobs"', 'id', id);
  expect(await jobs.sql('select 1 from jobs')).toEqual([]);
});

test('a row that its table keeps all the same is not deleted, one that is gone already is', async () => {
  await using jobs = await makeJobDatabase(
    server,
    `${JOBS_SQL};
     create function keep() returns trigger language plpgsql as 'begin return null; end';
     create trigger keep before delete on jobs for each row execute function keep()`,
  );
  const id = randomUUID();
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  await expect(deleteRow(jobs.database, '"public"."jobs"', 'id', id)).rejects.toThrow(/kept it/);
  await deleteRow(jobs.database, '"public"."jobs"', 'id', randomUUID());
});

test("the server's clock is measured against ours, with what is uncertain of it", async () => {
  await using jobs = await makeJobDatabase(server);
  const ahead = await measureClock(jobs.database, () => Date.now() - 3_600_000);
  expect(Math.abs(ahead.offsetMs - 3_600_000)).toBeLessThanOrEqual(ahead.uncertaintyMs);
  const { offsetMs, uncertaintyMs } = await measureClock(jobs.database, () => Date.now());
  expect(Math.abs(offsetMs)).toBeLessThanOrEqual(uncertaintyMs);
  expect(uncertaintyMs).toBeLessThan(100);
});

describe('what we may do and see', () => {
  test('an owner lacks nothing', async () => {
    await using jobs = await makeJobDatabase(server);
    expect(await examineDatabase(jobs.database, await inspect(jobs.database))).toEqual([]);
  });

  test('without the privileges that a run needs it is refused, naming them; columns count', async () => {
    await using jobs = await makeJobDatabase(server);
    const role = await makeRole(server);
    await jobs.sql(`grant select, insert (id, status) on jobs to ${role}`);
    const database = await jobs.openAs(role);
    const table = await inspect(database);
    await expect(examineDatabase(database, table)).rejects.toMatchObject({
      code: 'table-privileges',
      message: 'the database user lacks DELETE on jobs',
    });
    await jobs.sql(`grant delete on jobs to ${role}`);
    const found = await examineDatabase(database, table);
    expect(found.map(({ check }) => check)).toContain('hold');
  });

  test('a role that may only read is told in words', async () => {
    await using jobs = await makeJobDatabase(server);
    const role = await makeRole(server);
    await jobs.sql(
      `grant all on jobs to ${role}; alter role ${role} set default_transaction_read_only to on`,
    );
    const database = await jobs.openAs(role);
    await expect(examineDatabase(database, await inspect(database))).rejects.toMatchObject({
      kind: 'environment',
      code: 'database-read-only',
    });
  });

  test('row-level security and the connections of others are named as what is not seen', async () => {
    await using jobs = await makeJobDatabase(server);
    const role = await makeRole(server);
    await jobs.sql(`grant all on jobs to ${role}; alter table jobs enable row level security`);
    const database = await jobs.openAs(role);
    const found = await examineDatabase(database, await inspect(database));
    expect(found.map(({ check }) => check)).toEqual(['row-security', 'connections']);
  });
});

describe('who is connected', () => {
  test('clients are seen with name, port and start, our own connections are not', async () => {
    await using jobs = await makeJobDatabase(server);
    await jobs.database.connect('listener');
    const worker = await jobs.connect({ applicationName: 'verify-restart#2' });
    const { rows } = await worker.query<{ id: string; port: number }>(
      `select pid || '@' || (extract(epoch from backend_start) * 1000)::bigint as id, client_port as port
         from pg_stat_activity where pid = pg_backend_pid()`,
    );
    const seen = await databaseConnections(jobs.database);
    expect(seen.filter(({ name }) => name !== '')).toEqual([
      { id: rows[0]?.id, name: 'verify-restart#2', address: '127.0.0.1', port: rows[0]?.port, pid: null },
    ]);
  });

  test("another user's are hidden but there: a worker is not taken for gone", async () => {
    await using jobs = await makeJobDatabase(server);
    const [own, other] = [await makeRole(server), await makeRole(server)];
    const database = await jobs.openAs(own);
    const worker = await jobs.connect({ role: other, applicationName: 'worker' });
    const { rows } = await worker.query<{ pid: number }>('select pg_backend_pid() as pid');
    const expected = { id: `${rows[0]?.pid}@unknown`, name: 'worker', address: null, port: null, pid: null };
    expect(await databaseConnections(database)).toContainEqual(expected);
    await jobs.sql(`grant pg_read_all_stats to ${own}`);
    const seen = (await databaseConnections(database)).find(({ name }) => name === 'worker');
    expect(seen?.port).toBeGreaterThan(0);
    expect(seen?.id).not.toContain('unknown');
  });
});
