/**
 * Causes that show in who claimed what: the claims of the subject, those of its neighbours, and the order in which the
 * files were done. Where a table names the claim (owner, task id) or counts the pick-ups, they are told apart by that.
 */
import { firstClaimAfter, claimIn, claimsWithin } from '../claims.ts';
import { effectsOf } from '../effects.ts';
import type { JobRole } from '../event.ts';
import {
  changesOf,
  firstSnapshotAfter,
  isAfter,
  isOnQueue,
  lastSnapshotBefore,
  rowBefore,
  snapshotsOf,
  type BrokerSnapshot,
  type History,
  type RowVersion,
} from '../history.ts';
import { findStallOfTheLiving, putBackUntouched } from '../redelivery.ts';
import type { Case, Diagnose } from './diagnosis.ts';

/** The job was not brought to its end, and nobody says that it is yet to come. */
function isLost({ has }: Case): boolean {
  return has('picked-up-again', 'failed') || has('reached-terminal', 'failed');
}

function isUntouched(subject: Case): boolean {
  return isLost(subject) && subject.facts.takeOver === undefined;
}

/** The job that was made for a role: one, or none. */
function jobsIn(history: History, role: JobRole): readonly string[] {
  return history
    .of('job:created')
    .filter((event) => event.role === role)
    .map(({ job }) => job);
}

/** What was written to the job in a role. */
export function changesIn(history: History, role: JobRole): readonly RowVersion[] {
  return jobsIn(history, role).flatMap((job) => changesOf(history, job));
}

/** What the broker told of the job that waited behind. */
function looksAtWaiting({ history }: Case): readonly BrokerSnapshot[] {
  return jobsIn(history, 'witness-waiting').flatMap((job) => snapshotsOf(history, job));
}

/** The queue hands nothing out, whoever listens. */
export function isPaused(subject: Case): boolean {
  const looks = [subject.facts.snapshots.at(-1), looksAtWaiting(subject).at(-1)];
  return looks.some((look) => look?.facts?.['paused'] === true);
}

/** The job that waited behind is gone from the queue, and nobody has begun with it. */
export function isWaitingRemoved(subject: Case): boolean {
  const row = changesIn(subject.history, 'witness-waiting').at(-1)?.values;
  return row?.state === 'pending' && looksAtWaiting(subject).at(-1)?.state === 'gone';
}

/** … though it waited there when the old worker was gone. */
export function isWaitingRemovedSince(subject: Case): boolean {
  const then = looksAtWaiting(subject).find((look) => isAfter(look, subject.facts.gone));
  return then?.state === 'waiting' && isWaitingRemoved(subject);
}

/** A new worker is there and takes nothing at all, not even what only waits: something keeps it away. */
export const staleLock: Diagnose = (subject) => (isControlTaken(subject) ? undefined : takesNothing(subject));

/** It takes nothing that was there when it came, and at once what is submitted while it listens. */
export const announcedOnly: Diagnose = (subject) =>
  isControlTaken(subject) ? takesNothing(subject) : undefined;

function isControlTaken({ history }: Case): boolean {
  return changesIn(history, 'control').some(({ values }) => values !== null && values.state !== 'pending');
}

/** Neither the subject nor the job that only waits, though it is there. */
const takesNothing: Diagnose = (subject) => {
  const { successor, successorNotReady, successorDied, gone, brokerBefore } = subject.facts;
  const there = successor ?? successorNotReady;
  if (!isUntouched(subject) || there === undefined || gone === undefined) return undefined;
  if (successorDied !== undefined || isPaused(subject)) return undefined;
  // A broker that had done with the job before the strike may have done with the one behind as well.
  if (brokerBefore?.state === 'ended' || brokerBefore?.state === 'gone') return undefined;
  // What is not in the queue any more cannot be taken by anybody.
  if (isWaitingRemoved(subject)) return undefined;
  const waiting = changesIn(subject.history, 'witness-waiting');
  const now = waiting.at(-1)?.values;
  const untouched = !waiting.some((version) => isAfter(version, gone));
  return now?.state === 'pending' && untouched
    ? { incarnation: there.incarnation, ready: successor === undefined ? 0 : 1 }
    : undefined;
};

