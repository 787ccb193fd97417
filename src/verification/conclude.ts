/** What is counted and compared once the job has settled, before the history is judged. */
import { isTerminal } from '../core/event.ts';
import { changesOf, createHistory } from '../core/history.ts';
import { readRows, rowsCarrying } from '../jobs/read-rows.ts';
import { fileToken, createJob, type ReservedIds } from './prepare-job.ts';
import { triggerJob } from './trigger-job.ts';
import { readSubject } from './after-gone.ts';
import { record, subjectChanges, waitFor, type InFlight } from './context.ts';

export async function countRows(run: InFlight): Promise<void> {
  const rows = await rowsCarrying(run.database, run.table, fileToken(run));
  if (typeof rows === 'string') {
    record(run, { kind: 'note', code: 'rows-not-counted', text: rows });
    return;
  }
  const { id, role, files } = run.subject;
  const own = new Set(files);
  const carrying = rows
    .map((row) => ({ id: row.id, files: row.files.filter((file) => own.has(file)) }))
    .filter((row) => row.files.length > 0 || row.id === id);
  record(run, { kind: 'rows:counted', job: id, role, rows: carrying });
}

/**
 * Compares the row with its recorded versions: a trigger that did not fire (replica mode, a disabled trigger, TRUNCATE)
 * shows here, and what is there instead is recorded. A version that came while we looked is as good as the last one.
 */
export async function checkObservation(run: InFlight): Promise<void> {
  await run.observer.catchUp();
  const before = subjectChanges(run).length;
  const { rows } = await readRows(run.database, run.table, run.settings.jobs.statuses, [run.subject.id]);
  await run.observer.catchUp();
  const changes = subjectChanges(run);
  const there = rows.get(run.subject.id)?.digest;
  const complete = changes.slice(Math.max(0, before - 1)).some((version) => version.values?.digest === there);
  if (!complete) await readSubject(run);
  record(run, { kind: 'observer:checked', job: run.subject.id, complete, versions: changes.length });
}

/** @returns whether an end without a restart has to be known to judge this one */
export function needsControl(run: InFlight): boolean {
  const { control, fileMode } = run.settings;
  if (control === 'off') return false;
  if (control === 'always') return true;
  const state = subjectChanges(run).at(-1)?.values?.state;
  return fileMode === 'valid' && state !== undefined && isTerminal(state) && state !== 'completed';
}

/** The same job on the worker that is there now, without a restart. */
export async function runControl(run: InFlight, ids: ReservedIds): Promise<void> {
  const created = await createJob(run, ids, 'control');
  const control = await triggerJob(run, created);
  await waitFor(run, run.settings.terminalTimeoutMs, () => {
    const last = changesOf(createHistory(run.recorder.events), control.id).at(-1);
    return last !== undefined && (last.values === null || isTerminal(last.values.state)) ? true : undefined;
  });
}
