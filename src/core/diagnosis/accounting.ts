/** Why progress or retries do not add up. */
import type { Diagnose } from './diagnosis.ts';
import { isFailedByStalls, valuesOf } from './ended-wrongly.ts';

/** A new worker put the row back to pending when it started, and what was done was forgotten. */
export const resetAtBoot: Diagnose = (subject) => {
  const { struck, changes, attribute } = subject.facts;
  const forgotten = subject.found('progress-went-down') || subject.found('started-at-lost');
  const reset = changes.some(
    (version) => version.values?.state === 'pending' && (attribute(version)?.incarnation ?? 0) > struck,
  );
  return forgotten && reset ? {} : undefined;
};

export const progressReset: Diagnose = (subject) => {
  const dip = valuesOf(subject, 'progress-went-down');
  // A dip after the end is a write after the end.
  if (dip === undefined || resetAtBoot(subject) !== undefined || subject.found('changed-after-end')) {
    return undefined;
  }
  return { before: dip.before, after: dip.after };
};

export const progressMiscounted: Diagnose = (subject) => {
  const other = valuesOf(subject, 'ended-at-other-progress') ?? valuesOf(subject, 'progress-unusual');
  return other === undefined ? undefined : { progress: Math.round(other.progress) };
};

export const restartsBurnRetries: Diagnose = (subject) => {
  const burnt = valuesOf(subject, 'retries-burnt');
  if (burnt !== undefined) return { spent: burnt.spent, restarts: burnt.restarts };
  return isFailedByStalls(subject) ? { stalled: 1 } : undefined;
};

export const retriesMiscounted: Diagnose = (subject) =>
  subject.found('retries-went-down') ||
  subject.found('retries-over-limit') ||
  subject.found('retry-counted-twice')
    ? {}
    : undefined;

export const backoffLost: Diagnose = (subject) =>
  subject.found('retried-too-early') || subject.found('backoff-begun-anew') ? {} : undefined;
