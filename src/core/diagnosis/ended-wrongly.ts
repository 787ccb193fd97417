/** Why a job that ended did not end as it should, or did not stay ended. */
import { describeBroker } from '../broker-words.ts';
import { isTerminal, type JobState } from '../event.ts';
import type { Finding, FindingArguments, FindingCode } from '../findings.ts';
import { claimIn } from '../claims.ts';
import { isWaitingSpoilt } from '../criteria/witnesses-unharmed.ts';
import { firstSnapshotAfter, isAfter, lastSnapshotBefore, rowBefore, type RowVersion } from '../history.ts';
import { isGivenUpForStalls, wasHandedOutBefore } from '../redelivery.ts';
import { kindOfWrite } from '../take-over.ts';
import {
  changesIn,
  closedBeforeDrained,
  completedOnShutdown,
  effectAndMarkApart,
  endedOnShutdown,
  errorSwallowed,
  isDone,
  lostInShutdownWindow,
  resumedPastWork,
  isPaused,
  isWaitingRemovedSince,
} from './claims.ts';
import { groupWaitsForTheDead } from './celery.ts';
import type { Case, Diagnose } from './diagnosis.ts';

/** The values of the first finding with this code. */
export function valuesOf<Code extends FindingCode>(
  subject: Case,
  code: Code,
): Readonly<FindingArguments[Code]> | undefined {
  const all: readonly Finding[] = subject.criteria.flatMap((criterion) => criterion.evidence);
  // A finding with this code carries the values of this code.
  return all.find((each) => each.code === code) as Readonly<FindingArguments[Code]> | undefined;
}

interface FirstEnd {
  readonly state: JobState;
  /** Who wrote it, if that is known. */
  readonly by: number | null;
  /** Who left it again, if that is known. */
  readonly leftBy: number | null;
  /** Nobody took it up again: whoever had ended it put another status over the end, and no more came of it. */
  readonly byLateWrite: boolean;
}

/** The final state that did not last, if there was one. */
function endThatWasLeft({ facts }: Case): FirstEnd | undefined {
  const { terminal, changes } = facts;
  if (terminal?.values == null) return undefined;
  const { state } = terminal.values;
  const left = changes.find(
    (version) => isAfter(version, terminal) && version.values !== null && version.values.state !== state,
  );
  if (left === undefined || facts.artefacts.has(left.seq)) return undefined;
  const writer = (version: RowVersion): number | null => facts.attribute(version)?.incarnation ?? null;
  const [by, leftBy] = [writer(terminal), writer(left)];
  const workedOn = changes.some(
    (version) =>
      isAfter(version, left) && kindOfWrite(version.values, rowBefore(changes, version.seq)) !== 'none',
  );
  const claimed = claimIn(left.values) !== null && claimIn(left.values) !== claimIn(terminal.values);
  return { state, by, leftBy, byLateWrite: by !== null && by === leftBy && !claimed && !workedOn };
}

/** A new worker wrote FAILED without having been handed the job, whether or not the redelivery went on with it. */
export const failedAtBoot: Diagnose = (subject) => {
  const { terminal, takeOver, struck } = subject.facts;
  if (terminal?.values?.state !== 'failed') return undefined;
  const incarnation = subject.facts.attribute(terminal)?.incarnation ?? 0;
  if (incarnation <= struck) return undefined;
  // Put into a row of its own, or out of retries: that is told of by itself.
  if (subject.found('further-rows') || subject.found('retries-burnt')) return undefined;
  const worked = takeOver !== undefined && !isAfter(takeOver.version, terminal);
  const stalled = isToldOfStall(subject, terminal);
  if (!stalled && (worked || wasHandedOutBefore(subject.facts, terminal))) return undefined;
  const wrong =
    endThatWasLeft(subject) !== undefined ||
    subject.found('ended-unworked') ||
    subject.found('ended-otherwise');
  return wrong ? { incarnation, ...(stalled ? { stalled: 1 } : {}) } : undefined;
};

/** The queue allows fewer stalls than there were restarts; the row was told of it. */
export function isFailedByStalls({ facts, found }: Case): boolean {
  const now = lastSnapshotBefore(facts.snapshots);
  return found('ended-otherwise') && facts.takeOver === undefined && isGivenUpForStalls(now);
}

