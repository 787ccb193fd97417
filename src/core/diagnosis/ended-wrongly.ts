/** Why a job that ended did not end as it should, or did not stay ended. */
import type { Finding, FindingArguments, FindingCode } from '../findings.ts';
import { isTerminal } from '../event.ts';
import {
  closedBeforeDrained,
  completedOnShutdown,
  effectAndMarkApart,
  endedOnShutdown,
  errorSwallowed,
  lostInShutdownWindow,
  resumedPastWork,
} from './claims.ts';
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

/** A new worker wrote FAILED without having worked on the job, and the redelivery went on with it. */
export const failedAtBoot: Diagnose = (subject) => {
  const { terminal, takeOver, struck } = subject.facts;
  if (terminal?.values?.state !== 'failed') return undefined;
  const incarnation = subject.facts.attribute(terminal)?.incarnation ?? null;
  if (incarnation === null || incarnation <= struck) return undefined;
  const beforeAnyWork = takeOver === undefined || terminal.seq < takeOver.version.seq;
  return beforeAnyWork ? { incarnation } : undefined;
};

/** The struck worker itself wrote FAILED or CANCELLED on its way out, though the job is handed out again. */
export const failedOnShutdown: Diagnose = (subject) => {
  if (!endedOnShutdown(subject) || closedBeforeDrained(subject) !== undefined) return undefined;
  return subject.found('changed-after-end') || subject.found('ended-otherwise') ? {} : undefined;
};

/** After the end it was taken up again: its status is, or for a moment was, not final any more. */
export const reranFinishedJob: Diagnose = (subject) => {
  const { terminal, changes } = subject.facts;
  if (!subject.found('changed-after-end') || terminal?.values?.state === 'failed') return undefined;
  const again = changes.find(
    (version) =>
      terminal !== undefined && version.seq > terminal.seq && version.values?.state === 'processing',
  );
  return again === undefined
    ? undefined
    : { incarnation: subject.facts.attribute(again)?.incarnation ?? null };
};

export const wroteAfterEnd: Diagnose = (subject) => {
  if (reranFinishedJob(subject) !== undefined || failedAtBoot(subject) !== undefined) return undefined;
  const changed = valuesOf(subject, 'changed-after-end');
  return changed === undefined ? undefined : { columns: changed.columns, afterMs: changed.afterMs };
};

export const itemsMissing: Diagnose = (subject) => {
  const missing = subject.criteria
    .flatMap(({ evidence }) => evidence)
    .filter(({ code }) => code === 'effect-missing');
  const known = [effectAndMarkApart, resumedPastWork, errorSwallowed, completedOnShutdown];
  if (missing.length === 0 || known.some((cause) => cause(subject) !== undefined)) return undefined;
  return { items: missing.length };
};

export const rowAndQueueDisagree: Diagnose = (subject) => {
  const values = valuesOf(subject, 'row-and-queue-disagree');
  return values === undefined ? undefined : { state: values.state, broker: values.broker };
};

export const neverAcked: Diagnose = (subject) => {
  if (!subject.found('still-in-queue') && !subject.found('messages-left')) return undefined;
  return { due: valuesOf(subject, 'still-in-queue')?.due ?? null };
};

export const recoveryHitFinishedJobs: Diagnose = (subject) => {
  const touched = valuesOf(subject, 'ended-witness-touched');
  return touched === undefined ? undefined : { before: touched.before, after: touched.after };
};

export const slotLeftBehind: Diagnose = (subject) => {
  const stuck = valuesOf(subject, 'waiting-witness-stuck');
  if (stuck === undefined || lostInShutdownWindow(subject) !== undefined) return undefined;
  const row = subject.facts.versions.at(-1)?.values;
  // Where the subject itself is stuck too, what keeps it is the cause of both.
  return row != null && isTerminal(row.state) ? { status: stuck.status } : undefined;
};
