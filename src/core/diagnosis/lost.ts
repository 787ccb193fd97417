/** Why a job was not taken up again, or not brought to its end: what the broker knows of it decides. */
import { describeBroker, describeDue, dueAfter } from '../broker-words.ts';
import { first, last, lastSnapshotBefore, type BrokerSnapshot } from '../history.ts';
import { ackedOnReceipt, isCelery, visibilityValues } from './celery.ts';
import { loadedAtBootOnly, takenAndLeft } from './claims.ts';
import type { Case, Diagnose } from './diagnosis.ts';

function isLost({ has }: Case): boolean {
  return (
    has('picked-up-again', 'failed') ||
    has('reached-terminal', 'failed') ||
    has('reached-terminal', 'inconclusive')
  );
}

function now({ facts }: Case): BrokerSnapshot | undefined {
  return lastSnapshotBefore(facts.snapshots);
}

/** Before the strike the broker already counted the job as finished, though the row says processing. */
export const ackedBeforeDone: Diagnose = (subject) => {
  if (isCelery(subject.history)) return ackedOnReceipt(subject);
  if (!isLost(subject) || subject.facts.takeOver !== undefined) return undefined;
  const before = subject.facts.brokerBefore;
  return before?.state === 'ended' ? { progress: subject.facts.before?.progress ?? null } : undefined;
};

/** Before the strike the broker kept nothing of the job that a worker was working on. */
export const poppedWithoutCopy: Diagnose = (subject) => {
  // Celery keeps no record of what was acknowledged, so a message that is gone does not mean that.
  if (isCelery(subject.history)) return undefined;
  if (!isLost(subject) || subject.facts.takeOver !== undefined) return undefined;
  return subject.facts.brokerBefore?.state === 'gone'
    ? { progress: subject.facts.before?.progress ?? null }
    : undefined;
};

/** Handed out again, ended in the broker, and no work was done. */
export const redeliveredButSkipped: Diagnose = (subject) => {
  if (!isLost(subject)) return undefined;
  const before = subject.facts.brokerBefore;
  const after = now(subject);
  const again =
    before?.deliveries != null && after?.deliveries != null && after.deliveries > before.deliveries;
  return again && after.state === 'ended' ? { deliveries: after.deliveries } : undefined;
};

export const brokerGaveUpRowNotTold: Diagnose = (subject) => {
  const after = now(subject);
  if (!isLost(subject) || after?.state !== 'dead') return undefined;
  return { reason: after.failedReason, stalls: after.stalls };
};

/** The broker still counts the dead worker as the holder, its lock has run out, and nobody looks. */
export const neverReclaimed: Diagnose = (subject) => {
  const after = now(subject);
  if (!isLost(subject) || subject.facts.takeOver !== undefined || after?.state !== 'active') return undefined;
  if (dueAfter(subject.history, after) !== undefined || loadedAtBootOnly(subject) !== undefined)
    return undefined;
  return { owner: after.owner, broker: describeBroker(after) };
};

export const notYetDue: Diagnose = (subject) => {
  if (!isLost(subject)) return undefined;
  const after = now(subject);
  if (after === undefined || dueAfter(subject.history, after) === undefined) return undefined;
  const endMs = subject.history.events.at(-1)?.atMs ?? 0;
  const timeoutMs = first(subject.history, 'run:started')?.terminalTimeoutMs ?? 0;
  return { due: describeDue(after.due, endMs), timeoutMs, ...visibilityValues(subject.history, after) };
};

/** A new worker did take it up, and never brought it to its end. */
export const stuckAfterPickup: Diagnose = (subject) => {
  if (!subject.has('reached-terminal', 'failed') || subject.facts.takeOver === undefined) return undefined;
  const after = now(subject);
  if (after !== undefined && (after.state === 'dead' || after.state === 'ended')) return undefined;
  if (takenAndLeft(subject) !== undefined) return undefined;
  return { broker: describeBroker(after), progress: subject.facts.versions.at(-1)?.values?.progress ?? null };
};

/** The message waits, and nobody takes it. */
export const nobodyListens: Diagnose = (subject) => {
  const after = now(subject);
  // What a worker has fetched and not begun waits too, and somebody listens.
  if (!isLost(subject) || after?.state !== 'waiting' || after.owner !== null) return undefined;
  const presence = last(subject.history, 'presence:snapshot');
  const queues = after.facts?.['workerQueues'];
  return { consumers: presence?.broker.length ?? 0, queues: queues === undefined ? null : String(queues) };
};

export const deletedAtBoot: Diagnose = (subject) => {
  if (!subject.has('job-persisted', 'failed')) return undefined;
  const deleted = subject.facts.versions.find((version) => version.values === null);
  if (deleted === undefined) return undefined;
  const incarnation = subject.facts.attribute(deleted)?.incarnation ?? null;
  return incarnation !== null && incarnation > subject.facts.struck ? { incarnation } : undefined;
};
