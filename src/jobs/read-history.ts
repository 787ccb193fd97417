/** Reads what the trigger has recorded: each row once, a job's rows in the order in which they were written. */
import type { StatusMapping } from '../config/settings.ts';
import type { Writer } from '../core/event.ts';
import { historyTable } from './history-objects.ts';
import type { ObservedVersion } from './observer.ts';
import { quoteLiteral } from './quote.ts';
import { toRowValues } from './row.ts';

export interface HistoryRow {
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

export type QueryRows = <Row extends object>(text: string) => Promise<readonly Row[]>;

/**
 * Transactions do not become visible in the order in which they began, so what was seen is remembered, back to the
 * oldest transaction that was still open: whatever began before that one has been seen or will never be there.
 *
 * Versions of one row are in order: its writers wait for each other, so each looks at the clock after the one before
 * has committed; within one transaction the command's number decides between equal times.
 *
 * @returns a function that gives the rows that have become visible since it was called last
 */
export function historyReader(suffix: string): (query: QueryRows) => Promise<readonly HistoryRow[]> {
  const seen = new Map<string, bigint>();
  let horizon = '0';
  return async (query) => {
    const known = [...seen.keys()].map(quoteLiteral).join(', ');
    const rows = await query<HistoryRow>(
      `select * from (
         select transaction_id::text || '.' || cmin::text as key, job, operation, transaction_id::text, backend_pid,
                (extract(epoch from backend_start) * 1000)::bigint::text as backend_start_ms,
                application_name, host(client_address) as client_address, client_port, at, cmin::text::bigint as command,
                (extract(epoch from at) * 1000)::bigint::text as at_ms, values, files,
                pg_snapshot_xmin(pg_current_snapshot())::text as horizon
           from ${historyTable(suffix)} where transaction_id >= ${quoteLiteral(horizon)}::xid8) h
        ${known === '' ? '' : `where not (key in (${known}))`} order by at, command`,
    );
    for (const row of rows) seen.set(row.key, BigInt(row.transaction_id));
    horizon = rows[0]?.horizon ?? horizon;
    for (const [key, transaction] of seen) if (transaction < BigInt(horizon)) seen.delete(key);
    return withoutMoves(rows);
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

export function toVersion(row: HistoryRow, statuses: StatusMapping): ObservedVersion {
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
