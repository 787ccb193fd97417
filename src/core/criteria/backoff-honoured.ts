/**
 * Where the job fails and retries by itself: each retry is counted once and comes no earlier than its backoff; a
 * restart in between neither skips the wait nor loses the retry.
 *
 * Why: backoff protects whatever the job failed on. A restart that skips it turns a deploy into a stampede.
 * What would fool it: the clock of the looker. So the waits are measured between the times that the server noted for
 * the two writes, by one clock.
 * What it cannot see: how long the wait should be, unless the settings say so (`retries`); then it is skipped.
 */
import { claimIn } from '../claims.ts';
import { finding, type Finding } from '../findings.ts';
import { first } from '../history.ts';
import { judgement, type Criterion } from './criterion.ts';

/** Timers may fire a little early against the server's clock. */
const TOLERANCE_MS = 50;

export const backoffHonoured: Criterion = {
  id: 'backoff-honoured',
  title: 'its retries kept their backoff',
  judge(history, facts) {
    const backoff = first(history, 'run:started')?.backoff ?? null;
    const waits = waitsOf(facts.changes);
    if (waits.length === 0) return judgement('skipped', finding('nothing-retried'));
    if (backoff === null) return judgement('skipped', finding('backoff-unknown', { retries: waits.length }));
    const problems: Finding[] = [];
    for (const { retry, waitedMs, step } of waits) {
      const leastMs = backoff.baseMs * backoff.factor ** retry;
      if (step > 1) problems.push(finding('retry-counted-twice', { retry, step }));
      if (waitedMs !== null && waitedMs < leastMs - TOLERANCE_MS) {
        problems.push(finding('retried-too-early', { retry, waitedMs, leastMs }));
      }
    }
    const lost = waits.at(-1);
    if (lost?.waitedMs === null) problems.push(finding('retry-never-came', { retry: lost.retry }));
    if (problems.length > 0) return judgement('failed', ...problems);
    return judgement('passed', finding('backoff-kept', { retries: waits.length }));
  },
};

interface Wait {
  /** The retry that was waited for: 1 is the first. */
  readonly retry: number;
  /** From the write that counted it to the next pick-up; `null`: it never came. */
  readonly waitedMs: number | null;
  /** By how much the count was raised. */
  readonly step: number;
}

type Versions = Parameters<Criterion['judge']>[1]['changes'];

function waitsOf(changes: Versions): readonly Wait[] {
  const waits: Wait[] = [];
  for (const [index, version] of changes.entries()) {
    const before = changes[index - 1]?.values?.retryCount;
    const now = version.values?.retryCount;
    if (before == null || now == null || now <= before) continue;
    // The count may be raised in the write that fails the attempt, or in the one that picks it up again.
    const claimed = changes.slice(index + 1).find((later) => isPickUp(version, later));
    const ended = changes.at(-1)?.values;
    if (claimed === undefined && (ended?.state === 'failed' || ended?.state === 'completed')) continue;
    waits.push({
      retry: now,
      waitedMs: claimed === undefined ? null : claimed.databaseAtMs - version.databaseAtMs,
      step: now - before,
    });
  }
  return waits;
}

/** A claim that is another than the one that failed; without such a column, a status that is worked on again. */
function isPickUp(failed: Versions[number], later: Versions[number]): boolean {
  const { values } = later;
  if (values?.owner !== undefined || values?.taskId !== undefined) {
    const claim = claimIn(values);
    return claim !== null && claim !== claimIn(failed.values);
  }
  return values?.state === 'processing' && values.status !== failed.values?.status;
}
