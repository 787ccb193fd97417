/** Why a job that ended is not accounted for as it should be. */
import type { Diagnose } from './diagnosis.ts';

export const startedAtReset: Diagnose = (subject) => {
  if (!subject.found('started-at-changed') && !subject.found('started-at-lost')) return undefined;
  return {};
};

export const completedAtMissing: Diagnose = (subject) =>
  subject.found('completed-at-missing') ? {} : undefined;

export const clockMixed: Diagnose = (subject) =>
  subject.found('timestamps-out-of-order') || subject.found('timestamp-shifted') ? {} : undefined;

export const resumedAsNewJob: Diagnose = (subject) => (subject.found('further-rows') ? {} : undefined);

export const recoveredTwice: Diagnose = (subject) => (subject.found('further-messages') ? {} : undefined);

/** It failed after it had been taken up again: something of the first run stands in the way of the second. */
export const failedByRestart: Diagnose = (subject) => {
  if (!subject.found('ended-otherwise') || subject.found('retries-burnt')) return undefined;
  return subject.facts.takeOver === undefined ? undefined : {};
};
