/**
 * Whether the rest of a job was done faster than anybody can have done it.
 *
 * A handler that is handed the job again, finds it in processing and marks it completed writes what an honest one
 * writes. What tells them apart without a look at the effects is time: how long an item takes is known from the worker
 * that was struck, else from the witness that had ended before. Several items in half of the time of one is no work,
 * also of a worker that does them side by side. What is completed claims every item, whatever its progress says. Where
 * no progress tells how far the struck worker had come, or the new one was quicker than one item after the other can be,
 * the control tells: the same job without a restart.
 */
import { writtenAtMs } from './database-clock.ts';
import { isDeliveredSince } from './deliveries.ts';
import { effectsOf } from './effects.ts';
import type { EventOf, RowValues } from './event.ts';
import {
  changesOf,
  isBefore,
  jobInRole,
  NEVER,
  rowBefore,
  type Ended,
  type History,
  type Recorded,
  type RowVersion,
} from './history.ts';
import { findRedelivery } from './redelivery.ts';
import { isByStruck, type RestartFacts } from './restart.ts';
import { isClaimed, itemsBetween, kindOfWrite } from './take-over.ts';

/** Of the time that a job takes without a restart, the old and the new worker together need this much at least. */
const PLAUSIBLE_PART = 0.75;
/** A time that is not known may have been as long as one likes. */
const UNKNOWN_MS = Number.POSITIVE_INFINITY;

/** The end, if it claims several items in less time than one of them takes, and no effects were counted that would settle it. */
export function endTooSoon(history: History, facts: RestartFacts): Ended | undefined {
  const { end, begun } = facts;
  if (end === undefined || begun === undefined || !restsOnTime(history, facts, end)) return undefined;
  return isTooSoon(history, facts, end, begun) ? end : undefined;
}

function isTooSoon(history: History, facts: RestartFacts, end: Ended, begun: Moment): boolean {
  const spans = spansOfWork(history, facts, end, begun);
  const ownMs = itemTimeMs(facts, begun);
  if (ownMs !== undefined) {
    return spans.some(
      ({ row, forMs }) => forMs < ownMs / 2 && itemsBetween(row, { progress: 100 }, facts.items) > 1,
    );
  }
  // How many items the struck worker had done is not known: none, where it had no time for any.
  const itemMs = timeInWork(history, 'witness-ended', begun) ?? 0;
  if (facts.items < 2 || workOfStruckMs(history, facts, end, begun) >= itemMs / 2) return false;
  return isByStruck(facts, end) || spans.some(({ forMs }) => forMs < itemMs / 2);
}

/** The old and the new worker together had too little time for what the same job takes without a restart. */
export function soonerThanControl(
  history: History,
  facts: RestartFacts,
): { readonly bothMs: number; readonly controlMs: number } | undefined {
  const bothMs = doubtfulMs(history, facts);
  const controlMs = timeInWork(history, 'control') ?? 0;
  return bothMs < controlMs * PLAUSIBLE_PART ? { bothMs, controlMs } : undefined;
}

/**
 * Nothing but time tells whether the rest was done, and it was little of it: how long the same job takes
 * without a restart would settle it. (It may take less than its items one after the other.)
 */
export function isTimeInDoubt(history: History, facts: RestartFacts): boolean {
  return doubtfulMs(history, facts) < UNKNOWN_MS;
}

/** The time that both workers had, if it is in doubt whether that is enough. */
function doubtfulMs(history: History, facts: RestartFacts): number {
  const { end, begun } = facts;
  if (end === undefined || begun === undefined || !restsOnTime(history, facts, end)) return UNKNOWN_MS;
  const bothMs = workOfBothMs(history, facts, end, begun);
  const ownMs = itemTimeMs(facts, begun);
  if (ownMs !== undefined) {
    // By polling a time is known to a look or two: that will do for half an item, not for this.
    if (end.source === 'poll') return UNKNOWN_MS;
    const left = spansOfWork(history, facts, end, begun).some(({ row, forMs }) => {
      const items = itemsBetween(row, { progress: 100 }, facts.items);
      return items > 1 && forMs < ownMs * items * PLAUSIBLE_PART;
    });
    return left ? bothMs : UNKNOWN_MS;
  }
  const itemMs = timeInWork(history, 'witness-ended', begun) ?? 0;
  return bothMs < itemMs * facts.items * PLAUSIBLE_PART ? bothMs : UNKNOWN_MS;
}

/** It is completed, and its effects are not known. */
function restsOnTime(history: History, facts: RestartFacts, end: Ended): boolean {
  const effects = effectsOf(history, facts.job);
  return end.values.state === 'completed' && (effects === undefined || effects.unknown);
}

/** What the struck worker and the new one had for the job at most, where the new one ended it. */
function workOfBothMs(history: History, facts: RestartFacts, end: Ended, begun: Moment): number {
  if (isByStruck(facts, end)) return UNKNOWN_MS;
  const spans = spansOfWork(history, facts, end, begun);
  return workOfStruckMs(history, facts, end, begun) + Math.min(...spans.map(({ forMs }) => forMs));
}