/** Who heard that the queue had found the job stalled took that for its end; the queue hands it out again. */
function isToldOfStall({ facts }: Case, end: RowVersion): boolean {
  const { changes, gone, snapshots } = facts;
  if (gone === undefined || !/\bstalled\b/i.test(end.values?.error ?? '')) return false;
  const done = (end.values?.progress ?? 0) > (rowBefore(changes, gone.seq)?.progress ?? 0);
  // One that the queue has given up is told of rightly.
  return !done && firstSnapshotAfter(snapshots, end.seq)?.state !== 'dead';
}

/** The job that waited behind was ended by a new worker that had never begun with it. */
export const neighbourEndedUntaken: Diagnose = ({ history, facts, found }) => {
  if (!found('waiting-witness-failed')) return undefined;
  const changes = changesIn(history, 'witness-waiting');
  const end = changes.find((version) => version.values !== null && isTerminal(version.values.state));
  const incarnation = (end && facts.attribute(end)?.incarnation) ?? 0;
  const begun = changes.some(({ values }) => values?.state === 'processing');
  return incarnation > facts.struck && !begun
    ? { incarnation, neighbour: 1, state: end?.values?.status ?? null }
    : undefined;
};

/** The struck worker itself wrote FAILED or CANCELLED on its way out, though the job is handed out again, or would have completed. */
export const failedOnShutdown: Diagnose = (subject) => {
  if (subject.facts.endedBefore || !endedOnShutdown(subject)) return undefined;
  if (closedBeforeDrained(subject) !== undefined) return undefined;
  return endThatWasLeft(subject) !== undefined || subject.found('ended-otherwise') ? {} : undefined;
};

/** The old worker finished it before it left, and a new one worked on it all the same. */
export const redeliveredAfterDrain: Diagnose = (subject) => {
  const left = endThatWasLeft(subject);
  const { polite, struck, takeOver } = subject.facts;
  if (!polite || left?.state !== 'completed' || left.by !== struck) return undefined;
  return takeOver === undefined ? undefined : { incarnation: takeOver.attribution.incarnation };
};

/** A job that had ended was taken up again; those with a nearer cause are told of above. */
export const reranFinishedJob: Diagnose = (subject) => {
  const left = endThatWasLeft(subject);
  const reopened = valuesOf(subject, 'waiting-witness-reopened');
  if (left === undefined && reopened !== undefined) return { state: reopened.before, incarnation: null };
  if (left === undefined || left.byLateWrite || redeliveredAfterDrain(subject) !== undefined)
    return undefined;
  if (failedAtBoot(subject) !== undefined || failedOnShutdown(subject) !== undefined) return undefined;
  return { state: left.state, incarnation: left.leftBy };
};

/**
 * From one word for an end to another word for the same end: the first may be a step on the way, which the mapping takes
 * for the end.
 */
export const stepMappedAsEnd: Diagnose = (subject) => {
  const { terminal, changes, artefacts } = subject.facts;
  const changed = valuesOf(subject, 'changed-after-end');
  if (changed === undefined) return undefined;
  const status = terminal?.values?.status ?? null;
  const next = changes.find(
    (version) =>
      isAfter(version, terminal) && !artefacts.has(version.seq) && version.values?.status !== status,
  )?.values;
  return next?.state === changed.state
    ? { state: changed.state, first: status, second: next.status }
    : undefined;
};

export const wroteAfterEnd: Diagnose = (subject) => {
  if (stepMappedAsEnd(subject) !== undefined) return undefined;
  if (endThatWasLeft(subject)?.byLateWrite === false) return undefined;
  // Of two that work at once one ends it later than the other.
  if (subject.found('older-wrote-after-newer')) return undefined;
  const changed = valuesOf(subject, 'changed-after-end');
  return changed === undefined ? undefined : { columns: changed.columns, afterMs: changed.afterMs };
};

/** Marked as ended by somebody who had not been handed the job. */
export const endedUnworked: Diagnose = (subject) =>
  subject.found('ended-unworked') && failedAtBoot(subject) === undefined
    ? { state: subject.facts.end?.values?.state ?? null }
    : undefined;

