/**
 * The lossless observer: a row trigger writes every version of the test rows into a table of its own and wakes the
 * harness by NOTIFY at the commit.
 *
 * It is a guest in somebody's database. So it
 * - fires for the test rows only (a WHEN condition with their ids, and the run's token in the files of new rows);
 * - can never fail the user's transaction: the function catches every error of its own;
 * - is made with a short lock_timeout, tried a few times, so that it never queues up the table's writers for long;
 * - does not notify where prepared transactions are enabled (NOTIFY would make them fail); then the table is polled;
 * - lies in the schema `verify_restart`, under names with the run's suffix, and is removed at the end.
 *
 * The function runs with its owner's rights, because the worker's role has none in that schema. Its settings are
 * fixed, so that times read the same whatever the writing session has set.
 */
import type { Client } from 'pg';
import type { StatusMapping } from '../config/settings.ts';
import type { Writer } from '../core/event.ts';
import type { Database } from './database.ts';
import type { Observer, ObserverSink } from './observer.ts';
import { idCondition, rowExpression, toRowValues } from './row.ts';
import { quoteIdentifier, quoteLiteral, type JobTable } from './table.ts';

export const HISTORY_SCHEMA = 'verify_restart';

export interface TriggerOptions {
  readonly table: JobTable;
  readonly statuses: StatusMapping;
  /** Unique to the run: lower-case letters, digits and underscores. */
  readonly suffix: string;
  readonly jobs: readonly string[];
  /** A text that only this run's file paths contain. */
  readonly token: string;
}

const LOCK_TIMEOUT_MS = 500;
const ATTEMPTS = 4;
/** Where nobody is notified: how often the history table is read. */
const POLL_INTERVAL_MS = 20;

/**
 * Makes the trigger and starts to follow it.
 * @throws whatever the database says (no privilege, a lock that was not to be had, a view): the caller falls back to polling
 */
export async function observeByTrigger(
  database: Database,
  options: TriggerOptions,
  sink: ObserverSink,
): Promise<Observer> {
  const { rows } = await database.query<{ prepared: string }>(
    `select current_setting('max_prepared_transactions') as prepared`,
  );
  const notifies = rows[0]?.prepared === '0';
  await withLockRetries(database, installStatements(options, notifies));
  const listener = await database.connect('listener');
  return startFollowing(listener, options, notifies, sink);
}

/** Removes what `observeByTrigger` made, also after a crash of the harness. The schema goes when it is empty. */
export async function removeHistory(database: Database, tableSql: string, suffix: string): Promise<void> {
  await withLockRetries(database, [
    `drop trigger if exists verify_restart_${suffix}_insert on ${tableSql}`,
    `drop trigger if exists verify_restart_${suffix}_change on ${tableSql}`,
    `drop function if exists ${HISTORY_SCHEMA}.record_${suffix}()`,
    `drop table if exists ${HISTORY_SCHEMA}.history_${suffix}`,
  ]);
  // Other runs may still use the schema: without CASCADE it goes only when it is empty.
  await database.query(`drop schema if exists ${HISTORY_SCHEMA}`).catch(() => undefined);
}

function installStatements(options: TriggerOptions, notifies: boolean): readonly string[] {
  const { table, suffix, jobs, token } = options;
  const history = `${HISTORY_SCHEMA}.history_${suffix}`;
  const id = quoteIdentifier(table.idColumn.name);
  const files = table.roles.files === undefined ? null : quoteIdentifier(table.roles.files.name);
  const record = (row: string, values: string): string => `
    insert into ${history} (job, operation, transaction_id, backend_start, values, files)
    values (${row}.${id}::text, lower(tg_op), pg_current_xact_id()::text,
            (select a.backend_start from pg_stat_activity a where a.pid = pg_backend_pid()),
            ${values}, ${files === null ? 'null' : `${row}.${files}::text`})
    returning seq into recorded`;
  const ownRows = (row: string): string => idCondition(table, row, jobs);
  const carriesToken = files === null ? '' : ` or position(${quoteLiteral(token)} in NEW.${files}::text) > 0`;
  return [
    `create schema if not exists ${HISTORY_SCHEMA}`,
    `create table ${history} (
       seq bigint generated always as identity primary key,
       job text not null,
       operation text not null,
       transaction_id text not null,
       backend_pid integer not null default pg_backend_pid(),
       backend_start timestamptz,
       application_name text not null default current_setting('application_name'),
       client_address inet default inet_client_addr(),
       client_port integer default inet_client_port(),
       at timestamptz not null default clock_timestamp(),
       values jsonb,
       files text)`,
    `create function ${HISTORY_SCHEMA}.record_${suffix}() returns trigger
       language plpgsql security definer
       set search_path to pg_catalog, pg_temp set timezone to 'UTC' set datestyle to 'ISO'
     as $function$
     declare recorded bigint;
     begin
       if tg_op = 'DELETE' then ${record('OLD', 'null')};
       else ${record('NEW', rowExpression(table, 'NEW'))};
       end if;
       ${notifies ? `perform pg_notify('${channelOf(suffix)}', recorded::text);` : ''}
       return null;
     exception when others then
       return null;
     end $function$`,
    `create trigger verify_restart_${suffix}_insert after insert on ${table.sql} for each row
       when (${ownRows('NEW')}${carriesToken}) execute function ${HISTORY_SCHEMA}.record_${suffix}()`,
    `create trigger verify_restart_${suffix}_change after update or delete on ${table.sql} for each row
       when (${ownRows('OLD')}) execute function ${HISTORY_SCHEMA}.record_${suffix}()`,
  ];
}

