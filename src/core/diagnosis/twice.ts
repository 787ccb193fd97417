/** Why something was done twice, or by two at once. */
import { effectAndMarkApart, fenceNotUnique, lockShorterThanWork, resumedTwice } from './claims.ts';
import type { Diagnose } from './diagnosis.ts';
import { valuesOf } from './ended-wrongly.ts';

export const effectsNotIdempotent: Diagnose = (subject) => {
  const repeated = subject.criteria
    .flatMap(({ evidence }) => evidence)
    .filter(({ code }) => code === 'effect-repeated');
  // Children that were made twice have done their work twice.
  if (subject.found('further-children')) return undefined;
  const known = [effectAndMarkApart, fenceNotUnique, lockShorterThanWork, resumedTwice];
  if (repeated.length === 0 || known.some((cause) => cause(subject) !== undefined)) return undefined;
  return { items: repeated.length };
};

export const noFencing: Diagnose = (subject) => {
  const older = valuesOf(subject, 'older-wrote-after-newer');
  if (older !== undefined) return { older: older.older, newer: older.newer };
  return subject.found('older-claim-returned') ? { older: null, newer: null } : undefined;
};
