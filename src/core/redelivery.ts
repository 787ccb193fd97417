/** What the broker shows of a job after its worker was struck: handed out again, still held by the dead, yet to come. */
import { describeDue } from './broker-words.ts';
import { isDeliveredSince } from './deliveries.ts';
import {
  firstSnapshotAfter,
  isAfter,
  isBefore,
  last,
  lastSnapshotBefore,
  type BrokerSnapshot,
  type History,
  type RowVersion,
} from './history.ts';
import { hasNobodyCome } from './newcomer.ts';
import type { RestartFacts } from './restart.ts';

/** Whether by this look the job was handed out once more. `undefined`: the broker neither counts nor names its holder. */
export function isRedelivered(
  { heldByStruck }: RestartFacts,
  snapshot: BrokerSnapshot | undefined,
): boolean | undefined {
  return heldByStruck && snapshot && isDeliveredSince(heldByStruck, snapshot);
}

/** The first look after the restart by which the job had been handed out again. */
export function findRedelivery(facts: RestartFacts): BrokerSnapshot | undefined {
  return facts.snapshots.find((snapshot) => isRedelivered(facts, snapshot) === true);
}

/**
 * Whether by the broker's count the job had been handed out again when this was written: the look that comes next
 * tells, unless it comes late. A worker that is not ready has been handed nothing.
 */
export function wasHandedOutBefore(facts: RestartFacts, version: RowVersion): boolean {
  if (facts.isBeforeReady(version)) return false;
  return isRedelivered(facts, firstSnapshotAfter(facts.snapshots, version.seq)) === true;
}

/** A later worker holds the job now: it is not to be handed out, it is to be finished. */
export function isHeldByAnother(facts: RestartFacts, snapshot: BrokerSnapshot): boolean {
  if (snapshot.state !== 'active') return false;
  return (
    facts.takeOver !== undefined || isRedelivered(facts, snapshot) === true || isHeldNow(facts, snapshot)
  );
}

/** A worker has answered that it holds the job, when the struck one was gone and another had come. */
function isHeldNow({ successor, gone }: RestartFacts, snapshot: BrokerSnapshot): boolean {
  if (successor === undefined || gone === undefined || isBefore(snapshot, successor)) return false;
  return snapshot.facts?.['heldBy'] !== undefined;
}

/** How often the job was handed out after the restart and put back untouched, and whether that is in vain. */
export interface PutBack {
  readonly times: number;
  /** Once may be bad luck (a lock that had not run out yet): what goes on like this will not end by waiting. */
  readonly inVain: boolean;
}

/**
 * As far as it is counted: by the message itself (its own retries), or by the broker (deliveries, each put off again).
 * Where neither is told, by the looks: each names a later time than the one before.
 */
export function putBackUntouched(facts: RestartFacts, snapshot: BrokerSnapshot): PutBack {
  const before = facts.heldByStruck;
  if (
    before === undefined ||
    facts.takeOver !== undefined ||
    facts.changes.some((change) => isBefore(before, change))
  ) {
    return { times: 0, inVain: false };
  }
  const retries = Number(snapshot.facts?.['retries'] ?? 0) - Number(before.facts?.['retries'] ?? 0);
  const deliveries = (snapshot.deliveries ?? 0) - (before.deliveries ?? snapshot.deliveries ?? 0);
  const counted = snapshot.deliveries !== null || snapshot.facts?.['retries'] !== undefined;
  const times = counted
    ? Math.max(retries, deliveries, 0)
    : putOffs(facts).filter((look) => !isAfter(look, snapshot)).length;
  return { times, inVain: times >= PUT_BACK_IN_VAIN };
}

const PUT_BACK_IN_VAIN = 2;

/** A time that is told twice differs by what it takes to ask. */
const SAME_TIME_MS = 100;

