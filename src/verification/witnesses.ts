/**
 * Two small jobs beside the subject: one that has ended before the strike, which nothing may touch again, and one that
 * waits behind the subject, which must run, once. What a recovery does to them shows nowhere else.
 */
import type { BrokerState } from '../core/event.ts';
import { environmentError } from '../core/errors.ts';
import { changesOf, createHistory, unmappedStatus } from '../core/history.ts';
import { countEffectsOf } from './conclude.ts';
import { createJob, makeFiles, type ReservedIds } from './prepare-job.ts';
import { triggerJob } from './trigger-job.ts';
import { droppedTask, workerSays } from './worker-says.ts';
import {
  hasEnded,
  record,
  until,
  waitFor,
  type Connected,
  type JobOnHand,
  type Observing,
} from './context.ts';

/**
 * Runs the first witness to its end.
 * @throws UserError `not-picked-up` when no worker takes it: then none would take the subject either
 */
export async function runEndedWitness(run: Observing, ids: ReservedIds): Promise<void> {
  const job = await triggerJob(run, await createJob(run, ids, 'witness-ended'), ids);
  const { processingTimeoutMs, terminalTimeoutMs } = run.settings;
  const pickedUp = await waitFor(run, processingTimeoutMs, () => (isUntouched(run, job) ? undefined : true));
  if (pickedUp === undefined) {
    const state = await run.queue.inspect(job.message).catch(() => null);
    throw (
      droppedTask(run) ??
      environmentError(
        'not-picked-up',
        `no worker changed the row of the first test job within ${processingTimeoutMs / 1000} s${state === null ? '' : `; in the queue it is ${state.state}`}${because(run, state)}${workerSays(run)}`,
        state?.state === 'waiting'
          ? `compare the worker's queue name, prefix and database number with ${run.settings.queue.name} on this broker; raise --processing-timeout if it is busy with other jobs`
          : `let the worker write its progress into the table that is watched (${run.table?.name ?? 'by the API'}); see its log`,
      )
    );
  }
  const end = (): true | undefined => (hasEnded(run, job.id) ? true : undefined);
  const soonMs = Math.min(SOON_MS, terminalTimeoutMs);
  let ended = await waitFor(run, soonMs, end);
  if (ended === undefined) await refuseUnmappedEnd(run, job);
  ended ??= await until(run, terminalTimeoutMs - soonMs, ASK_AGAIN_MS, async () => {
    await refuseFailedForGood(run, job);
    return end();
  });
  if (ended === undefined) {
    const text = `the witness that should end before the strike did not end within ${terminalTimeoutMs / 1000} s`;
    record(run, { kind: 'note', code: 'witness-slow', text });
  }
  // What it has left before the strike is to be there after it.
  await countEffectsOf(run, [{ job: job.id, role: 'witness-ended' }]);
}

/** What the broker keeps as the reason why an attempt failed. */
function because({ redact }: Observing, state: BrokerState | null): string {
  const [reason = ''] = (state?.failedReason ?? '').split('\n');
  return reason === '' ? '' : ` (${redact(reason)})`;
}

/** @throws UserError `first-job-failed` where the broker has given up a job that its row does not know to have ended */
async function refuseFailedForGood(run: Observing, job: JobOnHand): Promise<void> {
  // Where it is meant to fail, what the row is told of it is for the criteria.
  if (run.settings.fileMode !== 'valid') return;
  const state = await run.queue.inspect(job.message).catch(() => null);
  if (state?.state !== 'dead' || hasEnded(run, job.id)) return;
  const status = changesOf(createHistory(run.recorder.events), job.id).at(-1)?.values?.status ?? 'unknown';
  throw environmentError(
    'first-job-failed',
    `the first test job failed for good in the queue${because(run, state)}, before anything was struck; its row says ${JSON.stringify(status)}${workerSays(run)}`,
    "let the payload be what the worker expects (queue.payload), and see the worker's log",
  );
}

const ASK_AGAIN_MS = 500;

/** A job of one file has mostly ended by then; if not, it may be the configuration that does not know its end. */
const SOON_MS = 5_000;

/** @throws UserError `status-not-mapped` where the broker has finished with a job whose status no mapping knows */
async function refuseUnmappedEnd(run: Observing, job: JobOnHand): Promise<void> {
  const status = unmappedStatus(changesOf(createHistory(run.recorder.events), job.id).at(-1)?.values);
  if (status === undefined) return;
  const message = await run.queue.inspect(job.message).catch(() => null);
  if (message === null || (message.state !== 'ended' && message.state !== 'gone')) return;
  throw environmentError(
    'status-not-mapped',
    `the worker left the first test job with the status ${JSON.stringify(status)}, which is in none of jobs.statuses`,
    'add the word to the state that it means, such as jobs.statuses.completed',
  );
}

/** What is there of the second witness before the subject is on its way. */
export interface PreparedWitness {
  readonly files: readonly string[];
  /** `null` where a row is its own message, and would be taken first. */
  readonly job: JobOnHand | null;
}

/** Makes as much of the second witness as can be made before: every moment from then on delays the strike. */
export async function prepareWaitingWitness(run: Observing, ids: ReservedIds): Promise<PreparedWitness> {
  const files = await makeFiles(run, 'witness-waiting');
  const job = run.queue.kind === 'none' ? null : await createJob(run, ids, 'witness-waiting', files);
  return { files, job };
}

/** Puts the second witness behind the subject. */
export async function submitWaitingWitness(
  run: Observing,
  ids: ReservedIds,
  { files, job }: PreparedWitness,
): Promise<JobOnHand> {
  return triggerJob(run, job ?? (await createJob(run, ids, 'witness-waiting', files)), ids);
}

/** Waits for the witness behind the subject, at most as long as the subject itself may take. */
export async function awaitWaitingWitness(run: Observing, witness: JobOnHand): Promise<void> {
  await waitFor(run, run.settings.terminalTimeoutMs, () => (hasEnded(run, witness.id) ? true : undefined));
}

function isUntouched(run: Connected, job: JobOnHand): boolean {
  // The first look at an API may come after the work.
  return changesOf(createHistory(run.recorder.events), job.id).every(
    ({ operation, values }) => operation === 'insert' && values?.state === 'pending',
  );
}