/** After everything was judged one more worker was started, and that one took it. */
export const loadedAtBootOnly: Diagnose = (subject) => {
  const took = subject.history.of('note').some(({ code }) => code === 'next-boot-took-it');
  return took && isLost(subject) ? {} : undefined;
};

/** What names the claim named the worker for other jobs too, and the new worker goes by another name. */
export const claimTiedToName: Diagnose = (subject) => {
  const { before, struck, attribute, end } = subject.facts;
  if (!isUntouched(subject) || end !== undefined || rowBefore(subject.facts.versions) === null)
    return undefined;
  if (loadedAtBootOnly(subject) !== undefined || graceShorterThanDrain(subject) !== undefined)
    return undefined;
  const name = claimIn(before);
  if (name === null || isTokenOfBullmq(subject, name)) return undefined;
  const { history } = subject;
  const others = [...changesIn(history, 'witness-ended'), ...changesIn(history, 'witness-waiting')];
  const usedTwice = others.some(({ values }) => claimIn(values) === name);
  const newName = others
    .filter((version) => (attribute(version)?.incarnation ?? 0) > struck)
    .map(({ values }) => claimIn(values))
    .find((claim) => claim !== null && claim !== name);
  if (!usedTwice || newName === undefined) return undefined;
  return { name, newName, ...(isNamedAnew(subject, name) ? { anew: 1 } : {}) };
};

/** BullMQ hands the next job out under the token of the last, so that its token on two jobs names no worker. */
function isTokenOfBullmq({ history, facts }: Case, claim: string): boolean {
  const bullmq = isOnQueue(history, 'bullmq');
  // While a lock stands its holder goes by the token; afterwards by the name of the worker.
  return bullmq && facts.snapshots.some(({ owner, lockUntilMs }) => owner === claim && lockUntilMs !== null);
}

/** With its pid or a token in its name every life of a worker has another: then that nobody looks is the nearer cause. */
function isNamedAnew({ history, facts }: Case, name: string): boolean {
  if (/[0-9a-f]{8}-?[0-9a-f]{4}/i.test(name)) return true;
  const trees = history.of('worker:processes').filter(({ incarnation }) => incarnation === facts.struck);
  const pids = trees.flatMap(({ processes }) => processes.map(({ pid }) => String(pid)));
  return [...name.matchAll(/\d+/g)].some(([number]) => pids.includes(number));
}

/** It failed once, was to be retried, and with the worker the retry was gone. */
export const retryInMemory: Diagnose = (subject) =>
  isLost(subject) && subject.found('retry-never-came') ? {} : undefined;

/** It was asked to stop, did not within the grace period, was killed, and then nobody took the job. */
export const graceShorterThanDrain: Diagnose = (subject) => {
  const { faults, struck } = subject.facts;
  if (!isLost(subject)) return undefined;
  const own = faults.filter(({ incarnation }) => incarnation === struck);
  const asked = own.find(({ signal }) => signal !== 'SIGKILL');
  const killed = own.find((fault) => fault.signal === 'SIGKILL' && isAfter(fault, asked));
  return killed === undefined ? undefined : { afterMs: killed.atMs - (asked?.atMs ?? killed.atMs) };
};

/**
 * The neighbour that waited was taken by the worker that was asked to stop, and never given back: by its row, or, where
 * that was not told, by the broker, which had done with it when the worker had left.
 */
export const lostInShutdownWindow: Diagnose = (subject) => {
  const { history, found, facts } = subject;
  const { faults, struck, attribute, gone } = facts;
  if (!found('waiting-witness-stuck') || gone === undefined) return undefined;
  if (faults[0] === undefined || faults[0].signal === 'SIGKILL') return undefined;
  const last = changesIn(history, 'witness-waiting').at(-1);
  if (last?.values?.state === 'processing') {
    return attribute(last)?.incarnation === struck ? { incarnation: struck } : undefined;
  }
  const after = firstSnapshotAfter(looksAtWaiting(subject), gone.seq);
  return after?.state === 'ended' || after?.state === 'gone' ? { incarnation: struck } : undefined;
};

/** All of its files were done when the old worker had left, and only its end was not told. */
export function isDone({ facts: { changes, gone } }: Case): boolean {
  return (rowBefore(changes, gone?.seq)?.progress ?? 0) >= 100;
}

