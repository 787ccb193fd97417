/**
 * What the lossless observer makes in somebody's database, and how it is removed again. Every choice here keeps a
 * healthy system healthy:
 * - the triggers fire for the test rows only (a WHEN condition with their ids, and the run's token in the files of new
 *   rows; where an API makes the rows, the token alone tells them until their ids are known). The comparison is of
 *   bytes, because a column's own collation may not know how to search;
 * - their names sort before others: triggers fire by name, and one of the user's that updates the row again would
 *   otherwise have its version recorded before the one that caused it;
 * - the function catches every error of its own, so that it never fails the user's transaction;
 * - it takes no sequence: `lastval()` of the worker's session stays the worker's;
 * - the history is unlogged: it is not published to subscribers, which would have no such table;
 * - nobody is notified where prepared transactions are enabled (NOTIFY would make them fail) or the server's queue of
 *   notifications is filling up; then the history is polled;
 * - the table's lock is waited for briefly and again, so that its writers never queue up behind us for long.
 *
 * The function runs with its owner's rights, because the worker's role has none in that schema. It is dropped with
 * CASCADE, which takes the triggers with it: that needs no ownership of the job table.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from './database.ts';
import { quoteIdentifier, quoteLiteral } from './quote.ts';
import { FIXED_FORMS, idCondition, rowExpression } from './row.ts';
import type { JobTable } from './table.ts';

export const HISTORY_SCHEMA = 'verify_restart';

export interface HistoryOptions {
  readonly table: JobTable;
  /** Unique to the run: lower-case letters, digits and underscores. */
  readonly suffix: string;
  readonly jobs: readonly string[];
  /** A text that only this run's file paths contain. */
  readonly token: string;
  /** The rows are made by others: ids come later, rows with the token are ours at once. */
  readonly madeByOthers?: boolean;
}

/** Notified with an empty payload at each commit that was recorded, and with the reason when recording failed. */
export function channelOf(suffix: string): string {
  return `verify_restart_${suffix}`;
}

export function historyTable(suffix: string): string {
  return `${HISTORY_SCHEMA}.history_${suffix}`;
}

/** All or nothing. @throws what the database says */
export async function makeHistory(
  database: Database,
  options: HistoryOptions,
  notifies: boolean,
): Promise<void> {
  await withLockRetries(database, INSTALL_ATTEMPTS, installStatements(options, notifies));
}

/**
 * Records a further job, which none of the triggers knows, from now on. A trigger of its own is added, and none is
 * replaced: that takes the lighter lock, and no ownership of the table.
 */
export async function alsoRecord(database: Database, options: HistoryOptions, job: string): Promise<void> {
  const carries = carriesToken(options, 'OLD');
  const known = options.madeByOthers === true && carries !== null ? ` and (${carries}) is not true` : '';
  const condition = `${idCondition(options.table, 'OLD', [job])}${known}`;
  const name = `"00_verify_restart_${options.suffix}_${createHash('md5').update(job).digest('hex').slice(0, 8)}"`;
  await withLockRetries(database, INSTALL_ATTEMPTS, [
    triggerStatement(options, name, 'update or delete', condition),
  ]);
}

/**
 * Removes what `makeHistory` made, if anything. The schema goes when it is empty.
 * @throws what the database says; Error when the table, which even its readers keep, could not be had
 */
export async function removeHistory(
  database: Database,
  suffix: string,
  attempts = REMOVE_ATTEMPTS,
): Promise<void> {
  const { rows } = await database.query<{ there: boolean }>(
    `select to_regnamespace('${HISTORY_SCHEMA}') is not null as there`,
  );
  if (rows[0]?.there !== true) return;
  try {
    await withLockRetries(database, attempts, [
      `drop function if exists ${HISTORY_SCHEMA}.record_${suffix}() cascade`,
      `drop table if exists ${historyTable(suffix)}`,
    ]);
  } catch (error) {
    if (codeOf(error) !== '55P03') throw error;
    throw new Error('other transactions kept the job table locked', { cause: error });
  }
  try {
    await database.transact([`drop schema if exists ${HISTORY_SCHEMA}`], { lock_timeout: LOCK_TIMEOUT });
  } catch (error) {
    // Other runs still use it, another role made it, or another run is just making something in it.
    if (!['2BP01', '42501', '55P03', '40P01', 'XX000'].includes(codeOf(error))) throw error;
  }
}

