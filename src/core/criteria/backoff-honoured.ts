/**
 * Where the job fails and retries by itself: each retry is counted once and comes no earlier than its backoff; a
 * restart in between neither skips the wait nor loses the retry.
 *
 * Why: backoff protects whatever the job failed on. A restart that skips it turns a deploy into a stampede.
 * What would fool it: the clock of the looker (so the waits are measured between the times that the server noted for
 * the two writes), and a count that is raised when a job is taken up: that write ends a wait, it does not begin one.
 * A retry that has not come when the record breaks off, or that is still to fall due, is not lost.
 * What it cannot see: how long the wait should be, unless the settings say so (`retries`); then it is skipped. Under
 * polling, the moment of a write; so there it is lenient.
 */
import { isTerminal, type RowValues } from '../event.ts';
import { finding, type Finding } from '../findings.ts';
import { first, last, type History, type RowVersion } from '../history.ts';
import { dueAfterEnd } from '../redelivery.ts';
import type { RestartFacts } from '../restart.ts';
import { kindOfWrite } from '../take-over.ts';
import { judgement, type Criterion } from './criterion.ts';

/** Timers may fire a little early against the server's clock. */
const TOLERANCE_MS = 50;
/** A look that comes late makes a wait look shorter than it was. */
const POLLING_TOLERANCE_MS = 1_000;

export const backoffHonoured: Criterion = {
  id: 'backoff-honoured',
  title: 'retries kept their backoff',
  judge(history, facts) {
    const backoff = first(history, 'run:started')?.backoff ?? null;
    const waits = waitsOf(facts.changes);
    if (waits.length === 0) return judgement('skipped', finding('nothing-retried'));
    if (backoff === null) return judgement('skipped', finding('backoff-unknown', { retries: waits.length }));
    const polled = last(history, 'observer:started')?.source !== 'trigger';
    const toleranceMs = polled ? POLLING_TOLERANCE_MS : TOLERANCE_MS;
    const problems: Finding[] = [];
    for (const { retry, waitedMs, step } of waits) {
      const leastMs = backoff.baseMs * backoff.factor ** retry;
      if (step > 1) problems.push(finding('retry-counted-twice', { retry, step }));
      if (waitedMs !== null && waitedMs < leastMs - toleranceMs) {
        problems.push(finding('retried-too-early', { retry, waitedMs, leastMs }));
      }
    }
    if (problems.length > 0) return judgement('failed', ...problems);
    const pending = waits.find(({ waitedMs }) => waitedMs === null);
    if (pending === undefined) return judgement('passed', finding('backoff-kept', { retries: waits.length }));
    const doubt = doubtOfLoss(history, facts);
    return doubt === undefined
      ? judgement('failed', finding('retry-never-came', { retry: pending.retry }))
      : judgement('inconclusive', doubt);
  },
};

function doubtOfLoss(history: History, facts: RestartFacts): Finding | undefined {
  if (!facts.observedToEnd) return finding('history-breaks-off');
  const due = dueAfterEnd(history, facts);
  return due === undefined ? undefined : finding('not-due-yet', { due });
}

interface Wait {
  /** The retry that was waited for: 1 is the first. */
  readonly retry: number;
  /** From the write that counted it to the next pick-up; `null`: it never came. */
  readonly waitedMs: number | null;
  /** By how much the count was raised. */
  readonly step: number;
}

function waitsOf(changes: readonly RowVersion[]): readonly Wait[] {
  const waits: Wait[] = [];
  // From the end, so that what comes next is known: the next pick-up, or the end of the job.
  let next: RowVersion | undefined;
  const steps = changes.map((version, index) => ({ version, before: changes[index - 1]?.values }));
  for (const { version, before } of steps.toReversed()) {
    const retry = version.values?.retryCount ?? 0;
    const step = retry - (before?.retryCount ?? retry);
    const over = hasEnded(version) || isPickUp(version.values, before);
    // A job that ended while it waited (it was cancelled, it was given up) waits for nothing any more.
    if (step > 0 && !over && (next === undefined || !hasEnded(next))) {
      const waitedMs = next === undefined ? null : next.databaseAtMs - version.databaseAtMs;
      waits.push({ retry, waitedMs, step });
    }
    if (over) next = version;
  }
  return waits.toReversed();
}

/** Taken up: claimed anew, or its status put to work again. A status that says "waits for its retry" is none. */
function isPickUp(values: RowValues | null, before: RowValues | null | undefined): boolean {
  if (values?.state !== 'processing' || before == null) return false;
  const claimed = values.taskId != null && values.taskId !== before.taskId;
  const raised = (values.retryCount ?? 0) > (before.retryCount ?? 0);
  return claimed || (!raised && kindOfWrite(values, before) === 'work');
}

function hasEnded({ values }: RowVersion): boolean {
  return values === null || isTerminal(values.state);
}
