/**
 * Whether the rest of a job was done faster than anybody can have done it.
 *
 * A handler that is handed the job again, finds it in processing and marks it completed writes what an honest one
 * writes. What tells them apart without a look at the effects is time: how long an item takes is known from the worker
 * that was struck, else from the witness that had ended before. Several items in half of the time of one is no work,
 * also of a worker that does them side by side. What is completed claims every item, whatever its progress says. Where
 * no progress tells how far the struck worker had come, the control does: the same job without a restart.
 */
import { databaseClock } from './database-clock.ts';
import { isDeliveredSince } from './deliveries.ts';
import { effectsOf } from './effects.ts';
import { changesOf, jobInRole, rowBefore, type Ended, type History, type RowVersion } from './history.ts';
import { findRedelivery } from './redelivery.ts';
import type { RestartFacts } from './restart.ts';
import { itemsBetween, kindOfWrite } from './take-over.ts';

/** Of the time that a job takes without a restart, the old and the new worker together need this much at least. */
const PLAUSIBLE_PART = 0.75;

/** The end, if it claims several items in less time than one of them takes, and no effects were counted that would settle it. */
export function endTooSoon(history: History, facts: RestartFacts): Ended | undefined {
  const { end, begun } = facts;
  if (end === undefined || begun === undefined || !restsOnTime(history, facts)) return undefined;
  return isTooSoon(history, facts, end, begun) ? end : undefined;
}

function isTooSoon(history: History, facts: RestartFacts, end: Ended, begun: Moment): boolean {
  const spans = spansOfWork(history, facts, end, begun);
  const ownMs = itemTimeMs(facts, begun.seq);
  if (ownMs !== undefined) {
    return spans.some(
      ({ sinceSeq, forMs }) =>
        forMs < ownMs / 2 &&
        itemsBetween(rowBefore(facts.changes, sinceSeq), { progress: 100 }, facts.items) > 1,
    );
  }
  // How many items the struck worker had done is not known: none, where it had no time for any.
  const itemMs = timeInWork(history, 'witness-ended', begun.seq);
  if (itemMs === undefined || facts.items < 2) return false;
  const strucksMs = workOfStruckMs(facts, end, begun);
  if (strucksMs === undefined || strucksMs >= itemMs / 2) return false;
  return isByStruck(facts, end) || spans.some(({ forMs }) => forMs < itemMs / 2);
}

/** The old and the new worker together had too little time for what the same job takes without a restart. */
export function soonerThanControl(
  history: History,
  facts: RestartFacts,
): { readonly bothMs: number; readonly controlMs: number } | undefined {
  if (!isTimeInDoubt(history, facts)) return undefined;
  const bothMs = workOfBothMs(history, facts);
  const controlMs = timeInWork(history, 'control');
  if (bothMs === undefined || controlMs === undefined) return undefined;
  return bothMs < controlMs * PLAUSIBLE_PART ? { bothMs, controlMs } : undefined;
}

/**
 * Nothing but time tells whether the rest was done, and by the witness it was little of it: how long the same job takes
 * without a restart would settle it. (It may take less than its items one after the other.)
 */
export function isTimeInDoubt(history: History, facts: RestartFacts): boolean {
  const { end, begun } = facts;
  if (end === undefined || begun === undefined || !restsOnTime(history, facts)) return false;
  if (itemTimeMs(facts, begun.seq) !== undefined) return false;
  const itemMs = timeInWork(history, 'witness-ended', begun.seq);
  const bothMs = workOfBothMs(history, facts);
  return itemMs !== undefined && bothMs !== undefined && bothMs < itemMs * facts.items * PLAUSIBLE_PART;
}

/** It is completed, and its effects are not known. */
function restsOnTime(history: History, facts: RestartFacts): boolean {
  const effects = effectsOf(history, facts.job);
  return facts.end?.values?.state === 'completed' && (effects === undefined || effects.unknown);
}

/** What the struck worker and the new one had for the job at most, where the new one ended it. */
function workOfBothMs(history: History, facts: RestartFacts): number | undefined {
  const { end, begun } = facts;
  if (end === undefined || begun === undefined || isByStruck(facts, end)) return undefined;
  const strucksMs = workOfStruckMs(facts, end, begun);
  const spans = spansOfWork(history, facts, end, begun);
  if (strucksMs === undefined || spans.length === 0) return undefined;
  return strucksMs + Math.min(...spans.map(({ forMs }) => forMs));
}

