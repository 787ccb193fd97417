/**
 * The job ended as it ends without a restart.
 *
 * Why: a restart that turns a job that would have completed into a failed one has lost it as surely as a deletion.
 * What would fool it: taking any final state for a good one, or taking FAILED for the restart's doing when the worker
 * cannot work on dummy PDFs at all; or taking the control's end for what is usual where the restart has left something
 * behind that fails every job since. So an end that is not the expected one is compared with the control's: the same
 * job on the same worker without a restart. Without a control it is inconclusive; so it is where somebody who is no
 * worker cancelled the job, and where the harness's own hold may have made it fail.
 * A job that completes at another progress than the job that ran before the strike (80 %, 120 %) may always do so, or
 * count its parts wrongly when some of them are done again: the control tells that, too.
 */
import { isTerminal } from '../event.ts';
import { finding } from '../findings.ts';
import { changesOf, first, jobInRole, rowBefore, versionsOf, type History } from '../history.ts';
import type { RestartFacts } from '../restart.ts';
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
    const controlRow = rowBefore(versionsOf(history, jobInRole(history, 'control')));
    if (state === expected) {
      const other = otherProgress(history, facts);
      const usual = controlRow?.state === state ? controlRow.progress : undefined;
      if (other === undefined || (usual != null && isSameShare(usual, other.progress))) {
        return judgement('passed', finding('ended-as-expected', { state }));
      }
      return usual == null
        ? judgement('inconclusive', finding('progress-unusual', other))
        : judgement(
            'failed',
            finding('ended-at-other-progress', { progress: other.progress, expected: usual }),
          );
    }
    if (facts.holdDoubt !== undefined) return judgement('inconclusive', facts.holdDoubt);
    if (state === 'cancelled' && (facts.end && facts.attribute(facts.end)) == null) {
      return judgement('inconclusive', finding('cancelled-by-others'));
    }
    const error = firstLine(now.error);
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

/** The progress at which it completed, and that of the job before the strike, if they are not the same. */
export function otherProgress(
  history: History,
  facts: RestartFacts,
): { readonly progress: number; readonly before: number } | undefined {
  const now = rowBefore(facts.versions);
  const progress = now?.progress;
  const [before, ...later] = changesOf(history, jobInRole(history, 'witness-ended'))
    .filter(({ values }) => values?.state === 'completed')
    .map(({ values }) => values?.progress)
    .filter((share) => share != null);
  if (now?.state !== 'completed' || progress == null || before === undefined) return undefined;
  return [before, ...later].some((share) => isSameShare(share, progress)) ? undefined : { progress, before };
}

/** However it is rounded. */
function isSameShare(one: number, other: number): boolean {
  return Math.abs(one - other) <= 1;
}

function firstLine(error: string | null | undefined): string {
  return (error ?? '').split('\n')[0] ?? '';
}
