/**
 * The fallback observer: looks at the rows again and again. It sees states, not changes: what came and went between
 * two looks is lost, and nobody's name stands by a change. The report says so.
 */
import type { StatusMapping } from '../config/settings.ts';
import type { Database } from './database.ts';
import type { Observer, ObserverSink } from './observer.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { readRows } from './read-rows.ts';
import type { JobTable } from './table.ts';

const POLL_INTERVAL_MS = 50;

export interface PollOptions {
  readonly table: JobTable;
  readonly statuses: StatusMapping;
  readonly jobs: readonly string[];
}

export function observeByPolling(database: Database, options: PollOptions, sink: ObserverSink): Observer {
  const digests = new Map<string, string>();
  let closed = false;
  let lastFailure = '';

  const look = async (): Promise<void> => {
    if (closed) return;
    const { rows, databaseAtMs } = await readRows(database, options.table, options.statuses, options.jobs);
    lastFailure = '';
    for (const job of options.jobs) {
      const values = rows.get(job);
      const before = digests.get(job);
      if (values === undefined) {
        if (before === undefined) continue;
        digests.delete(job);
        sink.version({ job, operation: 'delete', values: null, databaseAtMs });
      } else if (values.digest !== before) {
        digests.set(job, values.digest);
        sink.version({ job, operation: before === undefined ? 'insert' : 'update', values, databaseAtMs });
      }
    }
  };
  const catchUp = oneAtATime(look);
  const timer = setInterval(() => {
    catchUp().catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      // One word for one trouble, however often it is met.
      if (!closed && reason !== lastFailure) sink.failed(reason);
      lastFailure = reason;
    });
  }, POLL_INTERVAL_MS);
  return {
    source: 'poll',
    catchUp,
    async [Symbol.asyncDispose]() {
      closed = true;
      clearInterval(timer);
      await catchUp().catch(() => undefined);
    },
  };
}
