/** Why a job was not taken up again, or not brought to its end: what the broker knows of it decides. */
import { describeBroker } from '../broker-words.ts';
import {
  first,
  isHeldInBroker,
  isOnQueue,
  last,
  lastSnapshotBefore,
  rowBefore,
  type BrokerSnapshot,
} from '../history.ts';
import { hasNobodyCome } from '../newcomer.ts';
import {
  dueAfterEnd,
  findRedelivery,
  isHeldByAnother,
  isSomebodyThere,
  putBackUntouched,
} from '../redelivery.ts';
import {
  ackedOnReceipt,
  childDeathAcked as celeryChildDeathAcked,
  purged,
  taskGivenUp,
  visibilityValues,
} from './celery.ts';
import {
  closedBeforeDrained,
  isDone,
  isPaused,
  isWaitingRemoved,
  isWaitingRemovedSince,
  loadedAtBootOnly,
  takenAndLeft,
} from './claims.ts';
import type { Case, Diagnose, DiagnosisValues } from './diagnosis.ts';
import { valuesOf } from './ended-wrongly.ts';

/** Interrupted in flight by a restart that took place, watched to the end of the run, and not brought to its end. */
function isLost({ facts, has, found }: Case): boolean {
  if (found('status-not-mapped')) return false;
  if (facts.gone === undefined || !facts.inFlight || !facts.observedToEnd) return false;
  // A row that was deleted has its own cause: nobody can work on it.
  if (rowBefore(facts.versions) === null) return false;
  // Nor is it lost by anybody where nobody came.
  if (hasNobodyCome(facts)) return false;
  return (
    has('picked-up-again', 'failed') ||
    has('reached-terminal', 'failed') ||
    has('reached-terminal', 'inconclusive')
  );
}

/** Nothing of a new worker was seen in the row. */
function isUntouched(subject: Case): boolean {
  return isLost(subject) && subject.facts.takeOver === undefined && subject.facts.end === undefined;
}

function now({ facts }: Case): BrokerSnapshot | undefined {
  return lastSnapshotBefore(facts.snapshots);
}

function isOver(snapshot: BrokerSnapshot | undefined): boolean {
  return snapshot?.state === 'ended' || snapshot?.state === 'gone';
}

/** The worker that was to take it up, or the one behind it, ended by itself: nobody is left. */
export const successorDied: Diagnose = (subject) => {
  const { successorDied: exit } = subject.facts;
  const stuck = subject.found('waiting-witness-stuck') && subject.has('witnesses-unharmed', 'failed');
  if ((!isLost(subject) && !stuck) || exit === undefined) return undefined;
  const { incarnation, exitCode, signal, lastLine } = exit;
  return { incarnation, exitCode, signal, lastLine };
};

/** Before the strike the broker already counted the job as finished, though the row says processing. */
export const ackedBeforeDone: Diagnose = (subject) => {
  if (isOnQueue(subject.history, 'celery')) return ackedOnReceipt(subject);
  return isUntouched(subject) && subject.facts.brokerBefore?.state === 'ended'
    ? { progress: subject.facts.before?.progress ?? null }
    : undefined;
};

/** Before the strike the broker kept nothing of the job that a worker was working on. */
export const poppedWithoutCopy: Diagnose = (subject) => {
  // Celery keeps no record of what was acknowledged, so a message that is gone does not mean that.
  if (isOnQueue(subject.history, 'celery')) return undefined;
  return isUntouched(subject) && subject.facts.brokerBefore?.state === 'gone'
    ? { progress: subject.facts.before?.progress ?? null }
    : undefined;
};

/** The broker had it until the polite stop, and no more when the worker had left. */
export const ackedOnShutdown: Diagnose = (subject) => {
  const { facts } = subject;
  if (isOnQueue(subject.history, 'celery')) return undefined;
  if (!isUntouched(subject) || !facts.polite || isDone(subject)) return undefined;
  return isHeldInBroker(facts.brokerBefore) && isOver(facts.brokerAfterGone)
    ? { progress: facts.before?.progress ?? null }
    : undefined;
};

