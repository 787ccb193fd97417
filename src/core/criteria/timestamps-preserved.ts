/**
 * created_at and started_at were set once and never changed or lost; completed_at is set at the end, not before;
 * created ≤ started ≤ completed.
 *
 * Why: durations, billing and "stuck since" alarms are computed from them; a second pick-up that sets started_at anew
 * hides the outage.
 * What would fool it: comparing only the value before and after (a reset between two looks), clocks that differ (the
 * worker's and the database's may be a little apart, so the order is judged with a tolerance; where the measured
 * distance explains it, it is said and not held against the worker), a time that an object mapper writes back with fewer
 * digits, and values that cannot be compared (a column without a zone beside one with, a mere date): said, not judged. A
 * job that ended without ever having been worked on was never started.
 */
import { isTerminal, type RowValues } from '../event.ts';
import { finding, type Finding } from '../findings.ts';
import { first, hasEnded, isAfter, rowBefore, type RowVersion } from '../history.ts';
import type { RestartFacts } from '../restart.ts';
import { isSameTime, parseTimestamp } from '../timestamps.ts';
import { clockShifts, isCreatedAtGuessed } from './clock-shift.ts';
import { judgement, type Criterion } from './criterion.ts';

/** Two machines' clocks may differ by this much without a timestamp being wrong. */
const CLOCK_TOLERANCE_MS = 2_000;

export const timestampsPreserved: Criterion = {
  id: 'timestamps-preserved',
  title: 'timestamps preserved',
  judge(history, facts) {
    const now = rowBefore(facts.versions) ?? lastVersion(facts.versions)?.values ?? undefined;
    if (now === undefined)
      return judgement('inconclusive', finding('never-observed', { job: facts.job ?? 'none' }));
    if (now.startedAt === undefined && now.completedAt === undefined) {
      return judgement('skipped', finding('no-timestamp-columns'));
    }
    const problems: Finding[] = [];
    const good: Finding[] = [];
    if (now.startedAt !== undefined) judgeStartedAt(facts, problems, good);
    if (!isCreatedAtGuessed(history, facts)) judgeCreatedAt(facts, problems);
    if (now.completedAt !== undefined) judgeCompletedAt(facts, now, problems, good);
    const comparable = isCreatedAtGuessed(history, facts) ? { ...now, createdAt: null } : now;
    judgeOrder(comparable, first(history, 'clock:measured')?.offsetMs ?? 0, problems, good);
    problems.push(...clockShifts(history, facts));
    if (problems.length > 0) return judgement('failed', ...problems);
    // Nothing was started and nothing has ended: there was nothing to preserve.
    if (now.startedAt === null && !isTerminal(now.state)) return judgement('inconclusive', ...good);
    return judgement('passed', ...good);
  },
};

/** The last version in which the row was there. */
function lastVersion(versions: readonly RowVersion[]): RowVersion | undefined {
  return versions.findLast((version) => version.values !== null);
}

function judgeStartedAt(facts: RestartFacts, problems: Finding[], good: Finding[]): void {
  let known: string | null = null;
  let previous: string | null = null;
  let kept = 0;
  for (const version of facts.versions) {
    const current = version.values?.startedAt;
    if (current === undefined) continue;
    if (known !== null && !isSameTime(current, previous) && !isSameTime(current, known)) {
      const incarnation = facts.attribute(version)?.incarnation ?? null;
      problems.push(
        current === null
          ? finding('started-at-lost', { before: known, incarnation })
          : finding('started-at-changed', { before: known, after: current, incarnation }),
      );
    }
    previous = current;
    if (current !== null) {
      known = current;
      kept += 1;
    }
  }
  if (known !== null) {
    good.push(finding('started-at-kept', { startedAt: known, versions: kept }));
  } else if (wasWorkedOn(facts.changes) && hasEnded(lastVersion(facts.versions))) {
    problems.push(finding('started-at-missing'));
  }
}

/** A job is made once: when it is taken up again it is not. */
function judgeCreatedAt({ versions, attribute }: RestartFacts, problems: Finding[]): void {
  let known: string | null = null;
  for (const version of versions) {
    const current = version.values?.createdAt ?? null;
    if (known !== null && current !== null && !isSameTime(current, known)) {
      const incarnation = attribute(version)?.incarnation ?? null;
      problems.push(finding('created-at-changed', { before: known, after: current, incarnation }));
      return;
    }
    known ??= current;
  }
}

function wasWorkedOn(changes: readonly RowVersion[]): boolean {
  return changes.some(({ values }) => values?.state === 'processing' || values?.state === 'completed');
}

function judgeCompletedAt(
  { versions }: RestartFacts,
  now: RowValues,
  problems: Finding[],
  good: Finding[],
): void {
  const { completedAt } = now;
  if (!isTerminal(now.state)) good.push(finding('completed-at-not-due'));
  else if (completedAt == null) problems.push(finding('completed-at-missing', { state: now.state }));
  else if (wasWorkedOnSince(versions, completedAt))
    problems.push(finding('completed-at-early', { completedAt }));
  else good.push(finding('completed-at-set', { completedAt }));
}

/** The time of the end stood in the row when it was still in processing, and files were done after that. */
function wasWorkedOnSince(versions: readonly RowVersion[], completedAt: string): boolean {
  const early = versions.find(
    ({ values }) => values?.state === 'processing' && isSameTime(values.completedAt, completedAt),
  );
  return (
    early !== undefined &&
    versions.some(
      (version) => isAfter(version, early) && (version.values?.progress ?? 0) > (early.values?.progress ?? 0),
    )
  );
}

/** @param offsetMs by how much the database's clock is ahead of this machine's, where the worker runs too */
function judgeOrder(now: RowValues, offsetMs: number, problems: Finding[], good: Finding[]): void {
  const order = [
    ['created_at', now.createdAt],
    ['started_at', now.startedAt],
    ['completed_at', isTerminal(now.state) ? now.completedAt : null],
  ] as const;
  const present = order.filter((entry): entry is [(typeof entry)[0], string] => entry[1] != null);
  for (const [index, [later, laterAt]] of present.entries()) {
    const previous = present[index - 1];
    if (previous === undefined) continue;
    const [earlier, earlierAt] = previous;
    const before = parseTimestamp(earlierAt);
    const after = parseTimestamp(laterAt);
    if (before === null || after === null || before.zoned !== after.zoned) {
      const zones = before !== null && after !== null;
      good.push(finding('timestamps-not-comparable', { earlier, later, zones }));
    } else if (after.epochMs < before.epochMs - CLOCK_TOLERANCE_MS) {
      const explained = after.epochMs >= before.epochMs - Math.abs(offsetMs) - CLOCK_TOLERANCE_MS;
      if (explained) good.push(finding('clocks-differ', { earlier, later, offsetMs }));
      else problems.push(finding('timestamps-out-of-order', { earlier, later, earlierAt, laterAt }));
    }
  }
}
