/** The polling observer: states, not changes. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEFAULT_STATUSES } from '../config/defaults.ts';
import { collect, inspect, makeJobDatabase, type JobDatabase } from '../testing/job-database.ts';
import { startTestPostgres, type TestPostgres } from '../testing/servers.ts';
import { until } from '../testing/until.ts';
import { observeByPolling } from './observe-poll.ts';
import { readRows } from './read-rows.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startTestPostgres();
});
afterAll(() => server.stop());

async function poll(jobs: JobDatabase, ids: readonly string[]) {
  const seen = collect();
  const table = await inspect(jobs.database);
  const read = (wanted: readonly string[]) => readRows(jobs.database, table, DEFAULT_STATUSES, wanted);
  const observer = observeByPolling({ read, jobs: ids, intervalMs: 20 }, seen);
  return { seen, observer, [Symbol.asyncDispose]: () => observer[Symbol.asyncDispose]() };
}

test('states are seen by themselves, a row that goes and comes back as well', async () => {
  await using jobs = await makeJobDatabase(server);
  const id = randomUUID();
  await using polled = await poll(jobs, [id, randomUUID()]);
  const { seen } = polled;
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  await seen.nth(1);
  await jobs.sql(`update jobs set status = 'processing', progress = 20`);
  await seen.nth(2);
  await jobs.sql('delete from jobs');
  await seen.nth(3);
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  await seen.nth(4);
  expect(seen.versions.map(({ operation, values, writer }) => [operation, values?.state, writer])).toEqual([
    ['insert', 'pending', undefined],
    ['update', 'processing', undefined],
    ['delete', undefined, undefined],
    ['insert', 'pending', undefined],
  ]);
  expect(seen.failures).toEqual([]);
});

test('catching up looks after the call, and a row that has not changed is told once', async () => {
  await using jobs = await makeJobDatabase(server);
  const id = randomUUID();
  await using polled = await poll(jobs, [id]);
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  for (let round = 1; round <= 20; round += 1) {
    const first = polled.observer.catchUp();
    await jobs.sql('update jobs set progress = $1', [round]);
    await polled.observer.catchUp();
    expect(polled.seen.versions.at(-1)?.values?.progress).toBe(round);
    await first;
  }
  const count = polled.seen.versions.length;
  await polled.observer.catchUp();
  await jobs.sql('update jobs set progress = progress');
  await polled.observer.catchUp();
  expect(polled.seen.versions).toHaveLength(count);
});

test('a trouble is told once, and looking goes on when it is over', async () => {
  await using jobs = await makeJobDatabase(server);
  const id = randomUUID();
  await using polled = await poll(jobs, [id]);
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  await polled.seen.nth(1);
  await jobs.sql('alter table jobs rename to elsewhere');
  await until('it is told', () => polled.seen.failures.length > 0);
  for (let round = 0; round < 3; round += 1) await polled.observer.catchUp().catch(() => undefined);
  await jobs.sql('alter table elsewhere rename to jobs');
  await jobs.sql('update jobs set progress = 5');
  expect((await polled.seen.nth(2)).values?.progress).toBe(5);
  expect(polled.seen.failures).toEqual(['relation "public.jobs" does not exist']);
});

test('a connection that breaks is made anew', async () => {
  await using jobs = await makeJobDatabase(server);
  const id = randomUUID();
  await using polled = await poll(jobs, [id]);
  await jobs.sql('insert into jobs (id) values ($1)', [id]);
  await polled.seen.nth(1);
  await jobs.sql(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'verify-restart%' and datname = current_database()`,
  );
  await jobs.sql('update jobs set progress = 5');
  expect((await polled.seen.nth(2)).values?.progress).toBe(5);
});
