/**
 * The lossless observer: a row trigger writes every version of the test rows into a table of its own and wakes the
 * harness by NOTIFY at the commit. As the history is a table, a connection of ours that breaks loses nothing.
 */
import type { StatusMapping } from '../config/settings.ts';
import { environmentError } from '../core/errors.ts';
import type { Database } from './database.ts';
import { filesOf } from './files-of.ts';
import { followHistory } from './follow-history.ts';
import {
  alsoRecord,
  HISTORY_SCHEMA,
  makeHistory,
  removeHistory,
  type HistoryOptions,
} from './history-objects.ts';
import type { Observer, ObserverSink } from './observer.ts';
import { historyReader, toVersion, type HistoryRow } from './read-history.ts';
import { readRows } from './read-rows.ts';
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
    return await observe(database, options, notifies, sink);
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

async function observe(
  database: Database,
  options: TriggerOptions,
  notifies: boolean,
  sink: ObserverSink,
): Promise<Observer> {
  const { suffix, table, statuses } = options;
  const own = new Set(options.jobs);
  /** Rows of jobs that may turn out to be the expected one. */
  let held: HistoryRow[] = [];
  let expecting = false;

  const give = (row: HistoryRow): void => {
    if (own.has(row.job)) sink.version(toVersion(row, statuses));
    else if (row.operation === 'insert') {
      sink.stranger({ id: row.job, files: filesOf(row.files, [options.token]) });
    }
  };
  const readNew = historyReader(suffix);
  const following = await followHistory(database, {
    suffix,
    notifies,
    async read(query) {
      for (const row of await readNew(query)) {
        if (expecting && !own.has(row.job)) held.push(row);
        else give(row);
      }
    },
    failed: sink.failed,
  });

  const release = (): void => {
    expecting = false;
    const rows = held;
    held = [];
    rows.forEach(give);
  };
  /**
   * The row does not carry the token, so nothing of it has been recorded. From now on it is; what it is by then is
   * read, unless a recorded version says the same.
   */
  const followById = async (job: string): Promise<void> => {
    try {
      await alsoRecord(database, options, job);
    } catch (error) {
      throw environmentError(
        'trigger-refused',
        `the job cannot be followed in ${table.name}: ${reasonOf(error, options)}`,
        'use --observe poll',
        error,
      );
    }
    const { rows, databaseAtMs } = await readRows(database, table, statuses, [job]);
    const values = rows.get(job);
    if (values === undefined) return;
    await following.catchUp();
    const recorded = held.some(
      (row) =>
        row.job === job && row.values !== null && toRowValues(row.values, statuses).digest === values.digest,
    );
    if (!recorded) sink.version({ job, operation: 'insert', values, databaseAtMs, source: 'poll' });
  };
  return {
    source: 'trigger',
    catchUp: following.catchUp,
    expect() {
      expecting = true;
    },
    async follow(job) {
      expecting = true;
      await following.catchUp();
      const complete = job !== null && held.some((row) => row.job === job && row.operation === 'insert');
      if (job !== null && !complete) await followById(job);
      if (job !== null) own.add(job);
      release();
      return complete;
    },
    lost: following.lost,
    [Symbol.asyncDispose]: following.end,
  };
}
