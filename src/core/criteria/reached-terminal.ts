/**
 * The job reached completed, failed or cancelled within the time, and is in that state at the end.
 *
 * Why: a job that stays in processing for ever is lost to whoever waits for it, whatever the queue says.
 * What would fool it: an end that was reached before the restart, or that was left again (then the last state counts).
 * A broker that hands the job out only after our time-out is no failure yet: inconclusive, with the time it is due.
 */
import { describeBroker, dueAfter } from '../broker-words.ts';
import { isTerminal } from '../event.ts';
import { finding } from '../findings.ts';
import { lastSnapshotBefore, rowBefore } from '../history.ts';
import { judgement, type Criterion } from './criterion.ts';

export const reachedTerminal: Criterion = {
  id: 'reached-terminal',
  title: 'the job reached a final state',
  judge(history, facts) {
    const now = rowBefore(facts.versions);
    if (now === undefined)
      return judgement('inconclusive', finding('never-observed', { job: facts.job ?? 'none' }));
    const sinceMs = facts.begun?.atMs ?? 0;
    if (now !== null && isTerminal(now.state)) {
      const reachedAtMs = facts.terminal?.atMs ?? facts.versions.at(-1)?.atMs ?? sinceMs;
      return judgement('passed', finding('reached', { state: now.state, afterMs: reachedAtMs - sinceMs }));
    }
    if (facts.terminal?.values != null) {
      const left = finding('reached-and-left', {
        reached: facts.terminal.values.state,
        now: now === null ? 'gone' : now.state,
      });
      return judgement('failed', left);
    }
    if (facts.begun === undefined) return judgement('inconclusive', finding('no-restart'));
    const snapshot = lastSnapshotBefore(facts.snapshots);
    const due = dueAfter(history, snapshot);
    const afterMs = (history.events.at(-1)?.atMs ?? sinceMs) - sinceMs;
    const stuck = finding('not-terminal', {
      state: now === null ? 'gone' : now.state,
      progress: now?.progress ?? null,
      afterMs,
    });
    if (due !== undefined) return judgement('inconclusive', stuck, finding('not-due-yet', { due }));
    return judgement('failed', stuck, finding('broker-says', { text: describeBroker(snapshot) }));
  },
};