/** The shortest time per item between two writes of progress before the restart. */
function itemTimeMs(facts: RestartFacts, begunSeq: number): number | undefined {
  let shortestMs: number | undefined;
  let previous: RowVersion | undefined;
  for (const version of facts.changes) {
    if (version.seq > begunSeq || version.values?.state !== 'processing') continue;
    const done = previous === undefined ? 0 : itemsBetween(previous.values, version.values, facts.items);
    if (previous !== undefined && done <= 0) continue;
    if (previous !== undefined) {
      shortestMs = Math.min(shortestMs ?? Number.POSITIVE_INFINITY, (version.atMs - previous.atMs) / done);
    }
    previous = version;
  }
  return shortestMs;
}

/** How long a job beside the subject was in work: the witness of one file, or all files without a restart. */
function timeInWork(
  history: History,
  role: 'witness-ended' | 'control',
  untilSeq = Number.POSITIVE_INFINITY,
): number | undefined {
  const job = jobInRole(history, role);
  if (job === undefined) return undefined;
  const changes = changesOf(history, job).filter(({ seq }) => seq < untilSeq);
  const taken = changes.find(({ values }) => values?.state === 'processing');
  const end = changes.find(({ values }) => values?.state === 'completed');
  return taken === undefined || end === undefined ? undefined : end.databaseAtMs - taken.databaseAtMs;
}

function isByStruck(facts: RestartFacts, version: RowVersion): boolean {
  return facts.attribute(version)?.incarnation === facts.struck;
}

/** For how long the struck worker had the job: until the fault, a polite one's until it had gone or ended the job. */
function workOfStruckMs(facts: RestartFacts, end: RowVersion, begun: Moment): number | undefined {
  const taken = facts.changes.find(({ values }) => values?.state === 'processing');
  if (taken === undefined || taken.seq > begun.seq) return undefined;
  if (isByStruck(facts, end)) return end.databaseAtMs - taken.databaseAtMs;
  return ((facts.polite ? facts.gone : undefined) ?? begun).atMs - taken.atMs;
}

type Moment = NonNullable<RestartFacts['begun']>;

/** A time in which all that the end claims beyond the row at its begin has been done. */
interface Span {
  readonly sinceSeq: number;
  readonly forMs: number;
}

/**
 * Since the fault, where the old worker ended the job. Else since the last look by which it was not handed out again and
 * since it was handed out, if the broker tells, and since a new worker claimed it.
 */
function spansOfWork(history: History, facts: RestartFacts, end: RowVersion, begun: Moment): readonly Span[] {
  if (isByStruck(facts, end)) return [{ sinceSeq: begun.seq, forMs: end.atMs - begun.atMs }];
  const { heldByStruck, takeOver } = facts;
  const takenAtMs = findRedelivery(facts)?.facts?.['takenAtMs'];
  const takenForMs = typeof takenAtMs === 'number' ? writtenAtMs(history, end) - takenAtMs : -1;
  const atTaking = facts.changes.findLast(({ seq, atMs }) => seq < end.seq && atMs <= Number(takenAtMs));
  const idle = facts.snapshots.findLast(
    (snapshot) =>
      heldByStruck !== undefined &&
      snapshot.seq < end.seq &&
      isDeliveredSince(heldByStruck, snapshot) === false,
  );
  const claim = takeOver !== undefined && isClaim(facts, takeOver.version) ? takeOver.version : undefined;
  return [
    ...(idle === undefined ? [] : [{ sinceSeq: idle.seq, forMs: end.atMs - idle.atMs }]),
    // Of what is taken after the end the worker's clock is wrong.
    ...(takenForMs < 0 ? [] : [{ sinceSeq: (atTaking?.seq ?? -1) + 1, forMs: takenForMs }]),
    ...(claim === undefined || claim.seq >= end.seq
      ? []
      : [{ sinceSeq: claim.seq, forMs: end.databaseAtMs - claim.databaseAtMs }]),
  ];
}

/** As `atMs` of the run: by the server's time of the write, where the clocks were compared. */
function writtenAtMs(history: History, { atMs, databaseAtMs }: RowVersion): number {
  return Math.min(atMs, databaseClock(history)?.toRunMs(databaseAtMs) ?? atMs);
}

/** Taken up, and nothing done yet: the work comes after it. */
function isClaim({ changes }: RestartFacts, version: RowVersion): boolean {
  const before = rowBefore(changes, version.seq);
  const advanced = (version.values?.progress ?? 0) > (before?.progress ?? 0);
  return (
    version.values?.state === 'processing' && !advanced && kindOfWrite(version.values, before) === 'work'
  );
}
