/**
 * Where the job fails and retries by itself: each retry is counted once and comes no earlier than its backoff; a
 * restart in between neither skips the wait nor loses the retry.
 *
 * Why: backoff protects whatever the job failed on. A restart that skips it turns a deploy into a stampede.
 * What would fool it: the clock of the looker (so the waits are measured between the times that the server noted for
 * the two writes), and a count that is raised when a job is taken up, or by a recovery that counts the restart as an
 * attempt: such a write ends a wait or has none, it does not begin one.
 * A wait that is longer than it need be is no fault (jitter, a busy worker), unless the restart made it begin anew: the
 * row's `last_retry_at` or the broker's due time moved, and a whole backoff was waited from there. Every further restart
 * would put the retry off again.
 * A retry that has not come when the record breaks off, or that is still to fall due, is not lost.
 * What it cannot see: how long the wait should be, unless the settings say so (`retries`); then only a retry that never
 * comes is judged. Under polling, the moment of a write, and an attempt that came and failed between two looks; so there
 * it is lenient.
 */
import { isTerminal, type EventOf, type RowValues } from '../event.ts';
import { finding, type Finding } from '../findings.ts';
import {
  first,
  isBefore,
  NEVER,
  type BrokerSnapshot,
  type History,
  type Recorded,
  type RowVersion,
} from '../history.ts';
import { dueAfterEnd } from '../redelivery.ts';
import type { RestartFacts } from '../restart.ts';
import { kindOfWrite } from '../take-over.ts';
import { isEveryChangeSeen, judgement, type Criterion } from './criterion.ts';

type Backoff = NonNullable<EventOf<'run:started'>['backoff']>;

/** Timers may fire a little early against the server's clock. */
const TOLERANCE_MS = 50;
/** A look that comes late makes a wait look shorter than it was. */
const POLLING_TOLERANCE_MS = 1_000;
/** A due time that moves by less was not begun anew. */
const NOTICEABLE_MS = 200;

export const backoffHonoured: Criterion = {
  id: 'backoff-honoured',
  title: 'retries kept their backoff',
  judge(history, facts) {
    const backoff = first(history, 'run:started')?.backoff ?? null;
    const polled = !isEveryChangeSeen(history);
    const waits = waitsOf(facts, polled);
    if (waits.length === 0) return judgement('skipped', finding('nothing-retried'));
    const problems = waits.flatMap(({ retry, step }) =>
      step > 1 ? [finding('retry-counted-twice', { retry, step })] : [],
    );
    if (backoff !== null) problems.push(...problemsOfTime(facts, waits, backoff, polled));
    if (problems.length > 0) return judgement('failed', ...problems);
    const pending = waits.find(({ waitedMs }) => waitedMs === null);
    if (pending !== undefined) {
      const doubt = doubtOfLoss(history, facts);
      return doubt === undefined
        ? judgement('failed', finding('retry-never-came', { retry: pending.retry }))
        : judgement('inconclusive', doubt);
    }
    return backoff === null
      ? judgement('skipped', finding('backoff-unknown', { retries: waits.length }))
      : judgement('passed', finding('backoff-kept', { retries: waits.length }));
  },
};

function problemsOfTime(
  facts: RestartFacts,
  waits: readonly Wait[],
  backoff: Backoff,
  polled: boolean,
): readonly Finding[] {
  const toleranceMs = polled ? POLLING_TOLERANCE_MS : TOLERANCE_MS;
  const interrupted = waits.findLast((wait) => isInterrupted(wait, facts));
  const fromZero = countsFromZero(waits, facts, backoff, toleranceMs);
  return waits.flatMap((wait) => {
    const { retry, waitedMs } = wait;
    if (waitedMs === null) return [];
    const leastMs = backoff.baseMs * backoff.factor ** (retry - (fromZero ? 1 : 0));
    const movedMs = wait === interrupted ? movedByRestart(wait, facts) : null;
    const anew = movedMs !== null && waitedMs >= movedMs + leastMs - toleranceMs;
    return [
      ...(waitedMs < leastMs - toleranceMs
        ? [finding('retried-too-early', { retry, waitedMs, leastMs })]
        : []),
      ...(anew ? [finding('backoff-begun-anew', { retry, waitedMs, leastMs })] : []),
    ];
  });
}

/**
 * Some wait `base * factor ** n` before retry n (what the settings say), others `base * factor ** (n - 1)`, BullMQ and
 * Celery among them. Which it is, is told by what the restart has no part in: a wait that it did not fall into, or the
 * due time that the broker had named before it.
 */