/** The shortest time per item between two writes of progress before the restart. */
function itemTimeMs(facts: RestartFacts, begun: Moment): number | undefined {
  let shortestMs: number | undefined;
  let previous: RowVersion | undefined;
  for (const version of facts.changes) {
    if (isBefore(begun, version) || version.values?.state !== 'processing') continue;
    const done = previous === undefined ? 0 : itemsBetween(previous.values, version.values, facts.items);
    if (previous !== undefined && done <= 0) continue;
    if (previous !== undefined) {
      // By the server's time of both: what a busy harness reads late it reads in bunches.
      const forMs = version.databaseAtMs - previous.databaseAtMs;
      shortestMs = Math.min(shortestMs ?? Number.POSITIVE_INFINITY, forMs / done);
    }
    previous = version;
  }
  return shortestMs;
}

/** How long a job beside the subject was in work: the witness of one file, or all files without a restart. */
function timeInWork(
  history: History,
  role: 'witness-ended' | 'control',
  until: Recorded = NEVER,
): number | undefined {
  const changes = changesOf(history, jobInRole(history, role)).filter((version) => isBefore(version, until));
  const taken = changes.find(({ values }) => values?.state === 'processing');
  const end = changes.find(({ values }) => values?.state === 'completed');
  return taken && end && end.databaseAtMs - taken.databaseAtMs;
}

/** For how long the struck worker had the job: until the fault, a polite one's until it had gone or ended the job. */
function workOfStruckMs(history: History, facts: RestartFacts, end: Ended, begun: Moment): number {
  const taken = facts.changes.find(
    (version) => version.values?.state === 'processing' && isBefore(version, begun),
  );
  if (taken === undefined) return UNKNOWN_MS;
  if (isByStruck(facts, end)) return end.databaseAtMs - taken.databaseAtMs;
  return ((facts.polite ? facts.gone : undefined) ?? begun).atMs - writtenAtMs(history, taken);
}

type Moment = NonNullable<RestartFacts['begun']>;

/** A time in which all that the end claims beyond the row at its begin has been done. */
interface Span {
  readonly row: RowValues | null | undefined;
  readonly forMs: number;
}

/**
 * Since the fault, where the old worker ended the job. Else since the last look by which it was not handed out again and
 * since it was handed out, if the broker tells, since the next worker was started, and since it claimed the job.
 */
function spansOfWork(history: History, facts: RestartFacts, end: Ended, begun: Moment): readonly Span[] {
  const { changes, heldByStruck } = facts;
  if (isByStruck(facts, end)) return [{ row: rowBefore(changes, begun.seq), forMs: end.atMs - begun.atMs }];
  const spans: Span[] = [];
  const idle = facts.snapshots.findLast(
    (look) =>
      isBefore(look, end) &&
      heldByStruck &&
      (look.state === 'waiting' || isDeliveredSince(heldByStruck, look) === false),
  );
  if (idle !== undefined) spans.push({ row: rowBefore(changes, idle.seq), forMs: end.atMs - idle.atMs });
  const takenAtMs = Number(findRedelivery(facts)?.facts?.['takenAtMs']);
  const forMs = writtenAtMs(history, end) - takenAtMs;
  // Of what is taken after the end the worker's clock is wrong.
  if (forMs >= 0) {
    const atTaking = changes.findLast((version) => isBefore(version, end) && version.atMs <= takenAtMs);
    spans.push({ row: atTaking?.values, forMs });
  }
  const started = facts.by === 'auto' ? nextStart(history, facts, end) : undefined;
  if (started !== undefined) {
    spans.push({ row: rowBefore(changes, started.seq), forMs: end.atMs - started.atMs });
  }
  if (end.gapMs !== undefined && isClaimedByEnd(facts, end)) {
    spans.push({ row: rowBefore(changes, end.seq), forMs: end.gapMs });
  }
  const claim = beginningOf(facts, end);
  if (claim !== undefined) {
    spans.push({ row: rowBefore(changes, claim.seq), forMs: end.databaseAtMs - claim.databaseAtMs });
  }
  return spans;
}

/** Where the harness alone starts workers, nobody was there to do anything from the end of the old one to this. */
function nextStart(
  history: History,
  { gone }: RestartFacts,
  end: Ended,
): EventOf<'worker:started'> | undefined {
  return history.of('worker:started').find((event) => isBefore(gone ?? NEVER, event) && isBefore(event, end));
}

/** Under polling: a look saw it unclaimed, and the next one claimed and ended. */
function isClaimedByEnd({ changes }: RestartFacts, { seq, values }: Ended): boolean {
  const before = rowBefore(changes, seq);
  return (values.attempts ?? 0) > (before?.attempts ?? 0) || isClaimed(values.taskId, before?.taskId);
}

/**
 * Taken up, and nothing done yet: the work comes after it. Where the broker counts no deliveries, a first write that
 * changes nothing may be all that there is of a pick-up.
 */
function beginningOf(facts: RestartFacts, end: RowVersion): RowVersion | undefined {
  const { takeOver, heldByStruck, changes, gone, attribute } = facts;
  const isUnworked = (version: RowVersion): boolean =>
    version.values?.state === 'processing' &&
    (version.values.progress ?? 0) <= (rowBefore(changes, version.seq)?.progress ?? 0);
  const claim = takeOver?.version;
  if (claim !== undefined && isUnworked(claim)) {
    if (kindOfWrite(claim.values, rowBefore(changes, claim.seq)) === 'work') return claim;
  }
  if (heldByStruck?.deliveries != null || gone === undefined) return undefined;
  const by = attribute(end)?.incarnation;
  const first = changes.find((version) => isBefore(gone, version) && attribute(version)?.incarnation === by);
  return by !== undefined && first !== undefined && isUnworked(first) ? first : undefined;
}