/** Handed out again, perhaps again and again, and not a step of work was done. */
export const takenAndLeft: Diagnose = (subject) => {
  const { brokerBefore, gone, changes, snapshots } = subject.facts;
  const now = lastSnapshotBefore(snapshots);
  if (!isLost(subject) || gone === undefined || now?.state !== 'active') return undefined;
  // Where it was put back in vain before, it is by chance that the last look finds it handed out.
  const putBack = snapshots.filter(
    (look) => isAfter(look, gone) && (look.state === 'delayed' || look.state === 'waiting'),
  );
  if (putBack.some((look) => putBackUntouched(subject.facts, look).inVain)) return undefined;
  const deliveries = now.deliveries ?? 0;
  const again = deliveries - (brokerBefore?.deliveries ?? deliveries);
  const done = rowBefore(changes, gone.seq)?.progress ?? 0;
  const worked = changes.some((version) => isAfter(version, gone) && (version.values?.progress ?? 0) > done);
  // One pick-up that stands still is a run that hangs; several are a worker that does not go on.
  return again >= 2 && !worked ? { deliveries } : undefined;
};

/** The old worker, asked to stop, wrote the end of a job that it had not done. */
export const completedOnShutdown: Diagnose = (subject) => {
  const ended = endByOld(subject);
  return ended?.values?.state === 'completed' && missingOf(subject).size > 0
    ? { progress: subject.facts.before?.progress ?? null }
    : undefined;
};

/** What clients say of a connection that was closed under them. "Shutdown" alone is what a handler says that gives up. */
const CLOSED =
  /\b(?:closed|destroyed|terminated|not (?:open|queryable))\b|after calling end|cannot schedule new futures|(?:pool|client|connection|database|server|system)\b.*\bshut(?:ting)?[ -]?down|ECONNRESET/i;

/**
 * The old worker failed its job after the signal, for want of something that it had closed itself: the row says so, or
 * (what was closed was the way to the row) the broker alone.
 */
export const closedBeforeDrained: Diagnose = (subject) => {
  const error = errorOfOld(subject) ?? '';
  return CLOSED.test(error) && !/stopped/i.test(error) ? { error: error.slice(0, 200) } : undefined;
};

function errorOfOld(subject: Case): string | null | undefined {
  const { polite, terminal, brokerBefore, brokerAfterGone } = subject.facts;
  const end = endByOld(subject)?.values;
  if (end?.state === 'failed') return end.error;
  if (!polite || terminal !== undefined || brokerBefore?.state === 'dead') return undefined;
  return brokerAfterGone?.state === 'dead' ? brokerAfterGone.failedReason : undefined;
}

function endByOld({ facts }: Case): RowVersion | undefined {
  const { terminal, begun, struck, attribute } = facts;
  if (terminal === undefined || !isAfter(terminal, begun)) return undefined;
  return attribute(terminal)?.incarnation === struck ? terminal : undefined;
}

interface ItemOrder {
  readonly files: readonly string[];
  /** How many were noted as done when the old worker was gone; NaN, which no index equals or exceeds: the table does not tell. */
  readonly noted: number;
}

function orderOf({ history, facts }: Case): ItemOrder {
  const files = history.of('job:created').flatMap(({ job, files }) => (job === facts.job ? files : []));
  const progress = (facts.afterGone?.values ?? facts.before)?.progress ?? Number.NaN;
  return { files, noted: Math.round((progress * files.length) / 100) };
}

/** The files of which a job that is completed left nothing behind. */
function missingOf({ history, facts }: Case): ReadonlySet<string> {
  const completed = facts.changes.at(-1)?.values?.state === 'completed';
  return new Set(completed ? effectsOf(history, facts.job)?.missing : undefined);
}

/** Just the file in hand is there twice (its effect came before its mark), or not at all (its mark came first). */
export const effectAndMarkApart: Diagnose = (subject) => {
  const { files, noted } = orderOf(subject);
  if (subject.found('progress-went-down') || claimsWithin(subject.facts).length > 0) return undefined;
  const [missing, ...furtherMissing] = missingOf(subject);
  const effects = effectsOf(subject.history, subject.facts.job);
  const [repeated, ...furtherRepeated] = effects?.repeated ?? [];
  const twice = repeated !== undefined && furtherRepeated.length === 0 && repeated.item === files[noted];
  const never = missing !== undefined && furtherMissing.length === 0 && missing === files[noted - 1];
  if (twice === never) return undefined;
  return { item: twice ? repeated.item : (missing ?? ''), times: twice ? repeated.count : 0 };
};

