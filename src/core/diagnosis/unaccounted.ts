/** Why timestamps are not as they should be, or rows and messages are more than they should be. */
import type { Diagnose } from './diagnosis.ts';

const NOTHING_MORE = {};

/** Applies wherever a criterion gave one of these findings. */
function whenFound(...codes: readonly string[]): Diagnose {
  return ({ found }) => (codes.some(found) ? NOTHING_MORE : undefined);
}

export const startedAtReset: Diagnose = ({ found }) => {
  if (found('started-at-changed') || found('started-at-lost')) return {};
  return found('created-at-changed') ? { created: 1 } : undefined;
};
export const completedAtMissing: Diagnose = ({ found }) => {
  if (found('completed-at-early')) return { early: 1 };
  return found('completed-at-missing') ? {} : undefined;
};
export const clockMixed = whenFound('timestamps-out-of-order', 'timestamp-shifted');
export const resumedAsNewJob: Diagnose = ({ found }) => {
  if (found('further-rows')) return {};
  return found('parts-since-restart') ? { part: 1 } : undefined;
};
export const childrenEnqueuedTwice = whenFound('further-children');

/** A second message that came with the restart; one that was there before is none of the criterion's failures. */
export const recoveredTwice = whenFound('further-messages');
