/**
 * What becomes of a job on Celery. Its brokers keep no record of what has ended: a message that is gone was
 * acknowledged, and when that was, and on whose account, is what tells the causes apart. A worker's own settings, as
 * far as it has told them, come with the snapshots.
 */
import { describeBroker } from '../broker-words.ts';
import { isTerminal, type EventOf, type QueueFacts } from '../event.ts';
import {
  first,
  isAfter,
  isOnQueue,
  lastSnapshotBefore,
  rowBefore,
  type BrokerSnapshot,
  type History,
} from '../history.ts';
import type { Case, Diagnose, DiagnosisValues } from './diagnosis.ts';

/** The job stands where the restart left it, and nobody has it any more. */
function isLostFor({ has, facts, history }: Case): boolean {
  if (!isOnQueue(history, 'celery') || facts.takeOver !== undefined) return false;
  return has('picked-up-again', 'failed') || has('reached-terminal', 'failed');
}

function brokerNow({ facts }: Case): BrokerSnapshot | undefined {
  return lastSnapshotBefore(facts.snapshots);
}

/** What the workers have told, the newest word on each. */
function toldBy({ facts }: Case): QueueFacts {
  const told: Record<string, QueueFacts[string]> = {};
  for (const snapshot of facts.snapshots) Object.assign(told, snapshot.facts);
  return told;
}

function saidByWorker(subject: Case, pattern: RegExp): string | undefined {
  return linesOfWorkers(subject).find(({ text }) => pattern.test(text))?.text;
}

/** The first such line since the old worker was gone. */
function saidSinceGone(subject: Case, tells: (text: string) => boolean): string | undefined {
  return linesOfWorkers(subject).find((line) => isAfter(line, subject.facts.gone) && tells(line.text))?.text;
}

function linesOfWorkers({ history }: Case): readonly EventOf<'note'>[] {
  return history.of('note').filter(({ code }) => code === 'worker-line');
}

function settingsOf(subject: Case): DiagnosisValues {
  const told = toldBy(subject);
  const asText = (value: QueueFacts[string] | undefined): string | null =>
    value === undefined ? null : String(value);
  return {
    pool: asText(told['pool']),
    acksLate: asText(told['acksLate']),
    rejectOnWorkerLost: asText(told['rejectOnWorkerLost']),
  };
}

/** While a worker was at work the broker kept nothing of the job: Celery's default, acknowledged on receipt. */
export const ackedOnReceipt: Diagnose = (subject) => {
  if (!isLostFor(subject) || brokerNow(subject)?.state !== 'gone') return undefined;
  const { before, brokerBefore, strikeAt } = subject.facts;
  // A run that waits for its retry has ended: its message may go.
  if (before?.state !== 'processing' || strikeAt === 'retrying') return undefined;
  if (wasSplit(subject)) return undefined;
  const seen = brokerBefore?.state === 'gone';
  const { acksLate, pool } = toldBy(subject);
  // The pool solo puts the acknowledgement off until the task lets it.
  const unseen = (brokerBefore?.state ?? 'unknown') === 'unknown';
  const told = unseen && acksLate === false && pool !== 'solo' && !wasSurelyThere(subject);
  const concluded = unseen && acksLate !== true && isGoneByCrash(subject);
  if (!seen && !told && !concluded) return undefined;
  return { celery: 1, progress: before.progress ?? null, ...settingsOf(subject) };
};

/** Killed at once, nobody acknowledges anything on the way out: what is gone then was acknowledged before. */
function isGoneByCrash({ facts: { faults, polite, brokerAfterGone } }: Case): boolean {
  const crashed = !polite && faults[0]?.signal === 'SIGKILL' && faults[0].reach !== 'child';
  return crashed && brokerAfterGone?.state === 'gone';
}