const LOCK_TIMEOUT = '200ms';
/** Long enough for those who queued up behind us to get through. */
const PAUSE_MS = 200;
/** What is not made can be done without; what is not removed stays. */
const INSTALL_ATTEMPTS = 8;
const REMOVE_ATTEMPTS = 12;

async function withLockRetries(
  database: Database,
  attempts: number,
  statements: readonly string[],
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await database.transact(statements, { lock_timeout: LOCK_TIMEOUT });
      return;
    } catch (error) {
      if (attempt >= attempts || !isPassing(error)) throw error;
    }
    // Not in step with another run that waits for the same lock.
    await delay(PAUSE_MS * (0.5 + Math.random()));
  }
}

/** A lock that somebody holds, or another run that makes or removes the schema at the same moment. */
function isPassing(error: unknown): boolean {
  const code = codeOf(error);
  if (['55P03', '40P01', '42P06', '3F000'].includes(code)) return true;
  const text = error instanceof Error ? error.message : '';
  return (code === '23505' && text.includes('pg_namespace')) || /concurrently (?:updated|deleted)/.test(text);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function installStatements(options: HistoryOptions, notifies: boolean): readonly string[] {
  const { table, suffix, jobs, madeByOthers = false } = options;
  const files = table.roles.files === undefined ? null : quoteIdentifier(table.roles.files.name);
  const name = (event: string): string => `"00_verify_restart_${suffix}_${event}"`;
  const condition = (row: 'NEW' | 'OLD', withToken: boolean): string => {
    const carries = withToken ? carriesToken(options, row) : null;
    return `${idCondition(table, row, jobs)}${carries === null ? '' : ` or ${carries}`}`;
  };
  return [
    `create schema if not exists ${HISTORY_SCHEMA}`,
    `create unlogged table ${historyTable(suffix)} (
       job text not null,
       operation text not null,
       transaction_id xid8 not null default pg_current_xact_id(),
       backend_pid integer not null default pg_backend_pid(),
       backend_start timestamptz,
       application_name text not null default current_setting('application_name'),
       client_address inet default inet_client_addr(),
       client_port integer default inet_client_port(),
       at timestamptz not null default clock_timestamp(),
       values jsonb,
       files text)`,
    functionStatement(options, files, notifies),
    triggerStatement(options, name('insert'), 'insert', condition('NEW', true)),
    triggerStatement(options, name('change'), 'update or delete', condition('OLD', madeByOthers)),
  ];
}

function triggerStatement(
  { table, suffix }: HistoryOptions,
  name: string,
  events: string,
  condition: string,
): string {
  return `create trigger ${name} after ${events} on ${table.sql} for each row
       when (${condition}) execute function ${HISTORY_SCHEMA}.record_${suffix}()`;
}

/** `null`: the table has no files column. */
function carriesToken({ table, token }: HistoryOptions, row: 'NEW' | 'OLD'): string | null {
  const column = table.roles.files;
  if (column === undefined) return null;
  return `strpos(${row}.${quoteIdentifier(column.name)}::text collate "C", ${quoteLiteral(token)}) > 0`;
}

function functionStatement(
  { table, suffix }: HistoryOptions,
  files: string | null,
  notifies: boolean,
): string {
  const id = quoteIdentifier(table.idColumn.name);
  const record = (row: string, values: string): string => `
    insert into ${historyTable(suffix)} (job, operation, backend_start, values, files)
    values (${row}.${id}::text, lower(tg_op),
            (select a.backend_start from pg_stat_get_activity(pg_backend_pid()) a),
            ${values}, ${files === null ? 'null' : `${row}.${files}::text`})`;
  const notify = (payload: string): string =>
    notifies ? `perform pg_notify('${channelOf(suffix)}', ${payload});` : '';
  const settings = Object.entries({ search_path: 'pg_catalog, pg_temp', ...FIXED_FORMS }).map(
    ([name, value]) => (name === 'search_path' ? `set ${name} to ${value}` : `set ${name} to '${value}'`),
  );
  return `create function ${HISTORY_SCHEMA}.record_${suffix}() returns trigger
       language plpgsql security definer ${settings.join(' ')}
     as $function$
     begin
       if tg_op = 'DELETE' then ${record('OLD', 'null')};
       else ${record('NEW', rowExpression(table, 'NEW'))};
       end if;
       ${notify(`''`)}
       return null;
     exception when others then
       begin
         ${notify('left(sqlerrm, 500)')}
       exception when others then null;
       end;
       return null;
     end $function$`;
}
