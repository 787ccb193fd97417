/**
 * started_at was set once and never changed or lost; completed_at is set at the end; created ≤ started ≤ completed.
 *
 * Why: durations, billing and "stuck since" alarms are computed from them; a second pick-up that sets started_at anew
 * hides the outage.
 * What would fool it: comparing only the value before and after (a reset between two looks), clocks that differ (the
 * worker's and the database's may be a little apart, so the order is judged with a tolerance), and a column without
 * a zone beside one with (not comparable: said, not judged).
 */
import { isTerminal, type RowValues } from '../event.ts';
import { finding, type Finding } from '../findings.ts';
import { rowBefore, type RowVersion } from '../history.ts';
import type { RestartFacts } from '../restart.ts';
import { clockShifts } from './clock-shift.ts';
import { judgement, type Criterion } from './criterion.ts';

/** Two machines' clocks may differ by this much without a timestamp being wrong. */
const CLOCK_TOLERANCE_MS = 2_000;

export const timestampsPreserved: Criterion = {
  id: 'timestamps-preserved',
  title: 'its timestamps were preserved',
  judge(history, facts) {
    const now = rowBefore(facts.versions) ?? lastRow(facts.versions);
    if (now === undefined)
      return judgement('inconclusive', finding('never-observed', { job: facts.job ?? 'none' }));
    if (now.startedAt === undefined && now.completedAt === undefined) {
      return judgement('skipped', finding('no-timestamp-columns'));
    }
    const problems: Finding[] = [];
    const good: Finding[] = [];
    if (now.startedAt !== undefined) judgeStartedAt(facts, now, problems, good);
    if (now.completedAt !== undefined) judgeCompletedAt(now, problems, good);
    judgeOrder(now, problems, good);
    problems.push(...clockShifts(history, facts));
    if (problems.length > 0) return judgement('failed', ...problems);
    // Nothing was started and nothing has ended: there was nothing to preserve.
    if (now.startedAt === null && !isTerminal(now.state)) return judgement('inconclusive', ...good);
    return judgement('passed', ...good);
  },
};

function lastRow(versions: readonly RowVersion[]): RowValues | undefined {
  return versions.findLast((version) => version.values !== null)?.values ?? undefined;
}

function judgeStartedAt(facts: RestartFacts, now: RowValues, problems: Finding[], good: Finding[]): void {
  let before: string | null = null;
  let kept = 0;
  for (const version of facts.versions) {
    const current = version.values?.startedAt;
    if (current === undefined) continue;
    if (before !== null && current !== before) {
      const incarnation = facts.attribute(version)?.incarnation ?? null;
      problems.push(
        current === null
          ? finding('started-at-lost', { before, incarnation })
          : finding('started-at-changed', { before, after: current, incarnation }),
      );
    }
    if (current !== null) {
      before = current;
      kept += 1;
    }
  }
  if (before === null) {
    if (isTerminal(now.state) && now.state !== 'cancelled') problems.push(finding('started-at-missing'));
  } else if (problems.length === 0) {
    good.push(finding('started-at-kept', { startedAt: before, versions: kept }));
  }
}

function judgeCompletedAt(now: RowValues, problems: Finding[], good: Finding[]): void {
  if (!isTerminal(now.state)) good.push(finding('completed-at-not-due'));
  else if (now.completedAt == null) problems.push(finding('completed-at-missing', { state: now.state }));
  else good.push(finding('completed-at-set', { completedAt: now.completedAt }));
}

function judgeOrder(now: RowValues, problems: Finding[], good: Finding[]): void {
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
    if (hasZone(earlierAt) !== hasZone(laterAt)) {
      good.push(finding('timestamps-not-comparable', { earlier, later }));
    } else if (epochMs(laterAt) < epochMs(earlierAt) - CLOCK_TOLERANCE_MS) {
      problems.push(finding('timestamps-out-of-order', { earlier, later, earlierAt, laterAt }));
    }
  }
}

function hasZone(timestamp: string): boolean {
  return /(?:Z|[+-]\d\d(?::?\d\d)?)$/.test(timestamp);
}

/** Without a zone both sides are read as UTC, which is right for a comparison of two such columns. */
function epochMs(timestamp: string): number {
  return Date.parse(hasZone(timestamp) ? timestamp : `${timestamp}Z`);
}