/** The broker still had it after the old worker was gone. */
function wasKept({ facts: { brokerAfterGone } }: Case): boolean {
  const state = brokerAfterGone?.state;
  return state === 'waiting' || state === 'active' || state === 'delayed';
}

/** The broker still had it after the old worker was gone, somebody living finished with it, and no work was done. */
export const redeliveredButSkipped: Diagnose = (subject) => {
  const { facts } = subject;
  if (!isUntouched(subject) || !isOver(now(subject)) || isChildsDeath(subject)) return undefined;
  if (ackedOnReceipt(subject) !== undefined || taskGivenUp(subject) !== undefined) return undefined;
  if (purged(subject) !== undefined) return undefined;
  const again = findRedelivery(facts);
  if (messagesDeleted(subject) !== undefined) return undefined;
  return again !== undefined || wasKept(subject) ? { deliveries: again?.deliveries ?? null } : undefined;
};

/** Handed out to a living worker and put back by it, again and again, without a word in the row. */
export const putBackAgain: Diagnose = (subject) => {
  const { facts, history } = subject;
  const after = now(subject);
  if (!isUntouched(subject) || dueAfterEnd(history, facts) !== undefined) return undefined;
  if (after === undefined || isOver(after) || after.state === 'dead') return undefined;
  const { times, inVain } = putBackUntouched(facts, after);
  // What is held at the end was not put back, the last time.
  if (!inVain || takenAndLeft(subject) !== undefined) return undefined;
  return { incarnation: facts.successor?.incarnation ?? null, again: times };
};

/** The queue keeps the job until its children are done, and with the time that was waited they were not. */
export const groupWaitsForTheDead: Diagnose = (subject) => {
  const { facts } = subject;
  if (!isLost(subject) || facts.successorDied !== undefined) return undefined;
  return now(subject)?.facts?.['waitsForChildren'] === true
    ? { progress: facts.versions.at(-1)?.values?.progress ?? null }
    : undefined;
};

/** Children of the worker were killed, and the worker itself told the broker that the job was over. */
export const childDeathAcked: Diagnose = (subject) => {
  const { faults, brokerBefore, brokerAfterGone: after } = subject.facts;
  if (isOnQueue(subject.history, 'celery') || !isUntouched(subject) || faults[0]?.reach !== 'child')
    return undefined;
  const over = isOver(after) || after?.state === 'dead';
  return isHeldInBroker(brokerBefore) && over
    ? { reach: faults[0].reach, broker: describeBroker(after) }
    : undefined;
};

function isChildsDeath(subject: Case): boolean {
  return childDeathAcked(subject) !== undefined || celeryChildDeathAcked(subject) !== undefined;
}

export const brokerGaveUpRowNotTold: Diagnose = (subject) => {
  const after = now(subject);
  if (isChildsDeath(subject)) return undefined;
  if (!isLost(subject) || subject.facts.end !== undefined || after?.state !== 'dead') return undefined;
  if (closedBeforeDrained(subject) !== undefined) return undefined;
  return { reason: after.failedReason, stalls: after.stalls };
};

/** The broker still counts the dead worker as the holder, its lock has run out, and nobody looks. */
export const neverReclaimed: Diagnose = (subject) => {
  const { facts, history } = subject;
  const after = now(subject);
  if (!isUntouched(subject) || facts.successorDied !== undefined) return undefined;
  if (dueAfterEnd(history, facts) !== undefined || loadedAtBootOnly(subject) !== undefined) {
    return undefined;
  }
  const held = after?.state === 'active' && !isHeldByAnother(facts, after);
  const untold = after === undefined || after.state === 'unknown';
  if (!held && !untold) return undefined;
  const silent = !held && isOnQueue(history, 'celery') ? { silent: 1 } : {};
  return { owner: after?.owner ?? null, broker: describeBroker(after), ...silent };
};

/** How long the end of the job was waited for. */
function timeoutOf({ history }: Case): number {
  return last(history, 'timeout:raised')?.toMs ?? first(history, 'run:started')?.terminalTimeoutMs ?? 0;
}