/** By a broker that tells one message from another: where only their number is known, what waits may be another one. */
function wasSurelyThere({ facts: { brokerAfterGone } }: Case): boolean {
  return (brokerAfterGone?.messages ?? 0) > 0;
}

/** When it was struck, the task itself was over: the work lay in messages that it had sent on. */
function wasSplit({ facts: { brokerBefore } }: Case): boolean {
  return Number(brokerBefore?.facts?.['further'] ?? 0) > 0;
}

/** Nothing is left of what the task had sent on, and what was to end the job never came. */
export const groupWaitsForTheDead: Diagnose = (subject) => {
  const now = brokerNow(subject);
  const row = rowBefore(subject.facts.versions);
  if (!isOnQueue(subject.history, 'celery') || !subject.has('reached-terminal', 'failed')) return undefined;
  if (!wasSplit(subject) || now?.state !== 'gone' || now.facts?.['further'] !== undefined) return undefined;
  if (row == null) return undefined;
  return {
    further: Number(subject.facts.brokerBefore?.facts?.['further']),
    progress: row.progress ?? null,
  };
};

/** A child of the pool died, and its parent acknowledged the job as a failure. */
export const childDeathAcked: Diagnose = (subject) => {
  if (!isLostFor(subject) || brokerNow(subject)?.state !== 'gone') return undefined;
  const line = saidByWorker(subject, /WorkerLostError/);
  if (line === undefined || subject.facts.brokerBefore?.state === 'gone') return undefined;
  const { acksLate, rejectOnWorkerLost } = toldBy(subject);
  // Set like this the parent puts back what a child has died with.
  if (acksLate === true && rejectOnWorkerLost === true) return undefined;
  return { line, reach: subject.facts.faults[0]?.reach ?? null, ...settingsOf(subject) };
};

/**
 * The child died of the signal to the whole group and its parent, which keeps what it loses, put the message back; then
 * the parent's own request for the next message, still outstanding, took it, and the parent went.
 */
export const putBackAndSwallowed: Diagnose = (subject) => {
  if (!isLostFor(subject) || brokerNow(subject)?.state !== 'gone') return undefined;
  const { acksLate, rejectOnWorkerLost } = toldBy(subject);
  const { before, faults } = subject.facts;
  const line = saidByWorker(subject, /WorkerLostError/);
  const signal = faults[0]?.signal;
  if (line === undefined || signal === undefined || signal === 'SIGKILL') return undefined;
  if (acksLate !== true || rejectOnWorkerLost !== true || before?.state !== 'processing') return undefined;
  return { line, reach: faults[0]?.reach ?? null };
};

/** It was held before the polite stop, and acknowledged by the worker that was leaving. */
export const ackedOnShutdown: Diagnose = (subject) => {
  if (!isLostFor(subject) || brokerNow(subject)?.state !== 'gone') return undefined;
  if (childDeathAcked(subject) !== undefined || putBackAndSwallowed(subject) !== undefined) return undefined;
  const { before, brokerBefore, faults } = subject.facts;
  const signal = faults[0]?.signal ?? 'SIGKILL';
  const held = brokerBefore?.state === 'active' || brokerBefore?.state === 'unknown';
  if (signal === 'SIGKILL' || !held || before?.state !== 'processing') return undefined;
  return { signal, reach: faults[0]?.reach ?? null, ...settingsOf(subject) };
};

/** It waited in the queue, nobody ever began with it, and it is gone. */
export const lostInShutdownWindow: Diagnose = (subject) => {
  if (!isLostFor(subject) || brokerNow(subject)?.state !== 'gone') return undefined;
  if (taskNotRegistered(subject) !== undefined) return undefined;
  const row = rowBefore(subject.facts.versions);
  const neverBegun = !subject.facts.changes.some((version) => version.values?.state === 'processing');
  return row?.state === 'pending' && neverBegun ? {} : undefined;
};

