/**
 * After the end the broker keeps no message, lock or active entry of the job.
 *
 * Why: what is done and never acknowledged is run again at the next restart, which may be tonight.
 * What would fool it: a broker's own list of finished jobs (that is an archive, not a message to hand out), and looking
 * too early: the acknowledgement comes a moment after the last write. So it is the last look after the settle time.
 * Alarms, repeating entries and locks that were set for the job are taken back at its end. A delayed message that was
 * sent with the end or after it (a clean-up, a report for tomorrow) is what comes next, not what was left behind.
 * What it cannot see: a broker that cannot be asked; then it is inconclusive. Where the run is given none to ask, because
 * jobs are submitted through an API, or where only the workers could tell and none answers, it is skipped, and the report
 * says why.
 */
import { describeBroker, describeDue } from '../broker-words.ts';
import { isTerminal } from '../event.ts';
import { finding, type Finding } from '../findings.ts';
import { isAfter, isOnQueue, last, lastSnapshotBefore, rowBefore, type History } from '../history.ts';
import type { RestartFacts } from '../restart.ts';
import { judgement, type Criterion } from './criterion.ts';

export const queueDrained: Criterion = {
  id: 'queue-drained',
  title: 'nothing left in the queue',
  judge(history, facts) {
    const row = rowBefore(facts.versions);
    if (row == null || !isTerminal(row.state)) return judgement('skipped', finding('no-end-to-compare'));
    // A broker that did not answer in time takes back nothing of what it had said after the end.
    const told = facts.snapshots.findLast(({ state }) => state !== 'unknown');
    const snapshot =
      told !== undefined && isAfter(told, facts.end) ? told : lastSnapshotBefore(facts.snapshots);
    const hidden = last(history, 'broker:hidden');
    if (hidden !== undefined) {
      return judgement('skipped', finding('broker-hidden', { reason: hidden.reason }));
    }
    if (snapshot?.state === 'unknown' && neverTold(history, facts)) {
      return judgement('skipped', finding('workers-do-not-tell'));
    }
    if (snapshot === undefined || snapshot.state === 'unknown') {
      return judgement('inconclusive', finding('broker-not-asked'));
    }
    if (last(history, 'settle:ended') === undefined) return judgement('inconclusive', finding('not-settled'));
    const text = describeBroker(snapshot);
    if (snapshot.state === 'dead' && row.state === 'completed') {
      return judgement('failed', finding('row-and-queue-disagree', { state: row.state, broker: text }));
    }
    const over = snapshot.state === 'ended' || snapshot.state === 'gone' || snapshot.state === 'dead';
    if (!over) {
      return judgement(
        'failed',
        finding('still-in-queue', { broker: text, due: describeDue(snapshot.due, snapshot.atMs) }),
      );
    }
    const messages = snapshot.messages ?? 0;
    if (messages > 0) return judgement('failed', finding('messages-left', { messages }));
    const leftovers = leftoversOf(history, facts);
    if (leftovers.length > 0) return judgement('failed', ...leftovers);
    return judgement('passed', finding('broker-says', { text }));
  },
};

/** Celery's workers alone know what they hold where the broker does not show it; these answer no remote control. */
function neverTold(history: History, { snapshots }: RestartFacts): boolean {
  return isOnQueue(history, 'celery') && snapshots.every(({ facts }) => facts?.['pool'] === undefined);
}

/** What is sent this short a time before the end was sent with it. */
const WITH_THE_END_MS = 500;

function leftoversOf(history: History, { job, end }: RestartFacts): readonly Finding[] {
  const look = history.of('broker:leftovers').findLast((event) => event.job === job);
  if (look === undefined) return [];
  // Of what does not tell when it was set, nobody knows that it was before the end.
  const latestMs = (end?.atMs ?? 0) - WITH_THE_END_MS;
  return look.leftovers.flatMap(({ kind, name, setAtMs, dueAtMs }) => {
    switch (kind) {
      case 'lock':
        return [finding('lock-stands', { name })];
      case 'repeating':
        return [finding('set-for-the-job', { what: name, due: 'again and again' })];
      case 'delayed': {
        const dueMs = dueAtMs ?? 0;
        if (dueMs <= look.atMs || (setAtMs ?? Number.POSITIVE_INFINITY) >= latestMs) return [];
        const due = describeDue({ kind: 'at', atMs: dueMs }, look.atMs);
        return [finding('set-for-the-job', { what: name, due })];
      }
    }
  });
}