export const notYetDue: Diagnose = (subject) => {
  const neighbours = valuesOf(subject, 'not-due-yet');
  // Of a subject that has ended it is the one behind that is not due.
  if (subject.has('witnesses-unharmed', 'inconclusive') && neighbours && subject.facts.end !== undefined) {
    return { due: neighbours.due, timeoutMs: timeoutOf(subject), neighbour: 1 };
  }
  if (!isLost(subject) || subject.facts.end !== undefined) return undefined;
  const due = dueAfterEnd(subject.history, subject.facts);
  if (due === undefined) return undefined;
  const timeoutMs = timeoutOf(subject);
  return { due, timeoutMs, ...visibilityValues(subject.history, now(subject)) };
};

/** A new worker did take it up, and never brought it to its end. */
export const stuckAfterPickup: Diagnose = (subject) => {
  const { facts } = subject;
  const after = now(subject);
  if (!subject.has('reached-terminal', 'failed') || !isLost(subject)) return undefined;
  if (facts.terminal !== undefined || facts.successorDied !== undefined) return undefined;
  if (groupWaitsForTheDead(subject) !== undefined) return undefined;
  const held = after !== undefined && isHeldByAnother(facts, after);
  if ((facts.takeOver === undefined && !held) || takenAndLeft(subject) !== undefined) return undefined;
  if (putBackAgain(subject) !== undefined) return undefined;
  if (after?.state === 'dead' || isOver(after)) return undefined;
  return { broker: describeBroker(after), progress: facts.versions.at(-1)?.values?.progress ?? null };
};

/** The message waits, and nobody takes it. */
export const nobodyListens: Diagnose = (subject) => {
  const { facts, history } = subject;
  const after = now(subject);
  const connected = isSomebodyThere(history, facts) ? 1 : 0;
  // The subject ended, and the one behind is kept back.
  if (subject.found('waiting-witness-stuck') && !isLost(subject) && isPaused(subject)) {
    return { connected, queues: null, paused: 1 };
  }
  if (!isLost(subject) || facts.successorDied !== undefined || after?.state !== 'waiting') return undefined;
  // What a worker has fetched and not begun waits too, and somebody listens.
  if (after.owner !== null || putBackAgain(subject) !== undefined) return undefined;
  const queues = after.facts?.['workerQueues'];
  return {
    connected,
    queues: queues === undefined ? null : String(queues),
    ...(isPaused(subject) ? { paused: 1 } : {}),
  };
};

/** The message was there when the old worker was gone, and nobody was handed it; nor the one behind, and both are gone. */
function messagesDeleted(subject: Case): DiagnosisValues | undefined {
  const { successor } = subject.facts;
  if (isOnQueue(subject.history, 'celery') || successor === undefined) return undefined;
  if (subject.found('waiting-witness-stuck') && isWaitingRemovedSince(subject) && !isLost(subject)) {
    return { incarnation: successor.incarnation, message: 1, neighbour: 1 };
  }
  if (!isUntouched(subject)) return undefined;
  if (now(subject)?.state !== 'gone' || !wasKept(subject)) return undefined;
  if (findRedelivery(subject.facts) !== undefined || !isWaitingRemoved(subject)) return undefined;
  return { incarnation: successor.incarnation, message: 1 };
}

/** Where a job is deleted when it has ended: so was this one, by a worker that had not begun with it. */
function deletedUnworked({ facts, has }: Case): DiagnosisValues | undefined {
  const { terminal, takeOver, struck, attribute } = facts;
  if (terminal?.values.status !== 'deleted' || takeOver !== undefined) return undefined;
  const incarnation = attribute(terminal)?.incarnation ?? 0;
  return incarnation > struck && has('effects-exactly-once', 'failed') ? { incarnation } : undefined;
}

export const deletedAtBoot: Diagnose = (subject) => {
  if (!subject.has('job-persisted', 'failed')) return messagesDeleted(subject) ?? deletedUnworked(subject);
  const deleted = subject.facts.changes.find((version) => version.values === null);
  if (deleted === undefined) return undefined;
  const incarnation = subject.facts.attribute(deleted)?.incarnation ?? 0;
  return incarnation > subject.facts.struck ? { incarnation } : undefined;
};
