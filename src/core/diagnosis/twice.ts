/** Why something was done twice, or by two at once. */
import { firstClaimAfter } from '../claims.ts';
import { findStallOfTheLiving } from '../redelivery.ts';
import { visibilityShorterThanWork } from './celery.ts';
import { effectAndMarkApart, fenceNotUnique, lockShorterThanWork, resumedTwice } from './claims.ts';
import type { Diagnose } from './diagnosis.ts';
import { isAfter } from '../history.ts';
import { valuesOf } from './ended-wrongly.ts';

export const effectsNotIdempotent: Diagnose = (subject) => {
  const repeated = subject.criteria
    .flatMap(({ evidence }) => evidence)
    .filter(({ code }) => code === 'effect-repeated');
  // Children that were made twice have done their work twice; and so have two that were at it at once.
  if (subject.found('further-children') || noFencing(subject) !== undefined) return undefined;
  const known = [effectAndMarkApart, fenceNotUnique, lockShorterThanWork, resumedTwice, recoveredLiveJob];
  if (repeated.length === 0 || known.some((cause) => cause(subject) !== undefined)) return undefined;
  return { items: repeated.length };
};

/**
 * A new worker claimed the job while the old one was at it and had not even been asked to stop; neither a lock nor a lease
 * of that one had ended.
 */
export const recoveredLiveJob: Diagnose = (subject) => {
  const { facts, history } = subject;
  const { begun, struck, changes, attribute } = facts;
  if (!subject.found('further-messages') && !subject.has('single-writer', 'failed')) return undefined;
  const started = history.of('worker:started').find(({ incarnation }) => incarnation > struck);
  if (begun === undefined || started === undefined) return undefined;
  const claim = firstClaimAfter(facts, started.seq);
  if (claim === null || claim.incarnation <= struck || (claim.beforeLeaseMs ?? -1) >= 0) return undefined;
  const inTime = changes.some(
    (version) => !isAfter(version, begun) && attribute(version)?.incarnation === claim.incarnation,
  );
  if (!inTime || findStallOfTheLiving(facts) !== undefined) return undefined;
  return visibilityShorterThanWork(subject) === undefined ? { incarnation: claim.incarnation } : undefined;
};

export const noFencing: Diagnose = (subject) => {
  const older = valuesOf(subject, 'older-wrote-after-newer');
  if (older !== undefined) return { older: older.older, newer: older.newer };
  return subject.found('older-claim-returned') ? { older: null, newer: null } : undefined;
};