/** It failed after it had been handed out again: something of the first run stands in the way of the second. */
export const rerunCannotSucceed: Diagnose = (subject) => {
  if (!subject.found('ended-otherwise') || subject.found('retries-burnt') || isFailedByStalls(subject))
    return undefined;
  if (failedAtBoot(subject) !== undefined || endedOnShutdown(subject)) return undefined;
  const { takeOver, end } = subject.facts;
  const handedOut = end && wasHandedOutBefore(subject.facts, end);
  return takeOver !== undefined || handedOut === true ? {} : undefined;
};

export const itemsMissing: Diagnose = (subject) => {
  const missing = subject.criteria
    .flatMap(({ evidence }) => evidence)
    .filter(({ code }) => code === 'effect-missing');
  const known = [effectAndMarkApart, resumedPastWork, errorSwallowed, completedOnShutdown];
  if (missing.length === 0 || known.some((cause) => cause(subject) !== undefined)) return undefined;
  return { items: missing.length };
};

/** One of the two was told of an end, the other never, or of another one. */
export const rowAndQueueDisagree: Diagnose = (subject) => {
  const { facts } = subject;
  const values = valuesOf(subject, 'row-and-queue-disagree');
  if (values !== undefined) return { status: values.state, broker: values.broker };
  if (!subject.has('reached-terminal', 'failed') || facts.terminal !== undefined) return undefined;
  const now = lastSnapshotBefore(facts.snapshots);
  const over = now?.state === 'ended' || now?.state === 'gone';
  const done = facts.takeOver !== undefined || isDone(subject);
  if (!done || facts.successorDied !== undefined || !over) return undefined;
  if (groupWaitsForTheDead(subject) !== undefined) return undefined;
  return { status: facts.versions.at(-1)?.values?.status ?? null, broker: describeBroker(now) };
};

export const neverAcked: Diagnose = (subject) => {
  if (!subject.found('still-in-queue') && !subject.found('messages-left')) return undefined;
  // A message that nobody was handed is not one that nobody acknowledged.
  const { facts } = subject;
  const endedBy = facts.end && facts.attribute(facts.end)?.incarnation;
  if (facts.takeOver === undefined && endedBy !== facts.struck) return undefined;
  return { due: valuesOf(subject, 'still-in-queue')?.due ?? null };
};

export const queueLeftovers: Diagnose = ({ found }) =>
  found('set-for-the-job') || found('lock-stands') ? {} : undefined;

export const recoveryHitFinishedJobs: Diagnose = (subject) => {
  const touched = valuesOf(subject, 'ended-witness-touched');
  const { begun, struck, attribute } = subject.facts;
  if (subject.found('ended-witness-effect-gone')) return { effects: 1 };
  if (touched === undefined) return undefined;
  const late = changesIn(subject.history, 'witness-ended').filter((version) => isAfter(version, begun));
  // What the old worker wrote to it, late, is no recovery's doing.
  const byRecovery = late.some((version) => (attribute(version)?.incarnation ?? struck + 1) > struck);
  return byRecovery ? { before: touched.before, after: touched.after } : undefined;
};

/** Jobs of one file completed before the restart; since then neither the one behind nor the subject does. */
function refusedSince({ history, facts }: Case): string | undefined {
  const state = rowBefore(facts.versions)?.state;
  if (state !== 'failed' && state !== 'cancelled') return undefined;
  return isWaitingSpoilt(history) ? state : undefined;
}

export const slotLeftBehind: Diagnose = (subject) => {
  const refused = refusedSince(subject);
  if (refused !== undefined) return { status: refused, refused: 1 };
  const stuck = valuesOf(subject, 'waiting-witness-stuck');
  if (stuck === undefined || subject.facts.successorDied !== undefined) return undefined;
  if (!subject.has('witnesses-unharmed', 'failed')) return undefined;
  if (lostInShutdownWindow(subject) !== undefined || isPaused(subject)) return undefined;
  if (isWaitingRemovedSince(subject)) return undefined;
  const row = subject.facts.versions.at(-1)?.values;
  // Where the subject itself is stuck too, what keeps it is the cause of both.
  return row != null && isTerminal(row.state) ? { status: stuck.status } : undefined;
};
