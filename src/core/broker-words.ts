/** What a broker snapshot says, in words, and whether the broker still means to hand the job out. */
import { last, type BrokerSnapshot, type History } from './history.ts';
import type { Due } from './event.ts';

export function describeBroker(snapshot: BrokerSnapshot | undefined): string {
  if (snapshot === undefined) return 'the broker could not be asked';
  switch (snapshot.state) {
    case 'waiting':
      return 'the broker has it waiting';
    case 'active':
      return snapshot.owner === null
        ? 'the broker counts it as active'
        : `the broker counts it as held by ${snapshot.owner}`;
    case 'delayed':
      return 'the broker delays it';
    case 'ended':
      return 'the broker counts it as finished';
    case 'dead':
      return snapshot.failedReason === null
        ? 'the broker gave it up'
        : `the broker gave it up: ${snapshot.failedReason}`;
    case 'gone':
      return 'the broker keeps nothing of it';
    case 'unknown':
      return 'the broker does not tell';
  }
}

export function describeDue(due: Due, nowMs: number): string {
  switch (due.kind) {
    case 'now':
      return 'at once';
    case 'at':
      return `in about ${Math.max(0, (due.atMs - nowMs) / 1000).toFixed(1)} s`;
    case 'next-boot':
      return 'at the next start of a worker';
    case 'never':
      return 'never';
    case 'unknown':
      return 'at a time that the broker does not tell';
  }
}

/** The due time in words if, at the end of the history, the job is yet to be handed out; else `undefined`. */
export function dueAfter(history: History, snapshot: BrokerSnapshot | undefined): string | undefined {
  if (snapshot === undefined || isHeldAnew(history, snapshot)) return undefined;
  const endMs = history.events.at(-1)?.atMs ?? 0;
  const { due } = snapshot;
  if (due.kind === 'next-boot') return describeDue(due, endMs);
  if (due.kind === 'at' && due.atMs > (last(history, 'timeout:reached')?.atMs ?? endMs))
    return describeDue(due, endMs);
  return undefined;
}

/** Somebody else holds it than before the restart: its lock will end, but it is not to be handed out, it is to be done. */
function isHeldAnew(history: History, snapshot: BrokerSnapshot): boolean {
  const gone = history.of('worker:gone')[0];
  const before = history
    .of('broker:snapshot')
    .findLast(({ job, seq }) => job === snapshot.job && gone !== undefined && seq < gone.seq);
  if (before?.state !== 'active' || snapshot.state !== 'active') return false;
  if (before.deliveries !== null && snapshot.deliveries !== null)
    return snapshot.deliveries > before.deliveries;
  return before.owner !== null && snapshot.owner !== null && snapshot.owner !== before.owner;
}
