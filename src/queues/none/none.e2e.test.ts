/** What the table tells of a job, on a real server, with the harness's own eyes: plain reads that keep nobody away. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TABLE_SERVICE } from '../../../fixtures/table-service/columns.ts';
import { DEFAULT_COLUMNS, DEFAULT_STATUSES } from '../../config/defaults.ts';
import { openDatabase, type Database } from '../../jobs/database.ts';
import { inspectTable } from '../../jobs/table.ts';
import { startTestPostgres, type TestPostgres } from '../../testing/servers.ts';
import type { Queue } from '../queue.ts';
import { openNone } from './none.ts';

const NOW_MS = 10_000;
const COLUMNS: typeof DEFAULT_COLUMNS = {
  ...DEFAULT_COLUMNS,
  ...TABLE_SERVICE.jobs.columns,
};

let server: TestPostgres;
let database: Database;
let queue: Queue;
let worker: Client;

beforeAll(async () => {
  server = await startTestPostgres();
  worker = await connect('a worker');
  const schema = join(import.meta.dirname, '../../../fixtures/table-service/schema.sql');
  await worker.query(await readFile(schema, 'utf8'));
  database = await openDatabase(server.url, 'the test server');
  queue = await open({});
});

afterAll(async () => {
  await worker.end();
  await database[Symbol.asyncDispose]();
  await server.stop();
});

async function connect(name: string): Promise<Client> {
  const client = new Client({ connectionString: server.url, application_name: name });
  await client.connect();
  return client;
}

async function open(columns: Partial<typeof COLUMNS>): Promise<Queue> {
  const jobs = {
    table: 'pybase.table_jobs',
    columns: { ...COLUMNS, ...columns },
    namedColumns: [],
    statuses: DEFAULT_STATUSES,
    insert: {},
    archive: null,
  };
  const table = await inspectTable(database, jobs, null);
  return openNone({
    databaseUrl: server.url,
    clock: { now: () => NOW_MS },
    jobs: { database, table, statuses: DEFAULT_STATUSES },
  });
}

async function row(sets: string): Promise<{ readonly job: string; readonly messageId: string }> {
  const job = randomUUID();
  await worker.query(`insert into pybase.table_jobs (id, files) values ($1, '[]')`, [job]);
  await worker.query(`update pybase.table_jobs set ${sets} where id = $1`, [job]);
  return { job, messageId: job };
}

describe('a row', () => {
  it('that is pending waits, and is due now', async () => {
    expect(await queue.inspect(await row(`status = 'pending'`))).toMatchObject({
      state: 'waiting',
      owner: null,
      due: { kind: 'now' },
    });
  });

  it('with a lease is due when the lease ends', async () => {
    const message = await row(
      `status = 'processing', owner = 'a', attempts = 2, lease_until = now() + interval '30 seconds'`,
    );
    const state = await queue.inspect(message);
    expect(state).toMatchObject({ state: 'active', owner: 'a', deliveries: 2, due: { kind: 'at' } });
    const dueInMs = state?.due.kind === 'at' ? state.due.atMs - NOW_MS : 0;
    expect(dueInMs).toBeGreaterThan(25_000);
    expect(dueInMs).toBeLessThanOrEqual(30_000);
    expect(await queue.estimateRecovery(message)).toMatchObject({ atMostMs: expect.any(Number) });
  });

  it('whose lease has ended was due already', async () => {
    const message = await row(`status = 'processing', lease_until = now() - interval '3 seconds'`);
    const state = await queue.inspect(message);
    expect(state?.due).toMatchObject({ kind: 'at', atMs: expect.any(Number) });
    expect(state?.due.kind === 'at' ? state.due.atMs : NOW_MS).toBeLessThanOrEqual(NOW_MS - 3_000);
    expect(await queue.estimateRecovery(message)).toMatchObject({ atMostMs: 0 });
  });

  it('that failed and is claimed by nobody is delayed; with a claim it is active', async () => {
    const waiting = await row(`status = 'retrying', retry_count = 1`);
    expect(await queue.inspect(waiting)).toMatchObject({ state: 'delayed', due: { kind: 'unknown' } });
    const claimed = await row(`status = 'processing', retry_count = 1, owner = 'b'`);
    expect(await queue.inspect(claimed)).toMatchObject({ state: 'active', owner: 'b' });
  });

  it('that has ended is over, and tells of a lease that outlives it', async () => {
    expect(await queue.inspect(await row(`status = 'completed'`))).toMatchObject({
      state: 'ended',
      lockUntilMs: null,
    });
    const kept = await row(`status = 'completed', lease_until = now() + interval '5 seconds'`);
    const state = await queue.inspect(kept);
    expect(state?.lockUntilMs ?? 0).toBeGreaterThan(NOW_MS);
  });

  it('that is not there is gone', async () => {
    const job = randomUUID();
    expect(await queue.inspect({ job, messageId: job })).toMatchObject({ state: 'gone' });
  });
});

describe('one transaction for the whole job', () => {
  it.each([
    ['a lock alone', `select id from pybase.table_jobs where id = $1 for update skip locked`],
    ['a write', `update pybase.table_jobs set status = 'processing' where id = $1`],
  ])('shows by %s who holds the row, and frees it when the client is gone', async (_how, statement) => {
    const message = await row(`status = 'pending'`);
    const holder = await connect('the holder');
    await holder.query('begin');
    await holder.query(statement, [message.job]);
    expect(await queue.inspect(message)).toMatchObject({
      state: 'active',
      owner: 'the holder',
      due: { kind: 'now' },
    });
    await holder.end();
    await expect.poll(async () => (await queue.inspect(message))?.state).toBe('waiting');
  });

  it('shows it through a savepoint', async () => {
    const message = await row(`status = 'pending'`);
    const holder = await connect('the holder');
    await holder.query('begin');
    await holder.query('savepoint one');
    await holder.query(`select from pybase.table_jobs where id = $1 for update`, [message.job]);
    expect(await queue.inspect(message)).toMatchObject({ state: 'active', owner: 'the holder' });
    await holder.end();
  });

  it('is not held by a lock of the harness itself', async () => {
    const message = await row(`status = 'pending'`);
    const hold = await database.connect('hold');
    await hold.query('begin');
    await hold.query(`select from pybase.table_jobs where id = $1 for update`, [message.job]);
    expect(await queue.inspect(message)).toMatchObject({ state: 'waiting' });
    await hold.query('rollback');
  });
});

it('looks without keeping the row from workers that skip locked ones', async () => {
  const message = await row(`status = 'pending'`);
  // Every look is on its way while the worker asks for the row.
  for (let round = 0; round < 200; round += 1) {
    const looks = [queue.inspect(message), queue.estimateRecovery(message)];
    const { rowCount } = await worker.query(
      `select from pybase.table_jobs where id = $1 for update skip locked`,
      [message.job],
    );
    expect(rowCount).toBe(1);
    await Promise.all(looks);
  }
});

it('does not read a lease that is no timestamp', async () => {
  const other = await open({ leaseUntil: 'retry_count' });
  const message = await row(`status = 'processing', retry_count = 5, owner = 'c'`);
  expect(await other.inspect(message)).toMatchObject({ state: 'active', due: { kind: 'unknown' } });
  expect(await other.estimateRecovery(message)).toBeNull();
});

it('names the clients that take rows of the table, not those that only read', async () => {
  const taker = await connect('another worker');
  const reader = await connect('a dashboard');
  await taker.query(`select id from pybase.table_jobs where status = 'x' for update skip locked`);
  await reader.query(`select count(*) from pybase.table_jobs`);
  const names = ((await queue.likelyConsumers?.()) ?? []).map(({ name }) => name);
  expect(names).toContain('another worker');
  expect(names).not.toContain('a dashboard');
  await Promise.all([taker.end(), reader.end()]);
});
