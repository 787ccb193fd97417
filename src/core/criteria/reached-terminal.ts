/**
 * The job reached completed, failed or cancelled within the time, and is in that state at the end.
 *
 * Why: a job that stays in processing for ever is lost to whoever waits for it, whatever the queue says.
 * What would fool it: an end that was reached before the restart, or that was left again (then the last state counts).
 * A broker that hands the job out only after our time-out is no failure yet: inconclusive, with the time it is due;
 * nor is a job that does not end while the old worker was never seen to go or no new one to come, a history that breaks
 * off, or a status whose meaning is not configured: it may be an end.
 */
import { describeBroker } from '../broker-words.ts';
import { isTerminal } from '../event.ts';
import { finding } from '../findings.ts';
import { lastSnapshotBefore, rowBefore, unmappedStatus } from '../history.ts';
import { hasNobodyCome } from '../newcomer.ts';
import { dueAfterEnd } from '../redelivery.ts';
import type { RestartFacts } from '../restart.ts';
import { judgement, type Criterion } from './criterion.ts';

export const reachedTerminal: Criterion = {
  id: 'reached-terminal',
  title: 'reached a final state',
  judge(history, facts) {
    const now = rowBefore(facts.versions);
    if (now === undefined)
      return judgement('inconclusive', finding('never-observed', { job: facts.job ?? 'none' }));
    if (now !== null && isTerminal(now.state)) return judgement('passed', reached(facts, now.state));
    if (facts.terminal !== undefined) {
      const left = finding('reached-and-left', {
        reached: facts.terminal.values.state,
        now: now === null ? 'gone' : now.state,
      });
      return judgement('failed', left);
    }
    const { struckAtMs } = facts;
    if (struckAtMs === undefined) return judgement('inconclusive', finding('no-restart'));
    const snapshot = lastSnapshotBefore(facts.snapshots);
    const afterMs = (history.events.at(-1)?.atMs ?? struckAtMs) - struckAtMs;
    const stuck = finding('not-terminal', {
      state: now === null ? 'gone' : now.state,
      progress: now?.progress ?? null,
      afterMs,
    });
    // A row that is gone will not end any more, whatever else is uncertain.
    if (now !== null) {
      const status = unmappedStatus(now);
      if (status !== undefined) return judgement('inconclusive', finding('status-not-mapped', { status }));
      const doubt = doubtOf(facts) ?? dueLater(history, facts);
      if (doubt !== undefined) return judgement('inconclusive', stuck, doubt);
    }
    return judgement('failed', stuck, finding('broker-says', { text: describeBroker(snapshot) }));
  },
};

function reached(facts: RestartFacts, state: Parameters<typeof isTerminal>[0]) {
  const { struckAtMs } = facts;
  if (struckAtMs === undefined || facts.endedBefore) return finding('reached-before-restart', { state });
  // An end that was never recorded as a change shows in a look.
  const end = facts.end ?? facts.versions.at(-1);
  return finding('reached', { state, afterMs: Math.max(0, (end?.atMs ?? struckAtMs) - struckAtMs) });
}

function doubtOf(facts: RestartFacts) {
  if (facts.gone === undefined) return finding('worker-not-seen-gone', { incarnation: facts.struck });
  if (facts.holdDoubt !== undefined) return facts.holdDoubt;
  if (hasNobodyCome(facts)) return finding('no-new-worker');
  return facts.observedToEnd ? undefined : finding('history-breaks-off');
}

function dueLater(...[history, facts]: Parameters<typeof dueAfterEnd>) {
  const due = dueAfterEnd(history, facts);
  return due === undefined ? undefined : finding('not-due-yet', { due });
}
