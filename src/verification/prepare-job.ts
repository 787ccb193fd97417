/** Step 2: the row and its observers. The observers are there before the row, so that no version of it is missed. */
import { join } from 'node:path';
import type { JobRole, Thing } from '../core/event.ts';
import { makeDummyFiles } from '../jobs/dummy-files.ts';
import { HISTORY_SCHEMA } from '../jobs/history-objects.ts';
import { insertJob } from '../jobs/insert.ts';
import { observeByPolling } from '../jobs/observe-poll.ts';
import { observeByTrigger } from '../jobs/observe-trigger.ts';
import type { Observer, ObserverSink } from '../jobs/observer.ts';
import { planRow, refuseUnfilled } from '../jobs/plan-row.ts';
import { environmentError } from '../core/errors.ts';
import { readRows, type ReadRows } from '../jobs/read-rows.ts';
import { reserveId } from '../jobs/reserve-id.ts';
import { record, type Connected, type JobOnHand } from './context.ts';
import { readJobs } from './job-rows.ts';

/**
 * How often rows are looked at where nothing tells of changes: the table, by its key (a clean-up at boot and the
 * redelivery that undoes it may be 50 ms apart), and an API, which is not ours to hammer.
 */
const TABLE_INTERVAL_MS = 15;
const API_INTERVAL_MS = 200;

/** Roles in the order in which their jobs are reserved; the control is only made where it can change the verdict. */
const ROLES: readonly JobRole[] = ['subject', 'witness-ended', 'witness-waiting', 'control'];

/** Where the service makes the rows itself, an id is added once the service has told it. */
export type ReservedIds = Map<JobRole, string>;

export async function reserveIds(run: Connected): Promise<ReservedIds> {
  const ids = new Map<JobRole, string>();
  const { database, table } = run;
  if (run.queue.api !== undefined || database === null || table === null) return ids;
  for (const role of ROLES) {
    ids.set(role, await reserveId(database, table, [...ids.values()]));
  }
  return ids;
}

/** A text that only the paths of this run's files contain. */
export function fileToken(run: { readonly id: string }): string {
  return `verify-restart-${run.id}`;
}

export async function startObserving(run: Connected, ids: ReservedIds): Promise<Observer> {
  const { database, table, settings, suffix } = run;
  const { statuses } = settings.jobs;
  const jobs = [...ids.values()];
  const sink = sinkOf(run, ids);
  if (database === null || table === null) {
    const read = (wanted: readonly string[]): Promise<ReadRows> => readJobs(run, wanted);
    const reason = `there is no access to the database; the API is asked (${run.queue.api?.statusCall ?? ''})`;
    record(run, { kind: 'observer:started', source: 'poll', reason, pooled: false });
    return observeByPolling({ read, jobs, intervalMs: API_INTERVAL_MS }, sink);
  }
  let reason = 'asked for with --observe poll';
  if (settings.observe !== 'poll') {
    // Also journalled when making it fails half way: removing what is not there is no error.
    const thing = { kind: 'history', table: table.sql, suffix } as const;
    record(run, { kind: 'made', thing });
    try {
      const observer = await observeByTrigger(
        database,
        {
          table,
          statuses,
          suffix,
          jobs,
          token: fileToken(run),
          madeByOthers: run.queue.api !== undefined,
        },
        sink,
      );
      record(run, { kind: 'observer:started', source: 'trigger', pooled: run.pooled });
      return observer;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      if (settings.observe === 'trigger') {
        throw environmentError(
          'trigger-refused',
          `the history trigger cannot be made on ${table.name}: ${reason}`,
          `grant the user TRIGGER on ${table.name} and CREATE on the database (schema ${HISTORY_SCHEMA}), or use --observe auto`,
          error,
        );
      }
    }
  }
  const read = (wanted: readonly string[]): Promise<ReadRows> => readRows(database, table, statuses, wanted);
  const observer = observeByPolling({ read, jobs, intervalMs: TABLE_INTERVAL_MS }, sink);
  record(run, { kind: 'observer:started', source: 'poll', reason, pooled: run.pooled });
  return observer;
}

function sinkOf(run: Connected, ids: ReservedIds): ObserverSink {
  const roleOf = (job: string): JobRole | undefined => [...ids].find(([, id]) => id === job)?.[0];
  return {
    version: (version) => {
      const role = roleOf(version.job);
      if (role === undefined) return;
      record(run, { kind: 'row:version', role, source: sourceOf(run), ...version });
    },
    stranger: ({ id, files }) => {
      const role = ROLES.find((name) => {
        const ofRole = new RegExp(`${fileToken(run)}[/-]${name}[/-]`);
        return files.some((file) => ofRole.test(file));
      });
      record(run, { kind: 'row:stranger', job: ids.get(role ?? 'subject') ?? '', id, files });
    },
    failed: (reason) =>
      record(run, { kind: 'note', code: 'observer-failed', text: `the observer failed: ${reason}` }),
  };
}

function sourceOf(run: Connected): 'trigger' | 'poll' {
  return run.recorder.latest('observer:started')?.source ?? 'trigger';
}

/** Where a job's row may lie at the end: in its table, or in the archive that it is moved to when it has ended. */
export function rowThings({ table, archive }: Connected, id: string): readonly Thing[] {
  return [table, archive]
    .filter((place) => place !== null)
    .map(({ sql, idColumn }) => ({ kind: 'row', table: sql, idColumn: idColumn.name, id }));
}

/**
 * Makes the files of one job. Witnesses have one, which can be read whatever the subject's are like: they are to end
 * soon.
 */
export function makeFiles(run: Connected, role: JobRole): Promise<readonly string[]> {
  const { settings } = run;
  const witness = role === 'witness-ended' || role === 'witness-waiting';
  return makeDummyFiles({
    folder: join(run.temporaryFolder, role),
    count: witness ? 1 : settings.files,
    mode: witness ? 'valid' : settings.fileMode,
    label: `${run.id} ${role}`,
  });
}

/**
 * Makes the row of one job, and its files, if they are not made yet; where the service makes the row itself, the files
 * alone. Everything is journalled before it is made.
 */
export async function createJob(
  run: Connected,
  ids: ReservedIds,
  role: JobRole,
  made?: readonly string[],
): Promise<JobOnHand> {
  const { settings, database, table } = run;
  const files = made ?? (await makeFiles(run, role));
  if (run.queue.api !== undefined || database === null || table === null) {
    return { id: '', role, files, message: { job: '', messageId: '' } };
  }
  const id = ids.get(role);
  if (id === undefined) throw new Error(`no id was reserved for the ${role}`);
  const planned = planRow(table, settings.jobs, { id, files });
  refuseUnfilled(table, settings.jobs, planned);
  for (const thing of rowThings(run, id)) record(run, { kind: 'made', thing });
  await insertJob(database, table, planned);
  const status = planned.values.get(table.statusColumn.name);
  record(run, {
    kind: 'job:created',
    job: id,
    role,
    status: typeof status === 'string' ? status : '',
    files,
    ...(planned.createdAtGuessed ? { createdAtGuessed: true } : {}),
  });
  return { id, role, files, message: { job: id, messageId: id } };
}
