/**
 * retry_count never goes down and never passes max_retries; the restart alone did not use the retries up.
 *
 * Why: retries are a budget for failures. A deploy that spends them fails jobs that nothing is wrong with.
 * What would fool it: looking at the final count alone (a reset and a raise look like nothing); or forbidding every
 * raise: a system may rightly count a crash as an attempt. So a restart may cost one retry, not more, and not the last.
 */
import { finding } from '../findings.ts';
import { first, rowBefore } from '../history.ts';
import { judgement, type Criterion } from './criterion.ts';

export const retriesAccounted: Criterion = {
  id: 'retries-accounted',
  title: 'its retries were accounted for',
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
    const spent = count - firstCount;
    const restarts = Math.max(1, history.of('worker:gone').length);
    const end = rowBefore(facts.versions);
    const valid = (first(history, 'run:started')?.fileMode ?? 'valid') === 'valid';
    if (valid && spent > restarts) {
      return judgement('failed', finding('retries-burnt', { spent, restarts }));
    }
    if (valid && end?.state === 'failed' && end.maxRetries != null && count >= end.maxRetries && spent > 0) {
      return judgement('failed', finding('retries-burnt', { spent, restarts }));
    }
    return judgement('passed', finding('retries-counted', { count }));
  },
};
