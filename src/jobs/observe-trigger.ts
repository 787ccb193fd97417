/**
 * The lossless observer: a row trigger writes every version of the test rows into a table of its own and wakes the
 * harness by NOTIFY at the commit. As the history is a table, a connection of ours that breaks loses nothing.
 */
import type { StatusMapping } from '../config/settings.ts';
import type { Writer } from '../core/event.ts';
import type { Database } from './database.ts';
import { filesIn } from './files-in.ts';
import { followHistory } from './follow-history.ts';
import {
  HISTORY_SCHEMA,
  historyTable,
  makeHistory,
  removeHistory,
  type HistoryOptions,
} from './history-objects.ts';
import type { ObservedVersion, Observer, ObserverSink } from './observer.ts';
import { quoteLiteral } from './quote.ts';
import { toRowValues } from './row.ts';

export interface TriggerOptions extends HistoryOptions {
  readonly statuses: StatusMapping;
}

/**
 * Makes the trigger and starts to follow it. Nothing is left where that fails.
 * @throws Error with a reason for people (no privilege, a lock that was not to be had, a view): the caller falls back
 *   to polling
 */
export async function observeByTrigger(
  database: Database,
  options: TriggerOptions,
  sink: ObserverSink,
): Promise<Observer> {
  const notifies = await examine(database, options);
  try {
    await makeHistory(database, options, notifies);
  } catch (error) {
    throw new Error(reasonOf(error, options), { cause: error });
  }
  try {
    const read = historyReader(options, sink);
    return await followHistory(database, { suffix: options.suffix, notifies, read, failed: sink.failed });
  } catch (error) {
    await removeHistory(database, options.suffix).catch(() => undefined);
    throw error;
  }
}

/** @returns whether the trigger may notify */
async function examine(database: Database, { table }: TriggerOptions): Promise<boolean> {
  const { rows } = await database.query<{ version: number; prepared: string; queue: number }>(
    `select current_setting('server_version_num')::integer as version,
            current_setting('max_prepared_transactions') as prepared, pg_notification_queue_usage() as queue`,
  );
  const [server] = rows;
  if (server === undefined || server.version < 130_000) throw new Error('it needs PostgreSQL 13 or later');
  const unseen = Object.values(table.roles).find((column) => column.generated === 'virtual');
  if (unseen !== undefined) throw new Error(`a trigger does not see the virtual column "${unseen.name}"`);
  return server.prepared === '0' && server.queue < 0.5 && !database.pooled;
}

function reasonOf(error: unknown, { table }: TriggerOptions): string {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === '55P03') return `other transactions kept ${table.name} locked`;
  if (code === '42501')
    return `${text} (it takes CREATE on the database for the schema ${HISTORY_SCHEMA}, and TRIGGER on ${table.name})`;
  return text;
}

interface HistoryRow {
  readonly key: string;
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
  readonly horizon: string;
}

/**
 * Transactions do not become visible in the order in which they began, so what was seen is remembered, back to the
 * oldest transaction that was still open: whatever began before that one has been seen or will never be there.
 *
 * Versions of one row are in order: its writers wait for each other, so each looks at the clock after the one before
 * has committed; within one transaction the command's number decides between equal times.
 */
function historyReader(options: TriggerOptions, sink: ObserverSink) {
  const own = new Set(options.jobs);
  const seen = new Map<string, bigint>();
  let horizon = '0';
  return async (query: <Row extends object>(text: string) => Promise<readonly Row[]>): Promise<void> => {
    const known = [...seen.keys()].map(quoteLiteral).join(', ');
    const rows = await query<HistoryRow>(
      `select * from (
         select transaction_id::text || '.' || cmin::text as key, job, operation, transaction_id::text, backend_pid,
                (extract(epoch from backend_start) * 1000)::bigint::text as backend_start_ms,
                application_name, host(client_address) as client_address, client_port, at, cmin::text::bigint as command,
                (extract(epoch from at) * 1000)::bigint::text as at_ms, values, files,
                pg_snapshot_xmin(pg_current_snapshot())::text as horizon
           from ${historyTable(options.suffix)} where transaction_id >= ${quoteLiteral(horizon)}::xid8) h
        ${known === '' ? '' : `where not (key in (${known}))`} order by at, command`,
    );
    for (const row of rows) seen.set(row.key, BigInt(row.transaction_id));
    horizon = rows[0]?.horizon ?? horizon;
    for (const [key, transaction] of seen) if (transaction < BigInt(horizon)) seen.delete(key);
    for (const row of withoutMoves(rows)) {
      if (own.has(row.job)) sink.version(toVersion(row, options.statuses));
      else sink.stranger({ id: row.job, files: filesIn(row.files, options.token) });
    }
  };
}

/**
 * A row that is deleted and inserted again by one transaction was never away for anybody else: an update that moves it
 * to another partition, or a worker that replaces it.
 */
function withoutMoves(rows: readonly HistoryRow[]): readonly HistoryRow[] {
  const kept: HistoryRow[] = [];
  for (const row of rows) {
    const before = kept.findLastIndex((each) => each.job === row.job);
    const previous = kept[before];
    const moved =
      previous?.operation === 'delete' &&
      row.operation === 'insert' &&
      previous.transaction_id === row.transaction_id;
    if (moved) kept.splice(before, 1);
    kept.push(moved ? { ...row, operation: 'update' } : row);
  }
  return kept;
}

function toVersion(row: HistoryRow, statuses: StatusMapping): ObservedVersion {
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
