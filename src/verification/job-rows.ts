/** What is known of a job now: from the table, or, without access to it, from the API that made the job. */
import { readRows, rowsCarrying, type CarrierRow, type ReadRows } from '../jobs/read-rows.ts';
import { toRowValues } from '../jobs/row.ts';
import type { RowValues } from '../core/event.ts';
import type { Connected } from './context.ts';

/** @throws UserError `environment` when the API does not answer */
export async function readJobs(run: Connected, ids: readonly string[]): Promise<ReadRows> {
  const { database, table, settings, queue } = run;
  const { statuses } = settings.jobs;
  if (database !== null && table !== null) return readRows(database, table, statuses, ids);
  const rows = new Map<string, RowValues>();
  for (const id of ids) {
    const values = await queue.api?.read(id);
    if (values != null) rows.set(id, toRowValues(values, statuses));
  }
  return { rows, databaseAtMs: Math.round(run.recorder.wallClockMs()) };
}

/** The jobs that carry files with one of the texts, or the reason why nothing tells. */
export async function jobsCarrying(
  run: Connected,
  texts: readonly string[],
): Promise<readonly CarrierRow[] | string> {
  const { database, table, queue } = run;
  if (database !== null && table !== null) return rowsCarrying(database, table, texts);
  const list = await queue.api?.carrying(texts);
  if (list == null) {
    return 'there is no access to the database, and the API is not set up to list its jobs (queue.list)';
  }
  // Two are two, wherever the list ends; one may be one of several.
  return list.isPage && list.jobs.length < 2
    ? 'the API lists its jobs in pages, and a second one may lie on another: let queue.list.path ask for all of them'
    : list.jobs;
}
