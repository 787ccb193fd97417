/**
 * The job ended as it ends without a restart.
 *
 * Why: a restart that turns a job that would have completed into a failed one has lost it as surely as a deletion.
 * What would fool it: taking any final state for a good one, or taking FAILED for the restart's doing when the worker
 * cannot work on dummy PDFs at all; or taking the control's end for what is usual where the restart has left something
 * behind that fails every job since. So an end that is not the expected one is compared with the control's: the same
 * job on the same worker without a restart. Without a control it is inconclusive; so it is where somebody who is no
 * worker cancelled the job, and where the harness's own hold may have made it fail.
 */
import { isTerminal } from '../event.ts';
import { finding } from '../findings.ts';
import { first, jobInRole, rowBefore, versionsOf } from '../history.ts';
import { judgement, type Criterion } from './criterion.ts';
import { isWaitingSpoilt } from './witnesses-unharmed.ts';

export const sameOutcome: Criterion = {
  id: 'same-outcome',
  title: 'ended as without a restart',
  judge(history, facts) {
    const now = rowBefore(facts.versions);
    if (now == null || !isTerminal(now.state)) {
      return judgement('skipped', finding('no-end-to-compare'));
    }
    const { state } = now;
    const expected =
      (first(history, 'run:started')?.fileMode ?? 'valid') === 'valid' ? 'completed' : 'failed';
    if (state === expected) return judgement('passed', finding('ended-as-expected', { state }));
    if (facts.holdDoubt !== undefined) return judgement('inconclusive', facts.holdDoubt);
    if (state === 'cancelled' && (facts.end && facts.attribute(facts.end)) == null) {
      return judgement('inconclusive', finding('cancelled-by-others'));
    }
    const error = firstLine(now.error);
    const controlRow = rowBefore(versionsOf(history, jobInRole(history, 'control')));
    if (controlRow == null || !isTerminal(controlRow.state)) {
      return judgement('inconclusive', finding('expected-end-unknown', { state, error }));
    }
    // Where the worker completes nothing any more since the restart, the control suffers from it too.
    if (controlRow.state === state && isWaitingSpoilt(history)) {
      return judgement('inconclusive', finding('control-refused-too', { state, error }));
    }
    return controlRow.state === state
      ? judgement('passed', finding('ended-as-control', { state }))
      : judgement('failed', finding('ended-otherwise', { state, expected: controlRow.state, error }));
  },
};

function firstLine(error: string | null | undefined): string {
  return (error ?? '').split('\n')[0] ?? '';
}
