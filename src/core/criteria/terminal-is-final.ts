/**
 * Nothing changes a job that has reached a final state, until the settle time is over.
 *
 * Why: whoever saw COMPLETED has acted on it. A redelivery that runs a finished job again, a boot-time recovery that
 * fails it, a late write of the old worker: all of them come after the row looked perfect.
 * What would fool it: stopping to look at the first final state. So the run settles first.
 * Not seen by anybody, and so not judged: versions that one transaction wrote one after the other (see `versionsOf`).
 * A change that leaves status, claim, progress, counts, timestamps and error alone (a flag of the application's own)
 * is none of ours; nor is the completion time that is filled in a moment after the status.
 * What it cannot see: under polling, a change that was undone between two looks. So it passes with the trigger alone.
 */
import type { RowValues } from '../event.ts';
import { isTerminal } from '../event.ts';
import { finding } from '../findings.ts';
import { isBefore, last } from '../history.ts';
import { isSameTime } from '../timestamps.ts';
import { judgement, passedIfAllWasSeen, type Criterion } from './criterion.ts';

const JUDGED = ['status', 'taskId', 'progress', 'startedAt', 'completedAt', 'retryCount', 'error'] as const;

export const terminalIsFinal: Criterion = {
  id: 'terminal-is-final',
  title: 'its end was final',
  judge(history, facts) {
    const { terminal } = facts;
    if (terminal === undefined) return judgement('skipped', finding('no-end-to-compare'));
    let before: RowValues = terminal.values;
    for (const version of facts.changes) {
      if (!isBefore(terminal, version) || facts.artefacts.has(version.seq)) continue;
      if (version.values === null) break;
      const changed = changedRoles(before, version.values);
      if (changed.length > 0) {
        const incarnation = facts.attribute(version)?.incarnation ?? null;
        return judgement(
          'failed',
          finding('changed-after-end', {
            state: terminal.values.state,
            now: version.values.status ?? '',
            columns: changed.join(', '),
            afterMs: version.atMs - terminal.atMs,
            incarnation,
          }),
        );
      }
      before = version.values;
    }
    const settled = last(history, 'settle:ended');
    if (settled === undefined) return judgement('inconclusive', finding('not-settled'));
    const quiet = finding('unchanged-after-end', { forMs: settled.atMs - terminal.atMs });
    return passedIfAllWasSeen(history, 'a change that was undone at once', quiet);
  },
};

/** The judged columns that differ; a completion time that is filled in and a claim that is given up are no changes. */
export function changedRoles(before: RowValues, now: RowValues): readonly string[] {
  return JUDGED.filter((role) => {
    if (isSameTime(String(before[role]), String(now[role]))) return false;
    if (!isTerminal(now.state)) return true;
    const filledIn = role === 'completedAt' && before.completedAt == null;
    const givenUp = role === 'taskId' && now.taskId == null;
    return !filledIn && !givenUp;
  });
}
