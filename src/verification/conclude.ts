/** What is counted and compared once the job has settled, before the history is judged. */
import { environmentError } from '../core/errors.ts';
import { otherProgress } from '../core/criteria/same-outcome.ts';
import { effectsOf } from '../core/effects.ts';
import { isTerminal, type JobRole } from '../core/event.ts';
import { readSubject } from './after-gone.ts';
import type { RowVersion } from '../core/history.ts';
import { restartFacts } from '../core/restart.ts';
import { isTimeInDoubt } from '../core/work-time.ts';
import { readRows } from '../jobs/read-rows.ts';
import { jobsCarrying, readJobs } from './job-rows.ts';
import { isWorthATry } from './next-boot.ts';
import { fileToken, createJob, type ReservedIds } from './prepare-job.ts';
import type { Database } from '../jobs/database.ts';
import { triggerJob } from './trigger-job.ts';
import {
  hasEnded,
  record,
  subjectChanges,
  until,
  waitFor,
  type Connected,
  type InFlight,
} from './context.ts';

export async function countRows(run: InFlight): Promise<void> {
  const { id, role, files } = run.subject;
  if (run.queue.api !== undefined && files.length === 0) return;
  const rows = await jobsCarrying(run, run.queue.api === undefined ? [fileToken(run)] : files);
  if (typeof rows === 'string' && run.database !== null) {
    record(run, { kind: 'note', code: 'rows-not-counted', text: rows });
    return;
  }
  if (typeof rows === 'string' || (run.database === null && !rows.some((row) => row.id === id))) {
    const reason =
      typeof rows === 'string'
        ? rows
        : 'there is no access to the database, and the list of the API does not show the job itself';
    record(run, { kind: 'rows:not-counted', job: id, reason });
    return;
  }
  const own = new Set(files);
  const carrying = rows
    .map((row) => ({ id: row.id, files: row.files.filter((file) => own.has(file)) }))
    .filter((row) => row.files.length > 0 || row.id === id);
  record(run, { kind: 'rows:counted', job: id, role, rows: carrying });
}

/** Looks in the archive for the jobs whose row is gone from the table. */
export async function lookInArchive(run: InFlight): Promise<void> {
  const { database, archive } = run;
  if (database === null || archive === null) return;
  const history = run.recorder.history();
  const gone = history
    .of('job:created')
    .filter(({ job }) => recordedChanges(run, job).at(-1)?.values === null);
  const ids = gone.map(({ job }) => job);
  const { rows } = await readRows(database, archive, run.settings.jobs.statuses, ids);
  for (const { job, role } of gone) {
    const values = rows.get(job);
    if (values !== undefined) record(run, { kind: 'row:archived', job, role, values });
  }
}

/** What the broker keeps of the job besides its message. A broker that does not answer is told of by its other answers. */
export async function lookForLeftovers(run: InFlight): Promise<void> {
  const { id, role, message } = run.subject;
  const leftovers = await run.queue.leftovers?.(message).catch(() => undefined);
  if (leftovers !== undefined) record(run, { kind: 'broker:leftovers', job: id, role, leftovers });
}

/**
 * Counts what the items of every job left behind, by the user's own query.
 * The query gives an item (the file's path as it was submitted) and how often it is there, with the job's id as `$1`.
 */
export async function countEffects(run: InFlight): Promise<void> {
  await countEffectsOf(run, run.recorder.history().of('job:created'));
  // What is on its way is not lost: the one is told from the other by waiting for it.
  const isWhole = (): boolean =>
    (effectsOf(run.recorder.history(), run.subject.id)?.missing.length ?? 0) === 0;
  if (subjectChanges(run).at(-1)?.values?.state !== 'completed' || isWhole()) return;
  await until(run, ON_ITS_WAY_MS, ON_ITS_WAY_INTERVAL_MS, async () => {
    await countEffectsAtEnd(run);
    return isWhole() ? true : undefined;
  });
}

/** How long an effect may come after the end to be told from one that never comes. */
const ON_ITS_WAY_MS = 3_000;
const ON_ITS_WAY_INTERVAL_MS = 500;

/** … of the subject, as soon as its end is seen: what comes later was not there when the row said that all is done. */
export async function countEffectsAtEnd(run: InFlight): Promise<void> {
  await countEffectsOf(run, [{ job: run.subject.id, role: run.subject.role }]);
}