/** No worker knows the task: its message is dropped. */
export const taskNotRegistered: Diagnose = (subject) => {
  if (!isOnQueue(subject.history, 'celery')) return undefined;
  const line = saidByWorker(subject, /unregistered task/i);
  const row = rowBefore(subject.facts.versions);
  if (line === undefined || row == null || isTerminal(row.state)) return undefined;
  return { line, task: first(subject.history, 'run:started')?.target.task ?? '' };
};

/**
 * The task failed after the restart, or its message was thrown away because it had expired or was revoked. Celery
 * acknowledges both, and the row was not told.
 */
export const taskGivenUp: Diagnose = (subject) => {
  const { history, facts, has } = subject;
  if (!isOnQueue(history, 'celery')) return undefined;
  if (!has('picked-up-again', 'failed') && !has('reached-terminal', 'failed')) return undefined;
  const id = history.of('job:submitted').find(({ job }) => job === facts.job)?.messageId;
  if (id === undefined) return undefined;
  const line = saidSinceGone(subject, (text) => GIVEN_UP.test(text) && text.includes(id));
  // A child that died was not the task's failure.
  if (line === undefined || line.includes('WorkerLostError')) return undefined;
  return { line, discarded: line.includes('Discarding') ? 1 : 0 };
};

const GIVEN_UP = /raised unexpected: |Hard time limit .* exceeded|Discarding revoked task/;

/** A new worker emptied the queue when it started, as it says itself. */
export const purged: Diagnose = (subject) => {
  if (!isLostFor(subject)) return undefined;
  const line = saidSinceGone(subject, (text) => PURGED.test(text));
  return line === undefined ? undefined : { incarnation: subject.facts.struck + 1, message: 1, line };
};

const PURGED = /purge: Erased [1-9]\d* message/;

/** The retry lies in a worker's memory, and its message with the one that died; or there is no message at all. */
export const retryInMemory: Diagnose = (subject) => {
  const { brokerBefore, before, strikeAt } = subject.facts;
  const untold = brokerBefore?.state === 'gone' && strikeAt === 'retrying' && (before?.retryCount ?? 0) > 0;
  if (!isOnQueue(subject.history, 'celery') || (brokerBefore?.state !== 'delayed' && !untold))
    return undefined;
  const now = brokerNow(subject);
  const row = rowBefore(subject.facts.versions);
  if (row == null || isTerminal(row.state) || now?.state === 'waiting') return undefined;
  return { retries: before?.retryCount ?? null, broker: describeBroker(now) };
};

/** Handed out again while its worker was still at it: the visibility timeout ran out before the job had ended. */
export const visibilityShorterThanWork: Diagnose = (subject) => {
  const visibilityMs = Number(toldBy(subject)['visibilityTimeoutMs']);
  const twice = subject.found('older-wrote-after-newer') || subject.found('older-claim-returned');
  const { changes, terminal } = subject.facts;
  const began = changes.find((version) => version.values?.state === 'processing');
  const tookMs = began === undefined ? 0 : (terminal ?? changes.at(-1) ?? began).atMs - began.atMs;
  return twice && visibilityMs < tookMs ? { visibilityMs, tookMs } : undefined;
};

/** For a job that is not due yet: when the visibility timeout ends, by the clock of the run's beginning. */
export function visibilityValues(history: History, snapshot: BrokerSnapshot | undefined): DiagnosisValues {
  const visibilityMs = snapshot?.facts?.['visibilityTimeoutMs'];
  const startedAt = first(history, 'run:started')?.startedAt;
  if (snapshot?.lockUntilMs == null || typeof visibilityMs !== 'number' || startedAt === undefined) return {};
  const due = new Date(Date.parse(startedAt) + snapshot.lockUntilMs);
  return {
    visibilityMs,
    told: snapshot.facts?.['visibilityTimeoutTold'] === true ? 1 : 0,
    dueAt: `${due.toISOString().slice(0, 19).replace('T', ' ')} UTC`,
  };
}
