/**
 * The hold: a row lock on the job, so that the worker's next write waits and the job cannot end before a person acts.
 * It works with any worker in any language that writes to its row, and it is a guest: whatever stands against it
 * (no privilege, a lock that others hold, a server that ends idle transactions) makes it give way, never the worker.
 */
import type { Client } from 'pg';
import type { Database } from './database.ts';
import { idCondition } from './row.ts';
import type { JobTable } from './table.ts';

export interface Hold {
  readonly backendPid: number;
  /** Resolves with the reason when the server breaks the lock before it is released. */
  readonly broken: Promise<string>;
  /** The backends that wait for this lock now. */
  blocked(): Promise<readonly number[]>;
  release(): Promise<void>;
}

/** How long the lock may wait for the worker's own transaction. */
const LOCK_TIMEOUT_MS = 3_000;

/** @returns the hold, or the reason why there is none, as a sentence */
export async function placeHold(database: Database, table: JobTable, job: string): Promise<Hold | string> {
  let client: Client;
  try {
    client = await database.connect('hold');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    await client.query(
      `begin; set local lock_timeout to ${LOCK_TIMEOUT_MS}; set local statement_timeout to 0; set local idle_in_transaction_session_timeout to 0`,
    );
    const locked = await client.query(
      `select 1 from ${table.sql} t where ${idCondition(table, 't', [job])} for update`,
    );
    if (locked.rowCount !== 1) {
      await client.end();
      return 'the row is no longer there';
    }
    return holdOn(database, client, rows[0]?.pid ?? 0);
  } catch (error) {
    await client.end().catch(() => undefined);
    return error instanceof Error ? error.message : String(error);
  }
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
      const { rows } = await database.query<{ pid: number }>(
        `select pid from pg_stat_activity where $1 = any(pg_blocking_pids(pid))`,
        [backendPid],
      );
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

/** Ends backends; @returns those that could not be ended (no privilege) */
export async function terminateBackends(
  database: Database | null,
  pids: readonly number[],
): Promise<readonly number[]> {
  if (database === null) return pids;
  const left: number[] = [];
  for (const pid of pids) {
    const ended = await database
      .query<{ ended: boolean }>('select pg_terminate_backend($1, 2000) as ended', [pid])
      .then((result) => result.rows[0]?.ended === true)
      .catch(() => false);
    if (!ended) left.push(pid);
  }
  return left;
}
