/**
 * Which write of a later incarnation shows that it took the job over.
 *
 * A worker that only tidies up when it starts writes to the row too: it puts it back to pending, fails it, touches
 * it. Work shows as a claim (a new task id, owner, lease, attempt or status), or as progress. What shows neither is a
 * *touch*; it counts once the same incarnation has ended the job after it. An *end* out of nothing counts only where
 * nothing was left to show: the job was never seen in processing (one transaction for all of it), or was at 100 %.
 * Two things are no work while the broker says that the job was not handed out again: an end that claims the progress
 * of several items in one write, and the write of somebody who is known by a new connection, or by the absence of the
 * old worker, alone: it may be a process of the old worker that was not found.
 *
 * What it cannot see: a redelivery whose handler claims the missing progress without having done the work; how fast it
 * did so tells (see `work-time.ts`), and the effects.
 */
import type { Attribution } from './attribution.ts';
import { isTerminal, type RowValues } from './event.ts';
import { isBefore, rowBefore, type Recorded, type RowVersion } from './history.ts';
import { isSameTime } from './timestamps.ts';

export interface TakeOver {
  readonly version: RowVersion;
  readonly attribution: Attribution;
}

export type WriteKind = 'work' | 'touch' | 'end' | 'none';

/** @param previous the row before this write; `undefined`: it was not seen before */
export function kindOfWrite(current: RowValues | null, previous: RowValues | null | undefined): WriteKind {
  if (current === null) return 'none';
  const advanced = (current.progress ?? 0) > (previous?.progress ?? 0);
  if (isTerminal(current.state)) {
    if (current.state === 'cancelled') return 'end';
    return advanced || isClaimed(current.taskId, previous?.taskId) ? 'work' : 'end';
  }
  if (current.state !== 'processing') return 'none';
  // Who takes the claim away does not take the job.
  const emptied = isEmptied(current.taskId, previous?.taskId) || isEmptied(current.owner, previous?.owner);
  const claimed =
    (current.status !== previous?.status && !emptied) ||
    isClaimed(current.taskId, previous?.taskId) ||
    isClaimed(current.owner, previous?.owner) ||
    isClaimed(current.leaseUntil, previous?.leaseUntil) ||
    isClaimed(current.heartbeatAt, previous?.heartbeatAt) ||
    (current.startedAt != null && !isSameTime(current.startedAt, previous?.startedAt)) ||
    (current.attempts ?? 0) > (previous?.attempts ?? 0);
  return claimed || advanced ? 'work' : 'touch';
}

function isEmptied(current: string | null | undefined, previous: string | null | undefined): boolean {
  return current === null && previous != null;
}

/** Emptied is no claim. */
export function isClaimed(current: string | null | undefined, previous: string | null | undefined): boolean {
  return current != null && current !== previous;
}

/** What of a job's history tells whether somebody took it over. */
export interface Successors {
  readonly changes: readonly RowVersion[];
  readonly attribute: (version: RowVersion) => Attribution | null;
  readonly struck: number;
  readonly after: Recorded;
  readonly items: number;
  readonly isUndelivered: (version: RowVersion) => boolean;
  readonly isBeforeReady: (version: RowVersion) => boolean;
}

/** The first write after `after` by which an incarnation later than `struck` shows that it works on the job. */
export function findTakeOver(subject: Successors): TakeOver | undefined {
  const { changes, attribute, struck, after, isUndelivered } = subject;
  const touches = new Map<number, TakeOver>();
  let shown = false;
  for (const [index, version] of changes.entries()) {
    const previous = changes[index - 1]?.values;
    shown ||= previous?.state === 'processing';
    if (isBefore(version, after)) continue;
    const attribution = attribute(version);
    if (attribution === null || attribution.incarnation <= struck) continue;
    const takeOver = { version, attribution };
    const kind = kindOfVersion(subject, version);
    if (kind === 'work' && (isSeenItself(attribution) || !isUndelivered(version))) return takeOver;
    if (kind === 'touch')
      touches.set(attribution.incarnation, touches.get(attribution.incarnation) ?? takeOver);
    if (kind === 'end' && version.values?.state !== 'cancelled') {
      const touch = touches.get(attribution.incarnation);
      if (touch !== undefined) return touch;
      const nothingLeft = !shown || (previous?.progress ?? 0) >= 100;
      if (version.values?.state === 'completed' && nothingLeft) return takeOver;
    }
  }
  return undefined;
}

/** By its name or its process; the others are concluded from what is not there any more. */
export function isSeenItself(attribution: Attribution | null): boolean {
  return attribution?.by === 'application-name' || attribution?.by === 'process';
}

/** As `kindOfWrite`, with what the broker and the worker's own start say of that moment. */
export function kindOfVersion(
  {
    changes,
    items,
    isUndelivered,
    isBeforeReady,
  }: Pick<Successors, 'changes' | 'items' | 'isUndelivered' | 'isBeforeReady'>,
  version: RowVersion,
): WriteKind {
  const previous = rowBefore(changes, version.seq);
  const kind = kindOfWrite(version.values, previous);
  if (version.values?.state !== 'completed') return kind;
  if (isClaimed(version.values.taskId, previous?.taskId)) return kind;
  if (itemsBetween(previous, version.values, items) <= 1) return kind;
  return isUndelivered(version) || isBeforeReady(version) ? 'end' : kind;
}

/** How many items the progress advanced by from one row to the next, of `items` in all. */
export function itemsBetween(
  before: Pick<RowValues, 'progress'> | null | undefined,
  now: Pick<RowValues, 'progress'> | null | undefined,
  items: number,
): number {
  return Math.round((((now?.progress ?? 0) - (before?.progress ?? 0)) / 100) * items);
}