function countsFromZero(
  waits: readonly Wait[],
  facts: RestartFacts,
  { baseMs, factor }: Backoff,
  toleranceMs: number,
): boolean {
  const known = waits.flatMap((wait) => {
    const lengthMs = isInterrupted(wait, facts) ? plannedMs(wait, facts) : wait.waitedMs;
    return lengthMs === null ? [] : [{ retry: wait.retry, lengthMs }];
  });
  const least = (retry: number): number => baseMs * factor ** retry - toleranceMs;
  const fits = known.every(({ retry, lengthMs }) => lengthMs >= least(retry - 1) && lengthMs < least(retry));
  return known.length > 0 && fits;
}

/** How long the broker was to keep the job back, as it said before the restart. */
function plannedMs({ counted }: Wait, { snapshots, begun }: RestartFacts): number | null {
  const looks = snapshots.filter((look) => isBefore(counted, look) && isBefore(look, begun ?? NEVER));
  const [due] = dueTimes(looks);
  return due === undefined ? null : due.atMs - counted.atMs;
}

function doubtOfLoss(history: History, facts: RestartFacts): Finding | undefined {
  if (!facts.observedToEnd) return finding('history-breaks-off');
  const due = dueAfterEnd(history, facts);
  return due === undefined ? undefined : finding('not-due-yet', { due });
}

interface Wait {
  /** The retry that was waited for: 1 is the first. */
  readonly retry: number;
  /** From the write that counted it to the next pick-up, at most; `null`: it never came. */
  readonly waitedMs: number | null;
  /** By how much the count was raised. */
  readonly step: number;
  /** The write that counted it. */
  readonly counted: RowVersion;
  /** The pick-up, or the end of the job. */
  readonly until: Recorded;
}

function waitsOf(facts: RestartFacts, polled: boolean): readonly Wait[] {
  const { changes } = facts;
  const found: Wait[] = [];
  // From the end, so that what comes next is known: the next pick-up, or the end of the job.
  let next: RowVersion | undefined;
  const steps = changes.map((version, index) => ({ version, previous: changes[index - 1] }));
  for (const { version, previous } of steps.toReversed()) {
    const before = previous?.values;
    const retry = version.values?.retryCount ?? 0;
    const step = retry - (before?.retryCount ?? retry);
    const over = hasEnded(version) || isPickUp(version.values, before);
    // A job that ended while it waited (it was cancelled, it was given up) waits for nothing any more.
    const waits = step > 0 && !over && (next === undefined || !hasEnded(next));
    if (waits && isOwnFailure(version, previous, facts)) {
      const waitedMs = next === undefined ? null : next.databaseAtMs - version.databaseAtMs;
      found.push({ retry, waitedMs, step, counted: version, until: next ?? NEVER });
    }
    // A retry that was taken up and failed between two looks shows by the next one's count alone.
    if (over || (polled && step > 0)) next = version;
  }
  return found.toReversed();
}

/** A count that somebody raises who did not hold the job, or before anybody did, is none of an attempt that failed. */
function isOwnFailure(version: RowVersion, before: RowVersion | undefined, facts: RestartFacts): boolean {
  const { values } = version;
  if (before?.values?.state === 'pending' && values?.status === before.values.status) return false;
  const [holder, writer] = [before && facts.attribute(before), facts.attribute(version)];
  return holder == null || (writer ?? holder).incarnation === holder.incarnation;
}

/** The restart began while this was waited for. */
function isInterrupted({ counted, until }: Wait, { begun }: RestartFacts): boolean {
  return begun !== undefined && isBefore(counted, begun) && isBefore(begun, until);
}

/** By how much the restart put off the begin of the wait; `null`: it did not. */
function movedByRestart(
  { counted, until }: Wait,
  { changes, snapshots, begun }: RestartFacts,
): number | null {
  const within = (event: Recorded): boolean => isBefore(begun ?? NEVER, event) && isBefore(event, until);
  const noted = changes.find(
    (version) => within(version) && version.values?.lastRetryAt !== counted.values?.lastRetryAt,
  );
  const inRowMs = noted === undefined ? 0 : noted.databaseAtMs - counted.databaseAtMs;
  const delays = dueTimes(snapshots.filter((look) => isBefore(counted, look) && look.state === 'delayed'));
  const since = delays.filter(within);
  const before = delays.findLast((due) => isBefore(due, begun ?? NEVER)) ?? since[0];
  const inBrokerMs = since.reduce((most, { atMs }) => Math.max(most, atMs - (before?.atMs ?? atMs)), 0);
  const movedMs = Math.max(inRowMs, inBrokerMs);
  return movedMs < NOTICEABLE_MS ? null : movedMs;
}

function dueTimes(looks: readonly BrokerSnapshot[]): readonly (Recorded & { readonly atMs: number })[] {
  return looks.flatMap(({ seq, due }) => (due.kind === 'at' ? [{ seq, atMs: due.atMs }] : []));
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
