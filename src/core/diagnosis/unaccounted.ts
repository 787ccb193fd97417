/** Why a job that ended is not accounted for as it should be. */
import type { Diagnose } from './diagnosis.ts';

export const startedAtReset: Diagnose = (subject) => {
  if (!subject.found('started-at-changed') && !subject.found('started-at-lost')) return undefined;
  return {};
};

export const completedAtMissing: Diagnose = (subject) =>
  subject.found('completed-at-missing') ? {} : undefined;

export const clockMixed: Diagnose = (subject) => (subject.found('timestamps-out-of-order') ? {} : undefined);

export const resumedAsNewJob: Diagnose = (subject) => (subject.found('further-rows') ? {} : undefined);

export const recoveredTwice: Diagnose = (subject) => (subject.found('further-messages') ? {} : undefined);

export const failedByRestart: Diagnose = (subject) => (subject.found('ended-otherwise') ? {} : undefined);