function channelOf(suffix: string): string {
  return `verify_restart_${suffix}`;
}

async function withLockRetries(database: Database, statements: readonly string[]): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await database.query(
        `begin; set local lock_timeout to ${LOCK_TIMEOUT_MS}; ${statements.join(';\n')}; commit`,
      );
      return;
    } catch (error) {
      await database.query('rollback');
      const locked = error instanceof Error && 'code' in error && error.code === '55P03';
      if (!locked || attempt >= ATTEMPTS) throw error;
    }
  }
}

interface HistoryRow {
  readonly seq: string;
  readonly job: string;
  readonly operation: 'insert' | 'update' | 'delete';
  readonly transaction_id: string;
  readonly backend_pid: number;
  readonly backend_start_ms: string | null;
  readonly application_name: string;
  readonly client_address: string | null;
  readonly client_port: number | null;
  readonly at_ms: string;
  readonly values: Readonly<Record<string, unknown>> | null;
  readonly files: string | null;
}

async function startFollowing(
  listener: Client,
  options: TriggerOptions,
  notifies: boolean,
  sink: ObserverSink,
): Promise<Observer> {
  const seen = new Set<string>();
  const own = new Set(options.jobs);
  let closed = false;
  let reading: Promise<void> = Promise.resolve();

  const readNew = async (): Promise<void> => {
    if (closed) return;
    // Sequence numbers are not handed out in the order of commits, so what was seen is remembered, not the highest.
    const { rows } = await listener.query<HistoryRow>(
      `select history.seq::text, job, operation, transaction_id, backend_pid,
              (extract(epoch from backend_start) * 1000)::bigint::text as backend_start_ms,
              application_name, host(client_address) as client_address, client_port,
              (extract(epoch from at) * 1000)::bigint::text as at_ms, values, files
         from ${HISTORY_SCHEMA}.history_${options.suffix} history
        where not (history.seq = any($1::bigint[])) order by history.seq`,
      [[...seen]],
    );
    for (const row of rows) {
      seen.add(row.seq);
      if (own.has(row.job)) sink.version(toVersion(row, options.statuses));
      else sink.stranger({ id: row.job, files: filesOf(row.files, options.token) });
    }
  };
  const catchUp = (): Promise<void> => {
    const next = reading.then(readNew, readNew);
    reading = next.catch(() => undefined);
    return next;
  };
  const follow = (): void => {
    catchUp().catch((error: unknown) => {
      if (!closed) sink.failed(error instanceof Error ? error.message : String(error));
    });
  };

  listener.on('notification', follow);
  let timer: NodeJS.Timeout | undefined;
  if (notifies) await listener.query(`listen ${channelOf(options.suffix)}`);
  if (!notifies || !(await isNotified(listener, options.suffix)))
    timer = setInterval(follow, POLL_INTERVAL_MS);
  return {
    source: 'trigger',
    catchUp,
    async [Symbol.asyncDispose]() {
      closed = true;
      clearInterval(timer);
      listener.off('notification', follow);
      await reading;
    },
  };
}

/** A pooler in transaction mode takes LISTEN and never delivers: only a notification that arrives proves it. */
async function isNotified(listener: Client, suffix: string): Promise<boolean> {
  let onNotification = (): void => undefined;
  let timer: NodeJS.Timeout | undefined;
  const arrived = new Promise<boolean>((resolve) => {
    onNotification = () => resolve(true);
    timer = setTimeout(() => resolve(false), 1_000);
  });
  listener.on('notification', onNotification);
  try {
    await listener.query(`notify ${channelOf(suffix)}`);
    return await arrived;
  } finally {
    clearTimeout(timer);
    listener.off('notification', onNotification);
  }
}

function toVersion(row: HistoryRow, statuses: StatusMapping) {
  const writer: Writer = {
    transactionId: row.transaction_id,
    backendPid: row.backend_pid,
    backendStartMs: row.backend_start_ms === null ? null : Number(row.backend_start_ms),
    applicationName: row.application_name,
    clientAddress: row.client_address,
    clientPort: row.client_port,
  };
  return {
    job: row.job,
    operation: row.operation,
    values: row.values === null ? null : toRowValues(row.values, statuses),
    databaseAtMs: Number(row.at_ms),
    writer,
  };
}

/** The paths with the run's token in a files column, whatever its form (JSON, array, list). */
export function filesOf(files: string | null, token: string): readonly string[] {
  if (files === null) return [];
  const paths = files.match(/[^\s"',{}[\]]+/g) ?? [];
  return paths.filter((path) => path.includes(token)).sort();
}
