/** Why a job that ended is not accounted for as it should be. */
import type { Case, Diagnose } from './diagnosis.ts';

const NOTHING_MORE = {};

/** Applies wherever a criterion gave one of these findings. */
function whenFound(...codes: readonly string[]): Diagnose {
  return ({ found }) => (codes.some(found) ? NOTHING_MORE : undefined);
}

export const startedAtReset = whenFound('started-at-changed', 'started-at-lost');
export const completedAtMissing = whenFound('completed-at-missing');
export const clockMixed = whenFound('timestamps-out-of-order');
export const resumedAsNewJob = whenFound('further-rows');
export const childrenEnqueuedTwice = whenFound('further-children');

/** A second message that came with the restart; one that was there before is how the job was enqueued. */
export const recoveredTwice: Diagnose = ({ found, facts }) => {
  if (!found('further-messages')) return undefined;
  const { begun } = facts;
  const before = facts.snapshots.some(
    ({ messages, seq }) => messages !== null && messages > 1 && (begun === undefined || seq < begun.seq),
  );
  return before ? undefined : NOTHING_MORE;
};

export const failedByRestart: Diagnose = (subject) =>
  subject.found('ended-otherwise') &&
  firstEndWasLeft(subject) === undefined &&
  failedAtBoot(subject) === undefined
    ? NOTHING_MORE
    : undefined;

/** The final state that did not last, if there is one, and by whom it was written. */
function firstEndWasLeft({ found, facts }: Case) {
  const { terminal } = facts;
  if (!found('left-final-state') || terminal?.values == null) return undefined;
  return { state: terminal.values.state, incarnation: facts.attribute(terminal)?.incarnation ?? null };
}

/** A new worker failed it when it started, without having worked on it; then the job went on. */
export const failedAtBoot: Diagnose = (subject) => {
  const { facts } = subject;
  const left = firstEndWasLeft(subject);
  const unworked = subject.found('ended-unworked') ? facts.terminal?.values?.state : undefined;
  const incarnation =
    left?.incarnation ?? (facts.terminal === undefined ? null : facts.attribute(facts.terminal)?.incarnation);
  if (incarnation == null || incarnation <= facts.struck || (left?.state ?? unworked) !== 'failed')
    return undefined;
  const worked = facts.takeOver !== undefined && facts.takeOver.version.seq <= (facts.terminal?.seq ?? 0);
  return worked ? undefined : { incarnation };
};

/** On the polite signal the old worker failed its own job, and it was handed out again all the same. */
export const failedOnShutdown: Diagnose = (subject) => {
  const left = firstEndWasLeft(subject);
  const { polite, struck } = subject.facts;
  return polite && left?.state === 'failed' && left.incarnation === struck
    ? { incarnation: struck }
    : undefined;
};

/** The old worker finished it before it left, and a new one worked on it all the same. */
export const redeliveredAfterDrain: Diagnose = (subject) => {
  const left = firstEndWasLeft(subject);
  const { polite, struck, takeOver } = subject.facts;
  if (!polite || left?.state !== 'completed' || left.incarnation !== struck) return undefined;
  return takeOver === undefined ? undefined : { incarnation: takeOver.attribution.incarnation };
};

/** A job that had ended was run again; those with a nearer cause are told of above. */
export const reranFinishedJob: Diagnose = (subject) => {
  const left = firstEndWasLeft(subject);
  if (left === undefined || redeliveredAfterDrain(subject) !== undefined) return undefined;
  if (failedAtBoot(subject) !== undefined || failedOnShutdown(subject) !== undefined) return undefined;
  return { state: left.state };
};

export const wroteAfterEnd = whenFound('changed-after-end');

/** Marked as ended by somebody who had not been handed the job. */
export const endedUnworked: Diagnose = (subject) =>
  subject.found('ended-unworked') && failedAtBoot(subject) === undefined
    ? { state: subject.facts.end?.values?.state ?? null }
    : undefined;