/** A file that was not noted as done was passed over, and later ones were done. */
export const resumedPastWork: Diagnose = (subject) => {
  const { files, noted } = orderOf(subject);
  const missing = missingOf(subject);
  if (subject.facts.takeOver === undefined || endByOld(subject) !== undefined) return undefined;
  const passed = files.findIndex((file, index) => index >= noted && missing.has(file));
  if (passed === -1) return undefined;
  return files.slice(passed).some((file) => !missing.has(file)) ? { item: files[passed] ?? '' } : undefined;
};

/** Nothing was done any more from some file on, and the job was completed all the same. */
export const errorSwallowed: Diagnose = (subject) => {
  const { files, noted } = orderOf(subject);
  const missing = missingOf(subject);
  const { terminal, struck, attribute } = subject.facts;
  if (terminal === undefined || (attribute(terminal)?.incarnation ?? struck) === struck) return undefined;
  const from = files.findIndex((file) => missing.has(file));
  if (from < noted) return undefined;
  return files.slice(from).every((file) => missing.has(file)) ? { items: missing.size } : undefined;
};

/**
 * Claimed again by the same process while its own run was still going on, and by the same name: as the row counts it, or
 * as the broker does, which took it from a living holder and handed it out again without another claim in the row.
 */
export const fenceNotUnique: Diagnose = (subject) => {
  if (!isDoneTwice(subject)) return undefined;
  const same = claimsWithin(subject.facts).find(({ before, after }) => before !== null && before === after);
  if (same !== undefined) return { claim: same.after };
  const { changes, takeOver, attribute } = subject.facts;
  const stalled = findStallOfTheLiving(subject.facts);
  if (stalled === undefined || takeOver === undefined) return undefined;
  const { incarnation } = takeOver.attribution;
  const claims = new Set(
    changes
      .filter((version) => attribute(version)?.incarnation === incarnation)
      .map(({ values }) => claimIn(values)),
  );
  const [claim] = claims;
  return claims.size === 1 && claim != null && isAfter(stalled, takeOver.version) ? { claim } : undefined;
};

/** Claimed again, or taken back by the broker, while the run that held it was alive: its lock had ended before the work. */
export const lockShorterThanWork: Diagnose = (subject) => {
  if (!isDoneTwice(subject)) return undefined;
  const { begun, struck, takeOver } = subject.facts;
  const stalled = findStallOfTheLiving(subject.facts);
  if (stalled !== undefined && !isAfter(stalled, begun)) return { incarnation: struck };
  if (stalled !== undefined && takeOver !== undefined) {
    return { incarnation: takeOver.attribution.incarnation };
  }
  const again = claimsWithin(subject.facts).find(({ beforeLeaseMs }) => (beforeLeaseMs ?? 0) >= 0);
  return again === undefined ? undefined : { incarnation: again.incarnation };
};

/** Two claims by the new worker, the first while the dead one's claim was still running: two ways of recovery. */
export const resumedTwice: Diagnose = (subject) => {
  const { facts } = subject;
  const { gone, struck } = facts;
  if (!isDoneTwice(subject) || gone === undefined) return undefined;
  const own = claimsWithin(facts).find(({ incarnation }) => incarnation > struck);
  const first = firstClaimAfter(facts, gone.seq);
  if (own === undefined || first === null) return undefined;
  return (first.beforeLeaseMs ?? 0) < 0 ? { incarnation: own.incarnation } : undefined;
};

function isDoneTwice(subject: Case): boolean {
  return subject.found('effect-repeated') || subject.has('single-writer', 'failed');
}

/** Whether a job that had ended otherwise than it should was ended by the worker that was asked to stop. */
export function endedOnShutdown(subject: Case): boolean {
  const end = endByOld(subject);
  return end !== undefined && end.values?.state !== 'completed';
}
