/**
 * retry_count never goes down and never passes max_retries; the restart alone did not use the retries up.
 *
 * Why: retries are a budget for failures. A deploy that spends them fails jobs that nothing is wrong with.
 * What would fool it: looking at the final count alone (a reset and a raise look like nothing); forbidding every raise
 * (a system may rightly count a crash as an attempt); or blaming the restart for retries of the job's own: what counts
 * is what was added between the strike and the write that takes the job over. A restart may cost one retry, not more,
 * and not the last, unless the job fails without one too.
 * What it cannot see: under polling, a count that went down and up between two looks. So it passes with the trigger alone.
 */
import { finding } from '../findings.ts';
import {
  first,
  isBefore,
  jobInRole,
  rowBefore,
  versionsOf,
  type History,
  type RowVersion,
} from '../history.ts';
import type { RestartFacts } from '../restart.ts';
import { judgement, passedIfAllWasSeen, type Criterion } from './criterion.ts';

export const retriesAccounted: Criterion = {
  id: 'retries-accounted',
  title: 'retries accounted for',
  judge(history, facts) {
    const counted = facts.changes.filter((version) => version.values?.retryCount != null);
    const firstCount = counted[0]?.values?.retryCount;
    if (firstCount == null) return judgement('skipped', finding('no-retry-column'));
    let count = firstCount;
    for (const version of counted) {
      const now = version.values?.retryCount ?? count;
      const most = version.values?.maxRetries;
      const incarnation = facts.attribute(version)?.incarnation ?? null;
      if (now < count)
        return judgement('failed', finding('retries-went-down', { before: count, after: now, incarnation }));
      if (most != null && now > most)
        return judgement('failed', finding('retries-over-limit', { count: now, most }));
      count = now;
    }
    const restarts = Math.max(1, history.of('worker:gone').length);
    const spent = spentByRestarts(facts, counted, restarts);
    const valid = (first(history, 'run:started')?.fileMode ?? 'valid') === 'valid';
    if (valid && (spent > restarts || (spent > 0 && tookTheLast(history, facts)))) {
      return judgement('failed', finding('retries-burnt', { spent, restarts }));
    }
    return passedIfAllWasSeen(
      history,
      'a count that went down and up between two looks',
      finding('retries-counted', { count }),
    );
  },
};

function spentByRestarts(facts: RestartFacts, counted: readonly RowVersion[], restarts: number): number {
  const { begun, takeOver } = facts;
  if (begun === undefined) return 0;
  const before = counted.findLast((version) => isBefore(version, begun))?.values?.retryCount;
  // Of several restarts only the first take-over is known: then all that was added counts.
  const until = takeOver === undefined || restarts > 1 ? Number.POSITIVE_INFINITY : takeOver.version.seq;
  const after = counted.findLast((version) => version.seq <= until)?.values?.retryCount;
  return (after ?? 0) - (before ?? 0);
}

/** The job failed with its retries used up, and does not fail without a restart. */
function tookTheLast(history: History, facts: RestartFacts): boolean {
  const end = rowBefore(facts.versions);
  if (end?.state !== 'failed' || end.maxRetries == null || (end.retryCount ?? 0) < end.maxRetries)
    return false;
  const control = jobInRole(history, 'control');
  return rowBefore(versionsOf(history, control))?.state !== 'failed';
}
