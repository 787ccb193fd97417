/**
 * The hold: a row lock on the job, so that the worker's next write waits and the job cannot end before a person acts.
 * It works with any worker in any language that writes to its row, and it is a guest: whatever stands against it
 * (no privilege, a lock that others hold, a server that ends idle transactions) makes it give way, never the worker.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client, QueryResult } from 'pg';
import type { Database } from './database.ts';
import { idCondition } from './row.ts';
import type { JobTable } from './table.ts';

export interface Hold {
  readonly backendPid: number;
  /** Resolves with the reason when the server breaks the lock before it is released. */
  readonly broken: Promise<string>;
  /** The backends that wait for this lock now, and those that wait behind them. */
  blocked(): Promise<readonly number[]>;
  release(): Promise<void>;
}

/** How long the lock may wait for the worker's own transaction; others who want the row wait behind us meanwhile. */
const LOCK_TIMEOUT_MS = 3_000;

/** @returns the hold, or the reason why there is none, as a sentence */
export async function placeHold(
  database: Database,
  table: JobTable,
  job: string,
  lockTimeoutMs = LOCK_TIMEOUT_MS,
): Promise<Hold | string> {
  let client: Client;
  try {
    client = await database.connect('hold');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  try {
    const backendPid = await lockRow(client, table, job, lockTimeoutMs);
    if (backendPid !== null) return holdOn(database, client, backendPid);
    await client.end();
    return 'the row is not there, or a policy of the table does not let us lock it';
  } catch (error) {
    await client.end().catch(() => undefined);
    const locked = error instanceof Error && 'code' in error && error.code === '55P03';
    if (locked) return `another transaction kept the row locked for ${lockTimeoutMs / 1000} s`;
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * Everything within one transaction, the backend's pid too: a pooler gives a transaction its backend. Time-outs of the
 * role or the database would end it; a version that does not know one of them has nothing to turn off.
 * @returns the backend's pid; `null`: there is no such row
 */
async function lockRow(
  client: Client,
  table: JobTable,
  job: string,
  lockTimeoutMs: number,
): Promise<number | null> {
  const results: unknown = await client.query(`
    begin isolation level read committed;
    select set_config(name, '0', true) from pg_settings
     where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout');
    set local lock_timeout to ${lockTimeoutMs};
    select pg_backend_pid() as pid from ${table.sql} t where ${idCondition(table, 't', [job])} for update of t`);
  const last = Array.isArray(results) ? (results.at(-1) as QueryResult<{ pid: number }>) : undefined;
  return last?.rows[0]?.pid ?? null;
}

function holdOn(database: Database, client: Client, backendPid: number): Hold {
  let released = false;
  const broken = new Promise<string>((resolve) => {
    const onEnd = (error?: Error): void => {
      if (!released) resolve(error?.message ?? 'the server closed the connection');
    };
    client.on('error', onEnd);
    client.on('end', () => onEnd());
  });
  return {
    backendPid,
    broken,
    async blocked() {
      const { rows } = await database.query<{ pid: number }>(BLOCKED_SQL, [backendPid]);
      return rows.map((row) => row.pid);
    },
    async release() {
      if (released) return;
      released = true;
      await client.query('rollback').catch(() => undefined);
      await client.end().catch(() => undefined);
    },
  };
}

/**
 * Only the first who waits for a row waits for its holder; the next wait for the first. What another role's backend
 * waits for may be hidden from us, whom it waits for is not.
 */
const BLOCKED_SQL = `
  with recursive waiting as materialized (
    select pid, pg_blocking_pids(pid) as blockers from pg_stat_activity
     where datname = current_database() and coalesce(wait_event_type, 'Lock') = 'Lock'
  ), blocked (pid) as (
    select pid from waiting where $1 = any (blockers)
    union
    select w.pid from waiting w join blocked b on b.pid = any (w.blockers)
  )
  select pid from blocked order by pid`;

/** How long a backend may take to end. */
const TERMINATE_TIMEOUT_MS = 2_000;

/** Ends backends; @returns those that are still there (no privilege) */
export async function terminateBackends(
  database: Database | null,
  pids: readonly number[],
): Promise<readonly number[]> {
  if (database === null) return pids;
  const refused = new Set<number>();
  for (const pid of pids) {
    await database.query('select pg_terminate_backend($1)', [pid]).catch(() => refused.add(pid));
  }
  const deadline = performance.now() + TERMINATE_TIMEOUT_MS;
  for (;;) {
    const { rows } = await database.query<{ pid: number }>(
      'select pid from pg_stat_activity where pid = any ($1::integer[]) order by pid',
      [pids],
    );
    const left = rows.map((row) => row.pid);
    if (left.every((pid) => refused.has(pid)) || performance.now() > deadline) return left;
    await delay(10);
  }
}
