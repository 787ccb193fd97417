/** The hold on a real server: what it stops, what it lets pass, and what makes it give way. */
import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { inspect, JOBS_SQL, makeJobDatabase, makeRole, type JobDatabase } from '../testing/job-database.ts';
import { startTestPostgres, type TestPostgres } from '../testing/servers.ts';
import { until } from '../testing/until.ts';
import type { Database } from './database.ts';
import { placeHold, terminateBackends, type Hold } from './hold.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startTestPostgres();
});
afterAll(() => server.stop());

async function withRow(setUp = JOBS_SQL): Promise<JobDatabase & { readonly id: string }> {
  const jobs = await makeJobDatabase(server, setUp);
  const id = randomUUID();
  await jobs.sql(`insert into jobs (id, status) values ($1, 'processing')`, [id]);
  return { ...jobs, id };
}

async function held(database: Database, id: string): Promise<Hold> {
  const hold = await placeHold(database, await inspect(database), id, 300);
  if (typeof hold === 'string') throw new Error(hold);
  return hold;
}

async function refusal(database: Database, id: string): Promise<string> {
  const hold = await placeHold(database, await inspect(database), id, 300);
  if (typeof hold === 'string') return hold;
  throw new Error('it is held');
}

async function pidOf(client: Client): Promise<number> {
  return (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid;
}

function waits(hold: Hold, pids: readonly number[]): Promise<true> {
  return until('they wait', async () => {
    const blocked = await hold.blocked();
    return pids.every((pid) => blocked.includes(pid)) ? true : null;
  });
}

test('a writer waits, and goes on when it is released; readers and other rows never wait', async () => {
  await using jobs = await withRow();
  const hold = await held(jobs.database, jobs.id);
  const worker = await jobs.connect();
  const pid = await pidOf(worker);
  const landed = vi.fn<() => void>();
  const writing = worker.query('update jobs set progress = 40 where id = $1', [jobs.id]).then(landed);
  await waits(hold, [pid]);
  expect(await jobs.sql('select progress from jobs')).toEqual([{ progress: 0 }]);
  await jobs.sql('insert into jobs (id) values (gen_random_uuid())');
  await jobs.sql('update jobs set progress = 1 where id <> $1', [jobs.id]);
  expect(landed).not.toHaveBeenCalled();
  await hold.release();
  await writing;
  expect(await jobs.sql('select progress from jobs where id = $1', [jobs.id])).toEqual([{ progress: 40 }]);
  expect(await hold.blocked()).toEqual([]);
  await hold.release();
});

test('what refers to the row waits, too: an effect with a foreign key cannot land under the hold', async () => {
  await using jobs = await withRow(
    `${JOBS_SQL}; create table documents (job_id uuid not null references jobs (id) on delete cascade)`,
  );
  const hold = await held(jobs.database, jobs.id);
  const worker = await jobs.connect();
  const pid = await pidOf(worker);
  const writing = worker.query('insert into documents values ($1)', [jobs.id]);
  await waits(hold, [pid]);
  expect(await jobs.sql('select * from documents')).toEqual([]);
  await hold.release();
  await writing;
});

test('those who wait behind another who waits are known, and can be ended before any of their writes lands', async () => {
  await using jobs = await withRow();
  const hold = await held(jobs.database, jobs.id);
  const dead = [await jobs.connect(), await jobs.connect(), await jobs.connect()];
  const pids = await Promise.all(dead.map(pidOf));
  const ends: Promise<unknown>[] = [];
  for (const [index, client] of dead.entries()) {
    ends.push(
      client.query('update jobs set progress = 99 where id = $1', [jobs.id]).catch((error: unknown) => error),
    );
    await waits(hold, pids.slice(0, index + 1));
  }
  expect(await hold.blocked()).toEqual([...pids].sort((a, b) => a - b));
  expect(await terminateBackends(jobs.database, await hold.blocked())).toEqual([]);
  await hold.release();
  for (const end of ends) expect(await end).toMatchObject({ code: '57P01' });
  expect(await jobs.sql('select progress from jobs')).toEqual([{ progress: 0 }]);
});

test('a worker that does not wait is told at once, or does not see the row', async () => {
  await using jobs = await withRow();
  const hold = await held(jobs.database, jobs.id);
  const worker = await jobs.connect();
  const locking = `select id from jobs where status = 'processing' for update`;
  // The words by which the report recognises that the hold got in the way.
  await expect(worker.query(`${locking} nowait`)).rejects.toMatchObject({
    code: '55P03',
    message: 'could not obtain lock on row in relation "jobs"',
  });
  expect((await worker.query(`${locking} skip locked`)).rows).toEqual([]);
  await expect(
    worker.query(`set lock_timeout to '50ms'; update jobs set progress = 1`),
  ).rejects.toMatchObject({ message: expect.stringContaining('lock timeout') });
  await expect(
    worker.query(`set lock_timeout to 0; set statement_timeout to '50ms'; update jobs set progress = 1`),
  ).rejects.toMatchObject({ message: expect.stringContaining('statement timeout') });
  await hold.release();
  expect((await worker.query(`reset statement_timeout; ${locking} skip locked`)) as unknown).toMatchObject([
    {},
    { rows: [{ id: jobs.id }] },
  ]);
});

test('time-outs that the role sets for itself do not break it', async () => {
  await using jobs = await withRow();
  const role = await makeRole(server);
  const versions = await jobs.sql<{ version: number }>(
    `select current_setting('server_version_num')::integer as version`,
  );
  const newer = (versions[0]?.version ?? 0) >= 170_000;
  await jobs.sql(`grant all on jobs to ${role};
    alter role ${role} set idle_in_transaction_session_timeout to '60ms'; alter role ${role} set statement_timeout to '60ms';
    alter role ${role} set idle_session_timeout to '60ms';
    ${newer ? `alter role ${role} set transaction_timeout to '60ms'` : ''}`);
  const database = await jobs.openAs(role);
  const hold = await held(database, jobs.id);
  const worker = await jobs.connect();
  const pid = await pidOf(worker);
  const writing = worker.query('update jobs set progress = 1');
  await waits(hold, [pid]);
  const outcome = await Promise.race([
    hold.broken,
    new Promise((resolve) => setTimeout(resolve, 400, 'unbroken')),
  ]);
  expect(outcome).toBe('unbroken');
  expect(await hold.blocked()).toEqual([pid]);
  await hold.release();
  await writing;
});

test('broken by the server, it says so; released, it does not', async () => {
  await using jobs = await withRow();
  const released = await held(jobs.database, jobs.id);
  const word = vi.fn<(reason: string) => void>();
  void released.broken.then(word);
  await released.release();
  const hold = await held(jobs.database, jobs.id);
  await jobs.sql('select pg_terminate_backend($1)', [hold.backendPid]);
  expect(await hold.broken).toMatch(/terminat/);
  expect(word).not.toHaveBeenCalled();
  await jobs.sql('update jobs set progress = 1');
  await hold.release();
});

test('a row that somebody keeps locked is left to them, with the reason', async () => {
  await using jobs = await withRow();
  const worker = await jobs.connect();
  await worker.query('begin; update jobs set progress = 1');
  const began = performance.now();
  expect(await refusal(jobs.database, jobs.id)).toBe('another transaction kept the row locked for 0.3 s');
  expect(performance.now() - began).toBeLessThan(2_000);
  await worker.query('commit');
  const left = await jobs.sql(
    `select 1 from pg_stat_activity where application_name = 'verify-restart hold'`,
  );
  expect(left).toEqual([]);
});

test('no row, no privilege, a policy, a read-only role: each its reason', async () => {
  await using jobs = await withRow();
  expect(await refusal(jobs.database, randomUUID())).toMatch(/^the row is not there/);
  const role = await makeRole(server);
  await jobs.sql(`grant select on jobs to ${role}`);
  expect(await refusal(await jobs.openAs(role), jobs.id)).toBe('permission denied for table jobs');
  await jobs.sql(`grant update on jobs to ${role}; alter table jobs enable row level security;
    create policy look on jobs for select using (true)`);
  expect(await refusal(await jobs.openAs(role), jobs.id)).toMatch(/a policy of the table/);
  await jobs.sql(
    `alter table jobs disable row level security; alter role ${role} set default_transaction_read_only to on`,
  );
  expect(await refusal(await jobs.openAs(role), jobs.id)).toMatch(/read-only transaction/);
});

test("another user's backend is seen to wait, and ended only with the privilege", async () => {
  await using jobs = await withRow();
  const [own, other] = [await makeRole(server), await makeRole(server)];
  await jobs.sql(`grant all on jobs to ${own}, ${other}`);
  const database = await jobs.openAs(own);
  const hold = await held(database, jobs.id);
  const worker = await jobs.connect({ role: other });
  const pid = await pidOf(worker);
  const writing = worker.query('update jobs set progress = 1').catch((error: unknown) => error);
  await waits(hold, [pid]);
  const began = performance.now();
  expect(await terminateBackends(database, [pid])).toEqual([pid]);
  expect(performance.now() - began).toBeLessThan(1_000);
  await jobs.sql(`grant pg_signal_backend to ${own}`);
  expect(await terminateBackends(database, [pid])).toEqual([]);
  expect(await writing).toMatchObject({ code: '57P01' });
  await hold.release();
});

test('backends that are gone already are no failure', async () => {
  await using jobs = await withRow();
  const client = await jobs.connect();
  const pid = await pidOf(client);
  await client.end();
  await until('it is gone', async () => {
    const rows = await jobs.sql('select 1 from pg_stat_activity where pid = $1', [pid]);
    return rows.length === 0;
  });
  expect(await terminateBackends(jobs.database, [pid])).toEqual([]);
  expect(await terminateBackends(jobs.database, [])).toEqual([]);
});

test('a repeatable-read worker is not failed by a hold that was there and went', async () => {
  await using jobs = await withRow();
  const worker = await jobs.connect();
  await worker.query('begin isolation level repeatable read');
  await worker.query('select * from jobs');
  const hold = await held(jobs.database, jobs.id);
  await hold.release();
  await worker.query('update jobs set progress = 1');
  await worker.query('commit');
  expect(await jobs.sql('select progress from jobs')).toEqual([{ progress: 1 }]);
});
