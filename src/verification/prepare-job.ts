/** Step 2: the row and its observers. The observers are there before the row, so that no version of it is missed. */
import { join } from 'node:path';
import type { JobRole } from '../core/event.ts';
import { makeDummyFiles } from '../jobs/dummy-files.ts';
import { insertJob, planRow, refuseUnfilled, reserveId } from '../jobs/insert.ts';
import { observeByPolling } from '../jobs/observe-poll.ts';
import { HISTORY_SCHEMA, observeByTrigger } from '../jobs/observe-trigger.ts';
import type { Observer, ObserverSink } from '../jobs/observer.ts';
import { environmentError } from '../core/errors.ts';
import { record, type Connected, type JobOnHand } from './context.ts';

/** Roles in the order in which their jobs are reserved; the control is only made where it can change the verdict. */
const RESERVED: readonly JobRole[] = ['subject', 'witness-ended', 'witness-waiting', 'control'];

export type ReservedIds = ReadonlyMap<JobRole, string>;

export async function reserveIds(run: Connected): Promise<ReservedIds> {
  const ids = new Map<JobRole, string>();
  for (const role of RESERVED) {
    let id = await reserveId(run.database, run.table);
    // Without a sequence the next free number is the same until a row takes it.
    if ([...ids.values()].includes(id)) id = String(BigInt(id) + BigInt(ids.size));
    ids.set(role, id);
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
  let reason = 'asked for with --observe poll';
  if (settings.observe !== 'poll') {
    // Also journalled when making it fails half way: removing what is not there is no error.
    const thing = { kind: 'history', table: table.sql, suffix } as const;
    record(run, { kind: 'made', thing });
    try {
      const observer = await observeByTrigger(
        database,
        { table, statuses, suffix, jobs, token: fileToken(run) },
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
  const observer = observeByPolling(database, { table, statuses, jobs }, sink);
  record(run, { kind: 'observer:started', source: 'poll', reason, pooled: run.pooled });
  return observer;
}

function sinkOf(run: Connected, ids: ReservedIds): ObserverSink {
  const roles = new Map([...ids].map(([role, id]) => [id, role]));
  return {
    version: (version) => {
      const role = roles.get(version.job);
      if (role === undefined) return;
      record(run, { kind: 'row:version', role, source: sourceOf(run), ...version });
    },
    stranger: ({ id, files }) => {
      const role = [...ids.keys()].find((name) =>
        files.some((file) => file.includes(`${fileToken(run)}/${name}/`)),
      );
      record(run, { kind: 'row:stranger', job: ids.get(role ?? 'subject') ?? '', id, files });
    },
    failed: (reason) =>
      record(run, { kind: 'note', code: 'observer-failed', text: `the observer failed: ${reason}` }),
  };
}

function sourceOf(run: Connected): 'trigger' | 'poll' {
  return run.recorder.latest('observer:started')?.source ?? 'trigger';
}

/**
 * Makes the files and the row of one job. Everything is journalled before it is made. Witnesses have one file, which
 * can be read whatever the subject's are like: they are to end soon.
 */
export async function createJob(run: Connected, ids: ReservedIds, role: JobRole): Promise<JobOnHand> {
  const { settings, table } = run;
  const id = ids.get(role);
  if (id === undefined) throw new Error(`no id was reserved for the ${role}`);
  const witness = role === 'witness-ended' || role === 'witness-waiting';
  const files = await makeDummyFiles({
    folder: join(run.temporaryFolder, role),
    count: witness ? 1 : settings.files,
    mode: witness ? 'valid' : settings.fileMode,
    label: `${run.id} ${role}`,
  });
  const planned = planRow(table, settings.jobs, { id, files });
  refuseUnfilled(table, planned);
  record(run, { kind: 'made', thing: { kind: 'row', table: table.sql, idColumn: table.idColumn.name, id } });
  await insertJob(run.database, table, planned);
  const status = planned.values.get(table.statusColumn.name);
  record(run, {
    kind: 'job:created',
    job: id,
    role,
    status: typeof status === 'string' ? status : '',
    files,
  });
  return { id, role, files, message: { job: id, messageId: id } };
}
