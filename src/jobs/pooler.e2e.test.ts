/** Behind PgBouncer: it is noticed, nothing of ours leaks into other clients' sessions, and everything is still seen. */
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_STATUSES } from '../config/defaults.ts';
import { collect, inspect, makeJobDatabase } from '../testing/job-database.ts';
import { PGBOUNCER, startPgbouncer } from '../testing/pgbouncer.ts';
import { startTestPostgres, type TestPostgres } from '../testing/servers.ts';
import { until } from '../testing/until.ts';
import { openDatabase } from './database.ts';
import { removeHistory } from './history-objects.ts';
import { placeHold } from './hold.ts';
import { observeByTrigger } from './observe-trigger.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startTestPostgres();
});
afterAll(() => server.stop());

describe.skipIf(PGBOUNCER === null).each(['session', 'transaction'] as const)('in %s mode', (mode) => {
  test('it is noticed at once', async () => {
    await using jobs = await makeJobDatabase(server);
    await using pooler = await startPgbouncer(server, mode);
    await using database = await openDatabase(pooler.urlOf(jobs.name), 'the test');
    expect(database.pooled).toBe(true);
    expect(jobs.database.pooled).toBe(false);
  });

  test('every version is seen, soon, also of writers that share our connections', async () => {
    await using jobs = await makeJobDatabase(server);
    await using pooler = await startPgbouncer(server, mode);
    await using database = await openDatabase(pooler.urlOf(jobs.name), 'the test');
    const seen = collect();
    const id = randomUUID();
    const table = await inspect(database);
    const observer = await observeByTrigger(
      database,
      { table, statuses: DEFAULT_STATUSES, suffix: 'run_1', jobs: [id], token: 'verify-restart-test' },
      seen,
    );
    const worker = new Client({ connectionString: pooler.urlOf(jobs.name) });
    await worker.connect();
    await worker.query('insert into jobs (id) values ($1)', [id]);
    await seen.nth(1);
    for (let round = 1; round <= 20; round += 1) {
      const update = 'update jobs set progress = $1';
      await (round % 2 === 0 ? worker.query(update, [round]) : database.query(update, [round]));
      await seen.nth(round + 1);
    }
    expect(seen.versions.map(({ values }) => values?.progress)).toEqual(
      Array.from({ length: 21 }, (_, index) => index),
    );
    await observer[Symbol.asyncDispose]();
    await removeHistory(database, 'run_1');
    await worker.end();
    expect(seen.failures).toEqual([]);
  });

  test('the hold holds, knows its backend, and lets go', async () => {
    await using jobs = await makeJobDatabase(server);
    await using pooler = await startPgbouncer(server, mode);
    const [version] = await jobs.sql<{ newer: boolean }>(
      `select current_setting('server_version_num')::integer >= 170000 as newer`,
    );
    await jobs.sql(`alter database ${jobs.name} set idle_in_transaction_session_timeout to '60ms'`);
    if (version?.newer === true)
      await jobs.sql(`alter database ${jobs.name} set transaction_timeout to '60ms'`);
    await using database = await openDatabase(pooler.urlOf(jobs.name), 'the test');
    const id = randomUUID();
    await jobs.sql('insert into jobs (id) values ($1)', [id]);
    const hold = await placeHold(database, await inspect(database), id);
    if (typeof hold === 'string') throw new Error(hold);
    const pause = new Promise((resolve) => setTimeout(resolve, 300, 'unbroken'));
    expect(await Promise.race([hold.broken, pause])).toBe('unbroken');
    await jobs.sql(`alter database ${jobs.name} reset all`);
    const worker = await jobs.connect();
    const { rows } = await worker.query<{ pid: number }>('select pg_backend_pid() as pid');
    const writing = worker.query('update jobs set progress = 1');
    await until('the writer waits', async () => (await hold.blocked()).includes(rows[0]!.pid));
    await hold.release();
    await writing;
  });

  test('no setting of ours stays with a connection that the next client gets', async () => {
    await using jobs = await makeJobDatabase(server);
    await using pooler = await startPgbouncer(server, mode);
    const names = ['statement_timeout', 'lock_timeout', 'timezone', 'idle_in_transaction_session_timeout'];
    const settings = `select ${names.map((name) => `current_setting('${name}') as ${name}`).join(', ')}`;
    const [expected] = await jobs.sql(settings);
    {
      await using database = await openDatabase(pooler.urlOf(jobs.name), 'the test');
      await database.transact(['select 1'], { timezone: 'Asia/Tokyo', statement_timeout: '1s' });
      await database.transact(['select 1/0'], { timezone: 'Asia/Tokyo' }).catch(() => undefined);
      const id = randomUUID();
      await jobs.sql('insert into jobs (id) values ($1)', [id]);
      const hold = await placeHold(database, await inspect(database), id);
      if (typeof hold !== 'string') await hold.release();
      const observer = await observeByTrigger(
        database,
        {
          table: await inspect(database),
          statuses: DEFAULT_STATUSES,
          suffix: 'run_1',
          jobs: [id],
          token: 'verify-restart-test',
        },
        collect(),
      );
      await observer[Symbol.asyncDispose]();
      await removeHistory(database, 'run_1');
    }
    const clients = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const client = new Client({ connectionString: pooler.urlOf(jobs.name) });
        await client.connect();
        await client.query('begin');
        return client;
      }),
    );
    for (const client of clients) {
      expect((await client.query(settings)).rows).toEqual([expected]);
      expect((await client.query('select * from pg_listening_channels()')).rows).toEqual([]);
    }
    await Promise.all(clients.map((client) => client.end()));
  });
});