/** Of some jobs. */
export async function countEffectsOf(
  run: Connected,
  jobs: readonly { readonly job: string; readonly role: JobRole }[],
): Promise<void> {
  const sql = run.settings.effectsSql;
  if (sql === null || run.database === null) return;
  for (const { job, role } of jobs) {
    const effects = await queryEffects(run.database, sql, job);
    record(run, { kind: 'effects:counted', job, role, source: 'query', effects });
  }
}

/**
 * Runs the effects query for a job that does not exist yet: a mistake in it must not cost a whole run.
 * @throws UserError `effects-query`
 */
export async function checkEffectsQuery(run: Connected, ids: ReservedIds): Promise<void> {
  const sql = run.settings.effectsSql;
  const id = ids.get('subject');
  if (sql === null || id === undefined || run.database === null) return;
  try {
    await queryEffects(run.database, sql, id);
  } catch (error) {
    throw environmentError(
      'effects-query',
      `the effects query fails: ${error instanceof Error ? error.message : String(error)}`,
      "correct effects.sql in the config file: it takes the job's id as $1 and gives file and count",
      error,
    );
  }
}

async function queryEffects(database: Database, sql: string, job: string) {
  const { rows } = await database.query<Record<string, unknown>>(sql, [job]);
  return rows.map((row) => {
    const [item, count] = Object.values(row);
    return { item: String(item), count: Number(count ?? 1) };
  });
}

/**
 * Compares the row with its recorded versions: a trigger that did not fire (replica mode, a disabled trigger, TRUNCATE)
 * shows here, and what is there instead is recorded. A version that came while we looked is as good as the last one.
 */
export async function checkObservation(run: InFlight): Promise<void> {
  await run.observer.catchUp();
  const before = recordedChanges(run, run.subject.id).length;
  const { rows } = await readJobs(run, [run.subject.id]);
  await run.observer.catchUp();
  const changes = recordedChanges(run, run.subject.id);
  const there = rows.get(run.subject.id)?.digest;
  const complete = changes.slice(Math.max(0, before - 1)).some((version) => version.values?.digest === there);
  if (!complete) await readSubject(run);
  record(run, { kind: 'observer:checked', job: run.subject.id, complete, versions: changes.length });
}

/** As they were recorded: what the history makes of them (an end by deletion, say) does not lie in the table. */
function recordedChanges(run: InFlight, of: string): readonly RowVersion[] {
  return run.recorder
    .history()
    .of('row:version')
    .filter(({ job, source }) => job === of && source !== 'read');
}

/** Who hears of a job when it is submitted takes it at once; who has to look for it has long left another alone. */
const TAKEN_AT_ONCE_MS = 2_000;

/** @returns whether it has to be known what becomes of a job without a restart, to judge this one or to tell the cause */
export function needsControl(run: InFlight): boolean {
  const { control, fileMode } = run.settings;
  if (control === 'off') return false;
  if (control === 'always') return true;
  const expected = fileMode === 'valid' ? 'completed' : 'failed';
  const state = subjectChanges(run).at(-1)?.values?.state;
  if (state !== undefined && isTerminal(state) && state !== expected) return true;
  const history = run.recorder.history();
  const facts = restartFacts(history);
  return isTimeInDoubt(history, facts) || otherProgress(history, facts) !== undefined || isNothingTaken(run);
}

/** A new worker is there, and neither the subject nor the job that waits was touched. */
function isNothingTaken(run: InFlight): boolean {
  const waiting = run.witness === null ? undefined : recordedChanges(run, run.witness.id).at(-1);
  return waiting?.values?.state === 'pending' && isWorthATry(run);
}

/** The same job on the worker that is there now, without a restart. Where that takes nothing, it is not waited for. */
export async function runControl(run: InFlight, ids: ReservedIds): Promise<void> {
  const created = await createJob(run, ids, 'control');
  const control = await triggerJob(run, created, ids);
  const isTaken = (): true | undefined =>
    recordedChanges(run, control.id).some(({ values }) => values?.state !== 'pending') ? true : undefined;
  if (isNothingTaken(run) && (await waitFor(run, TAKEN_AT_ONCE_MS, isTaken)) === undefined) return;
  await waitFor(run, run.settings.terminalTimeoutMs, () => (hasEnded(run, control.id) ? true : undefined));
}
