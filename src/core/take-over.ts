/**
 * Which write of a later incarnation shows that it took the job over.
 *
 * A worker that only tidies up when it starts writes to the row too: it puts it back to pending, fails it, touches
 * it. Work shows as a claim (a new task id, owner, lease, attempt or status), or as progress. What shows neither is a
 * *touch*; it counts once the same incarnation has ended the job after it. An *end* out of nothing counts only where
 * nothing was left to show: the job was never seen in processing (one transaction for all of it), or was at 100 %.
 *
 * What it cannot see: an end that claims the missing progress in the same write without having done the work.
 */
import type { Attribution } from './attribution.ts';
import { isTerminal, type RowValues } from './event.ts';
import type { RowVersion } from './history.ts';

export interface TakeOver {
  readonly version: RowVersion;
  readonly attribution: Attribution;
}

export type WriteKind = 'work' | 'touch' | 'end' | 'none';

/** @param previous the row before this write; `undefined`: it was not seen before */
export function kindOfWrite(current: RowValues | null, previous: RowValues | null | undefined): WriteKind {
  if (current === null) return 'none';
  const advanced = current.progress != null && current.progress > (previous?.progress ?? 0);
  if (isTerminal(current.state)) {
    if (current.state === 'cancelled') return 'end';
    return advanced || isClaimed(current.taskId, previous?.taskId) ? 'work' : 'end';
  }
  if (current.state !== 'processing') return 'none';
  const claimed =
    current.status !== previous?.status ||
    isClaimed(current.taskId, previous?.taskId) ||
    isClaimed(current.owner, previous?.owner) ||
    isClaimed(current.leaseUntil, previous?.leaseUntil) ||
    isClaimed(current.heartbeatAt, previous?.heartbeatAt) ||
    isClaimed(current.startedAt, previous?.startedAt) ||
    (current.attempts ?? 0) > (previous?.attempts ?? 0);
  return claimed || advanced ? 'work' : 'touch';
}

/** Emptied is no claim. */
function isClaimed(current: string | null | undefined, previous: string | null | undefined): boolean {
  return current != null && current !== previous;
}

/** The first write after `afterSeq` by which an incarnation later than `struck` shows that it works on the job. */
export function findTakeOver(
  changes: readonly RowVersion[],
  attribute: (version: RowVersion) => Attribution | null,
  struck: number,
  afterSeq: number,
): TakeOver | undefined {
  const touches = new Map<number, TakeOver>();
  let shown = false;
  for (const [index, version] of changes.entries()) {
    const previous = changes[index - 1]?.values;
    shown ||= previous?.state === 'processing';
    if (version.seq < afterSeq) continue;
    const attribution = attribute(version);
    if (attribution === null || attribution.incarnation <= struck) continue;
    const takeOver = { version, attribution };
    const kind = kindOfWrite(version.values, previous);
    if (kind === 'work') return takeOver;
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
