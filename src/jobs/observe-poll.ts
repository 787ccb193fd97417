/**
 * The fallback observer: looks at the rows again and again. It sees states, not changes: what came and went between
 * two looks is lost, and nobody's name stands by a change. The report says so.
 */
import type { StatusMapping } from '../config/settings.ts';
import type { Database } from './database.ts';
import type { Observer, ObserverSink } from './observer.ts';
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
  let looking: Promise<void> = Promise.resolve();

  const look = async (): Promise<void> => {
    if (closed) return;
    const { rows, databaseAtMs } = await readRows(database, options.table, options.statuses, options.jobs);
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
  const catchUp = (): Promise<void> => {
    const next = looking.then(look, look);
    looking = next.catch(() => undefined);
    return next;
  };
  const timer = setInterval(() => {
    catchUp().catch((error: unknown) => {
      if (!closed) sink.failed(error instanceof Error ? error.message : String(error));
    });
  }, POLL_INTERVAL_MS);
  return {
    source: 'poll',
    catchUp,
    async [Symbol.asyncDispose]() {
      closed = true;
      clearInterval(timer);
      await looking;
    },
  };
}