/** The looks since the struck worker held the message that found it put off until a later time than before. */
function putOffs({ heldByStruck: since, snapshots }: RestartFacts): readonly BrokerSnapshot[] {
  let latestMs = (since && delayedUntilMs(since)) ?? -Infinity;
  return snapshots.filter((snapshot) => {
    const dueMs = isAfter(snapshot, since) ? delayedUntilMs(snapshot) : null;
    if (dueMs === null || dueMs <= latestMs + SAME_TIME_MS) return false;
    latestMs = dueMs;
    return true;
  });
}

function delayedUntilMs({ state, due }: BrokerSnapshot): number | null {
  return state === 'delayed' && due.kind === 'at' ? due.atMs : null;
}

/**
 * When the job is yet to be handed out, if at the end of the history that lies beyond the time that was waited.
 * Without a worker that lives and is ready, or with one that holds the job, nothing is to come; nor does it count that
 * a job is due once more that new workers have put off again and again without touching it.
 */
export function dueAfterEnd(history: History, facts: RestartFacts): string | undefined {
  const snapshot = lastSnapshotBefore(facts.snapshots);
  if (snapshot === undefined || facts.successorDied !== undefined || isHeldByAnother(facts, snapshot)) {
    return undefined;
  }
  if (facts.successorNotReady !== undefined || hasNobodyCome(facts)) return undefined;
  const endMs = history.events.at(-1)?.atMs ?? 0;
  const limitMs =
    history.of('timeout:reached').findLast(({ timeout }) => timeout === 'terminal')?.atMs ?? endMs;
  const { due } = snapshot;
  const lockEndMs = snapshot.lockUntilMs ?? 0;
  const { inVain } = putBackUntouched(facts, snapshot);
  if (inVain && due.kind !== 'at') return undefined;
  switch (due.kind) {
    case 'now':
    case 'never':
      return undefined;
    case 'next-boot':
      return describeDue(due, endMs);
    case 'at':
      if (inVain && !isPutOffForLonger(facts, due.atMs, limitMs)) return undefined;
      // What is overdue is always due by the time of the look.
      return due.atMs > Math.max(limitMs, snapshot.atMs) ? describeDue(due, endMs) : undefined;
    case 'unknown':
      // It does not tell when, but not as long as the lock of the dead stands.
      return snapshot.state === 'active' && lockEndMs > limitMs
        ? `not before the lock of its holder ends, ${describeDue({ kind: 'at', atMs: lockEndMs }, endMs)}`
        : undefined;
  }
}

/** The last time it was put off, the new worker named a time that lies further away than was waited since it first came. */
function isPutOffForLonger(facts: RestartFacts, dueAtMs: number, limitMs: number): boolean {
  const first = findRedelivery(facts) ?? putOffs(facts)[0];
  return first !== undefined && dueAtMs - limitMs >= limitMs - first.atMs;
}

/** BullMQ found it stalled more often than it allows: whoever lost it last, nobody is handed it any more. */
export function isGivenUpForStalls(snapshot: BrokerSnapshot | undefined): boolean {
  return snapshot?.state === 'dead' && /stalled more than/.test(snapshot.failedReason ?? '');
}

/**
 * A look by which the job had been taken back once more from a holder that was alive: before the strike, or from the new
 * worker that held it.
 */
export function findStallOfTheLiving(facts: RestartFacts): BrokerSnapshot | undefined {
  return facts.snapshots.find((snapshot, index) => {
    const previous = facts.snapshots[index - 1];
    if ((snapshot.stalls ?? 0) <= (previous?.stalls ?? Number.POSITIVE_INFINITY)) return false;
    return !isAfter(snapshot, facts.begun) || isRedelivered(facts, previous) === true;
  });
}

/** Whether the dead worker's successor was there to take the job: it was ready, or it wrote. */
export function isSomebodyThere(history: History, facts: RestartFacts): boolean {
  if (facts.successorDied !== undefined) return false;
  const ready = last(history, 'worker:ready');
  return facts.takeOver !== undefined || (ready !== undefined && ready.incarnation > facts.struck);
}
